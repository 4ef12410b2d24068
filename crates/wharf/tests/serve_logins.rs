//! Who gets in, how often and how many at once: limits, wrong logins, and programs that decide.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail loudly, and soaks tell figures")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use wharf_testkit::http;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, soak_rounds};

/// Longest wait for a line of the log, which comes through a pipe.
const PATIENCE: Duration = Duration::from_secs(20);
const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Serves `files` of a new directory with this wharf.toml.
fn serve(toml: &str) -> (TestDirectory, Served) {
    serve_in(TestDirectory::new(), toml)
}

fn serve_in(directory: TestDirectory, toml: &str) -> (TestDirectory, Served) {
    directory.make_directory("files");
    let config = directory.join("wharf.toml");
    fs::write(&config, toml).unwrap();
    let served = Served::start(WHARF, directory.join("files"), &["--config", config.to_str().unwrap(), "-v"]);
    (directory, served)
}

/// USER and PASS; the reply to the latter.
fn try_login(server: &Served, user: &str, password: &str) -> String {
    let mut client = ScriptedClient::connect(server.address());
    client.play(&format!("S: 220\nC: USER {user}\nS: 331\nC: PASS {password}"));
    client.expect_reply("*")
}

fn greeted(server: &Served) -> Conversation {
    let mut client = ScriptedClient::connect(server.address());
    client.expect_reply("220");
    client
}

/// Connects until the greeting starts with `code`: a place is given back a moment behind a close.
fn wait_for_greeting(server: &Served, code: &str) -> Conversation {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let mut client = ScriptedClient::connect(server.address());
        let reply = client.expect_reply("*");
        if reply.starts_with(code) {
            return client;
        }
        assert!(Instant::now() < deadline, "{reply}");
    }
}

#[test]
fn a_session_too_many_is_told_so_and_one_that_ended_makes_room() {
    let (_directory, server) = serve("[limits]\nsessions = 3\n");
    let mut sessions = [greeted(&server), greeted(&server), greeted(&server)];
    let mut fourth = ScriptedClient::connect(server.address());
    fourth.play("S: 421 All 3 sessions of this server are in use; try again later.").expect_close();
    sessions[0].play("C: QUIT\nS: 221").expect_close();
    wait_for_greeting(&server, "220");

    let (_directory, mut server) = serve("[limits]\nsessions_per_address = 1\n");
    let _first = greeted(&server);
    let mut second = ScriptedClient::connect(server.address());
    second.play("S: 421 Your address has its 1 sessions already*").expect_close();
    server.program().wait_for_errors(PATIENCE, |log| log.contains("session-limit"));
}

/// A server that runs out of descriptors tells those who come, and does not spin meanwhile.
#[test]
fn without_descriptors_clients_are_told_and_served_again_later() {
    let directory = TestDirectory::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 48; exec \"$@\"", "sh", WHARF, "serve"]);
    command.arg(directory.path()).args(["--listen", "127.0.0.1:0"]);
    let mut server = Served::from_command(&mut command);
    let mut sessions = Vec::new();
    loop {
        let mut client = ScriptedClient::connect(server.address());
        let reply = client.expect_reply("*");
        if reply.starts_with("421") {
            assert_eq!(reply, "421 This server has no room for another connection now; try again later.");
            client.expect_close();
            break;
        }
        assert!(reply.starts_with("220") && sessions.len() < 60, "{reply}");
        sessions.push(client);
    }
    // Whoever comes now waits for the pause at most, and the server sleeps in between.
    let ticks = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let pid = server.program().id();
    let (before, started) = (ticks(pid), Instant::now());
    for _ in 0..10 {
        ScriptedClient::connect(server.address()).play("S: 421").expect_close();
    }
    let used = Duration::from_millis((ticks(pid) - before) * 10);
    assert!(used < started.elapsed() / 2, "{used:?} of {:?}", started.elapsed());
    // Those who are there are served, and who goes makes room.
    sessions[0].play("C: NOOP\nS: 200");
    sessions.clear();
    wait_for_greeting(&server, "220");
    assert_eq!(server.log().matches("no descriptor is left").count(), 1, "{}", server.log());
}

