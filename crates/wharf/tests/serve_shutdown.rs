//! How `wharf serve` starts and ends: SIGTERM once and twice, and what it says to wrong usage.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::ports::free_ports;
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::{Conversation, STEP_LIMIT, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, has_ipv6, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than all the buffers between a server and a client that does not read.
const LARGE: usize = 48 << 20;

/// A server with an idle session and one whose download stands still because the client does not read it.
struct Busy {
    served: Served,
    idle: Conversation,
    downloading: Conversation,
    _directory: TestDirectory,
}

fn busy() -> Busy {
    let directory = TestDirectory::new();
    File::create(directory.join("large")).unwrap().set_len(LARGE as u64).unwrap();
    let served = Served::start(WHARF, directory.path(), &["-v"]);
    let idle = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    let mut downloading = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    downloading.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR large\nS: 150").open_data();
    // The first byte shows that it runs.
    downloading.expect_data([0]);
    Busy { served, idle, downloading, _directory: directory }
}

#[test]
fn sigterm_lets_transfers_finish_and_takes_no_new_sessions() {
    let Busy { mut served, mut idle, mut downloading, _directory } = busy();
    let mut before_login = ScriptedClient::connect(served.address());
    before_login.expect_reply("220");
    served.program().signal(Signal::TERM);
    idle.play("S: 421").expect_close();
    before_login.play("S: 421").expect_close();
    wait_until_refused(served.address());
    assert!(served.program().is_running());
    assert_eq!(downloading.receive_data().len(), LARGE - 1);
    downloading.play("S: 226\nS: 421").expect_close();
    let status = served.program().wait(STEP_LIMIT).expect("it ends with its last session");
    let log = served.program().all_errors();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(log.matches("running transfers are waited for").count(), 1, "{log}");
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let Busy { mut served, mut idle, mut downloading, _directory } = busy();
    served.program().signal(Signal::TERM);
    idle.play("S: 421").expect_close();
    served.program().signal(Signal::TERM);
    downloading.play("S: 426\nS: 421").expect_close();
    let status = served.program().wait(STEP_LIMIT).expect("it stops though the client never reads");
    assert_eq!(status.code(), Some(0), "{}", served.log());
}

#[test]
fn a_server_without_sessions_ends_with_the_first_sigterm() {
    let directory = TestDirectory::new();
    let mut served = Served::start(WHARF, directory.path(), &[]);
    served.program().signal(Signal::TERM);
    assert_eq!(served.program().wait(STEP_LIMIT).expect("it ends").code(), Some(0));
    assert_eq!(served.log(), "");
}

#[test]
fn a_server_can_start_again_on_the_port_that_it_had() {
    let directory = TestDirectory::new();
    let mut served = Served::start(WHARF, directory.path(), &[]);
    let address = served.address();
    // The server closes first, so that its end of the connection rests in TIME_WAIT.
    let mut client = ScriptedClient::log_in(address, "anonymous", "guest");
    served.program().signal(Signal::TERM);
    client.play("S: 421").expect_close();
    served.program().wait(STEP_LIMIT).expect("it ends");
    let again = Served::start_on(WHARF, directory.path(), &address.to_string(), &[]);
    ScriptedClient::log_in(again.address(), "anonymous", "guest").play("C: QUIT\nS: 221");
}

#[test]
fn sighup_opens_the_transfer_log_anew_and_sessions_live_on() {
    let (directory, logs) = (TestDirectory::new(), TestDirectory::new());
    directory.write("file", "content");
    let (log, old) = (logs.join("xferlog"), logs.join("xferlog.1"));
    let mut served = Served::start(WHARF, directory.path(), &["--xferlog", log.to_str().unwrap()]);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    let mut fetch = || {
        client.play("C: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150").open_data();
        client.expect_data("content").expect_data_end().play("S: 226");
    };
    fetch();
    std::fs::rename(&log, &old).unwrap();
    served.program().signal(Signal::HUP);
    let deadline = Instant::now() + STEP_LIMIT;
    while !log.exists() {
        assert!(Instant::now() < deadline, "the log was not opened anew");
        thread::yield_now();
    }
    fetch();
    fetch();
    drop(served);
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(old), lines(log)), (1, 2));
}

