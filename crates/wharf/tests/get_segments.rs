//! `wharf get -n`: a large file in pieces over several sessions, whatever stops it in between.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Background, Run, run, run_within};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;
use wharf_testkit::{TestDirectory, soak_rounds};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Longest wait for something to happen; a hang fails the test.
const PATIENCE: Duration = Duration::from_secs(60);

fn wharf(directory: &TestDirectory, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.args(words).current_dir(directory.path()).env("HOME", directory.path());
    command
}

#[track_caller]
fn get(directory: &TestDirectory, words: &[&str]) -> Run {
    let run = run(&mut wharf(directory, &[&["get"], words].concat()));
    run.assert_success();
    run
}

/// So many MiB of the sample, over and over: each a little different.
fn write_long(file: &Path, mebibytes: u64) {
    let mut block = sample(1024 * 1024);
    let mut file = File::create(file).unwrap();
    for number in 0..mebibytes {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
    }
    file.write_all(b"the end").unwrap();
}

#[track_caller]
fn assert_same(one: &Path, other: &Path) {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    let (mut left, mut right) = (vec![0; 1024 * 1024], vec![0; 1024 * 1024]);
    let mut at = 0;
    loop {
        let count = one.read(&mut left).unwrap();
        if count == 0 {
            assert_eq!(other.read(&mut right).unwrap(), 0, "the second is longer");
            return;
        }
        other.read_exact(&mut right[..count]).unwrap();
        assert!(left[..count] == right[..count], "another content behind {at}");
        at += count;
    }
}

/// 64 MiB, and 1 GiB in `cargo xtask soak --filter segments`.
#[test]
fn soak_segments_are_put_together() {
    let mebibytes = soak_rounds(64);
    let (there, here) = (TestDirectory::new(), TestDirectory::new());
    write_long(&there.join("long"), mebibytes);
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let ca = certificate.certificate();
    let [cert_flag, cert, key_flag, key] = certificate.flags();
    let served = Served::start(WHARF, there.path(), &[&cert_flag, &cert, &key_flag, &key]);
    let address = served.address();
    for (scheme, more) in [("ftp", &["--tls", "off"][..]), ("ftpes", &["--ca", ca.to_str().unwrap()])] {
        let url = format!("{scheme}://{address}/long");
        let mut command = wharf(&here, &[&["get", "-n", "4", "--json", &url], more].concat());
        let run = run_within(PATIENCE * 10, &mut command);
        let event: serde_json::Value = serde_json::from_str(&run.assert_success().output()).unwrap();
        assert_eq!(event["bytes"], mebibytes * 1024 * 1024 + 7);
        assert_same(&here.join("long"), &there.join("long"));
        assert_eq!(here.names(), ["long"], "nothing else is left");
        fs::remove_file(here.join("long")).unwrap();
    }
}

/// Waits until so many bytes of the part are there, and kills the program; or until it has ended by itself.
fn kill_at(mut program: Background, part: &Path, bytes: u64) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while program.is_running() {
        if part.metadata().is_ok_and(|metadata| metadata.blocks() * 512 >= bytes) {
            program.kill();
            return true;
        }
        assert!(Instant::now() < deadline, "it stands still: {program:?}");
        thread::yield_now();
    }
    false
}

#[test]
fn killed_at_many_points_it_never_looks_complete_and_is_gone_on_with() {
    const MEBIBYTES: u64 = 24;
    let there = TestDirectory::new();
    write_long(&there.join("long"), MEBIBYTES);
    let served = Served::start(WHARF, there.path(), &[]);
    let url = format!("ftp://{}/long", served.address());
    let here = TestDirectory::new();
    let part = here.join("long.part");
    // One after the other, in one download, in many ways.
    let ways: [&[&str]; 4] = [&["-n", "3"], &["-n", "4", "-c"], &["-c"], &["-n", "2"]];
    let mut killed = 0;
    for (round, way) in ways.iter().cycle().take(16).enumerate() {
        let words = [&["get", "--limit-rate", "100M", &url], *way].concat();
        let program = Background::start(&mut wharf(&here, &words));
        // The file has holes: what is in them is not in its blocks.
        if !kill_at(program, &part, (round as u64 + 1) * MEBIBYTES * 1024 * 1024 / 14) {
            break;
        }
        killed += 1;
        if here.holds("long") {
            // It was killed when all was done.
            break;
        }
    }
    assert!(killed > 3, "killed {killed} times only");
    get(&here, &["-n", "4", &url]);
    assert_same(&here.join("long"), &there.join("long"));
    assert!(!part.exists());
}