#[test]
fn wrong_logins_are_counted_by_address_and_the_address_is_turned_away() {
    let users = "[users]\naccounts = [{ name = 'test', password = 'secret' }]\n";
    let (_directory, mut server) =
        serve(&format!("{users}[bans]\naddress_failures = 3\nexempt = []\ndelay = 0\n"));
    // One by one: it is not about the connection.
    for user in ["test", "unknown", "test"] {
        assert_eq!(try_login(&server, user, "wrong"), "530 Login incorrect.");
    }
    let mut banned = ScriptedClient::connect(server.address());
    banned.play("S: 421 Too many wrong logins came from your address; try again later.").expect_close();
    server.program().wait_for_errors(PATIENCE, |log| log.contains("this address is turned away"));

    // This machine is exempt unless something else is said.
    let (_directory, server) = serve(&format!("{users}[bans]\naddress_failures = 1\n"));
    for _ in 0..3 {
        assert_eq!(try_login(&server, "test", "wrong"), "530 Login incorrect.");
    }
    assert!(try_login(&server, "test", "secret").starts_with("230"));
}

#[test]
fn wrong_logins_are_counted_by_name_and_the_right_password_is_refused_in_the_same_words() {
    let (_directory, mut server) = serve(
        "[users]\naccounts = [{ name = 'test', password = 'secret' }, { name = 'other', password = 'secret' }]\n\
         [bans]\naddress_failures = 0\nuser_failures = 2\nexempt = []\ndelay = 0\n",
    );
    for _ in 0..2 {
        assert_eq!(try_login(&server, "test", "wrong"), "530 Login incorrect.");
    }
    assert_eq!(try_login(&server, "test", "secret"), "530 Login incorrect.");
    assert!(try_login(&server, "other", "secret").starts_with("230"));
    server.program().wait_for_errors(PATIENCE, |log| log.contains("nobody comes in under this name"));
}

/// A delay keeps the session that guessed waiting, and no thread: others log in meanwhile.
#[test]
fn a_wrong_login_waits_and_keeps_nobody_else() {
    let (_directory, server) = serve(
        "[users]\naccounts = [{ name = 'test', password = 'secret' }]\n\
         [bans]\naddress_failures = 0\nuser_failures = 0\nexempt = []\ndelay = 2\n",
    );
    let started = Instant::now();
    let mut guessing: Vec<Conversation> = (0..40).map(|_| greeted(&server)).collect();
    for client in &mut guessing {
        client.play("C: USER test\nS: 331").send("PASS wrong\r\n");
    }
    assert!(try_login(&server, "test", "secret").starts_with("230"));
    for client in &mut guessing {
        client.expect_reply("530 Login incorrect.");
    }
    assert!(started.elapsed() >= Duration::from_secs(2));
}

/// Threat 10: the same words, and the same work, whether a name is known or not.
#[test]
fn nobody_learns_which_names_exist() {
    let (_directory, server, admin) = with_one_stored_user();
    let hashes = || metric(admin, "wharf_password_hashes_total");
    let before = hashes();
    for (tried, user) in ["stored", "unknown", "Stored", "root", "a b", "%u"].into_iter().enumerate() {
        let mut client = greeted(&server);
        client.play(&format!("C: USER {user}\nS: 331 Please give the password."));
        client.play("C: PASS wrong\nS: 530 Login incorrect.\nC: NOOP\nS: 200");
        assert_eq!(hashes(), before + tried as u64 + 1, "{user}");
    }
}

