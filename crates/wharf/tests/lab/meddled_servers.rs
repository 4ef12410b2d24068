//! Real servers, each on its own: behind a box with ideas of its own about the control connection, asked for what they refuse,
//! and with a storage that takes its time. What the doctor says, what our client says, and what the server said.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::TestDirectory;
use wharf_testkit::meddling::{Meddling, MeddlingBox};
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::peers::{CONTENT, Peer, PeerKind, PeerOptions, UP};
use wharf_testkit::process::{Run, run_within};
use wharf_testkit::served::Served;

use crate::doctor::{self, Diagnosed};
use crate::document::{self, DIAGNOSIS};
use crate::{client, programs, wharf};

const LIMIT: Duration = Duration::from_secs(90);
/// How long the slow storage takes: longer than the doctor thinks that clients wait.
const SLOW: Duration = Duration::from_secs(13);

/// Their names in docs/diagnosis.md, in its order.
pub(crate) const NAMES: &[&str] = &[
    "box-does-nothing",
    "box-forces-ascii",
    "box-says-epsv-all",
    "box-answers-port",
    "another-host-is-told",
    "another-family-is-told",
    "storage-is-slow",
];

/// A server with files that may be fetched, and a directory for uploads.
enum Server {
    Ours { served: Box<Served>, _directory: TestDirectory },
    Peer(Box<Peer>),
}

impl Server {
    fn ours(namespace: &NetworkNamespace) -> Self {
        let directory = TestDirectory::new();
        for (name, content) in CONTENT {
            directory.write(name, *content);
        }
        directory.make_directory(UP);
        let mut command = Command::new(wharf());
        command.arg("serve").arg(directory.path());
        command.args(["--listen", "127.0.0.1:0", "--write", "--user", "test:secret"]);
        let served = Served::from_command(&mut namespace.adopt(&command));
        Self::Ours { served: Box::new(served), _directory: directory }
    }

    fn name(&self) -> String {
        match self {
            Self::Ours { .. } => "wharf".to_owned(),
            Self::Peer(peer) => peer.kind.to_string(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Ours { served, .. } => served.address(),
            Self::Peer(peer) => peer.address,
        }
    }

    /// Of something below the root, by way of what listens at `by`.
    fn url(&self, path: &str, by: SocketAddr) -> String {
        let url = match self {
            Self::Ours { served, .. } => format!("ftp://test:secret@{}/{path}", served.address()),
            Self::Peer(peer) => peer.url(path),
        };
        url.replace(&self.address().to_string(), &by.to_string())
    }

    /// The causes in the log of ours.
    fn logged(&self) -> Vec<String> {
        match self {
            Self::Ours { served, .. } => doctor::logged(&served.log()),
            Self::Peer(_) => Vec::new(),
        }
    }
}

/// Ours and all others that can be started here; whether that is every one of them.
fn servers(namespace: &NetworkNamespace, others: &[PeerKind]) -> (Vec<Server>, bool) {
    let options = PeerOptions::new().namespace(namespace);
    let peers: Vec<Server> = others
        .iter()
        .filter_map(|kind| Peer::start_or_skip(*kind, &options))
        .map(|peer| Server::Peer(Box::new(peer)))
        .collect();
    let is_whole = peers.len() == others.len();
    (std::iter::once(Server::ours(namespace)).chain(peers).collect(), is_whole)
}

struct Case {
    name: &'static str,
    about: &'static str,
    meddling: Meddling,
    others: &'static [PeerKind],
    doctor: &'static [&'static str],
    get: &'static [&'static str],
    /// What the doctor may say of each server; nothing where there is nothing to say.
    diagnosed: &'static [&'static str],
}

impl Case {
    const fn new(name: &'static str, about: &'static str, diagnosed: &'static [&'static str]) -> Self {
        let (doctor, get): (&[&str], &[&str]) = (&[], &[]);
        Self { name, about, meddling: Meddling::None, others: &PeerKind::ALL, doctor, get, diagnosed }
    }

    #[track_caller]
    fn run(&self) {
        // Nobody else may connect to where a client waits for a server in vain.
        let namespace = match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(reason) => wharf_testkit::skip!("{reason}"),
        };
        let (servers, is_whole) = servers(&namespace, self.others);
        let namespace = &namespace;
        let rows: Vec<String> = thread::scope(|scope| {
            let running: Vec<_> =
                servers.iter().map(|server| scope.spawn(move || self.row(namespace, server))).collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        if is_whole {
            let head = "| server | the ways | the doctor | `wharf get` | the server's words |\n|---|---|---|---|---|";
            let section = format!("## {}\n\n{}\n\n{head}\n{}", self.name, self.about, rows.join("\n"));
            document::compare_section(DIAGNOSIS, self.name, section);
        }
    }

    fn row(&self, namespace: &NetworkNamespace, server: &Server) -> String {
        let meddling = namespace.enter(|| MeddlingBox::start(server.address(), self.meddling));
        let url = server.url(&format!("{UP}/"), meddling.address());
        let mut command = client();
        command.args(["doctor", "--json", "--lang", "en", "--write"]).args(self.doctor).arg(url);
        let told = Diagnosed::from_run(run_within(LIMIT, &mut namespace.adopt(&command)));
        let (file, content) = CONTENT[0];
        let mut command = client();
        command.args(["get", "--json", "--timeout", "4", "-o", "/dev/null"]).args(self.get);
        command.arg(server.url(file, meddling.address()));
        let run = run_within(LIMIT, &mut namespace.adopt(&command));
        // Its thread ends by a connection, which has to come from here.
        namespace.enter(|| drop(meddling));
        told.check_against(&format!("{} at {}", self.name, server.name()), self.diagnosed, "");
        let is_right = done(&run).is_some_and(|event| event["bytes"] == content.len());
        let mut words = told.words();
        words.extend(server.logged().iter().map(|cause| format!("log: {cause}")));
        format!(
            "| {} | {} | {} | {} | {} |",
            server.name(),
            told.ways(),
            told.causes(),
            programs::ours(&run, is_right),
            if words.is_empty() { "–".to_owned() } else { words.join("; ").replace('|', "\\|") }
        )
    }
}

