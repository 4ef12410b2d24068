//! Threat 12: whoever dawdles is sent away at an absolute time. The library is driven with short times; nothing here
//! measures how long something took, only that it ends, and how.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::command::Password;
use wharf_server::auth::{Accounts, VirtualUser};
use wharf_server::config::{
    ActivePolicy, ActiveSourcePort, AsciiPolicy, FxpPolicy, Modes, PassivePolicy, PrivateAddress, Times,
};
use wharf_server::{Server, ServerConfig, ShutdownHandle};
use wharf_storage::LocalStorage;
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::ScriptedClient;

/// A time that passes while a test waits for it.
const SHORT: Duration = Duration::from_millis(400);
/// A time that no test lives to see.
const LONG: Duration = Duration::from_secs(300);

const UNHURRIED: Times = Times {
    login: LONG,
    idle: LONG,
    tls_handshake: LONG,
    data_connection: LONG,
    data_stall: LONG,
    drain: LONG,
};

/// A server of this process.
struct Serving {
    // Dropped first, so that the sessions end before the directory goes.
    runtime: Option<Runtime>,
    address: SocketAddr,
    shutdown: ShutdownHandle,
    root: TestDirectory,
}

impl Serving {
    fn start(times: Times) -> Self {
        let root = TestDirectory::new();
        let runtime = Runtime::new().unwrap();
        let user = VirtualUser { name: b"test".to_vec(), password: Password::new("secret").unwrap() };
        let config = ServerConfig {
            listen: vec![([127, 0, 0, 1], 0).into()],
            skip_missing_addresses: false,
            accounts: Accounts { anonymous: true, users: vec![user] },
            write: true,
            modes: Modes::BOTH,
            proxies: Vec::new(),
            passive: PassivePolicy {
                ports: PassivePorts::Any,
                expected_sessions: None,
                advertise: Vec::new(),
                port_map: Vec::new(),
            },
            active: ActivePolicy {
                source_port: ActiveSourcePort::Any,
                private_address: PrivateAddress::Refuse,
            },
            fxp: FxpPolicy::default(),
            ascii: AsciiPolicy::Convert,
            times,
            tls: None,
        };
        let storage = Arc::new(LocalStorage::open(root.path()).unwrap());
        let (address, shutdown) = runtime.block_on(async {
            let server = Server::bind(config, storage, None).unwrap();
            let told = (server.addresses()[0], server.shutdown_handle());
            tokio::spawn(server.run());
            told
        });
        Self { runtime: Some(runtime), address, shutdown, root }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[test]
fn a_client_that_says_nothing_is_sent_away() {
    let serving = Serving::start(Times { login: SHORT, ..UNHURRIED });
    ScriptedClient::connect(serving.address).play("S: 220\nS: 421").expect_close();
}

/// Sends `block` over and over, with a pause behind each, until the server has closed; returns what it said.
fn press(server: SocketAddr, block: &[u8], pause: Duration) -> String {
    let mut sending = TcpStream::connect(server).unwrap();
    let mut receiving = sending.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            while sending.write_all(block).is_ok() {
                thread::sleep(pause);
            }
        });
        receiving.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut said = Vec::new();
        let ended = receiving.read_to_end(&mut said);
        // The sender may wait for room that nobody will make any more.
        let _ = receiving.shutdown(Shutdown::Both);
        // A reset says that the server closed, too; only silence is a failure.
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        String::from_utf8_lossy(&said).into_owned()
    })
}

#[test]
fn a_login_byte_by_byte_is_sent_away_at_the_same_time() {
    let serving = Serving::start(Times { login: SHORT, ..UNHURRIED });
    let said = press(serving.address, b"U", Duration::from_millis(20));
    assert_eq!(said, "220 Wharf is ready.\r\n421 No login in time, closing.\r\n");
    // Whole commands do not prolong it either.
    let said = press(serving.address, b"NOOP\r\n", Duration::from_millis(20));
    assert!(said.ends_with("200 OK.\r\n421 No login in time, closing.\r\n"), "{said}");
}

#[test]
fn a_flood_without_a_pause_does_not_hold_the_door_open() {
    let serving = Serving::start(Times { login: SHORT, ..UNHURRIED });
    for flood in [&b"A"[..], b"\r\n", b"NOOP\r\n", b"\xFF\xF4"] {
        press(serving.address, &flood.repeat((1 << 16) / flood.len()), Duration::ZERO);
    }
}

