//! `wharf mirror` against vsftpd, ProFTPD, Pure-FTPd and pyftpdlib.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Run, run};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const FILES: usize = 60;

#[track_caller]
fn mirror(words: &[&str]) -> Run {
    let run = run(Command::new(WHARF).arg("mirror").args(words).env("HOME", "/dev/null"));
    run.assert_success();
    run
}

/// So many files in several directories, hours old.
fn plant(directory: &TestDirectory) {
    for number in 0..FILES {
        let folder = ["", "sub/", "sub/deeper still/"][number % 3];
        let name = format!("{folder}{} {number}", ["file", "with space", "it's #1;&%41"][number % 3]);
        let file = directory.write(&name, sample(number * 100));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + 61 * number as u64);
        fs::File::open(file).unwrap().set_modified(time).unwrap();
    }
}

fn mirrors_both_ways(kind: PeerKind) {
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new()) else { return };
    // pyftpdlib at times leaves an EPRT or PORT without an answer while several sessions send them.
    let modes = if kind == PeerKind::Pyftpdlib { &["--passive"][..] } else { &["--passive", "--active"] };
    for mode in modes {
        mirrors_in(&peer, mode);
    }
}

fn mirrors_in(peer: &Peer, mode: &str) {
    let mirror = |words: &[&str]| mirror(&[words, &[mode]].concat());
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    plant(&planted);
    let (up, down) = (planted.path().to_str().unwrap(), here.path().to_str().unwrap());
    let remote = peer.url(&format!("{}/tree{mode}", peer.writable_dir));
    let transferred = format!("{FILES} files");
    let first = mirror(&[up, &remote]);
    assert!(first.output().starts_with(&transferred), "{first}");
    let first = mirror(&[&remote, down]);
    assert!(first.output().starts_with(&transferred), "{first}");
    assert!(here.tree() == planted.tree(), "another tree");
    for words in [[up, &remote], [&remote, down]] {
        let again = mirror(&words);
        assert!(again.output().starts_with("0 files"), "{again}");
        assert!(again.output().contains(&format!("{FILES} unchanged")), "{again}");
    }
    // Changed here, by size and by time; and one that is too much there.
    planted.write("file 0", "longer");
    // A copy at vsftpd, which takes no times, may be as young as the change.
    let length = if peer.kind == PeerKind::Vsftpd { 101 } else { 100 };
    let file = planted.write("sub/with space 1", sample(length).iter().map(|byte| !byte).collect::<Vec<_>>());
    // Not in the very second in which a server that keeps no times got the last one.
    fs::File::open(file).unwrap().set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    fs::remove_file(planted.join("file 3")).unwrap();
    fs::remove_dir_all(planted.join("sub/deeper still")).unwrap();
    let changed = mirror(&["--delete", up, &remote]);
    assert!(changed.output().starts_with("2 files"), "{changed}");
    let changed = mirror(&["--delete", &remote, down]);
    assert!(changed.output().starts_with("2 files"), "{changed}");
    assert!(here.tree() == planted.tree(), "another tree\n{changed}");
}

#[test]
fn vsftpd_is_mirrored_both_ways() {
    mirrors_both_ways(PeerKind::Vsftpd);
}

/// vsftpd has no MLSD, and its LIST hides them.
#[test]
fn names_with_a_dot_in_front_come_from_a_server_without_mlsd() {
    let Some(peer) = Peer::start_or_skip(PeerKind::Vsftpd, &PeerOptions::new()) else { return };
    let (planted, here) = (TestDirectory::new(), TestDirectory::new());
    for name in [".profile", "plain", ".folder/.inner", ".folder/other"] {
        planted.write(name, name);
    }
    let (up, down) = (planted.path().to_str().unwrap(), here.path().to_str().unwrap());
    let remote = peer.url(&format!("{}/hidden", peer.writable_dir));
    mirror(&[up, &remote]);
    let run = mirror(&[&remote, down]);
    assert!(here.tree() == planted.tree(), "another tree\n{run}");
    // Known, so that they can be deleted.
    fs::remove_file(planted.join(".profile")).unwrap();
    mirror(&["--delete", up, &remote]);
    mirror(&["--delete", &remote, down]);
    assert!(here.tree() == planted.tree(), "another tree");
}

#[test]
fn proftpd_is_mirrored_both_ways() {
    mirrors_both_ways(PeerKind::Proftpd);
}

#[test]
fn pure_ftpd_is_mirrored_both_ways() {
    mirrors_both_ways(PeerKind::PureFtpd);
}

#[test]
fn pyftpdlib_is_mirrored_both_ways() {
    mirrors_both_ways(PeerKind::Pyftpdlib);
}
