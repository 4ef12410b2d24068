//! The client as a program: exit codes, what is written where, what is printed, and what is not.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::process::Signal;
use wharf_testkit::directory::sample;
use wharf_testkit::process::{Background, Run, run};
use wharf_testkit::scripted::{Conversation, ScriptedServer};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, free_port, is_root, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

const LOGIN: &str = "S: 220 ready
    C: AUTH TLS
    S: 500 what?
    C: USER me
    S: 331 password
    C: PASS s3cret
    S: 230 in
    C: FEAT
    S: 500 what?";

const GET: &str = "C: TYPE I
    S: 200 I
    C: SIZE file
    S: 213 5
    C: EPSV
    S: 229 ok (|||{port}|)
    C: RETR file
    S: 150 here it comes";

/// `wharf` in a directory, with a home that has no netrc.
fn wharf(directory: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.args(words).current_dir(directory).env("HOME", directory);
    command
}

fn url(server: SocketAddr, path: &str) -> String {
    format!("ftp://me:s3cret@{server}/{path}")
}

/// A server that lets `me` in and goes on with `script`.
fn server(script: impl FnOnce(&mut Conversation) + Send + 'static) -> ScriptedServer {
    ScriptedServer::start(|server| {
        server.play(LOGIN);
        script(server);
    })
}

/// One that gives the file of five bytes, and takes the farewell.
fn giving_server() -> ScriptedServer {
    server(|server| {
        server.play(GET).open_data().send_data("hello").close_data().play("S: 226 done\nC: QUIT\nS: 221 bye");
    })
}

fn get(directory: &TestDirectory, server: &ScriptedServer, flags: &[&str]) -> Run {
    let url = url(server.address(), "file");
    let words = [&["get", &url], flags].concat();
    let run = run(&mut wharf(directory.path(), &words));
    assert!(!run.errors().contains("s3cret") && !run.output().contains("s3cret"), "{run}");
    run
}

#[test]
fn each_failure_has_its_exit_code() {
    let directory = TestDirectory::new();
    let refused = format!("ftp://127.0.0.1:{}/x", free_port([127, 0, 0, 1].into()));
    for (words, code) in [
        (&["get"][..], 2),
        (&["get", "http://h/x"], 2),
        (&["get", "ftp://h/"], 2),
        (&["get", "--segments", "0", "ftp://h/x"], 2),
        (&["get", "--passive", "--active", "ftp://h/x"], 2),
        (&["get", "--timeout", "0", "ftp://h/x"], 2),
        (&["get", "-o", "one", "ftp://h/x", "ftp://h/y"], 2),
        (&["get", &refused], 3),
        (&["ls", &refused], 3),
        (&["get", "ftp://no.such.host.invalid/x"], 3),
        (&["get", "--tls", "off", "ftps://h/x"], 2),
        (&["get", "--tls", "off", "ftpes://h/x"], 2),
        (&["get", "--key", "key.pem", "ftp://h/x"], 2),
        (&["get", "--ca", "no such file", "ftp://h/x"], 9),
    ] {
        let run = run(&mut wharf(directory.path(), words));
        run.assert_code(code);
        assert!(!run.errors().is_empty(), "{words:?} says why");
    }
    let login = ScriptedServer::start(|server| {
        server.play("S: 220 x\nC: AUTH TLS\nS: 502 x\nC: USER me\nS: 331 x\nC: PASS s3cret\nS: 530 no");
    });
    get(&directory, &login, &[]).assert_code(5);
    let missing = server(|server| {
        server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 550 none\nC: EPSV\nS: 229 (|||{port}|)");
        server.play("C: RETR file\nS: 550 No such file, sorry.\nC: QUIT\nS: 221 bye");
    });
    assert!(get(&directory, &missing, &[]).assert_code(6).errors().contains("No such file, sorry."));
    let no_data = server(|server| {
        server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 5\nC: EPSV\nS: 502 no\nC: PASV\nS: 502 no");
        server.play("C: QUIT\nS: 221 bye");
    });
    let run = get(&directory, &no_data, &["--passive", "--json"]);
    assert!(run.assert_code(7).errors().contains("mode-disabled"), "{run}");
    assert!(run.output().contains("\"findings\"") && run.output().contains("\"exit\":7"), "{run}");
    let cut = server(|server| {
        server.play(GET).open_data().send_data("hel").close_data().play("S: 226 done\nC: QUIT\nS: 221 bye");
    });
    get(&directory, &cut, &[]).assert_code(8);
    get(&directory, &giving_server_without_end(), &["-o", "no/such/folder"]).assert_code(9);
    let silent = server(|server| {
        server.play(GET).open_data().send_data("hello").close_data().expect_close();
    });
    get(&directory, &silent, &["-o", "unconfirmed", "--timeout", "0.5"]).assert_code(10);
    assert_eq!(directory.names(), ["file.part", "unconfirmed.part"]);
}

