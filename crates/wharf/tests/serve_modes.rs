//! Active and passive mode as `wharf serve` offers them: where data connections come from (S2), one mode only (S5),
//! one data connection a transfer (S1), and the address that is advertised (S13).

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// More than all the buffers between a server and a client that does not read.
const LARGE: usize = 24 << 20;

/// A network of the test's own, with every port free and root's rights to bind them; or the test is skipped.
macro_rules! namespace {
    () => {
        match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(reason) => skip!("{reason}"),
        }
    };
}

fn serve_command(directory: &TestDirectory, flags: &[&str]) -> Command {
    let mut command = Command::new(WHARF);
    command.arg("serve").arg(directory.path()).args(flags);
    command
}

fn serve_in(namespace: &NetworkNamespace, directory: &TestDirectory, flags: &[&str]) -> Served {
    Served::from_command(&mut namespace.adopt(&serve_command(directory, flags)))
}

/// A directory with a large file in it.
fn with_large_file() -> TestDirectory {
    let directory = TestDirectory::new();
    File::create(directory.join("large")).unwrap().set_len(LARGE as u64).unwrap();
    directory
}

/// The ports that `count` active data connections come from, all of them open at the same time.
fn source_ports(server: SocketAddr, count: usize) -> Vec<u16> {
    let command = if server.is_ipv4() { "C: PORT {six}" } else { "C: EPRT {eprt}" };
    let begin = |_| {
        let mut client = ScriptedClient::log_in(server, "anonymous", "guest");
        client.play(&format!("C: TYPE I\nS: 200\n{command}\nS: 200\nC: RETR large\nS: 150")).open_data();
        client
    };
    let mut clients: Vec<_> = (0..count).map(begin).collect();
    // Nobody has read so far: every transfer still runs.
    let finish = |client: &mut wharf_testkit::scripted::Conversation| {
        assert_eq!(client.receive_data().len(), LARGE);
        client.play("S: 226\nC: QUIT\nS: 221");
        let peer = client.data_peers()[0];
        assert_eq!(peer.ip(), server.ip());
        peer.port()
    };
    clients.iter_mut().map(finish).collect()
}

#[test]
fn active_data_comes_from_port_20_eight_at_once() {
    let namespace = namespace!();
    let directory = with_large_file();
    let served = serve_in(&namespace, &directory, &["--listen", "127.0.0.1:21", "--listen", "[::1]:21"]);
    for &server in served.addresses() {
        assert_eq!(namespace.enter(|| source_ports(server, 1)), [20]);
        assert_eq!(namespace.enter(|| source_ports(server, 8)), [20; 8]);
    }
    assert_eq!(served.stop(), "");
}

#[test]
fn a_real_client_sees_port_20_too() {
    let namespace = namespace!();
    let directory = with_large_file();
    let served = serve_in(&namespace, &directory, &["--listen", "127.0.0.1:21"]);
    let script = "ftp.set_pasv(False)\n\
                  for number in range(3):\n\
                  \x20   data = ftp.transfercmd('RETR large')\n\
                  \x20   print(*data.getpeername())\n\
                  \x20   while data.recv(1 << 20): pass\n\
                  \x20   data.close()\n\
                  \x20   ftp.voidresp()\n";
    if !clients::is_installed("python3") {
        skip!("python3 is not installed");
    }
    let run = run(&mut namespace.adopt(&clients::ftplib(served.address(), "anonymous", "guest", script)));
    assert_eq!(run.assert_success().output(), "127.0.0.1 20\n".repeat(3), "{run}");
}

#[test]
fn the_source_port_is_one_below_the_control_port_unless_told_otherwise() {
    let namespace = namespace!();
    let directory = with_large_file();
    let ports = |flags: &[&str]| {
        let served = serve_in(&namespace, &directory, flags);
        let ports = namespace.enter(|| source_ports(served.address(), 2));
        assert_eq!(served.stop(), "", "{flags:?}");
        ports
    };
    assert_eq!(ports(&["--listen", "127.0.0.1:2121"]), [2120; 2]);
    assert_eq!(ports(&["--listen", "127.0.0.1:21", "--active-source-port", "2020"]), [2020; 2]);
    let any = ports(&["--listen", "127.0.0.1:21", "--active-source-port", "any"]);
    assert!(any[0] != any[1] && any.iter().all(|port| *port >= 1024), "{any:?}");
}

