//! `wharf bench`: every work against our server and others, what it leaves behind, and what it says when things go wrong.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
use wharf_testkit::process::{Background, Run, run};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const WAIT: Duration = Duration::from_secs(30);

fn bench(url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.args(["bench", "--json", url]).args(words).env("HOME", "/nowhere");
    command
}

fn object(run: &Run) -> Value {
    serde_json::from_str(&run.output()).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// Runs it to its end, which is to be without any failure, and returns its object.
#[track_caller]
fn measure(url: &str, words: &[&str]) -> Value {
    let run = run(&mut bench(url, words));
    run.assert_success();
    let object = object(&run);
    assert_eq!(object["failures"], Value::Array(Vec::new()), "{object:#}");
    assert_eq!(object["left_behind"], Value::Array(Vec::new()), "{object:#}");
    object
}

/// Everything below `directory`, so that it can be compared.
fn names(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        names.push(path.display().to_string());
        if path.is_dir() {
            names.extend(self::names(&path));
        }
    }
    names.sort();
    names
}

/// A directory with a large file and small ones.
fn content() -> TestDirectory {
    let directory = TestDirectory::new();
    directory.write("large", sample(3_000_017));
    for index in 0..5 {
        directory.write(format!("small/{index}"), sample(1000));
    }
    directory
}

/// Each work, with a number of operations that is soon done.
fn every_work(server: &str, flags: &[&str]) {
    let on = |path: &str, words: &[&str]| {
        measure(&format!("{server}{path}"), &[&["--parallel", "2", "--count", "6"], words, flags].concat())
    };
    let down = on("large", &["--work", "down"]);
    assert_eq!((&down["operations"], &down["latency"]["count"]), (&6.into(), &6.into()));
    assert!(down["tls"].is_string() || down["bytes"] == 6 * 3_000_017, "{down:#}");
    let small = on("small", &["--work", "small"]);
    assert_eq!((&small["operations"], &small["bytes"]), (&6.into(), &6000.into()));
    let up = on("", &["--work", "up", "--size", "1500000"]);
    assert_eq!((&up["operations"], &up["bytes"]), (&6.into(), &9_000_000.into()));
    let small_up = on("small/", &["--work", "small-up"]);
    assert_eq!((&small_up["operations"], &small_up["bytes"]), (&6.into(), &6144.into()));
    for listing in ["LIST", "NLST", "mlsd"] {
        let list = on("small", &["--work", "list", "--listing", listing]);
        assert_eq!(list["operations"], 6);
        assert!(list["bytes"].as_u64().unwrap() > 0 && list["first_byte"]["count"] == 6, "{list:#}");
    }
    assert_eq!(on("", &["--work", "login"])["operations"], 6);
    let idle = on("", &["--work", "idle"]);
    assert_eq!((&idle["operations"], &idle["sessions"]["up"]), (&6.into(), &2.into()));
    for work in ["down", "small"] {
        let prepared = on("", &["--work", work, "--prepare", "--files", "40", "--size", "3000"]);
        assert_eq!(prepared["operations"], 6, "{prepared:#}");
    }
}

fn every_work_of_ours(mode: &str) {
    let directory = content();
    let before = names(directory.path());
    let served = Served::start(WHARF, directory.path(), &["--write"]);
    every_work_and_a_prepared_listing(&format!("ftp://{}/", served.address()), &["--mode", mode]);
    assert_eq!(names(directory.path()), before, "something was left behind");
}

/// A listing of 10,000 files takes long to prepare in a development build.
fn every_work_and_a_prepared_listing(server: &str, flags: &[&str]) {
    every_work(server, flags);
    measure(server, &[&["--work", "list", "--prepare", "--files", "60", "--count", "2"], flags].concat());
}

#[test]
fn every_work_in_passive_mode() {
    every_work_of_ours("epsv");
}

#[test]
fn every_work_in_active_mode() {
    every_work_of_ours("port");
}

#[test]
fn every_work_under_tls() {
    let directory = content();
    let before = names(directory.path());
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let flags = certificate.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--write"]).collect();
    let served = Served::start(WHARF, directory.path(), &flags);
    let authority = certificate.certificate();
    let trusted = ["--ca", authority.to_str().unwrap()];
    every_work_and_a_prepared_listing(&format!("ftpes://{}/", served.address()), &trusted);
    let url = format!("ftpes://{}/large", served.address());
    let active = measure(&url, &[&trusted[..], &["--mode", "eprt", "--count", "12"]].concat());
    assert_eq!((&active["tls"], &active["mode"]), (&"1.3".into(), &"EPRT".into()));
    assert_eq!(names(directory.path()), before, "something was left behind");
}