/// The local file makes trouble before anything is fetched.
fn giving_server_without_end() -> ScriptedServer {
    server(|server| {
        server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 5\nC: QUIT\nS: 221 bye");
    })
}

/// Threat 26.
#[test]
fn line_ends_in_a_url_are_refused_before_a_byte_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let directory = TestDirectory::new();
    for tail in ["a%0d%0aDELE%20b", "a%00", "a\r\nDELE b"] {
        run(&mut wharf(directory.path(), &["get", &url(address, tail)])).assert_code(2);
    }
    let wrong = [format!("ftp://u%0ax:p@{address}/x"), format!("ftp://u:s3cret%0dx@{address}/x")];
    for url in &wrong {
        let run = run(&mut wharf(directory.path(), &["get", url]));
        assert!(!run.assert_code(2).errors().contains("s3cret"), "{run}");
    }
    run(&mut wharf(directory.path(), &["mv", &url(address, "a"), "b\r\nDELE c"])).assert_code(2);
    assert!(listener.accept().is_err(), "somebody connected");
}

#[test]
fn the_dialogue_hides_the_password_and_says_how_data_was_made() {
    let directory = TestDirectory::new();
    let run = get(&directory, &giving_server(), &["-v"]);
    let said = run.assert_success().errors();
    for line in ["> PASS ****", "> USER me", "< 226 done", "EPSV 127.0.0.1:"] {
        assert!(said.contains(line), "{line} in {run}");
    }
    assert_eq!(run.output(), "");
}

#[test]
fn json_tells_each_file() {
    let directory = TestDirectory::new();
    let run = get(&directory, &giving_server(), &["--json"]);
    let event: serde_json::Value = serde_json::from_str(&run.assert_success().output()).unwrap();
    assert_eq!(event["event"], "done");
    assert_eq!((&event["file"], &event["mode"]), (&"file".into(), &"EPSV".into()));
    assert_eq!(event["bytes"], 5);
    assert!(event["millis"].is_u64() && event["endpoint"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(run.errors(), "");
}

#[test]
fn quiet_is_quiet_and_standard_output_gets_the_bytes() {
    let directory = TestDirectory::new();
    let run = get(&directory, &giving_server(), &["-o", "-"]);
    assert_eq!((run.assert_success().output().as_str(), run.errors().as_str()), ("hello", ""));
    let run = get(&directory, &giving_server(), &["--quiet"]);
    assert_eq!((run.assert_success().output().as_str(), run.errors().as_str()), ("", ""));
    assert_eq!(directory.names(), ["file"]);
}

#[test]
fn output_to_a_directory_a_device_a_fifo_a_socket_and_a_link() {
    let directory = TestDirectory::new();
    directory.make_directory("folder");
    get(&directory, &giving_server(), &["-o", "folder"]).assert_success();
    assert_eq!(directory.read("folder/file"), b"hello");

    get(&directory, &giving_server(), &["-o", "/dev/null"]).assert_success();
    assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());

    let fifo = directory.join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from(0o600), 0).unwrap();
    let path = fifo.clone();
    let reader = thread::spawn(move || std::fs::read(path).unwrap());
    get(&directory, &giving_server(), &["-o", "fifo"]).assert_success();
    assert_eq!(reader.join().unwrap(), b"hello");
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());

    let socket = UnixListener::bind(directory.join("socket")).unwrap();
    let reader = thread::spawn(move || {
        let mut content = Vec::new();
        socket.accept().unwrap().0.read_to_end(&mut content).unwrap();
        content
    });
    get(&directory, &giving_server(), &["-o", "socket"]).assert_success();
    assert_eq!(reader.join().unwrap(), b"hello");

    directory.write("behind", "something longer");
    directory.make_link("link", "behind");
    get(&directory, &giving_server(), &["-o", "link"]).assert_success();
    assert!(directory.join("link").is_symlink());
    assert_eq!(directory.read("behind"), b"hello");
    assert_eq!(directory.names(), ["behind", "fifo", "folder", "link", "socket"]);
}