#[test]
fn killed_in_each_state_of_a_fresh_download() {
    const MEBIBYTES: u64 = 8;
    let there = TestDirectory::new();
    write_long(&there.join("long"), MEBIBYTES);
    let served = Served::start(WHARF, there.path(), &[]);
    let url = format!("ftp://{}/long", served.address());
    for sixteenth in 0..17 {
        let here = TestDirectory::new();
        let program = Background::start(&mut wharf(&here, &["get", "-n", "4", "--limit-rate", "60M", &url]));
        kill_at(program, &here.join("long.part"), sixteenth * MEBIBYTES * 1024 * 1024 / 16);
        if here.holds("long") {
            assert_same(&here.join("long"), &there.join("long"));
        }
        // The three ways to go on, and one that begins anew.
        let words: &[&str] = [&["-c"][..], &["-n", "2"], &["-c", "-n", "5"], &[]][sixteenth as usize % 4];
        get(&here, &[words, &[&url]].concat());
        assert_same(&here.join("long"), &there.join("long"));
        assert!(!here.join("long.part").exists(), "{:?}", here.names());
    }
}

#[test]
fn another_file_of_the_name_is_begun_anew_and_that_is_said() {
    let there = TestDirectory::new();
    let served = Served::start(WHARF, there.path(), &[]);
    let url = format!("ftp://{}/long", served.address());
    for (before, after, what) in [(8, 9, "size"), (8, 8, "time of last change")] {
        let here = TestDirectory::new();
        write_long(&there.join("long"), before);
        let hours_ago = std::time::SystemTime::now() - Duration::from_secs(7200);
        File::options().write(true).open(there.join("long")).unwrap().set_modified(hours_ago).unwrap();
        let program = Background::start(&mut wharf(&here, &["get", "-n", "3", "--limit-rate", "20M", &url]));
        assert!(kill_at(program, &here.join("long.part"), 4 * 1024 * 1024));
        write_long(&there.join("long"), after);
        let run = get(&here, &["-n", "3", &url]);
        assert!(run.errors().contains(what) && run.errors().contains("beginning anew"), "{run}");
        assert_same(&here.join("long"), &there.join("long"));
    }
}

#[test]
fn an_interruption_says_what_is_kept() {
    let there = TestDirectory::new();
    write_long(&there.join("long"), 16);
    let served = Served::start(WHARF, there.path(), &[]);
    let url = format!("ftp://{}/long", served.address());
    let here = TestDirectory::new();
    let mut program = Background::start(&mut wharf(&here, &["get", "-n", "3", "--limit-rate", "4M", &url]));
    let deadline = Instant::now() + PATIENCE;
    while here.join("long.part").metadata().map_or(0, |metadata| metadata.blocks()) == 0 {
        assert!(Instant::now() < deadline && program.is_running(), "{program:?}");
        thread::yield_now();
    }
    program.signal(Signal::INT);
    assert_eq!(program.wait(PATIENCE).unwrap().code(), Some(8));
    assert!(program.all_errors().contains("long.part"), "{program:?}");
    get(&here, &["-c", &url]);
    assert_same(&here.join("long"), &there.join("long"));
}

/// A part that has lost its journal cannot be told from a whole file by its length, were it not one byte too long.
#[test]
fn a_part_without_its_journal_is_not_gone_on_with() {
    let there = TestDirectory::new();
    write_long(&there.join("long"), 8);
    let served = Served::start(WHARF, there.path(), &[]);
    let url = format!("ftp://{}/long", served.address());
    let here = TestDirectory::new();
    let program = Background::start(&mut wharf(&here, &["get", "-n", "3", "--limit-rate", "20M", &url]));
    assert!(kill_at(program, &here.join("long.part"), 3 * 1024 * 1024));
    fs::remove_file(here.join("long.part.wharf")).unwrap();
    let refused = run(&mut wharf(&here, &["get", "-c", &url]));
    refused.assert_code(9);
    assert!(!here.holds("long"));
    get(&here, &["-n", "3", &url]);
    assert_same(&here.join("long"), &there.join("long"));
}

#[test]
fn a_server_that_lets_in_few_is_served_with_few() {
    // Two sessions of one address, by ProFTPD's own limit.
    let options = PeerOptions::new().sessions(2);
    let Some(peer) = Peer::start_or_skip(PeerKind::Proftpd, &options) else { return };
    write_long(&peer.root.join("long"), 32);
    let here = TestDirectory::new();
    let run = get(&here, &["-n", "6", "--limit-rate", "40M", &peer.url("long")]);
    assert!(run.errors().contains("fewer sessions"), "{run}");
    assert_same(&here.join("long"), &peer.root.join("long"));
}
