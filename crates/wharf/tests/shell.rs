//! `wharf shell` as scripts use it: against real servers, and where it stops.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::peers::{BIG, Peer, PeerKind, PeerOptions, UP};
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::{Conversation, ScriptedServer};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// `wharf shell` in a directory that is its home too.
fn command(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.arg("shell").args(words).current_dir(directory).env("HOME", directory);
    for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "STATE_DIRECTORY"] {
        command.env_remove(variable);
    }
    command
}

fn shell(directory: &TestDirectory, words: &[&str]) -> Run {
    run(&mut command(directory.path(), words))
}

/// One of ours, which may be written to.
fn ours() -> (TestDirectory, Served) {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &["--user", "me:s3cret", "--write"]);
    (directory, served)
}

fn url(served: &Served) -> String {
    format!("ftp://me:s3cret@{}/", served.address())
}

/// Every kind of command once, over one session.
const ERRANDS: &str = "put local.txt remote.txt; get remote.txt back.txt; size remote.txt; mkdir 'a sub'; cd 'a sub'; pwd; \
    cdup; mv remote.txt 'a sub/'; ls 'a sub'; mput [ab]*.dat; nlist *.dat; lcd here; mget *.dat 'a sub'/rem*; \
    mdelete *.dat; rm 'a sub/remote.txt'; rmdir 'a sub'; quote NOOP; lcd ..; lpwd; cat ../hello.txt";

fn does_errands(url: &str, up: &str) {
    let directory = TestDirectory::new();
    directory.write("local.txt", "some text\n");
    for name in ["a 1.dat", "b2.dat", "c3.dat"] {
        directory.write(name, name);
    }
    directory.make_directory("here");
    let errands = format!("cd {up}; {ERRANDS}");
    let run = shell(&directory, &["-v", url, "-c", &errands]);
    let said = run.assert_success().output();
    assert_eq!(directory.read("back.txt"), b"some text\n", "{run}");
    assert_eq!(directory.read("here/a 1.dat"), b"a 1.dat");
    assert_eq!(directory.read("here/remote.txt"), b"some text\n");
    assert_eq!(
        TestDirectory::names(&directory),
        ["a 1.dat", "b2.dat", "back.txt", "c3.dat", "here", "local.txt"]
    );
    for wanted in ["remote.txt\t10", &format!("/{up}/a sub"), "b2.dat\n", "200", "hello, world"] {
        assert!(said.contains(wanted), "{wanted}: {run}");
    }
    assert!(!said.contains("c3.dat"), "{run}");
    assert_eq!(run.errors().matches("> PASS ****").count(), 1, "one login: {run}");
}

fn peer_does_errands(kind: PeerKind) {
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new()) else { return };
    does_errands(&peer.url(""), UP);
    assert!(std::fs::read_dir(peer.root.join(UP)).unwrap().next().is_none(), "something is left");
}

#[test]
fn errands_at_vsftpd() {
    peer_does_errands(PeerKind::Vsftpd);
}

#[test]
fn errands_at_proftpd() {
    peer_does_errands(PeerKind::Proftpd);
}

#[test]
fn errands_at_pure_ftpd() {
    peer_does_errands(PeerKind::PureFtpd);
}

#[test]
fn errands_at_pyftpdlib() {
    peer_does_errands(PeerKind::Pyftpdlib);
}

#[test]
fn errands_at_ours() {
    let (directory, served) = ours();
    directory.write("hello.txt", "hello, world\n");
    directory.make_directory("up");
    does_errands(&url(&served), "up");
}

#[test]
fn a_script_stops_at_the_first_failure_with_its_exit_code() {
    let (at_server, served) = ours();
    at_server.write("file", "content");
    let directory = TestDirectory::new();
    let url = url(&served);
    for (script, code) in [
        ("get missing; get file", 6),
        ("frobnicate; get file", 2),
        ("get; get file", 2),
        ("put missing; get file", 9),
        ("lcd /no/such/place; get file", 9),
        ("cd missing; get file", 6),
        ("mget missing*; get file", 2),
        ("quote RETR file; get file", 2),
        ("quote NOPE; get file", 6),
        ("user me wrong; get file", 5),
        ("open 127.0.0.1 1; get file", 3),
        ("!exit 3; get file", 9),
        ("close; get file", 2),
        ("get 'file", 2),
    ] {
        let run = shell(&directory, &[&url, "-c", script]);
        assert!(!run.assert_code(code).errors().is_empty(), "{script} says why");
        assert!(!directory.holds("file"), "{script} went on: {run}");
        assert!(!format!("{run}").replace(&url, "").contains("s3cret"), "{run}");
    }
    shell(&directory, &["-c", "get file"]).assert_code(2);
    shell(&directory, &["no-such-bookmark.invalid", "-c", "get file"]).assert_code(3);
    // Of several files, the others are fetched nonetheless.
    at_server.write("other", "content");
    let run = shell(&directory, &[&url, "-c", "mget missing other; get file"]);
    run.assert_code(6);
    assert_eq!(directory.names(), ["other"]);
}