/// S6.
#[test]
fn a_device_node_stays_one_even_for_root() {
    if !is_root() {
        skip!("making a device node needs root");
    }
    let directory = TestDirectory::new();
    let node = directory.join("null");
    if let Err(error) = mknodat(CWD, &node, FileType::CharacterDevice, Mode::from(0o666), makedev(1, 3)) {
        skip!("no device node can be made here: {error}");
    }
    if let Err(error) = File::options().write(true).open(&node) {
        skip!("device nodes do not work here: {error}");
    }
    get(&directory, &giving_server(), &["-o", "null"]).assert_success();
    get(&directory, &giving_server(), &["-c", "-o", "null"]).assert_success();
    assert!(node.symlink_metadata().unwrap().file_type().is_char_device());
    assert_eq!(directory.names(), ["null"]);
}

#[test]
fn a_part_that_is_a_link_is_not_followed() {
    let directory = TestDirectory::new();
    directory.write("precious", "keep me");
    directory.make_link("file.part", "precious");
    get(&directory, &giving_server_without_end(), &[]).assert_code(9);
    assert_eq!(directory.read("precious"), b"keep me");
}

#[test]
fn ctrl_c_leaves_a_part_that_can_be_gone_on_with() {
    let directory = TestDirectory::new();
    let first = server(|server| {
        server.play(GET).open_data().send_data("hel").expect_close();
    });
    let address = url(first.address(), "file");
    let mut client = Background::start(&mut wharf(directory.path(), &["get", &address]));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !directory.holds("file.part") || directory.read("file.part") != b"hel" {
        assert!(Instant::now() < deadline, "nothing came");
        thread::sleep(Duration::from_millis(5));
    }
    client.signal(Signal::INT);
    let status = client.wait(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(8), "{client:?}");
    assert!(client.errors().contains("kept as file.part: go on with --continue"), "{client:?}");
    first.finish();
    assert_eq!(directory.names(), ["file.part"]);
    get(&directory, &giving_server(), &["-c"]).assert_success();
    assert_eq!(directory.names(), ["file"]);
    assert_eq!(directory.read("file"), b"hello");
}

