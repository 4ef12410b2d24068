//! `wharf mirror` from server to server (S16): directly in either direction, and through us where one of them refuses.
//!
//! Each server has a loopback address of its own, and we have another: whoever let a stranger in, or connected to the
//! wrong one, shows.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions, UP};
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::ScriptedServer;
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn mirror(words: &[&str]) -> Run {
    run(Command::new(WHARF).arg("mirror").args(words).env("HOME", "/dev/null"))
}

/// A server that can be mirrored from and to.
enum Server {
    Peer(Peer),
    Ours(TestDirectory, Served),
}

impl Server {
    /// None where it is not installed.
    fn start(kind: Option<PeerKind>, address: Ipv4Addr, fxp: bool) -> Option<Self> {
        match kind {
            Some(kind) => {
                let options = PeerOptions::new().address(address);
                let options = if fxp { options.fxp() } else { options };
                Some(Self::Peer(Peer::start_or_skip(kind, &options)?))
            }
            None => Some(ours(address, if fxp { "fxp.users = ['test']" } else { "" })),
        }
    }

    fn url(&self, path: &str) -> String {
        match self {
            Self::Peer(peer) => peer.url(&format!("{UP}/{path}")),
            Self::Ours(_, served) => format!("ftp://test:secret@{}/{UP}/{path}", served.address()),
        }
    }

    /// Where the tree lies on the disk.
    fn up(&self) -> PathBuf {
        match self {
            Self::Peer(peer) => peer.root.join(UP),
            Self::Ours(directory, _) => directory.join("files").join(UP),
        }
    }
}

fn ours(address: Ipv4Addr, toml: &str) -> Server {
    let directory = TestDirectory::new();
    directory.make_directory("files/up");
    let text = format!("listen = ['{address}:0']\nroot = 'files'\nwrite = true\n{toml}\n");
    let config = directory.write("wharf.toml", text);
    let mut command = Command::new(WHARF);
    command.arg("serve").arg("--config").arg(config).args(["--user", "test:secret"]);
    let served = Served::from_command(&mut command);
    Server::Ours(directory, served)
}

/// Puts a tree at a server, the way its user would.
fn plant(server: &Server) -> TestDirectory {
    let planted = TestDirectory::new();
    for (name, length) in [("big", 900_000), ("sub/with space", 1234), ("sub/deeper/empty", 0), ("x.part", 7)]
    {
        let file = planted.write(name, sample(length));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + length as u64);
        fs::File::open(file).unwrap().set_modified(time).unwrap();
    }
    mirror(&[planted.path().to_str().unwrap(), &server.url("tree")]).assert_success();
    planted
}