#[test]
fn without_the_right_to_port_1023_any_port_is_taken_and_that_is_said_once() {
    let namespace = namespace!();
    let directory = with_large_file();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(WHARF);
    command.arg("serve").arg(directory.path()).args(["--listen", "127.0.0.1:1024"]);
    let served = Served::from_command(&mut namespace.adopt(&command));
    let ports = namespace.enter(|| [source_ports(served.address(), 2), source_ports(served.address(), 1)]);
    assert!(ports.concat().iter().all(|port| *port >= 1024), "{ports:?}");
    let log = served.stop();
    assert_eq!((log.lines().count(), log.matches("ource port 1023").count()), (1, 1), "{log}");
}

#[test]
fn a_client_whose_firewall_drops_the_data_connection_is_told_in_the_log_though_it_gives_up_first() {
    if !clients::is_installed("nft") {
        skip!("nft is not installed");
    }
    let namespace = namespace!();
    let rules = "add table inet test; add chain inet test input { type filter hook input priority 0; }; \
                 add rule inet test input tcp dport != 2121 tcp flags == syn drop";
    run(namespace.command("nft").arg(rules)).assert_success();
    let directory = TestDirectory::new();
    let served = serve_in(&namespace, &directory, &["--listen", "127.0.0.1:2121"]);
    let address = served.address();
    namespace.enter(|| {
        let mut client = ScriptedClient::log_in(address, "anonymous", "guest");
        client.play("C: PORT {six}\nS: 200\nC: LIST\nS: 150").pause(std::time::Duration::from_millis(100));
        client.play("C: ABOR\nS: 426\nS: 226\nC: QUIT\nS: 221").expect_close();
    });
    let log = served.stop();
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in
        ["WARN", "verb=LIST", "endpoint=127.0.0.1:", "waited_millis=1", "cause=\"client-refuses-inbound\""]
    {
        assert!(log.contains(part), "{part} in {log}");
    }
}

/// `url` with the client of this name, in the mode of its switches.
fn fetch(client: &str, active: bool, server: SocketAddr) -> Run {
    let url = format!("ftp://{server}/file");
    let mut command = match client {
        "wget" => clients::wget(),
        "curl" => clients::curl(),
        _ => clients::lftp(
            if active { LftpMode::Active } else { LftpMode::Passive },
            &format!("open ftp://{server}; cat file"),
        ),
    };
    match (client, active) {
        ("wget", true) => _ = command.args(["--no-passive-ftp", "-O", "-", &url]),
        ("wget", false) => _ = command.args(["-O", "-", &url]),
        ("curl", true) => _ = command.args(["--ftp-port", "-", &url]),
        ("curl", false) => _ = command.arg(&url),
        _ => {}
    }
    run(&mut command)
}

#[test]
fn one_mode_alone_refuses_the_other_at_once_and_clients_of_it_work() {
    for active in [true, false] {
        let directory = TestDirectory::new();
        let content = sample(100_000);
        directory.write("file", &content);
        let (mode, other) = if active { ("active", "passive") } else { ("passive", "active") };
        let served = Served::start(WHARF, directory.path(), &["--modes", mode]);
        let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
        let refused: &[&str] =
            if active { &["PASV", "EPSV", "EPSV 1", "EPSV ALL"] } else { &["PORT {six}", "EPRT {eprt}"] };
        for command in refused {
            let reply = client.send_line(command).expect_reply("502");
            assert!(reply.contains(&format!("use {mode} mode")), "{command}: {reply}");
        }
        if !active {
            client.expect_no_data_connection(std::time::Duration::from_millis(1)).stop_listening();
        }
        let features = client.send_line("FEAT").expect_reply("211");
        let has = |feature| features.lines().any(|line| line.trim() == feature);
        assert_eq!([has("EPRT"), has("EPSV"), has("PASV")], [active, !active, !active], "{features}");
        for program in ["wget", "curl", "lftp"] {
            if !clients::is_installed(program) {
                wharf_testkit::skip(&format!("{program} is not installed"));
                continue;
            }
            let right = fetch(program, active, served.address());
            assert!(right.assert_success().stdout == content, "{program} in {mode} mode got other bytes");
        }
        // lftp changes the mode by itself; these two do not.
        for program in ["wget", "curl"].into_iter().filter(|program| clients::is_installed(program)) {
            let wrong = fetch(program, !active, served.address());
            assert!(!wrong.timed_out && wrong.code() != 0, "{other}: {wrong}");
        }
    }
}