#[test]
fn a_closed_pipe_is_a_quiet_end() {
    let served_directory = TestDirectory::new();
    served_directory.write("big", sample(8 << 20));
    for number in 0..3000 {
        served_directory.write(format!("a rather long name, number {number}, to fill the pipe"), "");
    }
    let served = Served::start(WHARF, served_directory.path(), &[]);
    let big = format!("ftp://{}/big", served.address());
    let root = format!("ftp://{}/", served.address());
    for words in
        [&["cat", &big][..], &["get", "-o", "-", &big], &["ls", "-l", &root], &["ls", "--json", &root]]
    {
        let mut command = wharf(served_directory.path(), words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut start = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), errors.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_closed_standard_output_is_trouble_with_a_file() {
    let served_directory = TestDirectory::new();
    served_directory.write("file", "hello");
    let served = Served::start(WHARF, served_directory.path(), &[]);
    let address = served.address();
    for words in ["cat", "get -o -", "ls", "ls --json", "stat", "get --json -o copy"] {
        let script = format!("exec {WHARF} {words} ftp://{address}/file >&-");
        let run = run(Command::new("sh").args(["-c", &script]).current_dir(served_directory.path()));
        assert!(run.assert_code(9).errors().contains("standard output"), "{words}: {run}");
    }
}

#[test]
fn a_password_shows_in_no_message() {
    let directory = TestDirectory::new();
    for words in [
        &["ls", "ftp://me:s3cret@h/", "ftp://me:s3cret@h/x"][..],
        &["get", "--passive=ftp://me:s3cret@h/"],
        &["get", "ftp://me:s3cret@h:port/"],
        &["get", "me:s3cret@h/x"],
        &["put", "ftp://me:s3cret@h/"],
    ] {
        let run = run(&mut wharf(directory.path(), words));
        assert!(!run.assert_code(2).errors().contains("s3cret"), "{run}");
    }
    let run = run(&mut wharf(directory.path(), &["get", "me:s3cret@h/x"]));
    assert!(run.errors().contains("me:****@h/x"), "{run}");
}

#[test]
fn options_between_words_listings_in_files_and_failures_as_json() {
    let served_directory = TestDirectory::new();
    served_directory.write("a\\b", "x");
    let served = Served::start(WHARF, served_directory.path(), &["--write"]);
    let here = TestDirectory::new();
    here.write("one", "first");
    here.write(OsStr::from_bytes(b"caf\xE9 \x1b[2J"), "second");
    let url = |path: &str| format!("ftp://{}/{path}", served.address());
    let say = |words: &[&str]| run(&mut wharf(here.path(), words));

    say(&["put", "one", "-4", &url("one")]).assert_success();
    say(&["get", &url(";type=d"), "-o", "listing"]).assert_success();
    let listing = String::from_utf8(here.read("listing")).unwrap();
    assert!(listing.lines().any(|name| name == "a\\b") && listing.lines().count() == 2, "{listing}");
    say(&["get", &url("a\\b")]).assert_success();
    assert_eq!(here.read("a\\b"), b"x");

    for words in [&["ls", "--json", &url("nowhere")][..], &["mv", "--json", &url("nowhere"), "x"]] {
        let run = say(words);
        let event: serde_json::Value = serde_json::from_str(&run.assert_code(6).output()).unwrap();
        assert_eq!((&event["event"], &event["exit"]), (&"error".into(), &6.into()), "{run}");
    }
    let mut command = wharf(here.path(), &["put", "--json"]);
    let run = run(command.arg(OsStr::from_bytes(b"caf\xE9 \x1b[2J")).arg(url("two")));
    let event: serde_json::Value = serde_json::from_str(&run.assert_success().output()).unwrap();
    assert_eq!(event["file_hex"], "636166e9201b5b324a", "{run}");
    let run = say(&["get", &url("a%1b[2Jb")]);
    assert!(!run.assert_code(6).errors().contains('\u{1b}'), "{run}");
}

#[test]
fn an_interrupted_transfer_is_tried_again_and_gone_on_with() {
    let directory = TestDirectory::new();
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        server.play(LOGIN).play(GET).open_data();
        if number == 0 {
            server.send_data("hel").close_data().close();
        } else {
            server.send_data("hello").close_data().play("S: 226 done\nC: QUIT\nS: 221 bye");
        }
    });
    get(&directory, &server, &["--retry", "1"]).assert_success();
    assert_eq!(directory.read("file"), b"hello");
    server.finish_all();
}