#[test]
fn real_servers_are_loaded_too() {
    for kind in PeerKind::ALL {
        let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new()) else { return };
        let before = names(&peer.root);
        let words = ["--count", "4", "--parallel", "2", "--work"];
        for (path, work) in [
            ("big.bin", "down"),
            ("directory", "small"),
            ("directory", "list"),
            ("up", "up"),
            ("up", "small-up"),
            ("", "login"),
            ("", "idle"),
        ] {
            let words = [&words[..], &[work, "--size", "50000"]].concat();
            assert_eq!(measure(&peer.url(path), &words)["operations"], 4, "{kind}: {work}");
        }
        assert_eq!(names(&peer.root), before, "{kind}: something was left behind");
    }
}

#[test]
fn only_the_server_that_was_named_is_connected_to() {
    let directory = content();
    let served = Served::start(WHARF, directory.path(), &["--advertise", "192.0.2.1"]);
    let url = format!("ftp://{}/large", served.address());
    assert_eq!(measure(&url, &["--mode", "pasv", "--count", "2"])["operations"], 2);
}

#[test]
fn the_table_is_for_people() {
    let directory = content();
    let served = Served::start(WHARF, directory.path(), &[]);
    let url = format!("ftp://me:secret@{}/small", served.address());
    let mut command = Command::new(WHARF);
    let anonymous = url.replace("me:secret@", "anonymous:secret@");
    let run = run(command.args(["bench", "--work", "small", "--count", "30", &anonymous]));
    let output = run.assert_success().output();
    for part in ["files         30 in ", "MB/s", "p50 ", "p99 ", "this program  ", " cores"] {
        assert!(output.contains(part), "no {part:?}\n{run}");
    }
    assert!(
        run.errors().starts_with("wharf: small: download small files in 8 sessions with 127.0.0.1"),
        "{run}"
    );
    assert!(!run.errors().contains("secret"), "{run}");
}

#[test]
fn failures_are_counted_by_kind_with_the_first_one_s_words() {
    let directory = content();
    let served = Served::start(WHARF, directory.path(), &[]);
    let server = format!("ftp://{}", served.address());
    let missing = run(&mut bench(&format!("{server}/gone"), &["--parallel", "1", "--mode", "epsv"]));
    let told = object(missing.assert_code(6));
    assert_eq!((&told["operations"], &told["failures"][0]["kind"]), (&0.into(), &"refused".into()));
    assert!(
        told["failures"][0]["first"].as_str().unwrap().starts_with("RETR gone was refused: \"550 "),
        "{told:#}"
    );
    let read_only = run(&mut bench(&server, &["--work", "small", "--prepare"]));
    read_only.assert_code(6);
    assert!(read_only.errors().contains("cannot be made on the server: MKD wharf-bench-"), "{read_only}");
    run(&mut bench(&format!("{server}/"), &[])).assert_code(2);
    run(&mut bench("ftp://127.0.0.1:1/x", &[])).assert_code(3);
    let proxied = run(&mut bench(&format!("{server}/x"), &["--proxy", "socks5://127.0.0.1:1"]));
    assert!(proxied.assert_code(2).errors().contains("leave --proxy out"), "{proxied}");
    run(&mut bench(&format!("ftp://me:wrong@{}/x", served.address()), &[])).assert_code(5);
}

#[test]
fn an_interruption_ends_it_in_order_and_prints_what_was_measured() {
    let directory = content();
    let served = Served::start(WHARF, directory.path(), &["--write"]);
    let before = names(directory.path());
    let words = ["--work", "small-up", "--seconds", "600", "--warm-up", "0.001"];
    let mut program = Background::start(&mut bench(&format!("ftp://{}/", served.address()), &words));
    // The last session's tenth file shows that all are at work.
    while !names(directory.path()).iter().any(|name| name.ends_with("-7-10")) {
        assert!(program.is_running(), "{program:?}");
        std::thread::yield_now();
    }
    program.signal(Signal::INT);
    let status = program.wait(WAIT).unwrap();
    assert_eq!(status.code(), Some(8), "{program:?}");
    program.wait_for_output(WAIT, |output| output.ends_with('\n'));
    let told: Value = serde_json::from_str(&program.output()).unwrap();
    assert_eq!(told["interrupted"], true);
    assert!(told["operations"].as_u64().unwrap() > 0, "{told:#}");
    assert_eq!(names(directory.path()), before, "something was left behind");
}