#[test]
fn scripts_come_from_a_file_or_from_standard_input() {
    let (at_server, served) = ours();
    at_server.write("a file", "content");
    let directory = TestDirectory::new();
    let script = format!(
        "# a comment\nopen {}\n\nget \\\n  'a file' \\\n  one # and another\nquit\nnonsense\n",
        url(&served)
    );
    let file = directory.write("script", &script);
    shell(&directory, &["-f", file.to_str().unwrap()]).assert_success();
    assert_eq!(directory.read("one"), b"content");
    for words in [&["-f", "-"][..], &[]] {
        std::fs::remove_file(directory.join("one")).unwrap();
        let mut shell = command(directory.path(), words).stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
        assert_eq!(directory.read("one"), b"content");
    }
    shell(&directory, &["-f", "no such file"]).assert_code(9);
}

#[test]
fn results_are_objects_where_that_is_asked_for() {
    let (at_server, served) = ours();
    at_server.write("file", "content");
    let directory = TestDirectory::new();
    let script = "pwd; passive off; get file; stat file; ls; quote NOOP; jobs; status; help get; hash file";
    let run = shell(&directory, &["--json", &url(&served), "-c", script]);
    // A listing is an array of several lines.
    let lines = run.assert_success().output().replace("[\n", "[").replace("\n]", "]");
    let events: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events[0]["path"]), (&"directory".into(), &"/".into()), "{run}");
    assert_eq!(events[1]["mode"], "off");
    assert_eq!((&events[2]["event"], &events[2]["opened_by"]), (&"done".into(), &"server".into()), "{run}");
    assert_eq!(events[3]["size"], 7);
    assert_eq!(events[4][0]["name"], "file");
    assert_eq!(events[5]["code"], 200);
    assert_eq!(events[6]["mode"], "active: EPRT, PORT");
    // As `wharf hash` tells it.
    let mut hash = Command::new(WHARF);
    hash.args(["hash", "--json", &format!("{}%2Ffile", url(&served))]).env("HOME", "/dev/null");
    let told = wharf_testkit::process::run(&mut hash);
    let told: serde_json::Value = serde_json::from_str(told.assert_success().output().trim()).unwrap();
    assert_eq!(told["algorithm"], "SHA-512", "{told}");
    assert_eq!(events.last(), Some(&told), "{run}");
}

