//! Every server × in clear and under TLS × every way to a data connection: get, put, and going on with each; and whole trees
//! of 2,000 files both ways. vsftpd, ProFTPD and ours demand that the data connection resumes the TLS session.
//!
//! Trees go in one way a server here; `cargo xtask soak --filter matrix` takes them through all.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails loudly, and says what it did")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{BIG, Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Run, run_within};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const MODES: [&str; 4] = ["epsv", "pasv", "eprt", "port"];
const FILES: usize = 2000;
const PATIENCE: Duration = Duration::from_secs(300);

/// A server, its files, and how it is spoken to.
struct Server {
    /// None is ours.
    kind: Option<PeerKind>,
    /// Of the root, ended by `/`.
    url: String,
    root: PathBuf,
    /// Where files may be sent.
    up: String,
    certificate: Option<TestCertificate>,
    _running: Running,
}

enum Running {
    Peer { _peer: Peer },
    Ours { _served: Served, _files: TestDirectory },
}

impl Server {
    /// None where it is not installed, which counts as skipped.
    fn start(kind: Option<PeerKind>, is_secured: bool) -> Option<Self> {
        let certificate = is_secured.then(|| TestCertificate::new(&["127.0.0.1"]));
        let Some(peer) = kind else { return Some(Self::ours(certificate)) };
        let options = match &certificate {
            Some(certificate) => PeerOptions::new().tls(certificate),
            None => PeerOptions::new(),
        };
        let peer = Peer::start_or_skip(peer, &options)?;
        let (url, root, up) = (peer.url(""), peer.root.clone(), peer.writable_dir.to_owned());
        Some(Self { kind, url, root, up, certificate, _running: Running::Peer { _peer: peer } })
    }

    fn ours(certificate: Option<TestCertificate>) -> Self {
        let files = TestDirectory::new();
        files.write(BIG.0, sample(BIG.1));
        files.make_directory("up");
        let mut flags = ["--user", "test:secret", "--write"].map(str::to_owned).to_vec();
        if let Some(certificate) = &certificate {
            flags.extend(["--tls", "require"].map(str::to_owned));
            flags.extend(certificate.flags());
        }
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let served = Served::start(WHARF, files.path(), &flags);
        let (url, root) = (format!("ftp://test:secret@{}/", served.address()), files.path().to_owned());
        let running = Running::Ours { _served: served, _files: files };
        Self { kind: None, url, root, up: "up".into(), certificate, _running: running }
    }

    /// Whether its user may change what is there: Pure-FTPd's is anonymous.
    fn lets_change(&self) -> bool {
        self.kind != Some(PeerKind::PureFtpd)
    }

    #[track_caller]
    fn wharf(&self, mode: &str, words: &[&str]) -> Run {
        let mut command = Command::new(WHARF);
        command.args(words).args(["--mode", mode, "--json"]).env("HOME", "/dev/null");
        match &self.certificate {
            Some(certificate) => command.args(["--tls", "require", "--ca"]).arg(certificate.certificate()),
            None => command.args(["--tls", "off"]),
        };
        let run = run_within(PATIENCE, &mut command);
        run.assert_success();
        let said = run.output();
        let last: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        if last["mode"].is_string() {
            assert_eq!(last["mode"], mode.to_uppercase(), "{run}");
            assert_eq!(last["tls"], self.certificate.is_some(), "{run}");
        }
        run
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Files one by one, in every mode.
fn files(kind: Option<PeerKind>) {
    for is_secured in [false, true] {
        if is_secured && kind == Some(PeerKind::Pyftpdlib) {
            // The peer has no TLS.
            continue;
        }
        let Some(server) = Server::start(kind, is_secured) else { return };
        for mode in MODES {
            one_by_one(&server, mode);
        }
    }
}

fn one_by_one(server: &Server, mode: &str) {
    let directory = TestDirectory::new();
    let content = sample(BIG.1);
    let (there, here) = (format!("{}{}", server.url, BIG.0), directory.join(BIG.0));
    server.wharf(mode, &["get", &there, "-o", text(&here)]);
    assert!(directory.read(BIG.0) == content, "{mode}: another content");
    directory.write(BIG.0, &content[..BIG.1 / 2]);
    let resumed = server.wharf(mode, &["get", "-c", &there, "-o", text(&here)]);
    assert!(resumed.output().contains("\"offset\":"), "{resumed}");
    assert!(directory.read(BIG.0) == content, "{mode}: another content");

    let name = format!("{}/by {mode}", server.up);
    let there = format!("{}{}/by%20{mode}", server.url, server.up);
    if server.lets_change() {
        let half = directory.write("half", &content[..BIG.1 / 2]);
        server.wharf(mode, &["put", text(&half), &there]);
        let resumed = server.wharf(mode, &["put", "-c", text(&here), &there]);
        assert!(resumed.output().contains("\"offset\":"), "{resumed}");
    } else {
        server.wharf(mode, &["put", text(&here), &there]);
    }
    assert!(std::fs::read(server.root.join(name)).unwrap() == content, "{mode}: another content");
}

/// A tree up, and down again.
fn tree(server: &Server, mode: &str) {
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    for number in 0..FILES {
        planted.write(format!("folder {}/file {number}", number % 20), sample(number % 64 + 1));
    }
    let (up, down) = (text(planted.path()), text(here.path()));
    let there = format!("{}{}/tree%20by%20{mode}/", server.url, server.up);
    let count = format!("\"transferred\":{FILES}");
    for words in [["mirror", up, &there], ["mirror", &there, down]] {
        let run = server.wharf(mode, &words);
        let done = run.output().lines().last().unwrap().to_owned();
        println!("{mode}, TLS {}: {done}", server.certificate.is_some());
        assert!(done.contains(&count), "{mode}: {done}");
    }
    assert!(here.tree() == planted.tree(), "{mode}: another tree");
}

fn is_soak() -> bool {
    std::env::var_os("WHARF_SOAK").is_some_and(|value| value == "1")
}

/// In `mode`, in clear or under TLS; in the long form in all modes, and both.
fn trees(kind: Option<PeerKind>, mode: &str, is_secured: bool) {
    if !is_soak() {
        let Some(server) = Server::start(kind, is_secured) else { return };
        return tree(&server, mode);
    }
    for is_secured in [false, true] {
        if is_secured && kind == Some(PeerKind::Pyftpdlib) {
            continue;
        }
        let Some(server) = Server::start(kind, is_secured) else { return };
        for mode in MODES {
            // pyftpdlib at times leaves an EPRT or PORT without an answer while several sessions send them.
            if kind != Some(PeerKind::Pyftpdlib) || matches!(mode, "epsv" | "pasv") {
                tree(&server, mode);
            }
        }
    }
}

macro_rules! servers {
    ($($server:ident: $kind:expr, $mode:literal, $secured:literal;)*) => {$(
        mod $server {
            use super::*;

            #[test]
            fn each_file_in_each_mode() {
                files($kind);
            }

            #[test]
            fn soak_matrix_of_trees() {
                trees($kind, $mode, $secured);
            }
        }
    )*};
}

servers! {
    vsftpd: Some(PeerKind::Vsftpd), "pasv", true;
    proftpd: Some(PeerKind::Proftpd), "eprt", false;
    pure_ftpd: Some(PeerKind::PureFtpd), "port", false;
    pyftpdlib: Some(PeerKind::Pyftpdlib), "epsv", false;
    ours: None, "epsv", true;
}
