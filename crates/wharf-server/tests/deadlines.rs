//! Threat 12: whoever dawdles is sent away at an absolute time. The library is driven with short times; nothing here
//! measures how long something took, only that it ends, and how.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use common::{SHORT, Serving, UNHURRIED};
use wharf_net::tls::CertificateSource;
use wharf_server::config::{Times, TlsSettings};
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::tls::{FtpsClient, Mode, TestCertificate, TlsOptions};

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

/// A server under TLS, explicit and implicit, with a short time for handshakes.
fn serve_tls(certificate: &TestCertificate) -> Serving {
    let source = CertificateSource::Files { certificate: certificate.certificate(), key: certificate.key() };
    Serving::start_with(|config| {
        let mut tls = TlsSettings::new(vec![source]);
        tls.implicit_listen = vec![([127, 0, 0, 1], 0).into()];
        config.tls = Some(tls);
        config.times = Times { tls_handshake: SHORT, ..UNHURRIED };
    })
}

#[test]
fn a_control_connection_that_never_speaks_tls_is_closed() {
    let certificate = TestCertificate::new(&["localhost"]);
    let serving = serve_tls(&certificate);
    // The beginning of a handshake record, a byte at a time, is no handshake either.
    for said in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        ScriptedClient::connect(serving.address)
            .play("S: 220\nC: AUTH TLS\nS: 234")
            .send(said)
            .expect_close();
        ScriptedClient::connect(serving.addresses[1]).send(said).expect_close();
    }
    let said = press(serving.addresses[1], b"\x16", Duration::from_millis(20));
    assert!(said.is_empty() || said.starts_with('\x15'), "an alert at most: {said:?}");
}

#[test]
fn a_data_connection_that_never_speaks_tls_is_given_up_and_the_session_lives_on() {
    let certificate = TestCertificate::new(&["localhost"]);
    let serving = serve_tls(&certificate);
    serving.root.write("file", "content");
    let mut client = FtpsClient::connect(serving.address, &TlsOptions::default());
    client.auth().log_in("test", "secret");
    for command in ["RETR file", "STOR new", "LIST"] {
        for mode in Mode::ALL {
            let negotiated = client.negotiate(mode);
            client.expect(command, 150);
            let mut stream = client.open(negotiated);
            let (code, reply) = client.reply();
            assert_eq!(code, 522, "{reply}");
            assert!(reply.contains("No TLS handshake came in 0.4 s"), "{reply}");
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "not a byte in clear");
        }
    }
    // One that begins and does not go on.
    let negotiated = client.negotiate(Mode::Epsv);
    client.expect("RETR file", 150);
    let mut stream = client.open(negotiated);
    stream.write_all(b"\x16\x03\x01").unwrap();
    assert!(client.reply().1.starts_with("522 The TLS handshake was not complete"));
    assert_eq!(client.fetch(Mode::Epsv, "RETR file").0, b"content");
}