/// What our client says of a transfer that is complete.
fn done(run: &Run) -> Option<Value> {
    let output = run.output();
    let mut events = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.find(|event| event["event"] == "done")
}

#[test]
fn a_box_that_does_nothing() {
    let about = "A box stands before the server and reads the control connection; this one changes nothing. (The doctor with --write.)";
    Case::new("box-does-nothing", about, &[]).run();
}

#[test]
fn a_box_that_forces_ascii() {
    let about = "The box makes TYPE A of each TYPE I, so that every file goes over as text. (The doctor with --write.) Without the fault: \
                 [box-does-nothing](#box-does-nothing).";
    let case = Case::new("box-forces-ascii", about, &["ascii-damaged"]);
    Case { meddling: Meddling::ForcesAscii, ..case }.run();
}

#[test]
fn a_box_that_says_epsv_all() {
    let about = "The box sends EPSV ALL behind each login, as a client may (RFC 2428 §4). (The doctor with --write, `wharf get` with --mode \
                 pasv; vsftpd says the same of a mode that is switched off.) Without the fault: [box-does-nothing](#box-does-nothing).";
    let case = Case::new("box-says-epsv-all", about, &["epsv-all"]);
    Case { meddling: Meddling::SaysEpsvAll, get: &["--mode", "pasv"], ..case }.run();
}

#[test]
fn a_box_that_answers_port() {
    let about = "The box says yes to PORT and EPRT itself, and the server hears nothing of them. (The doctor with --write, `wharf get` \
                 with --active. Left out: pyftpdlib, which waits for a negotiation, and ProFTPD, which connects to the port of the control \
                 connection then (RFC 959 §3.2) and says that it was refused.) Without the fault: \
                 [box-does-nothing](#box-does-nothing).";
    let case = Case::new("box-answers-port", about, &["no-negotiation"]);
    let others = &[PeerKind::Vsftpd, PeerKind::PureFtpd];
    Case { meddling: Meddling::AnswersPort, others, get: &["--active"], ..case }.run();
}

#[test]
fn another_host_is_told() {
    let about = "The client tells the address of another host with PORT and EPRT. (The doctor with --active-address, `wharf get` with \
                 --active=ADDR.) Without the fault: [box-does-nothing](#box-does-nothing).";
    let case = Case::new("another-host-is-told", about, &["bounce-refused"]);
    Case { doctor: &["--active-address", "192.0.2.9"], get: &["--active=192.0.2.9"], ..case }.run();
}

#[test]
fn another_family_is_told() {
    let about = "The client tells an IPv6 address on a control connection that is IPv4. (The doctor with --active-address, `wharf get` \
                 with --active=ADDR.) Without the fault: [box-does-nothing](#box-does-nothing).";
    let case = Case::new("another-family-is-told", about, &["family-mismatch"]);
    Case { doctor: &["--active-address", "::1"], get: &["--active=[::1]"], ..case }.run();
}

/// A server whose files are not done when their last byte has come, as one that hands them on to a slow store.
#[test]
fn a_slow_storage() {
    let options = PeerOptions::new();
    let slow = PeerOptions::new().slow_storage(SLOW);
    let [Some(quick), Some(slow)] =
        [options, slow].map(|options| Peer::start_or_skip(PeerKind::Pyftpdlib, &options))
    else {
        return;
    };
    let seconds = SLOW.as_secs();
    let rows = thread::scope(|scope| {
        let quick = scope.spawn(|| uploads("pyftpdlib", &quick, &[]));
        let name = format!("pyftpdlib, which takes {seconds} s to close a file");
        let slow = uploads(&name, &slow, &["slow-completion"]);
        [quick.join().unwrap(), slow]
    });
    let name = "storage-is-slow";
    let about = "The server confirms an upload when its storage is done with it, which may take longer than clients wait. (The doctor with \
                 --write, `wharf put` with --timeout 4.)";
    let head = "| server | the ways | the doctor | `wharf put` |\n|---|---|---|---|";
    let section = format!("## {name}\n\n{about}\n\n{head}\n{}", rows.join("\n"));
    document::compare_section(DIAGNOSIS, name, section);
}

fn uploads(name: &str, peer: &Peer, diagnosed: &[&str]) -> String {
    let mut command = client();
    let url = peer.url(&format!("{UP}/"));
    let told = run_within(LIMIT, command.args(["doctor", "--json", "--lang", "en", "--write"]).arg(url));
    let told = Diagnosed::from_run(told);
    told.check_against(name, diagnosed, "");
    let directory = TestDirectory::new();
    let file = directory.write("file", "hello");
    let path = format!("{UP}/file");
    let put = &mut Command::new(wharf());
    put.env("XDG_STATE_HOME", "/dev/null").args(["put", "--json", "--timeout", "4"]).arg(file);
    let run = run_within(LIMIT, put.arg(peer.url(&path)));
    let is_right = fs::read(peer.root.join(path)).is_ok_and(|content| content == b"hello");
    let ours = programs::ours(&run, is_right);
    format!("| {name} | {} | {} | {ours} |", told.ways(), told.causes())
}