fn tree(server: &Server, name: &str) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut files = std::collections::BTreeMap::new();
    let root = server.up().join(name);
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.insert(path.strip_prefix(&root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// The routes of all files, as `--json` tells them.
fn routes(run: &Run) -> Vec<String> {
    let output = run.output();
    let events = output.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events
        .filter(|event| event["event"] == "transferred")
        .map(|event| {
            format!("{} {}", event["route"].as_str().unwrap(), event["listener"].as_str().unwrap_or("-"))
        })
        .collect()
}

/// From the one to the other: directly where `listener` says who listens, else through us.
#[track_caller]
fn goes(from: &Server, to: &Server, name: &str, listener: Option<&str>, flags: &[&str]) {
    let (source, destination) = (from.url("tree"), to.url(name));
    let run = mirror(&[&["--json", &source, &destination], flags].concat());
    run.assert_success();
    let wanted = listener.map_or("through -".to_owned(), |listener| format!("direct {listener}"));
    let routes = routes(&run);
    assert!(routes.len() == 4 && routes.iter().all(|route| route.starts_with(&wanted)), "{routes:?}: {run}");
    assert!(tree(from, "tree") == tree(to, name), "another tree\n{run}");
    let notes = run.output().matches("files go through this machine").count();
    let is_told = listener.is_none() && !flags.contains(&"off");
    assert_eq!(notes, usize::from(is_told), "{run}");
    // Nothing is left to do.
    let again = mirror(&[&source, &destination]);
    assert!(again.assert_success().output().starts_with("0 files copied"), "{again}");
}

/// `listener` is who listens, empty where either may.
fn both_ways(one: Option<PeerKind>, other: Option<PeerKind>, listener: &str, flags: &[&str]) {
    let (Some(first), Some(second)) = (Server::start(one, FIRST, true), Server::start(other, SECOND, true))
    else {
        return;
    };
    plant(&first);
    goes(&first, &second, "there", Some(listener), &[flags, &["--fxp", "require"]].concat());
    plant(&second);
    goes(&second, &first, "back", Some(listener), flags);
    goes(&second, &first, "through", None, &[flags, &["--fxp", "off"]].concat());
}

#[test]
fn vsftpd_and_proftpd_exchange_files() {
    both_ways(Some(PeerKind::Vsftpd), Some(PeerKind::Proftpd), "source", &[]);
}

#[test]
fn pure_ftpd_and_pyftpdlib_exchange_files() {
    let (Some(pure_ftpd), Some(pyftpdlib)) = (
        Server::start(Some(PeerKind::PureFtpd), FIRST, true),
        Server::start(Some(PeerKind::Pyftpdlib), SECOND, true),
    ) else {
        return;
    };
    plant(&pyftpdlib);
    goes(&pyftpdlib, &pure_ftpd, "back", Some(""), &["-P", "1", "--fxp", "require"]);
    goes(&pyftpdlib, &pure_ftpd, "through", None, &["--fxp", "off"]);
    // pyftpdlib loses a small file that has come before it looks, and never confirms it: such a one is tried the other way, and
    // goes through us in the end. The large one is there when it looks.
    let (source, destination) = (pure_ftpd.url("back"), pyftpdlib.url("there"));
    let run = mirror(&["--json", &source, &destination, "-P", "1", "--timeout", "5"]);
    let routes = routes(run.assert_success());
    assert!(routes.len() == 4 && routes[0].starts_with("direct "), "{routes:?}: {run}");
    assert!(tree(&pure_ftpd, "back") == tree(&pyftpdlib, "there"), "another tree\n{run}");
}

#[test]
fn ours_and_proftpd_exchange_files() {
    both_ways(None, Some(PeerKind::Proftpd), "source", &[]);
}

#[test]
fn ours_and_vsftpd_exchange_files() {
    both_ways(Some(PeerKind::Vsftpd), None, "source", &[]);
}

/// Where only one of them may be told of a stranger, the other one listens; the refusals are found by trying.
#[test]
fn where_the_source_cannot_listen_the_destination_does() {
    // It connects to the other, which is all that it may.
    let first = ours(FIRST, "fxp.users = ['test']\nmodes = ['active']");
    let second = ours(SECOND, "fxp.users = ['test']");
    plant(&first);
    goes(&first, &second, "there", Some("destination"), &["--fxp", "require"]);
}

fn goes_through(one: Option<PeerKind>, other: Option<PeerKind>) {
    let (Some(first), Some(second)) = (Server::start(one, FIRST, false), Server::start(other, SECOND, false))
    else {
        return;
    };
    plant(&first);
    goes(&first, &second, "there", None, &[]);
    let run = mirror(&["--fxp", "require", &first.url("tree"), &second.url("never")]);
    assert!(run.assert_code(7).errors().contains("do not exchange files directly"), "{run}");
    assert!(tree(&second, "never").is_empty(), "something is left: {run}");
}

#[test]
fn vsftpd_and_pyftpdlib_refuse_and_files_go_through_us() {
    goes_through(Some(PeerKind::Vsftpd), Some(PeerKind::Pyftpdlib));
}

#[test]
fn proftpd_and_pure_ftpd_refuse_and_files_go_through_us() {
    goes_through(Some(PeerKind::Proftpd), Some(PeerKind::PureFtpd));
}

#[test]
fn ours_and_proftpd_refuse_and_files_go_through_us() {
    goes_through(None, Some(PeerKind::Proftpd));
}

/// ProFTPD plays the client of TLS, as SSCN tells it.
#[test]
fn files_that_are_encrypted_go_directly_where_one_knows_sscn() {
    let certificate = TestCertificate::new(&["localhost"]);
    let options = |address| PeerOptions::new().address(address).fxp().tls(&certificate);
    let Some(first) = Peer::start_or_skip(PeerKind::Proftpd, &options(FIRST)) else { return };
    let Some(second) = Peer::start_or_skip(PeerKind::PureFtpd, &options(SECOND)) else { return };
    let (first, second) = (Server::Peer(first), Server::Peer(second));
    plant(&first);
    goes(&first, &second, "there", Some("source"), &["--tls", "require", "--insecure"]);
    // The other way, it is the destination that plays the client.
    plant(&second);
    goes(&second, &first, "back", Some("source"), &["--tls", "require", "--insecure"]);
}

#[test]
fn files_that_are_encrypted_go_through_us_where_nobody_plays_the_client() {
    let certificate = TestCertificate::new(&["localhost"]);
    let options = |address| PeerOptions::new().address(address).fxp().tls(&certificate);
    let Some(first) = Peer::start_or_skip(PeerKind::Vsftpd, &options(FIRST)) else { return };
    let Some(second) = Peer::start_or_skip(PeerKind::PureFtpd, &options(SECOND)) else { return };
    let (first, second) = (Server::Peer(first), Server::Peer(second));
    plant(&first);
    goes(&first, &second, "there", None, &[]);
}

/// What a mirror can do holds for two servers too.
#[test]
fn options_of_the_mirror_hold_between_two_servers() {
    let (first, second) = (ours(FIRST, ""), ours(SECOND, ""));
    plant(&first);
    let (source, destination) = (first.url("tree"), second.url("copy"));
    let dry = mirror(&["--dry-run", &source, &destination]);
    assert!(dry.assert_success().output().contains("would copy big"), "{dry}");
    assert!(!second.up().join("copy").exists());
    mirror(&["--exclude", "sub", &source, &destination]).assert_success();
    assert_eq!(tree(&second, "copy").len(), 2);
    fs::write(second.up().join("copy/too much"), "").unwrap();
    let deleted = mirror(&["--delete", &source, &destination]);
    assert!(deleted.assert_success().output().contains("1 deleted"), "{deleted}");
    assert!(tree(&first, "tree") == tree(&second, "copy"));
    // One that is newer at the destination stays.
    let file = second.up().join("copy/big");
    fs::write(&file, "newer").unwrap();
    mirror(&["--newer", &source, &destination]).assert_success();
    assert_eq!(fs::read(&file).unwrap(), b"newer");
    mirror(&[&source, &destination]).assert_success();
    assert!(fs::read(&file).unwrap() == sample(900_000));
}

const LOGIN: &str = "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER test\nS: 331 x\nC: PASS secret\nS: 230 x\nC: FEAT\nS: 500 x\n\
    C: SYST\nS: 215 UNIX";

/// A source with one file, which has been listed.
fn listed(server: &mut wharf_testkit::scripted::Conversation) {
    server.play(LOGIN).play("C: TYPE A\nS: 200 x\nC: EPSV\nS: 229 (|||{port}|)\nC: LIST -a tree\nS: 150 x");
    server.open_data().send_data("-rw-r--r-- 1 a a 5 Jan 1 2020 file\r\n").close_data().play("S: 226 x");
}

/// Threat 27: a 227 that names somebody else leads nobody there, unless that was asked for.
#[test]
fn a_227_with_another_host_is_followed_only_where_that_is_allowed() {
    for (flags, wanted) in [(&[][..], "127,0,0,2"), (&["--fxp-foreign-address"], "10,9,8,7")] {
        let source = ScriptedServer::start_on(FIRST, |server| {
            listed(server);
            server.play(
                "C: TYPE I\nS: 200 x\nC: PASV\nS: 227 (10,9,8,7,40,1)\nC: RETR tree/file\nS: 150 x\nS: 226 x",
            );
            server.play("C: MDTM tree/file\nS: 500 x\nC: QUIT\nS: 221 x");
        });
        let destination = ScriptedServer::start_on(SECOND, move |server| {
            server.play(
                "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER test\nS: 331 x\nC: PASS secret\nS: 230 x\nC: FEAT",
            );
            server.play("S: 211-x\nS:  MFMT\nS: 211 x\nC: PWD\nS: 257 \"/\"\nC: CWD copy\nS: 550 x\nC: MKD copy\nS: 257 x");
            server.play(&format!("C: TYPE I\nS: 200 x\nC: PORT {wanted},40,1\nS: 200 x"));
            server.play("C: STOR copy/file.part\nS: 150 x\nS: 226 x\nC: SIZE copy/file.part\nS: 213 5");
            server.play("C: RNFR copy/file.part\nS: 350 x\nC: RNTO copy/file\nS: 250 x\nC: QUIT\nS: 221 x");
        });
        let url = |server: &ScriptedServer, path| format!("ftp://test:secret@{}/{path}", server.address());
        let (from, to) = (url(&source, "tree"), url(&destination, "copy"));
        mirror(&[&[&*from, &to, "-P", "1"], flags].concat()).assert_success();
        source.finish();
        destination.finish();
    }
}

/// What breaks off leaves nothing under the file's name, and the server that is still at it is told to stop.
#[test]
fn a_transfer_that_breaks_off_leaves_no_part_under_the_files_name() {
    let source = ScriptedServer::start_on(FIRST, |server| {
        listed(server);
        server.play(
            "C: TYPE I\nS: 200 x\nC: PASV\nS: 227 (127,0,0,2,40,1)\nC: RETR tree/file\nS: 150 x\nS: 426 cut",
        );
        server.play("C: QUIT\nS: 221 x");
    });
    let destination = ScriptedServer::start_on(SECOND, |server| {
        server.play("S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER test\nS: 331 x\nC: PASS secret\nS: 230 x\nC: FEAT\nS: 500 x");
        server.play("C: PWD\nS: 257 \"/\"\nC: CWD copy\nS: 550 x\nC: MKD copy\nS: 257 x");
        server
            .play("C: TYPE I\nS: 200 x\nC: PORT 127,0,0,2,40,1\nS: 200 x\nC: STOR copy/file.part\nS: 150 x");
        server.play(
            "C: ABOR\nS: 426 x\nS: 226 x\nC: SIZE copy/file.part\nS: 213 3\nC: DELE copy/file.part\nS: 250 x",
        );
        server.play("C: QUIT\nS: 221 x");
    });
    let url = |server: &ScriptedServer, path| format!("ftp://test:secret@{}/{path}", server.address());
    let run = mirror(&[&url(&source, "tree"), &url(&destination, "copy"), "-P", "1"]);
    assert!(run.assert_code(8).errors().contains("426 cut"), "{run}");
    source.finish();
    destination.finish();
}