#[test]
fn several_urls_share_a_session_and_the_first_failure_counts() {
    let directory = TestDirectory::new();
    let server = server(|server| {
        server.play(
            "C: DELE a\nS: 550 none\nC: DELE b\nS: 250 gone\nC: DELE c\nS: 450 busy\nC: QUIT\nS: 221 bye",
        );
    });
    let urls: Vec<String> = ["a", "b", "c"].iter().map(|path| url(server.address(), path)).collect();
    let words: Vec<&str> = ["rm", "--json"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    let run = run(&mut wharf(directory.path(), &words));
    run.assert_code(6);
    assert_eq!(run.output().lines().count(), 3, "{run}");
    assert!(run.output().contains("\"removed\"") && !run.output().contains("s3cret"));
    server.finish();
}

#[test]
fn netrc_is_read() {
    let directory = TestDirectory::new();
    directory.write(".netrc", "machine 127.0.0.1 login me password s3cret\n");
    let server = giving_server();
    let url = format!("ftp://{}/file", server.address());
    run(&mut wharf(directory.path(), &["get", &url])).assert_success();
    server.finish();
}

/// All commands, with `wharf serve` at the other end.
#[test]
fn files_and_directories_are_sent_listed_changed_and_fetched() {
    let served_directory = TestDirectory::new();
    let served = Served::start(WHARF, served_directory.path(), &["--write", "--user", "me:s3cret"]);
    let here = TestDirectory::new();
    here.write("one", "first\n");
    here.write("two words", sample(100_000));
    let url = |path: &str| url(served.address(), path);
    let say = |words: &[&str]| run(&mut wharf(here.path(), words));

    say(&["put", "--mkdir", "one", "two words", &url("new/deep/")]).assert_success();
    say(&["put", "one", &url("new")]).assert_success();
    say(&["put", "-c", "one", &url("new/one")]).assert_success();
    assert_eq!(say(&["put", "one", "two words", &url("new/one")]).code(), 2);
    say(&["put", "missing", &url("x")]).assert_code(9);
    assert_eq!(served_directory.read("new/deep/two words"), sample(100_000));

    assert_eq!(say(&["ls", &url("new/deep")]).assert_success().output().lines().count(), 2);
    let long = say(&["ls", "-l", &url("new")]);
    assert!(long.assert_success().output().contains(" one\n"), "{long}");
    let json = say(&["ls", "--json", &url("new/deep")]);
    let entries: serde_json::Value = serde_json::from_str(&json.assert_success().output()).unwrap();
    let sizes: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["size"].as_u64()).collect();
    assert!(sizes.contains(&Some(100_000)), "{json}");
    say(&["ls", &url("nowhere")]).assert_code(6);
    let status = say(&["stat", "--json", &url("new/one")]);
    let status: serde_json::Value = serde_json::from_str(&status.assert_success().output()).unwrap();
    assert_eq!((&status["type"], &status["size"]), (&"file".into(), &6.into()));

    assert_eq!(say(&["cat", &url("new/one"), &url("new/deep/one")]).output(), "first\nfirst\n");
    assert_eq!(say(&["cat", &url("new/one;type=a")]).assert_success().output(), "first\n");
    assert_eq!(say(&["get", &url("new;type=d")]).assert_success().output().lines().count(), 2);
    say(&["get", "-o", "copy", &url("new/deep/two%20words")]).assert_success();
    assert_eq!(here.read("copy"), sample(100_000));

    say(&["mv", &url("new/one"), "new/deep/other"]).assert_success();
    say(&["mv", &url("new/deep/other"), &url("new/one")]).assert_success();
    say(&["mv", &url("new/one"), "new/deep/"]).assert_success();
    say(&["rm", &url("new/deep/one"), &url("new/deep/two%20words")]).assert_success();
    say(&["rmdir", &url("new/deep/"), &url("new/")]).assert_success();
    say(&["mkdir", &url("again/")]).assert_success();
    say(&["mkdir", &url("again")]).assert_code(6);
    assert_eq!(served_directory.names(), ["again"]);
}

#[test]
fn standard_input_is_sent() {
    let served_directory = TestDirectory::new();
    let served = Served::start(WHARF, served_directory.path(), &["--write"]);
    let target = format!("ftp://{}/piped", served.address());
    let content = sample(1_000_000);
    for mode in ["epsv", "pasv", "eprt", "port"] {
        let mut command = wharf(served_directory.path(), &["put", "--mode", mode, "-", &target]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&content).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(served_directory.read("piped") == content, "{mode}");
    }
}

#[test]
fn every_command_explains_itself() {
    let directory = TestDirectory::new();
    for command in ["get", "put", "ls", "cat", "rm", "mkdir", "rmdir", "mv", "stat"] {
        let help = run(&mut wharf(directory.path(), &[command, "--help"]));
        let text = help.assert_success().output();
        assert!(text.contains("Example") && text.contains("ftp://") && text.contains("--mode"), "{text}");
    }
    let general = run(Command::new(WHARF).arg(OsStr::new("--help")));
    assert!(general.assert_success().output().contains("Examples:"));
}