#[test]
fn a_client_that_reads_no_replies_is_cut_off_before_login() {
    let serving = Serving::start(Times { login: SHORT, ..UNHURRIED });
    let mut client = TcpStream::connect(serving.address).unwrap();
    let block = b"HELP\r\n".repeat(10_000);
    client.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    // Until nothing more fits anywhere; then until the server resets the connection.
    loop {
        match client.write_all(&block) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server holds on"),
            Err(_) => break,
        }
    }
}

#[test]
fn an_idle_session_is_told_and_closed() {
    let serving = Serving::start(Times { idle: SHORT, ..UNHURRIED });
    ScriptedClient::log_in(serving.address, "anonymous", "x").play("S: 421").expect_close();
}

#[test]
fn a_login_has_its_own_time_after_a_logout() {
    let serving = Serving::start(Times { login: SHORT, ..UNHURRIED });
    for logout in ["REIN\nS: 220", "USER test\nS: 331"] {
        let mut client = ScriptedClient::log_in(serving.address, "anonymous", "x");
        // More than the time for a login passes while somebody is logged in.
        client.expect_silence(SHORT * 2);
        client.play(&format!("C: {logout}\nC: USER test\nS: 331\nC: PASS secret\nS: 230"));
        client.play(&format!("C: {logout}\nS: 421")).expect_close();
    }
}

#[test]
fn a_data_connection_that_never_comes_is_given_up() {
    let serving = Serving::start(Times { data_connection: SHORT, ..UNHURRIED });
    serving.root.write("file", "content");
    let mut client = ScriptedClient::log_in(serving.address, "anonymous", "x");
    for command in ["RETR file", "STOR new", "LIST", "NLST", "MLSD"] {
        let reply = client
            .play(&format!("C: TYPE I\nS: 200\nC: PASV\nS: 227\nC: {command}\nS: 150"))
            .expect_reply("425");
        assert!(reply.contains("Nothing connected to 127.0.0.1:"), "{reply}");
    }
    client.play("C: NOOP\nS: 200");
}

#[test]
fn strangers_do_not_prolong_the_wait_for_a_data_connection() {
    let serving = Serving::start(Times { data_connection: SHORT, ..UNHURRIED });
    let mut client = ScriptedClient::log_in(serving.address, "anonymous", "x");
    client.play("C: PASV\nS: 227 *({six})*\nC: LIST\nS: 150");
    let target = client.data_target().unwrap();
    let knocking = thread::spawn(move || {
        let connect = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
            socket.connect(&target.into())
        };
        // Until nobody listens any more.
        while connect().is_ok() {}
    });
    client.expect_reply("425");
    knocking.join().unwrap();
    client.play("C: NOOP\nS: 200");
}

#[test]
fn a_transfer_that_stands_still_is_cut_and_the_session_lives_on() {
    let serving = Serving::start(Times { data_stall: SHORT, ..UNHURRIED });
    serving.root.write("large", sample(32 << 20));
    let mut client = ScriptedClient::log_in(serving.address, "anonymous", "x");
    for kind in ["I", "A"] {
        client
            .play(&format!("C: TYPE {kind}\nS: 200\nC: PASV\nS: 227 *({{six}})*\nC: RETR large\nS: 150"))
            .open_data();
        client.expect_reply("426");
        client.expect_data_reset();
        client.play("C: PASV\nS: 227 *({six})*\nC: STOR new\nS: 150").open_data().send_data("some");
        client.expect_reply("426");
        client.expect_data_reset();
    }
    client.play("C: NOOP\nS: 200");
}

#[test]
fn the_second_call_to_stop_ends_what_runs_and_a_client_that_reads_nothing() {
    let serving = Serving::start(UNHURRIED);
    std::fs::File::create(serving.root.join("large")).unwrap().set_len(64 << 20).unwrap();
    let mut client = ScriptedClient::log_in(serving.address, "anonymous", "x");
    client.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR large\nS: 150").open_data();
    let mut idle = ScriptedClient::log_in(serving.address, "anonymous", "x");
    serving.shutdown.advance();
    idle.play("S: 421").expect_close();
    client.play("C: STAT\nS: 211");
    serving.shutdown.advance();
    client.play("S: 426\nS: 421").expect_data_reset();
    client.expect_close();
}
