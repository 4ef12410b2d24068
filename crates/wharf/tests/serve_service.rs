//! `wharf serve` as a service: metrics and health, systemd's protocol, and what the process gives up.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use wharf_testkit::http;
use wharf_testkit::process::run;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const PATIENCE: Duration = Duration::from_secs(30);

fn admin_of(server: &mut Served) -> SocketAddr {
    let output = server.program().output();
    output.lines().find_map(|line| line.strip_prefix("wharf: admin ")).unwrap().parse().unwrap()
}

#[test]
fn metrics_count_what_happened() {
    let root = TestDirectory::new();
    root.write("file", "content");
    let flags =
        ["--admin", "127.0.0.1:0", "--write", "--passive-ports", "42000-42099", "--user", "test:secret"];
    let mut server = Served::start(WHARF, root.path(), &flags);
    let admin = admin_of(&mut server);
    let mut client = ScriptedClient::log_in(server.address(), "test", "secret");
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*").open_data();
    client.play("C: RETR file\nS: 150").receive_data();
    client.expect_reply("226");
    client.listen_data().play("C: PORT {six}\nS: 200\nC: STOR up\nS: 150").accept_data();
    client.send_data("four").close_data().expect_reply("226");
    // A data connection that nobody opens is cut with ABOR, and its port waits meanwhile.
    client.play("C: PASV\nS: 227");
    let (status, body) = http::get(admin, "/metrics", &[]);
    assert_eq!(status, 200);
    let mut wrong = ScriptedClient::connect(server.address());
    wrong.play("S: 220\nC: USER test\nS: 331\nC: PASS wrong\nS: 530");
    let (_, later) = http::get(admin, "/metrics", &[]);
    for (body, line) in [
        (&body, "wharf_sessions 1"),
        (&body, "wharf_sessions_total 1"),
        (&body, "wharf_passive_ports_in_use 1"),
        (&body, "wharf_logins_total{outcome=\"complete\"} 1"),
        (&later, "wharf_logins_total{outcome=\"refused\"} 1"),
        (&body, "wharf_transfers_total{mode=\"passive\",direction=\"down\",outcome=\"complete\"} 1"),
        (&body, "wharf_transfers_total{mode=\"active\",direction=\"up\",outcome=\"complete\"} 1"),
        (&body, "wharf_bytes_total{direction=\"down\"} 7"),
        (&body, "wharf_bytes_total{direction=\"up\"} 4"),
        (&body, "wharf_causes_total{cause=\"passive-port-filtered\"} 0"),
        (&body, "# TYPE wharf_transfers_total counter"),
        (&later, "wharf_sessions 2"),
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
    assert_eq!(http::get(admin, "/health", &[]), (200, "{\"status\":\"ok\",\"sessions\":2}\n".to_owned()));
    assert_eq!(http::get(admin, "/", &[]).0, 404);
    // While the server drains, a balancer is told to send nobody any more.
    client.play("C: PASV\nS: 227 *({six})*").open_data();
    client.play("C: STOR slow\nS: 150");
    server.program().signal(Signal::TERM);
    wrong.play("S: 421").expect_close();
    assert_eq!(http::get(admin, "/health", &[]).0, 503);
    client.close_data().play("S: 226\nS: 421");
}

#[test]
fn who_could_reach_the_metrics_from_outside_needs_the_token() {
    let place = TestDirectory::new();
    place.make_directory("files");
    let serve = |toml: &str| {
        let config = place.join("wharf.toml");
        fs::write(&config, format!("root = {:?}\nlisten = [\"127.0.0.1:0\"]\n{toml}", place.join("files")))
            .unwrap();
        let mut command = Command::new(WHARF);
        command.args(["serve", "--config"]).arg(config);
        command
    };
    let refused = run(serve("[admin]\nlisten = \"0.0.0.0:0\"\n").arg("--check"));
    refused.assert_code(1);
    assert!(refused.errors().contains("could be read by everybody"), "{refused}");
    place.write("token", "a secret token\n");
    let token = format!("[admin]\nlisten = \"0.0.0.0:0\"\ntoken_file = {:?}\n", place.join("token"));
    let mut server = Served::from_command(&mut serve(&token));
    let admin: SocketAddr = ([127, 0, 0, 1], admin_of(&mut server).port()).into();
    for path in ["/metrics", "/health", "/other"] {
        assert_eq!(http::get(admin, path, &[]).0, 401, "{path}");
        assert_eq!(http::get(admin, path, &["Authorization: Bearer a secret toke"]).0, 401);
        assert_eq!(http::get(admin, path, &["Authorization: Basic a secret token"]).0, 401);
    }
    assert_eq!(http::get(admin, "/metrics", &["Authorization: Bearer a secret token"]).0, 200);
}

#[test]
fn a_service_manager_is_told_what_happens() {
    let place = TestDirectory::new();
    place.make_directory("files");
    let told = UnixDatagram::bind(place.join("notify")).unwrap();
    told.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(WHARF);
    command.arg("serve").arg(place.join("files")).args(["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", place.join("notify")).env("WATCHDOG_USEC", "200000");
    let mut server = Served::from_command(&mut command);
    let expect = |wanted: &str| {
        let mut buffer = [0; 1024];
        loop {
            let count = told.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
        }
    };
    expect("READY=1");
    let _session = ScriptedClient::log_in(server.address(), "anonymous", "x");
    expect("WATCHDOG=1");
    expect("STATUS=1 sessions");
    server.program().signal(Signal::HUP);
    assert!(expect("RELOADING=1").contains("MONOTONIC_USEC="));
    expect("READY=1");
    server.program().signal(Signal::TERM);
    expect("STOPPING=1");
}

#[test]
fn sockets_that_a_service_manager_opened_are_taken_over() {
    let root = TestDirectory::new();
    // What systemd does: the socket is descriptor 3, and the variables are for this very process.
    let script = "import os, socket, sys\n\
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(10)\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
        os.environ['LISTEN_PID'] = str(os.getpid()); os.environ['LISTEN_FDS'] = '1'\n\
        os.environ['PORT_FOR_TEST'] = str(s.getsockname()[1])\n\
        os.execv(sys.argv[1], sys.argv[1:])\n";
    let mut command = Command::new("python3");
    command.args(["-c", script, WHARF, "serve"]).arg(root.path());
    let server = Served::from_command(&mut command);
    assert_eq!(server.addresses().len(), 1, "nothing else is listened on");
    assert_ne!(server.address().port(), 2121);
    ScriptedClient::log_in(server.address(), "anonymous", "x").play("C: PWD\nS: 257");
}

/// What a running process has, by /proc.
fn status(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix(field)).unwrap().trim().to_owned()
}

#[test]
fn after_the_start_only_the_capability_for_low_ports_is_left() {
    let root = TestDirectory::new();
    let mut server = Served::start(WHARF, root.path(), &["--write"]);
    let pid = server.program().id();
    // CAP_NET_BIND_SERVICE is number 10.
    let low_ports = 1 << 10;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task: u32 = task.unwrap().file_name().to_string_lossy().parse().unwrap();
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            let set = u64::from_str_radix(&status(task, set), 16).unwrap();
            assert_eq!(set & !low_ports, 0, "{set:x}");
        }
        assert_eq!(status(task, "NoNewPrivs:"), "1");
    }
    if rustix::process::geteuid().is_root() {
        assert_eq!(u64::from_str_radix(&status(pid, "CapBnd:"), 16).unwrap(), low_ports);
    }
}