#[test]
fn each_transfer_has_a_data_connection_of_its_own_that_is_closed_behind_it() {
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let mut served = Served::start(WHARF, directory.path(), &[]);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    let descriptors = PathBuf::from(format!("/proc/{}/fd", served.program().id()));
    let open_sockets = || {
        let links = fs::read_dir(&descriptors).unwrap().flatten();
        let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    };
    let before = open_sockets();
    let mut used = Vec::new();
    for _ in 0..3 {
        client.play("C: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150");
        let target = client.data_target().unwrap();
        client.open_data().expect_data("content").expect_data_end().play("S: 226\nC: NOOP\nS: 200");
        let error = TcpStream::connect(target).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{target} still listens");
        assert_eq!(open_sockets(), before, "the data connection or its listener is still open");
        used.push(target);
    }
    used.dedup();
    assert_eq!(used.len(), 3, "a port was used again though any was free: {used:?}");
    for _ in 0..3 {
        client.play("C: PORT {six}\nS: 200\nC: RETR file\nS: 150").open_data();
        client.expect_data("content").expect_data_end().play("S: 226\nC: NOOP\nS: 200");
        assert_eq!(open_sockets(), before, "the data connection is still open");
    }
    // Many negotiations without a transfer hold one listener, not many (threat 5).
    for _ in 0..5 {
        client.play("C: PASV\nS: 227\nC: EPSV\nS: 229");
    }
    assert_eq!(open_sockets(), before + 1);
}

#[test]
fn a_passive_data_connection_is_told_by_its_six_numbers_and_by_its_port_alone() {
    let directory = TestDirectory::new();
    let served = Served::start(WHARF, directory.path(), &[]);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    let reply = client.send_line("PASV").expect_reply("227");
    let (_, numbers) = reply.split_once('(').unwrap();
    let numbers: Vec<u16> =
        numbers.split_once(')').unwrap().0.split(',').map(|number| number.parse().unwrap()).collect();
    let [127, 0, 0, 1, high, low] = numbers[..] else { panic!("{reply}") };
    TcpStream::connect(("127.0.0.1", high * 256 + low)).unwrap();
    client
        .play("C: EPSV 2\nS: 522 *(1)*\nC: EPSV 1\nS: 229 *(|||{port}|)*")
        .connect_data_from([127, 0, 0, 1].into());
}

#[test]
fn a_server_listens_on_two_addresses_of_two_families() {
    if !wharf_testkit::has_ipv6() {
        skip!("there is no IPv6 on loopback");
    }
    let directory = TestDirectory::new();
    directory.write("file", sample(100_000));
    let flags = ["--listen", "127.0.0.1:0", "--listen", "[::1]:0"];
    let served = Served::from_command(&mut serve_command(&directory, &flags));
    let [four, six] = served.addresses() else { panic!("{:?}", served.addresses()) };
    assert!(four.is_ipv4() && six.is_ipv6());
    for server in [four, six] {
        for client in ["wget", "curl", "lftp"].into_iter().filter(|client| clients::is_installed(client)) {
            for active in [true, false] {
                let run = fetch(client, active, *server);
                assert!(run.assert_success().stdout == sample(100_000), "other bytes: {client} {server}");
            }
        }
    }
    // What IPv6 cannot have is said, with what to use instead.
    let mut client = ScriptedClient::log_in(*six, "anonymous", "guest");
    client.play(
        "C: PASV\nS: 522 *EPSV*\nC: PORT 127,0,0,1,8,76\nS: 522 *EPRT*\nC: EPSV\nS: 229 *(|||{port}|)*",
    );
    client.connect_data_from(six.ip());
    // lftp, above, tells "::" for itself; that makes no way around the other checks.
    client
        .play("C: EPRT |2|::1|80|\nS: 504\nC: EPRT |2|2001:db8::1|4000|\nS: 504\nC: EPRT |2|::|80|\nS: 504");
}

#[test]
fn the_advertised_address_stands_in_the_227_and_epsv_needs_none() {
    let directory = TestDirectory::new();
    directory.write("file", "content");
    let served = Served::start(WHARF, directory.path(), &["--advertise", "198.51.100.2"]);
    let mut client = ScriptedClient::log_in(served.address(), "anonymous", "guest");
    client.play("C: PASV\nS: 227 *(198,51,100,2,*)*");
    client.play("C: EPSV\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150").open_data();
    client.expect_data("content").expect_data_end().play("S: 226");
    // curl takes the control connection's address in place of the one in a 227: the port behind it is the real one.
    if clients::is_installed("curl") {
        let url = format!("ftp://{}/file", served.address());
        let run = run(clients::curl().args(["--disable-epsv", &url]));
        assert_eq!(run.assert_success().output(), "content");
    }
}
