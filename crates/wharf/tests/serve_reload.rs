//! SIGHUP: what is read anew, what stays, and that nobody who transfers notices.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail loudly, and soaks tell figures")]

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use wharf_testkit::directory::sample;
use wharf_testkit::http;
use wharf_testkit::process::run;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, soak_rounds};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Longest wait for what a signal brings about.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with a file of users, and metrics that tell when a reload is over.
struct Place {
    directory: TestDirectory,
    server: Served,
    admin: SocketAddr,
}

impl Place {
    /// With these lines in wharf.toml, and the user `first` in the file.
    fn new(toml: &str) -> Self {
        let directory = TestDirectory::new();
        directory.make_directory("files");
        let place = directory.join("users.toml");
        let mut add = Command::new(WHARF);
        add.args(["user", "add", "first", "--rights", "all", "--file"])
            .arg(&place)
            .env("WHARF_PASSWORD", "secret");
        run(&mut add).assert_success();
        fs::write(directory.join("wharf.toml"), Self::toml(&directory, toml)).unwrap();
        let config = directory.join("wharf.toml");
        let config = config.to_str().unwrap();
        let mut server = Served::start(WHARF, directory.join("files"), &["--config", config, "-v"]);
        let output = server.program().output();
        let admin = output.lines().find_map(|line| line.strip_prefix("wharf: admin ")).unwrap();
        Self { admin: admin.parse().unwrap(), directory, server }
    }

    fn toml(directory: &TestDirectory, lines: &str) -> String {
        let users = directory.join("users.toml");
        format!("{lines}\n[users]\nfile = {users:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n")
    }

    fn write_toml(&self, lines: &str) {
        fs::write(self.directory.join("wharf.toml"), Self::toml(&self.directory, lines)).unwrap();
    }

    fn reloads(&self, outcome: &str) -> u64 {
        let name = format!("wharf_reloads_total{{outcome=\"{outcome}\"}} ");
        let (_, body) = http::get(self.admin, "/metrics", &[]);
        body.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
    }

    /// SIGHUP, and waits until it is over.
    fn reload(&mut self, outcome: &str) {
        let before = self.reloads(outcome);
        self.server.program().signal(Signal::HUP);
        let deadline = Instant::now() + PATIENCE;
        while self.reloads(outcome) == before {
            assert!(Instant::now() < deadline, "no reload was {outcome}: {}", self.server.log());
            std::thread::yield_now();
        }
    }

    fn try_login(&self, user: &str, password: &str) -> String {
        let mut client = ScriptedClient::connect(self.server.address());
        client.play(&format!("S: 220\nC: USER {user}\nS: 331\nC: PASS {password}"));
        client.expect_reply("*")
    }
}

fn in_image(server: SocketAddr) -> Conversation {
    let mut client = ScriptedClient::log_in(server, "first", "secret");
    client.play("C: TYPE I\nS: 200");
    client
}

