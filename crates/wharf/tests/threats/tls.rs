//! Threats 6 to 9: what must hold of FTPS. That a session of somebody else's opens nothing, and that neither CCC nor
//! PROT C lead back into clear, is in `serve_tls.rs`; who never speaks TLS (threat 12) in wharf-server's `deadlines.rs`.

use std::io::{Read, Write};
use std::net::Shutdown;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TLS12, TLS13, TestCertificate, TlsOptions};

use crate::expect_log;

fn serve_tls(directory: &TestDirectory, certificate: &TestCertificate, flags: &[&str]) -> Served {
    let given = certificate.flags();
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let flags = [&given[..], &["--write", "-vv", "--active-source-port", "any"], flags].concat();
    Served::start(env!("CARGO_BIN_EXE_wharf"), directory.path(), &flags)
}

fn log_in(server: &Served, options: &TlsOptions) -> FtpsClient {
    let mut client = FtpsClient::connect(server.address(), options);
    client.auth().log_in("anonymous", "guest");
    client
}

#[test]
fn what_stands_behind_auth_in_one_segment_ends_the_session() {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    let server = serve_tls(&directory, &certificate, &[]);
    for behind in ["NOOP\r\n", "USER anonymous\r\nPASS x\r\n", "NO", "\u{16}\u{3}\u{1}"] {
        let mut client = ScriptedClient::connect(server.address());
        client.play("S: 220").send(format!("AUTH TLS\r\n{behind}"));
        let said = client.read_to_close();
        assert!(said.starts_with("421 ") && said.lines().count() == 1, "{said:?}");
    }
    // What comes in clear behind the 234 is no TLS, and no command.
    let mut client = ScriptedClient::connect(server.address());
    client.play("S: 220\nC: AUTH TLS\nS: 234").send("MKD made\r\nNOOP\r\n");
    client.expect_bytes([21]); // an alert (RFC 8446 §5.1), and not "2"
    assert!(!directory.holds("made"));
    expect_log(&server, "BytesBehindAuth");
}

#[test]
fn clear_data_behind_prot_p_is_neither_stored_nor_answered() {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    directory.write("secret", "nobody's business");
    let server = serve_tls(&directory, &certificate, &[]);
    let mut client = log_in(&server, &TlsOptions::default());
    for mode in Mode::ALL {
        for command in ["STOR new", "APPE new", "RETR secret"] {
            let negotiated = client.negotiate(mode);
            client.expect(command, 150);
            let mut stream = client.open(negotiated);
            stream.write_all(&sample(10_000)).unwrap();
            let _ = stream.shutdown(Shutdown::Write);
            let (code, reply) = client.reply();
            assert_eq!(code, 522);
            assert!(reply.contains("Clear bytes came") && reply.contains("PROT P is in effect"), "{reply}");
            let mut answered = Vec::new();
            let _ = stream.read_to_end(&mut answered); // RST, where not all of ours was read
            assert!(!answered.windows(6).any(|part| part == b"nobody"), "{answered:?}");
        }
        assert!(!directory.join("new").exists());
    }
    expect_log(&server, "possible_cause=\"prot-mismatch\"");
}

#[test]
fn an_upload_that_ends_without_close_notify_is_never_complete() {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    // What is cut gives no tickets: a client that needs one for each would run out of them.
    let server = serve_tls(&directory, &certificate, &["--tls-resumption", "prefer"]);
    for versions in [TLS12, TLS13] {
        let mut client = log_in(&server, &TlsOptions { versions, ..TlsOptions::default() });
        for (kind, command) in [("I", "STOR new"), ("I", "APPE new"), ("A", "STOR text"), ("I", "STOU")] {
            client.expect(&format!("TYPE {kind}"), 200);
            for content in [&b""[..], b"a few bytes", &sample(3_000_000)] {
                let mut data = client.begin(Mode::Epsv, command);
                data.write_all(content).unwrap();
                data.flush().unwrap();
                data.sock.shutdown(Shutdown::Write).unwrap();
                let (code, reply) = client.reply();
                assert_eq!(code, 426, "{command}: {reply}");
                assert!(reply.contains("without close_notify"), "{reply}");
            }
        }
        client.expect("NOOP", 200);
    }
    expect_log(&server, "possible_cause=\"missing-close-notify\"");
    assert!(!server.stop().contains("transfer complete"));
}

/// A record that somebody changed on the way is never stored, and what follows it neither.
#[test]
fn an_upload_that_was_tampered_with_is_never_complete() {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    let server = serve_tls(&directory, &certificate, &[]);
    let mut client = log_in(&server, &TlsOptions::default());
    let mut data = client.begin(Mode::Epsv, "STOR new");
    data.write_all(b"true").unwrap();
    let mut record = Vec::new();
    data.conn.writer().write_all(b"forged").unwrap();
    data.conn.write_tls(&mut record).unwrap();
    *record.last_mut().unwrap() ^= 1;
    data.sock.write_all(&record).unwrap();
    // 522 where the record came together with the end of the handshake.
    let (code, reply) = client.reply();
    assert!(code == 426 || code == 522, "{reply}");
    assert!(!directory.join("new").exists());
}

#[test]
fn another_protocol_inside_tls_is_refused_with_an_alert() {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    directory.write("file", "content");
    let server = serve_tls(&directory, &certificate, &[]);
    for versions in [TLS12, TLS13] {
        for protocols in [&["http/1.1"][..], &["h2", "imap"], &["FTP"]] {
            let options = TlsOptions { versions, protocols, ..TlsOptions::default() };
            let mut client = FtpsClient::connect(server.address(), &options);
            client.expect("AUTH TLS", 234);
            let error = client.secure().unwrap_err();
            assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
        }
        for protocols in [&["ftp"][..], &["h2", "ftp"], &[]] {
            let options = TlsOptions { versions, protocols, ..TlsOptions::default() };
            let mut client = log_in(&server, &options);
            assert_eq!(client.fetch(Mode::Epsv, "RETR file"), (b"content".to_vec(), true), "{protocols:?}");
        }
    }
}