/// S18, in a script.
#[test]
fn passive_changes_the_mode_of_the_next_transfer() {
    let (at_server, served) = ours();
    at_server.write("file", "content");
    let directory = TestDirectory::new();
    let script = "nlist; passive; nlist; epsv off; nlist; passive; nlist; epsv on; passive on; nlist";
    let run = shell(&directory, &["-v", "--mode", "pasv", &url(&served), "-c", script]);
    let said = run.assert_success().output();
    for line in ["Passive mode: off", "Passive mode: on"] {
        assert!(said.contains(line), "{line}: {run}");
    }
    let errors = run.errors();
    let modes: Vec<&str> = errors
        .lines()
        .filter_map(|line| line.strip_prefix("* data connection by "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    // The flag says PASV alone, so what it is switched to is as plain.
    assert_eq!(modes, ["PASV", "PORT", "PORT", "PASV", "EPSV"], "{run}");
    assert_eq!(errors.matches("> PASS").count(), 1, "one login: {run}");
}

#[test]
fn text_and_parts() {
    let (at_server, served) = ours();
    at_server.write("text", "one\ntwo\n");
    at_server.write("big", sample(300_000));
    let directory = TestDirectory::new();
    directory.write("big.part", &sample(300_000)[..100_000]);
    directory.write("up", sample(50_000));
    at_server.write("up", &sample(50_000)[..20_000]);
    let script = "ascii; get text; binary; reget big; reput up; type";
    let run = shell(&directory, &["-v", &url(&served), "-c", script]);
    assert!(run.assert_success().output().ends_with("Type: binary.\n"), "{run}");
    assert_eq!(directory.read("text"), b"one\ntwo\n");
    assert!(directory.read("big") == sample(300_000) && at_server.read("up") == sample(50_000));
    for command in ["> TYPE A", "> REST ", "> APPE "] {
        assert!(run.errors().contains(command), "{command}: {run}");
    }
}

#[test]
fn jobs_go_on_beside_the_shell_and_are_waited_for() {
    let (at_server, served) = ours();
    at_server.write("dir/one", sample(1_000_000));
    at_server.write("two", "2");
    at_server.write("fifo", "");
    let directory = TestDirectory::new();
    // The job keeps its place while the shell goes elsewhere.
    let script = "cd dir; get one & cd /; lcd elsewhere; get two; wait; get missing & wait 2";
    directory.make_directory("elsewhere");
    let run = shell(&directory, &[&url(&served), "-c", script]);
    run.assert_code(6);
    assert!(run.errors().contains("[1] done: get one"), "{run}");
    assert!(run.errors().contains("[2] failed (exit code 6): get missing"), "{run}");
    assert!(directory.read("one") == sample(1_000_000));
    assert_eq!(directory.read("elsewhere/two"), b"2");
    // At the end they are waited for without a word, and their failure is the script's.
    shell(&directory, &[&url(&served), "-c", "get missing &"]).assert_code(6);
    shell(&directory, &[&url(&served), "-c", "kill 1"]).assert_code(2);
}

#[test]
fn a_job_that_waits_for_ever_is_stopped() {
    let (at_server, served) = ours();
    at_server.write("file", sample(1_000_000));
    let directory = TestDirectory::new();
    // Nobody reads from it.
    Command::new("mkfifo").arg(directory.join("pipe")).status().unwrap();
    let run = shell(&directory, &[&url(&served), "-c", "get file pipe & jobs; kill 1; jobs; get file"]);
    assert!(run.assert_success().output().contains("[1] get file pipe"), "{run}");
    assert!(run.errors().contains("[1] stopped: get file pipe"), "{run}");
    assert!(directory.read("file") == sample(1_000_000));
}

#[test]
fn trees_are_mirrored_from_where_the_user_is() {
    let (at_server, served) = ours();
    at_server.write("pub/tree/a/b", "b");
    at_server.write("pub/tree/c", "c");
    let directory = TestDirectory::new();
    let script = "cd pub; mirror tree; mirror --exclude c tree other; mirror -R other back; cd back; cat a/b";
    let run = shell(&directory, &[&url(&served), "-c", script]);
    run.assert_success();
    assert_eq!(directory.read("tree/a/b"), b"b");
    assert!(directory.holds("tree/c") && directory.holds("other/a/b") && !directory.holds("other/c"));
    assert_eq!(at_server.read("pub/back/a/b"), b"b");
    shell(&directory, &[&url(&served), "-c", "mirror --nonsense a b"]).assert_code(2);
}

#[test]
fn bookmarks_keep_the_place_and_no_password() {
    let (at_server, served) = ours();
    at_server.write("pub/file", "content");
    let directory = TestDirectory::new();
    directory.write(".netrc", "machine 127.0.0.1 login me password s3cret\n");
    shell(&directory, &[&url(&served), "-c", "cd pub; bookmark add here"]).assert_success();
    let kept = String::from_utf8(directory.read(".config/wharf/bookmarks.toml")).unwrap();
    assert!(kept.contains("here = ") && !kept.contains("s3cret") && !kept.contains("****"), "{kept}");
    shell(&directory, &["here", "-c", "get file"]).assert_success();
    assert_eq!(directory.read("file"), b"content");
    let listed = shell(&directory, &["-c", "bookmark; bookmark del here; bookmark list"]);
    assert_eq!(listed.assert_success().output().lines().count(), 1, "{listed}");
    shell(&directory, &["-c", "bookmark del here"]).assert_code(2);
}

/// A server that timed the session out is logged in to again, in the same directory.
#[test]
fn a_session_that_timed_out_is_opened_again_by_itself() {
    let log_in = |server: &mut Conversation| {
        server.play("C: USER me\nS: 331 x\nC: PASS s3cret\nS: 230 in");
    };
    let directory = TestDirectory::new();
    let flag = directory.join("timed out");
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = ScriptedServer::start_many(address, 2, move |number, server| {
        server.play("S: 220 x");
        if number == 0 {
            server.play("C: AUTH TLS\nS: 500 x");
            log_in(server);
            server.play("C: FEAT\nS: 500 x\nC: PWD\nS: 257 \"/home\"\nC: CWD /home/sub\nS: 250 x\nC: PWD");
            server.play("S: 257 \"/home/sub\" x\nC: DELE /home/sub/a\nS: 250 x\nS: 421 Timeout.").close();
            std::fs::write(&flag, "").unwrap();
        } else {
            log_in(server);
            server.play("C: CWD /home/sub\nS: 250 x\nC: DELE /home/sub/b\nS: 250 x\nC: STAT\nS: 211 x");
            server.play("C: QUIT\nS: 221 x");
        }
    });
    let url = format!("ftp://me:s3cret@{}/", server.address());
    let script = "cd sub; rm a\n!until [ -e 'timed out' ]; do sleep 0.05; done\nrm b; quote STAT";
    let run = shell(&directory, &["-v", &url, "-c", script]);
    run.assert_success();
}

#[test]
fn a_large_file_is_paged_to_a_script_as_it_is() {
    let Some(peer) = Peer::start_or_skip(PeerKind::Pyftpdlib, &PeerOptions::new()) else { return };
    let directory = TestDirectory::new();
    let run = shell(&directory, &[&peer.url(""), "-c", &format!("more {}", BIG.0)]);
    assert!(run.assert_success().stdout == sample(BIG.1));
}

#[test]
fn help_knows_each_command() {
    let directory = TestDirectory::new();
    let run = shell(&directory, &["-c", "help; help mget; ? passive"]);
    let said = run.assert_success().output();
    for wanted in ["mget [-c] PATTERN...", "passive [on|off|auto]", "quit"] {
        assert!(said.contains(wanted), "{wanted}: {run}");
    }
}