/// Runs `wharf serve` with these arguments; it must end by itself.
fn serve(arguments: &[&str]) -> Run {
    run(Command::new(WHARF).arg("serve").args(arguments))
}

#[test]
fn wrong_usage_is_told_in_a_sentence_with_exit_code_2() {
    for (arguments, sentence) in [
        (["--passive-ports", "40000"], "\"40000\" is not a range of ports such as 40000-40099"),
        (["--passive-ports", "9-1"], "the range 9-1 runs backwards: 1-9 is meant"),
        (["--passive-ports", "0-9"], "a range of ports begins with 1 at the least"),
        (["--passive-ports", "1-65536"], "\"1-65536\" is not a range"),
        (["--modes", "both"], "invalid value 'both'"),
        (["--advertise", "::1"], "EPSV needs no address"),
        (["--advertise", "300.1.1.1"], "neither an IPv4 address nor a host name"),
        (["--active-source-port", "0"], "neither a port from 1 to 65535 nor \"any\""),
        (["--listen", "localhost"], "invalid socket address"),
        (["--nonsense", "x"], "unexpected argument '--nonsense'"),
    ] {
        let run = serve(&arguments);
        run.assert_code(2);
        assert!(run.errors().contains(sentence), "{run}");
        assert!(!run.output().contains("ready"), "{run}");
    }
}

#[test]
fn what_stops_a_start_is_told_in_a_sentence_with_exit_code_1() {
    let directory = TestDirectory::new();
    let root = directory.path().to_str().unwrap();
    let file = directory.write("file", "");
    let file = file.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, sentences) in [
        (vec!["/no/such/directory"], ["the directory /no/such/directory: No such file", "or directory"]),
        (vec![file], ["cannot open the directory", "ot a directory"]),
        (vec![root, "--listen", &taken], ["cannot listen on 127.0.0.1:", "another server runs there"]),
        (vec![root, "--listen", "192.0.2.1:0"], ["cannot listen on 192.0.2.1:0", "has no such address"]),
        (vec![root, "--xferlog", "/no/such/log"], ["cannot write the transfer log /no/such/log", "No such"]),
        (vec![root, "--user", ":secret"], ["user \"\"", "not empty"]),
        (vec![root, "--user", "me:"], ["the password of user me is empty", "anyone could log in"]),
        (vec![root, "--user", "me:a", "--user", "me:b"], ["user me is given twice", "one password"]),
        (vec![root, "--anonymous", "--user", "FTP:secret"], ["user FTP and anonymous access", "contradict"]),
    ] {
        let run = serve(&arguments);
        run.assert_code(1);
        let told = run.errors();
        assert!(sentences.iter().all(|sentence| told.contains(sentence)), "{run}");
        // Each reason once.
        assert!(told.matches("os error").count() <= 1, "{run}");
        assert!(told.starts_with("wharf: ") && told.trim_end().lines().count() == 1, "{run}");
        assert!(!run.output().contains("ready"), "{run}");
    }
}

#[test]
fn a_machine_without_ipv6_is_served_on_ipv4_unless_ipv6_was_asked_for() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => skip!("{reason}"),
    };
    run(namespace.command("ip").args(["address", "del", "::1/128", "dev", "lo"])).assert_success();
    let directory = TestDirectory::new();
    let mut command = Command::new(WHARF);
    command.args(["serve", "-v"]).arg(directory.path());
    let served = Served::from_command(&mut namespace.adopt(&command));
    assert_eq!(served.addresses(), ["127.0.0.1:2121".parse().unwrap()]);
    let log = served.stop();
    assert!(log.contains("[::1]:2121") && log.contains("skipped"), "{log}");
    command.args(["--listen", "127.0.0.1:2121", "--listen", "[::1]:2121"]);
    let asked_for = run(&mut namespace.adopt(&command));
    asked_for.assert_code(1);
    assert!(asked_for.errors().contains("cannot listen on [::1]:2121"), "{asked_for}");
}