#[test]
fn a_server_of_root_becomes_the_user_that_it_is_told_and_keeps_low_ports() {
    if !rustix::process::geteuid().is_root() {
        skip!("only root can become another user");
    }
    let place = TestDirectory::new();
    place.make_directory("files");
    // The way to it has to be open for that user.
    for path in [place.path().to_owned(), place.join("files")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::chown(place.join("files"), Some(65534), Some(65534)).unwrap();
    let config = place.join("wharf.toml");
    fs::write(&config, "user = \"nobody\"\nwrite = true\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let flags = ["--config", config.to_str().unwrap(), "--anonymous"];
    let mut server = Served::start(WHARF, place.join("files"), &flags);
    let pid = server.program().id();
    assert!(status(pid, "Uid:").split('\t').all(|id| id == "65534"), "{}", status(pid, "Uid:"));
    assert_ne!(status(pid, "Gid:").split('\t').next(), Some("0"));
    assert_eq!(u64::from_str_radix(&status(pid, "CapEff:"), 16).unwrap(), 1 << 10);
    ScriptedClient::log_in(server.address(), "anonymous", "x").play("C: MKD made\nS: 257");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(fs::metadata(place.join("files/made")).unwrap().uid(), 65534);
    for (toml, told) in
        [("user = \"nobody-here\"", "no such user in /etc/passwd"), ("group = \"nogroup\"", "without `user`")]
    {
        fs::write(&config, toml).unwrap();
        let refused = run(Command::new(WHARF)
            .arg("serve")
            .arg(place.path())
            .args(["--config", config.to_str().unwrap()]));
        refused.assert_code(1);
        assert!(refused.errors().contains(told), "{refused}");
    }
}

/// A program that is asked runs within the same walls as the server: it tells what they hold off.
#[test]
fn a_server_that_has_shut_itself_in_reaches_its_root_and_nothing_else() {
    let place = TestDirectory::new();
    for directory in ["files", "other", "bin"] {
        place.make_directory(directory);
    }
    let script = format!(
        "#!/bin/sh\nread -r q\nif echo x > {0}/other/made; then echo '{{\"allow\":false}}'; exit; fi 2>/dev/null\n\
         echo x > {0}/files/made && echo '{{\"allow\":true}}'\n",
        place.path().display()
    );
    place.write("bin/decide", script);
    fs::set_permissions(place.join("bin/decide"), fs::Permissions::from_mode(0o755)).unwrap();
    let config = place.join("wharf.toml");
    let toml = |sandbox: &str, more: &str| {
        let text = format!(
            "sandbox = \"{sandbox}\"\n{more}\n[users]\nask_program = [{:?}]\n",
            place.join("bin/decide")
        );
        fs::write(&config, text).unwrap();
    };
    toml("require", "");
    let checked = run(Command::new(WHARF)
        .arg("serve")
        .arg(place.join("files"))
        .args(["--check", "--listen", "127.0.0.1:0", "--config"])
        .arg(&config));
    if checked.errors().contains("no Landlock") {
        skip!("this kernel has no Landlock");
    }
    checked.assert_success();
    let flags = ["--config", config.to_str().unwrap(), "-v"];
    let mut server = Served::start(WHARF, place.join("files"), &flags);
    ScriptedClient::log_in(server.address(), "asked", "x")
        .play("C: SIZE made\nS: 550\nC: TYPE I\nS: 200\nC: SIZE made\nS: 213 2");
    assert!(!place.join("other/made").exists());
    // A reload that wants more says that it takes a restart.
    toml("require", &format!("root = {:?}", place.join("other")));
    let mut server2 = {
        fs::write(
            &config,
            format!("root = {:?}\nlisten = [\"127.0.0.1:0\"]\nsandbox = \"require\"\n", place.join("files")),
        )
        .unwrap();
        let mut command = Command::new(WHARF);
        command.args(["serve", "--config"]).arg(&config);
        Served::from_command(&mut command)
    };
    fs::write(
        &config,
        format!("root = {:?}\nlisten = [\"127.0.0.1:0\"]\nsandbox = \"require\"\n", place.join("bin")),
    )
    .unwrap();
    server2.program().signal(Signal::HUP);
    server2.program().wait_for_errors(PATIENCE, |log| log.contains("cannot reach this: restart it"));
    // Without walls the program gets out.
    toml("off", "");
    server.program().kill();
    let open = Served::start(WHARF, place.join("files"), &flags);
    let mut client = ScriptedClient::connect(open.address());
    client.play("S: 220\nC: USER asked\nS: 331\nC: PASS x\nS: 530");
    assert!(place.join("other/made").exists());
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let place = TestDirectory::new();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/systemd");
    for unit in ["wharf.service", "wharf.socket"] {
        // The program has to be there for the unit to be right.
        let text = fs::read_to_string(folder.join(unit)).unwrap().replace("/usr/bin/wharf", WHARF);
        place.write(unit, text);
    }
    if !wharf_testkit::clients::is_installed("systemd-analyze") {
        skip!("systemd-analyze is missing");
    }
    let verified = run(Command::new("systemd-analyze")
        .args(["verify", "--recursive-errors=no"])
        .args([place.join("wharf.service"), place.join("wharf.socket")]));
    verified.assert_success();
    assert_eq!(verified.errors(), "", "{verified}");
}
