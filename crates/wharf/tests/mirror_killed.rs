//! `wharf mirror` killed on its way, again and again: a part is gone on with where the file is still the same, and begun anew
//! where it is not. Two versions are never joined.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Background, Run, run};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const PATIENCE: Duration = Duration::from_secs(60);
const MEBIBYTE: u64 = 1024 * 1024;
const SIZE: usize = 8 * MEBIBYTE as usize;

/// The version of a file: its content, all of one length, and the time of its last change.
fn write_version(there: &TestDirectory, version: u64) -> Vec<u8> {
    let content = sample(SIZE + version as usize * 1000).split_off(version as usize * 1000);
    let file = there.write("long", &content);
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + version);
    fs::File::open(file).unwrap().set_modified(time).unwrap();
    content
}

fn mirror(served: &Served, here: &TestDirectory, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.args(["mirror", "-v", "--delete", &format!("ftp://{}/", served.address())]).arg(here.path());
    command.args(words).env("HOME", "/dev/null");
    command
}

/// Begins, and is killed when so many bytes of the part are there, of this version.
fn kill_at(served: &Served, here: &TestDirectory, version: u64, bytes: u64) {
    let mut program = Background::start(&mut mirror(served, here, &["--limit-rate", "4M"]));
    let (part, record) = (here.join("long.part"), here.join("long.part.wharf"));
    let of_version = format!("modified {}\n", 1_790_000_000 + version);
    let is_recorded = || fs::read_to_string(&record).is_ok_and(|record| record.contains(&of_version));
    let deadline = Instant::now() + PATIENCE;
    while !(is_recorded() && part.metadata().is_ok_and(|metadata| metadata.len() >= bytes)) {
        assert!(program.is_running() && Instant::now() < deadline, "{}", program.all_errors());
        thread::yield_now();
    }
    program.kill();
    assert!(!here.holds("long"), "it looks complete");
}

/// Where the transfers of a run began, in bytes, of those that did not begin at the beginning.
fn restarts(run: &Run) -> Vec<u64> {
    let errors = run.errors();
    let places = errors.lines().filter_map(|line| line.strip_prefix("> REST "));
    places.map(|place| place.parse().unwrap()).collect()
}

#[test]
fn a_part_is_gone_on_with_over_many_runs_and_versions_are_never_joined() {
    let (there, here) = (TestDirectory::new(), TestDirectory::new());
    let served = Served::start(WHARF, there.path(), &[]);
    for (version, points) in [(0, &[2, 4, 6][..]), (1, &[1]), (2, &[3, 5])] {
        write_version(&there, version);
        for point in points {
            kill_at(&served, &here, version, point * MEBIBYTE);
        }
    }
    let content = write_version(&there, 2);
    let last = run(&mut mirror(&served, &here, &[]));
    last.assert_success();
    let restarts = restarts(&last);
    assert!(restarts.len() == 1 && restarts[0] >= 4 * MEBIBYTE, "{last}");
    assert!(here.read("long") == content, "another content");
    assert_eq!(here.names(), ["long"], "nothing else is left");
    fs::remove_file(here.join("long")).unwrap();

    // The same size and time, and another content: the comparison of what is there with what comes shows it.
    write_version(&there, 3);
    kill_at(&served, &here, 3, 2 * MEBIBYTE);
    let mut content = write_version(&there, 4);
    fs::write(there.join("long"), &content).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_003);
    fs::File::open(there.join("long")).unwrap().set_modified(time).unwrap();
    let last = run(&mut mirror(&served, &here, &[]));
    last.assert_success();
    assert!(here.read("long") == content, "two versions were joined");
    assert_eq!(here.names(), ["long"]);
    fs::remove_file(here.join("long")).unwrap();

    // Without its record nothing is known of a part.
    content = write_version(&there, 5);
    kill_at(&served, &here, 5, 2 * MEBIBYTE);
    fs::remove_file(here.join("long.part.wharf")).unwrap();
    let last = run(&mut mirror(&served, &here, &[]));
    assert!(self::restarts(last.assert_success()).is_empty(), "{last}");
    assert!(here.read("long") == content, "another content");
    assert_eq!(here.names(), ["long"]);
}