#[test]
fn both_families_can_be_asked_for_on_one_port() {
    if !has_ipv6() {
        skip!("this machine has no IPv6");
    }
    let directory = TestDirectory::new();
    let port = *free_ports(Ipv4Addr::UNSPECIFIED.into(), 1).start();
    let listen = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
    let served = Served::start_on(WHARF, directory.path(), &listen[0], &["--listen", &listen[1]]);
    for address in ["127.0.0.1", "::1"] {
        let address = SocketAddr::new(address.parse().unwrap(), port);
        ScriptedClient::log_in(address, "anonymous", "guest").play("C: QUIT\nS: 221");
    }
    assert_eq!(served.stop(), "");
    // Alone, [::] serves both.
    let served = Served::start_on(WHARF, directory.path(), "[::]:0", &[]);
    let address = (Ipv4Addr::LOCALHOST, served.address().port()).into();
    ScriptedClient::log_in(address, "anonymous", "guest").play("C: QUIT\nS: 221");
}

#[test]
fn a_user_without_a_password_needs_one_from_the_environment() {
    let directory = TestDirectory::new();
    let without = serve(&[directory.path().to_str().unwrap(), "--listen", "127.0.0.1:0", "--user", "test"]);
    without.assert_code(1);
    assert!(without.errors().contains("set WHARF_PASSWORD"), "{without}");
    let mut command = Command::new(WHARF);
    command.arg("serve").arg(directory.path()).args(["--listen", "127.0.0.1:0", "--user", "test"]);
    let empty = run(command.env("WHARF_PASSWORD", ""));
    empty.assert_code(1);
    assert!(empty.errors().contains("the password of user test is empty"), "{empty}");
    let served = Served::from_command(command.env("WHARF_PASSWORD", "from the environment"));
    ScriptedClient::log_in(served.address(), "test", "from the environment").play("C: PWD\nS: 257");
}

#[test]
fn check_looks_at_the_flags_and_starts_nothing() {
    let directory = TestDirectory::new();
    let root = directory.path().to_str().unwrap();
    let run = serve(&[root, "--listen", "127.0.0.1:0", "--check"]);
    assert_eq!(run.assert_success().output(), "wharf: the configuration is good\n");
    assert_eq!(run.errors(), "");
    serve(&["/no/such/directory", "--check"]).assert_code(1);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    serve(&[root, "--check", "--listen", &taken.local_addr().unwrap().to_string()]).assert_code(1);
}

#[test]
fn flags_about_a_mode_that_is_not_on_offer_are_a_warning() {
    let directory = TestDirectory::new();
    let root = directory.path().to_str().unwrap();
    for (modes, flag, value) in [
        ("active", "--passive-ports", "20000-20099"),
        ("active", "--advertise", "192.0.2.1"),
        ("passive", "--active-source-port", "any"),
    ] {
        let check =
            |modes| serve(&[root, "--listen", "127.0.0.1:0", "--check", "--modes", modes, flag, value]);
        let run = check(modes);
        let warning = format!("{flag} changes nothing: --modes does not offer");
        assert!(run.assert_success().errors().contains(&warning), "{run}");
        assert_eq!(check("active,passive").assert_success().errors(), "");
    }
    assert!(serve(&["--help"]).output().contains("[default: active,passive]"));
}

/// The listener is gone a moment after the sessions were told.
fn wait_until_refused(address: SocketAddr) {
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        match TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            _ => assert!(Instant::now() < deadline, "new connections are still taken"),
        }
    }
}