#[test]
fn users_and_limits_are_read_anew_and_sessions_that_are_up_stay() {
    let mut place = Place::new("");
    let mut before = in_image(place.server.address());
    let users = place.directory.join("users.toml");
    let file = fs::read_to_string(&users).unwrap();
    fs::write(&users, file.replace("\"first\"", "\"second\"")).unwrap();
    place.write_toml("modes = [\"active\"]\n[limits]\nsessions = 200\n");
    assert!(place.try_login("second", "secret").starts_with("530"));
    place.reload("complete");
    assert!(place.try_login("second", "secret").starts_with("230"));
    assert!(place.try_login("first", "secret").starts_with("530"));
    // Who was there goes on under what was told at the login, until the next one.
    before.play(
        "C: EPSV\nS: 229\nC: MKD d\nS: 257\nC: USER second\nS: 331\nC: PASS secret\nS: 230\nC: EPSV\nS: 502",
    );
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told_with_its_line() {
    let mut place = Place::new("");
    for (toml, told) in [
        ("writ = true\n", "wharf.toml:1: unknown key `writ`; did you mean `write`?"),
        ("[tls]\ncertificate = \"/missing\"\nkey = \"/missing\"\n", "/missing"),
    ] {
        place.write_toml(toml);
        place.reload("failed");
        place.server.program().wait_for_errors(PATIENCE, |log| {
            log.contains(told) && log.contains("everything stays as it was")
        });
        assert!(place.try_login("first", "secret").starts_with("230"));
    }
    fs::write(place.directory.join("users.toml"), "[[user]]\nname = 1\n").unwrap();
    place.write_toml("");
    place.reload("failed");
    assert!(place.try_login("first", "secret").starts_with("230"));
    // What takes a restart is told.
    fs::remove_file(place.directory.join("users.toml")).unwrap();
    fs::write(place.directory.join("users.toml"), "").unwrap();
    place.write_toml("user = \"root\"\n[passive]\nports = \"40000-40001\"\n");
    place.reload("complete");
    place
        .server
        .program()
        .wait_for_errors(PATIENCE, |log| log.contains("`user` differs: that takes a restart"));
    assert!(place.try_login("first", "secret").starts_with("530"));
}

#[test]
fn log_files_that_were_moved_away_are_made_anew() {
    let place = TestDirectory::new();
    let (log, transfers) = (place.join("log"), place.join("xferlog"));
    place.write("files/file", "content");
    let mut server = Served::start(
        WHARF,
        place.join("files"),
        &[
            "--log-file",
            log.to_str().unwrap(),
            "--xferlog",
            transfers.to_str().unwrap(),
            "--log",
            "json",
            "-v",
        ],
    );
    let fetch = || {
        let mut client = ScriptedClient::log_in(server.address(), "anonymous", "x");
        client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*").open_data();
        client.play("C: RETR file\nS: 150").receive_data();
        client.expect_reply("226");
    };
    fetch();
    for file in [&log, &transfers] {
        fs::rename(file, file.with_extension("old")).unwrap();
    }
    server.program().signal(Signal::HUP);
    let deadline = Instant::now() + PATIENCE;
    // Both are open when this is said.
    while !fs::read_to_string(&log).is_ok_and(|text| text.contains("were read anew")) {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut client = ScriptedClient::log_in(server.address(), "anonymous", "x");
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*").open_data();
    client.play("C: RETR file\nS: 150").receive_data();
    client.expect_reply("226");
    let old = fs::read_to_string(log.with_extension("old")).unwrap();
    let new = fs::read_to_string(&log).unwrap();
    for text in [old, new] {
        let line = text.lines().find(|line| line.contains("transfer complete")).unwrap();
        for field in [
            "\"user\":\"anonymous\"",
            "\"mode\":\"passive\"",
            "\"bytes\":7",
            "\"endpoint\":\"127.0.0.1:",
            "\"session\":",
            "\"millis\":",
        ] {
            assert!(line.contains(field), "{field}: {line}");
        }
    }
    assert_eq!(fs::read_to_string(&transfers).unwrap().lines().count(), 1);
    assert_eq!(fs::read_to_string(transfers.with_extension("old")).unwrap().lines().count(), 1);
}

/// Threat 23: whoever transfers notices nothing of a hundred reloads.
#[test]
fn soak_reloads_cut_no_transfer() {
    let rounds = soak_rounds(100);
    let mut place = Place::new("");
    let content = sample(3 << 20);
    place.directory.write("files/file", &content);
    let (address, is_over, transfers) = (place.server.address(), AtomicBool::new(false), AtomicU64::new(0));
    // One transfer is up all the time.
    let mut long = in_image(address);
    long.play("C: PASV\nS: 227 *({six})*").open_data();
    long.play("C: STOR long\nS: 150");
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (content, is_over, transfers) = (&content, &is_over, &transfers);
            scope.spawn(move || {
                let mut client = in_image(address);
                while !is_over.load(Ordering::Relaxed) {
                    client.play("C: PASV\nS: 227 *({six})*").open_data();
                    if number == 0 {
                        client.play("C: STOR up\nS: 150").send_data(content).close_data();
                    } else {
                        client.play("C: RETR file\nS: 150");
                        assert!(client.receive_data() == *content, "the file did not arrive whole");
                    }
                    client.expect_reply("226");
                    transfers.fetch_add(1, Ordering::Relaxed);
                    // And one that logs in anew, as devices do.
                    client = in_image(address);
                }
            });
        }
        for round in 0..rounds {
            place.write_toml(if round % 2 == 0 { "[times]\nidle = 100\n" } else { "" });
            long.send_data([round as u8; 100]);
            place.reload("complete");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    long.close_data().expect_reply("226");
    assert_eq!(place.directory.read("files/long").len() as u64, rounds * 100);
    let log = place.server.log();
    println!("{rounds} reloads, {} transfers beside them", transfers.load(Ordering::Relaxed));
    assert!(transfers.load(Ordering::Relaxed) > 0);
    assert!(!log.contains("transfer failed") && !log.contains("transfer cut"), "{log}");
}