/// The same by the clock: medians of many tries.
#[test]
fn soak_names_cannot_be_told_by_the_clock() {
    let tries = soak_rounds(5);
    let (_directory, server, _) = with_one_stored_user();
    let mut times = [Vec::new(), Vec::new()];
    for tried in 0..tries {
        // In turns, so that whatever else the machine does is in both, and each first as often as the other: whoever comes
        // behind may find the way warm.
        for turn in 0..2 {
            let which = ((tried + turn) % 2) as usize;
            let (user, times) = (["stored", "unknown"][which], &mut times[which]);
            let mut client = greeted(&server);
            client.play(&format!("C: USER {user}\nS: 331"));
            let asked = Instant::now();
            client.play("C: PASS wrong\nS: 530");
            times.push(asked.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    println!("medians of {tries} tries: {known:?} for a known name, {unknown:?} for an unknown one");
    if tries >= 200 {
        assert!(known.abs_diff(unknown) < Duration::from_millis(5), "{known:?} {unknown:?}");
    }
}

fn with_one_stored_user() -> (TestDirectory, Served, std::net::SocketAddr) {
    let directory = TestDirectory::new();
    let file = directory.join("users.toml");
    let mut add = Command::new(WHARF);
    add.args(["user", "add", "stored", "--file"]).arg(&file).env("WHARF_PASSWORD", "secret");
    wharf_testkit::process::run(&mut add).assert_success();
    let toml = format!("[users]\nfile = {file:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    let (directory, mut server) = serve_in(directory, &toml);
    let admin = admin_address(&mut server);
    (directory, server, admin)
}

fn admin_address(server: &mut Served) -> std::net::SocketAddr {
    let output = server.program().output();
    output.lines().find_map(|line| line.strip_prefix("wharf: admin ")).unwrap().parse().unwrap()
}

/// The value of a metric, told by the whole of its name and labels.
fn metric(admin: std::net::SocketAddr, name: &str) -> u64 {
    let (status, body) = http::get(admin, "/metrics", &[]);
    assert_eq!(status, 200, "{body}");
    let value = body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {body}")).parse().unwrap()
}

/// A program that answers by the name, and writes down each question into a file beside those that are served.
fn program(directory: &TestDirectory) -> String {
    directory.make_directory("files");
    let asked = directory.join("files/asked");
    let script = format!(
        "#!/bin/sh\nread -r question\nprintf '%s\\n' \"$question\" >> {}\ncase $question in\n\
         *'\"user\":\"good\",\"password\":\"secret\"'*) echo '{{\"allow\":true,\"user\":{{\"rights\":[\"all\"]}}}}';;\n\
         *'\"user\":\"reader\"'*) echo '{{\"allow\":true}}';;\n\
         *'\"user\":\"slow\"'*) sleep 60;;\n\
         *'\"user\":\"broken\"'*) exit 3;;\n\
         *'\"user\":\"chatty\"'*) head -c 100000 /dev/zero;;\n\
         *'\"user\":\"wrong\"'*) echo '{{\"allow\":true,\"user\":{{\"rigths\":[]}}}}';;\n\
         *) echo '{{\"allow\":false}}';;\nesac\n",
        asked.display()
    );
    let path = directory.join("decide");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_program_decides_about_names_that_no_file_knows() {
    let directory = TestDirectory::new();
    let program = program(&directory);
    let (directory, mut server) =
        serve_in(directory, &format!("[users]\nask_program = [{program:?}]\nask_time = 3\n"));
    let asked = || {
        let text = String::from_utf8(directory.read("files/asked")).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut good = ScriptedClient::log_in(server.address(), "good", "secret");
    good.play("C: MKD made\nS: 257");
    let first = asked();
    let question = &first[0];
    assert!(
        question.contains("\"client\":\"127.0.0.1\"") && question.contains("\"tls\":false"),
        "{question}"
    );
    // It is remembered for a while, with its password alone.
    ScriptedClient::log_in(server.address(), "good", "secret").play("C: RMD made\nS: 250");
    assert_eq!(asked(), first);
    assert_eq!(try_login(&server, "good", "wrong"), "530 Login incorrect.");
    assert_eq!(asked().len(), 2);
    // What the answer does not say is as for the whole server.
    ScriptedClient::log_in(server.address(), "reader", "any").play("C: MKD made\nS: 550");
    for user in ["broken", "chatty", "wrong", "slow"] {
        let reply = try_login(&server, user, "secret");
        assert_eq!(reply, "421 Logins cannot be checked now; try again later.", "{user}: {}", server.log());
    }
    for text in ["ended with exit status: 3", "longer than 65536 bytes", "`rigths`", "no answer within 3 s"] {
        server.program().wait_for_errors(PATIENCE, |log| log.contains(text));
    }
    assert!(!server.log().contains("secret"));
    // Nobody was left behind by those who were too slow.
    good.play("C: NOOP\nS: 200");
}

#[test]
fn a_service_decides_the_same_way() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let service = http::serve(move |question| {
        count.fetch_add(1, Ordering::Relaxed);
        let said = |text: &str| question.contains(text);
        if said("\"user\":\"good\"") && said("\"password\":\"se\\\"cret\"") {
            (200, "{\"allow\": true, \"user\": {\"rights\": [\"read\", \"mkdir\"]}}".to_owned())
        } else if said("\"user\":\"trouble\"") {
            (500, "{\"allow\": true}".to_owned())
        } else {
            (200, "{\"allow\": false}".to_owned())
        }
    });
    let (_directory, mut server) =
        serve(&format!("[users]\nask_url = \"http://{service}/login\"\nask_remember = 0\n"));
    for times in 1..=2 {
        ScriptedClient::log_in(server.address(), "good", "se\"cret")
            .play("C: MKD x\nS: *\nC: DELE x\nS: 550");
        assert_eq!(asked.load(Ordering::Relaxed), times, "nothing is remembered");
    }
    assert_eq!(try_login(&server, "good", "secret"), "530 Login incorrect.");
    assert!(try_login(&server, "trouble", "x").starts_with("421"));
    server.program().wait_for_errors(PATIENCE, |log| log.contains("HTTP status 500"));
    // A service that is not there.
    let (_directory, server) = serve("[users]\nask_url = \"http://127.0.0.1:1/login\"\n");
    assert!(try_login(&server, "good", "x").starts_with("421"));
}
