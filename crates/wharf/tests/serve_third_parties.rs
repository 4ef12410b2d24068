//! Data connections with other hosts than the client: a PORT that a NAT did not rewrite (S10), FXP where it is allowed
//! (S16), and nothing else (S15).

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::Command;

use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::process::run;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A server on a free port of `address`, with this wharf.toml.
fn serve(directory: &TestDirectory, address: &str, toml: &str) -> Served {
    let text = format!("listen = ['{address}:0']\nroot = 'files'\nwrite = true\n{toml}");
    directory.write("wharf.toml", text);
    std::fs::create_dir_all(directory.join("files")).unwrap();
    let mut command = Command::new(WHARF);
    command.arg("serve").arg("--config").arg(directory.join("wharf.toml"));
    Served::from_command(&mut command)
}

fn log_in(served: &Served) -> Conversation {
    ScriptedClient::log_in(served.address(), "anonymous", "guest")
}

fn six_numbers(address: &str, port: u16) -> String {
    format!("{},{},{}", address.replace('.', ","), port / 256, port % 256)
}

#[test]
fn a_private_address_is_refused_or_replaced_by_the_clients_own_as_the_server_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (policy, replaces) in [
        ("", false),
        ("active.private_address = 'refuse'", false),
        ("active.private_address = 'use-control-peer'", true),
    ] {
        let directory = TestDirectory::new();
        let served = serve(&directory, "127.0.0.1", policy);
        directory.write("files/file", "content");
        let mut client = log_in(&served);
        for command in
            [format!("PORT {}", six_numbers("10.0.0.5", port)), format!("EPRT |1|192.168.1.5|{port}|")]
        {
            if replaces {
                client.send_line(&command).expect_reply("200 *cannot be reached from here*127.0.0.1.");
                client.play("C: RETR file\nS: 150");
                let (mut data, from) = listener.accept().unwrap();
                let mut content = String::new();
                data.read_to_string(&mut content).unwrap();
                assert_eq!((content.as_str(), from.ip()), ("content", served.address().ip()));
                client.play("S: 226");
            } else {
                client.send_line(&command).expect_reply("504 *you are 127.0.0.1*");
                client.play("C: RETR file\nS: 425");
            }
        }
        // Another public address is nobody's NAT, and a service's port nobody's data port.
        client.send_line(&format!("PORT {}", six_numbers("198.51.100.9", port))).expect_reply("504");
        client.send_line(&format!("PORT {}", six_numbers("10.0.0.5", 22))).expect_reply("504");
        client.play("C: LIST\nS: 425");
        drop(client);
        let log = served.stop();
        assert_eq!(log.matches("cause=\"port-unroutable\"").count(), 3, "{log}");
        assert_eq!(log.contains("the client's is used instead"), replaces, "{log}");
        assert!(log.contains("cause=\"bounce-refused\""), "{log}");
    }
}

/// Two servers on addresses of their own.
struct Two {
    source: (TestDirectory, Served),
    target: (TestDirectory, Served),
}

impl Two {
    fn start(source: &str, target: &str) -> Self {
        let start = |address, toml| {
            let directory = TestDirectory::new();
            let served = serve(&directory, address, toml);
            (directory, served)
        };
        let two = Self { source: start("127.0.0.2", source), target: start("127.0.0.3", target) };
        two.source.0.write("files/film", sample(3_000_000));
        two
    }

    fn assert_arrived(&self) {
        assert!(self.target.0.read("files/film") == sample(3_000_000), "other bytes arrived");
    }
}

/// Tells the one server to listen and the other to connect there.
fn introduce(listening: &mut Conversation, connecting: &mut Conversation) {
    listening.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*");
    let at = listening.data_target().unwrap();
    let command = format!("PORT {}", six_numbers(&at.ip().to_string(), at.port()));
    connecting.play("C: TYPE I\nS: 200").send_line(&command).expect_reply("200");
}

#[test]
fn two_servers_exchange_a_file_whichever_of_them_listens() {
    let by_network = ("fxp.networks = '127.0.0.3'", "fxp.networks = ['127.0.0.2/31']");
    let by_user = ("fxp.users = ['anonymous']", "fxp.users = ['anonymous']");
    for (source, target) in [by_network, by_user] {
        for source_listens in [true, false] {
            let two = Two::start(source, target);
            let (mut from, mut to) = (log_in(&two.source.1), log_in(&two.target.1));
            if source_listens {
                introduce(&mut from, &mut to);
            } else {
                introduce(&mut to, &mut from);
            }
            to.play("C: STOR film\nS: 150");
            from.play("C: RETR film\nS: 150\nS: 226");
            to.play("S: 226\nC: QUIT\nS: 221");
            two.assert_arrived();
        }
    }
}

#[test]
fn lftp_exchanges_a_file_between_two_servers() {
    if !clients::is_installed("lftp") {
        skip!("lftp is not installed");
    }
    for passive_source in ["yes", "no"] {
        let two = Two::start("fxp.networks = '127.0.0.3'", "fxp.networks = '127.0.0.2'");
        let script = format!(
            "set ftp:use-fxp yes; set ftp:fxp-force yes; set ftp:fxp-passive-source {passive_source}; \
             get ftp://{}/film -o ftp://{}/film",
            two.source.1.address(),
            two.target.1.address()
        );
        run(&mut clients::lftp(LftpMode::Passive, &script)).assert_success();
        two.assert_arrived();
    }
}

#[test]
fn whoever_is_not_named_can_make_no_server_connect_elsewhere_nor_let_anyone_in() {
    // Another network and another user are named than those that are here.
    let two = Two::start(
        "fxp.networks = '127.0.0.9'",
        "fxp = { users = ['mirror'], networks = '198.51.100.0/24' }",
    );
    let (mut from, mut to) = (log_in(&two.source.1), log_in(&two.target.1));
    let elsewhere = TcpListener::bind("127.0.0.3:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    from.send_line(&format!("PORT {}", six_numbers("127.0.0.3", port))).expect_reply("504");
    from.play("C: RETR film\nS: 425");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "the server connected there");
    to.play("C: PASV\nS: 227 *({six})*\nC: STOR film\nS: 150");
    let target = to.data_target().unwrap();
    let stranger = IpAddr::from([127, 0, 0, 2]);
    ScriptedClient::connect_from(SocketAddr::new(stranger, 0), target).expect_close();
    to.connect_data_to(target, None).send_data("mine").close_data().play("S: 226");
    assert_eq!(two.target.0.read("files/film"), b"mine");
    // Where it is allowed, a port of a service is not.
    let two = Two::start("fxp.users = ['anonymous']", "");
    log_in(&two.source.1)
        .play("C: PORT 127,0,0,3,0,22\nS: 504\nC: EPRT |1|127.0.0.3|1023|\nS: 504\nC: LIST\nS: 425");
}
