//! Servers, and those who pass themselves off for them, that want TLS left out, broken, or cut short (threats 29 and 30).

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::io::{Read, Write};

use common::{Seen, Watching, address, options, path};
use wharf_client::login::ServerAddress;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::{ModeChoice, Options, TlsMode, TlsOptions};
use wharf_client::url::Scheme;
use wharf_client::{ClientError, Destination, Login, Session};
use wharf_findings::Cause;
use wharf_net::tls::{ConnectorOptions, TlsVersion};
use wharf_testkit::TestDirectory;
use wharf_testkit::scripted::{Conversation, ScriptedServer};
use wharf_testkit::tls::{TLS12, TLS13, TestCertificate};
use wharf_testkit::tls_server::{FtpsConversation, FtpsServer, ServerTls, close_in_order, close_plainly};

/// What a client says and hears behind the handshake.
const LOGIN: &str = "C: PBSZ 0
    S: 200 ok
    C: PROT P
    S: 200 ok
    C: USER anonymous
    S: 331 password
    C: PASS wharf@
    S: 230 in
    C: FEAT
    S: 500 what?";

/// A download up to its 150.
const GET: &str = "C: TYPE I
    S: 200 I
    C: SIZE file
    S: 213 5
    C: EPSV
    S: 229 (|||{port}|)
    C: RETR file
    S: 150 here it comes";

/// The same once more.
const GET_AGAIN: &str = "C: SIZE file
    S: 213 5
    C: EPSV
    S: 229 (|||{port}|)
    C: RETR file
    S: 150 here it comes";

fn tls(mode: TlsMode) -> Options {
    Options { tls: TlsOptions { mode, ..TlsOptions::default() }, ..options(ModeChoice::Passive) }
}

async fn connect(
    server: std::net::SocketAddr,
    scheme: Scheme,
    options: Options,
) -> Result<(Session, Seen), ClientError> {
    let (watching, seen) = Watching::new();
    let server = ServerAddress { scheme, ..address(server) };
    let session = Session::connect(server, Login::anonymous(), options, Box::new(watching)).await?;
    Ok((session, seen))
}

/// A server that plays `script` in clear gets nothing but AUTH, however TLS was asked for.
async fn nothing_is_sent(
    ways: &[(Scheme, TlsMode)],
    script: impl Fn(&mut Conversation) + Send + Clone + 'static,
) {
    for (scheme, mode) in ways {
        let script = script.clone();
        let server = ScriptedServer::start(move |server| {
            script(server);
            let rest = server.read_to_close(); // the ClientHello at most
            assert!(!rest.contains("USER") && !rest.contains("PASS"), "{rest}");
        });
        let error = connect(server.address(), *scheme, tls(*mode)).await.unwrap_err();
        assert_eq!(error.exit_code(), 4, "{scheme:?} {mode:?}: {error}");
        assert!(!error.may_pass(), "{error}");
        server.finish();
    }
}

const REQUIRED: &[(Scheme, TlsMode)] =
    &[(Scheme::ExplicitTls, TlsMode::Auto), (Scheme::Ftp, TlsMode::Require)];
const BY_AUTH: &[(Scheme, TlsMode)] =
    &[(Scheme::ExplicitTls, TlsMode::Auto), (Scheme::Ftp, TlsMode::Require), (Scheme::Ftp, TlsMode::Auto)];

#[tokio::test]
async fn a_refused_auth_ends_it_where_tls_is_required() {
    for refusal in ["500 what?", "502 no", "504 no", "530 log in first", "534 no", "431 later"] {
        nothing_is_sent(REQUIRED, move |server| {
            server.play(&format!("S: 220 ready\nC: AUTH TLS\nS: {refusal}"));
        })
        .await;
    }
}

#[tokio::test]
async fn a_greeting_that_logs_in_is_no_way_around_tls() {
    nothing_is_sent(REQUIRED, |server| _ = server.play("S: 230 you are in")).await;
}

#[tokio::test]
async fn what_is_neither_yes_nor_no_to_auth_is_no_yes() {
    for reply in ["334 data?", "230 in", "200 ok"] {
        nothing_is_sent(BY_AUTH, move |server| {
            server.play(&format!("S: 220 ready\nC: AUTH TLS\nS: {reply}"));
        })
        .await;
    }
}

#[tokio::test]
async fn what_comes_behind_234_in_clear_is_refused() {
    for behind in ["230 in\r\n", "331 x\r\n230 x\r\n", "2", "\r\n"] {
        nothing_is_sent(BY_AUTH, move |server| {
            server.play("S: 220 ready\nC: AUTH TLS").send(format!("234 go on\r\n{behind}"));
        })
        .await;
    }
    // In a segment of its own, where it meets the handshake.
    nothing_is_sent(BY_AUTH, |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").pause(std::time::Duration::from_millis(50));
        server.send("230 in\r\n");
    })
    .await;
}

#[tokio::test]
async fn behind_a_failed_handshake_nothing_is_said() {
    nothing_is_sent(BY_AUTH, |server| {
        _ = server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").half_close();
    })
    .await;
    nothing_is_sent(BY_AUTH, |server| {
        // handshake_failure
        server
            .play("S: 220 ready\nC: AUTH TLS\nS: 234 go on")
            .expect_bytes([22])
            .send(b"\x15\x03\x03\x00\x02\x02\x28");
    })
    .await;
    // Silence.
    nothing_is_sent(BY_AUTH, |server| _ = server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on")).await;
}

#[tokio::test]
async fn a_server_that_does_not_begin_with_tls_is_no_ftps_server() {
    nothing_is_sent(&[(Scheme::ImplicitTls, TlsMode::Auto)], |server| _ = server.send("220 ready\r\n")).await;
}

#[tokio::test]
async fn an_alert_names_the_version() {
    let server = ScriptedServer::start(|server| {
        server
            .play("S: 220 ready\nC: AUTH TLS\nS: 234 go on")
            .expect_bytes([22])
            .send(b"\x15\x03\x03\x00\x02\x02\x46"); // protocol_version
        server.read_to_close();
    });
    let error = connect(server.address(), Scheme::Ftp, tls(TlsMode::Auto)).await.unwrap_err();
    let cause = error.findings().first().map(wharf_findings::Finding::cause);
    assert_eq!(cause, Some(Cause::TlsNoCommonVersion), "{error}");
    server.finish();
}

#[tokio::test]
async fn a_session_that_was_under_tls_does_not_come_back_in_clear() {
    // The same address speaks TLS first, and offers none when it is connected to again.
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server_address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut first = FtpsConversation::with_client(&listener, ServerTls::new(&certificate));
        first.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(LOGIN);
        drop(first);
        let mut second = FtpsConversation::with_client(&listener, ServerTls::new(&certificate));
        second.play("S: 220 ready\nC: AUTH TLS\nS: 500 what?").expect_close();
    });
    let (mut session, seen) = connect(server_address, Scheme::Ftp, tls(TlsMode::Auto)).await.unwrap();
    let error = session.delete(&path("file")).await.unwrap_err();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert_eq!(seen.lock().unwrap().warnings.len(), 1, "the certificate signs itself");
    drop(session);
    server.join().unwrap();
}

/// A session under TLS with a server that goes on with `script`.
async fn session(
    options: Options,
    script: impl FnOnce(&mut FtpsConversation) + Send + 'static,
) -> (Session, Seen, FtpsServer) {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let server = FtpsServer::start(ServerTls::new(&certificate), |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(LOGIN);
        script(server);
    });
    let (session, seen) = connect(server.address(), Scheme::Ftp, options).await.unwrap();
    (session, seen, server)
}

async fn get(session: &mut Session, directory: &TestDirectory) -> Result<u64, ClientError> {
    let destination = Destination::Directory(directory.path().to_owned());
    let options = DownloadOptions { destination, resume: false, ascii: false };
    session.download(&path("file"), &options).await.map(|done| done.bytes)
}

#[tokio::test]
async fn a_missing_close_notify_is_let_pass_where_the_size_fits_and_none_ever_came() {
    let (mut session, seen, server) = session(tls(TlsMode::Auto), |server| {
        server.play(GET);
        let mut data = server.secured_data();
        data.write_all(b"hello").unwrap();
        close_plainly(data);
        server.play("S: 226 done").play(GET_AGAIN);
        let mut data = server.secured_data();
        data.write_all(b"hel").unwrap();
        close_plainly(data);
        server.play("S: 226 done");
    })
    .await;
    let directory = TestDirectory::new();
    assert_eq!(get(&mut session, &directory).await.unwrap(), 5);
    assert!(seen.lock().unwrap().notes.iter().any(|note| note.contains("close_notify")));
    let error = get(&mut session, &directory).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    assert_eq!(error.findings()[0].cause(), Cause::MissingCloseNotify, "{error}");
    assert_eq!(directory.read("file.part"), b"hel");
    drop(session);
    server.finish();
}

#[tokio::test]
async fn who_has_said_close_notify_once_says_it_always() {
    let (mut session, _, server) = session(tls(TlsMode::Auto), |server| {
        server.play(GET);
        let mut data = server.secured_data();
        data.write_all(b"hello").unwrap();
        close_in_order(data);
        server.play("S: 226 done").play(GET_AGAIN);
        let mut data = server.secured_data();
        data.write_all(b"hello").unwrap();
        close_plainly(data);
        server.play("S: 226 done");
    })
    .await;
    let directory = TestDirectory::new();
    assert_eq!(get(&mut session, &directory).await.unwrap(), 5);
    let error = get(&mut session, &directory).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    assert!(error.to_string().contains("missing-close-notify"), "{error}");
    drop(session);
    server.finish();
}

/// Nobody knows the size of a listing.
#[tokio::test]
async fn a_listing_without_close_notify_is_believed_only_of_a_server_that_never_says_it() {
    const LIST: &str = "C: EPSV
        S: 229 (|||{port}|)
        C: LIST
        S: 150 here it comes";
    let (mut session, seen, server) = session(tls(TlsMode::Auto), |server| {
        server.play("C: SYST\nS: 215 UNIX Type: L8\nC: TYPE A\nS: 200 A");
        for close in [close_plainly, close_in_order, close_plainly] {
            server.play(LIST);
            let mut data = server.secured_data();
            data.write_all(b"-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 file\r\n").unwrap();
            close(data);
            server.play("S: 226 done");
        }
    })
    .await;
    assert_eq!(session.list(None, |_| {}).await.unwrap().entries, 1);
    assert!(seen.lock().unwrap().notes.iter().any(|note| note.contains("close_notify")));
    session.list(None, |_| {}).await.unwrap();
    let error = session.list(None, |_| {}).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    assert_eq!(error.findings()[0].cause(), Cause::MissingCloseNotify, "{error}");
    drop(session);
    server.finish();
}

#[tokio::test]
async fn an_upload_ends_with_close_notify() {
    let (mut session, _, server) = session(tls(TlsMode::Auto), |server| {
        server.play("C: TYPE I\nS: 200 I\nC: EPSV\nS: 229 (|||{port}|)\nC: STOR file\nS: 150 give it");
        let mut data = server.secured_data();
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap(); // an error without close_notify
        assert_eq!(content, b"hello");
        close_in_order(data);
        server.play("S: 226 done\nC: SIZE file\nS: 213 5");
    })
    .await;
    let directory = TestDirectory::new();
    let source = UploadSource::File(directory.write("file", "hello"));
    session.upload(source, &path("file"), UploadOptions::default()).await.unwrap();
    drop(session);
    server.finish();
}

#[tokio::test]
async fn a_data_connection_in_clear_is_not_read() {
    let (mut session, _, server) = session(tls(TlsMode::Auto), |server| {
        server.play(GET);
        let mut data = server.data();
        assert!(data.read(&mut [0; 4096]).unwrap() > 0); // unread, the hello would make a reset of the end
        data.write_all(b"hello").unwrap();
        drop(data);
        server.play("S: 226 done");
    })
    .await;
    let directory = TestDirectory::new();
    let error = get(&mut session, &directory).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert_eq!(error.findings()[0].cause(), Cause::ProtMismatch, "{error}");
    assert!(directory.names().is_empty(), "{:?}", directory.names());
    drop(session);
    server.finish();
}

#[tokio::test]
async fn a_server_that_wants_resumption_and_gives_no_ticket_is_told_as_such() {
    let (mut session, _, server) = session(tls(TlsMode::Auto), |server| {
        server.play(GET);
        // As vsftpd has it: TLS is fine, and then it is not.
        let other = TestCertificate::new(&["127.0.0.1"]);
        let stream = server.data();
        let data = ServerTls::new(&other).accept(stream).unwrap();
        close_in_order(data);
        server.play("S: 522 SSL connection failed; session reuse required: see require_ssl_reuse option");
    })
    .await;
    let error = get(&mut session, &TestDirectory::new()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert_eq!(error.findings()[0].cause(), Cause::TlsResumptionRequired, "{error}");
    drop(session);
    server.finish();
}

#[tokio::test]
async fn a_failed_data_handshake_leads_on_only_where_another_way_may_help() {
    // Another TLS than the control connection's: no other mode changes that.
    let (mut hopeless, seen, server) =
        session(Options { mode: ModeChoice::Auto, ..tls(TlsMode::Auto) }, |server| {
            server.play(GET);
            let mut data = server.data();
            // Unread, the hello would make a reset of the end, which destroys the alert.
            assert!(data.read(&mut [0; 4096]).unwrap() > 0);
            data.write_all(b"\x15\x03\x03\x00\x02\x02\x28").unwrap(); // handshake_failure
            server.play("S: 425 no TLS");
        })
        .await;
    let error = get(&mut hopeless, &TestDirectory::new()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert_eq!(seen.lock().unwrap().attempts.len(), 1, "{error}");
    drop(hopeless);
    server.finish();
    // One that is closed at once may have been taken for a stranger's.
    let (mut session, _, server) = session(tls(TlsMode::Auto), |server| {
        server.play(GET);
        drop(server.data());
        server.play("S: 425 where are you?\nC: PASV");
        server.play("S: 502 no");
    })
    .await;
    let error = get(&mut session, &TestDirectory::new()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    drop(session);
    server.finish();
}

/// PROT P refused, before the login and behind it.
const UNPROTECTED: &str = "C: PBSZ 0
    S: 200 ok
    C: PROT P
    S: 536 no
    C: USER anonymous
    S: 331 password
    C: PASS wharf@
    S: 230 in
    C: PBSZ 0
    S: 200 ok
    C: PROT P
    S: 536 no
    C: FEAT
    S: 500 what?";

#[tokio::test]
async fn a_server_that_protects_no_data() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let server = FtpsServer::start(ServerTls::new(&certificate), |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(UNPROTECTED).play(GET);
        server.data().write_all(b"hello").unwrap();
        server.play("S: 226 done");
    });
    let (mut session, seen) = connect(server.address(), Scheme::Ftp, tls(TlsMode::Auto)).await.unwrap();
    assert_eq!(get(&mut session, &TestDirectory::new()).await.unwrap(), 5);
    let warnings = seen.lock().unwrap().warnings.join("\n");
    assert!(warnings.contains("go in clear") && warnings.contains("536 no"), "{warnings}");
    drop(session);
    server.finish();

    let server = FtpsServer::start(ServerTls::new(&certificate), |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(UNPROTECTED);
        server.play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 5").expect_close();
    });
    let mut required = tls(TlsMode::Require);
    required.tls.connector.authorities = vec![certificate.certificate()];
    let (mut session, _) = connect(server.address(), Scheme::Ftp, required).await.unwrap();
    let error = get(&mut session, &TestDirectory::new()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert_eq!(error.findings()[0].cause(), Cause::ProtMismatch, "{error}");
    drop(session);
    server.finish();
}

#[tokio::test]
async fn protection_is_asked_for_once_more_behind_the_login() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let server = FtpsServer::start(ServerTls::new(&certificate), |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls();
        server.play(
            "C: PBSZ 0\nS: 530 log in first\nC: USER anonymous\nS: 230 in\nC: PBSZ 0\nS: 200 ok\nC: PROT P\nS: 200 ok",
        );
        server.play("C: FEAT\nS: 500 what?").play(GET);
        let mut data = server.secured_data();
        data.write_all(b"hello").unwrap();
        close_in_order(data);
        server.play("S: 226 done");
    });
    let (mut session, _) = connect(server.address(), Scheme::Ftp, tls(TlsMode::Auto)).await.unwrap();
    assert_eq!(get(&mut session, &TestDirectory::new()).await.unwrap(), 5);
    drop(session);
    server.finish();
}

#[tokio::test]
async fn tls_from_the_first_byte_protects_data_without_being_asked() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let server = FtpsServer::start(ServerTls::new(&certificate), |server| {
        server.begin_tls().play("S: 220 ready\nC: PBSZ 0\nS: 500 what?\nC: USER anonymous\nS: 230 in");
        server.play("C: FEAT\nS: 500 what?").play(GET);
        let mut data = server.secured_data();
        data.write_all(b"hello").unwrap();
        close_in_order(data);
        server.play("S: 226 done");
    });
    let mut options = tls(TlsMode::Auto);
    options.tls.insecure = true;
    let (mut session, seen) = connect(server.address(), Scheme::ImplicitTls, options).await.unwrap();
    assert_eq!(get(&mut session, &TestDirectory::new()).await.unwrap(), 5);
    assert!(seen.lock().unwrap().warnings.is_empty(), "whoever asks for it knows it");
    drop(session);
    server.finish();
}

#[tokio::test]
async fn the_control_connection_is_cleared_on_demand_and_data_are_not() {
    let mut options = tls(TlsMode::Auto);
    options.tls.clear_control = true;
    let (mut session, seen, server) = session(options, |server| {
        server.play("C: CCC\nS: 200 in clear from here on").end_tls().play(GET);
        let mut data = server.secured_data();
        assert_eq!(data.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
        data.write_all(b"hello").unwrap();
        close_in_order(data);
        server.play("S: 226 done");
    })
    .await;
    assert_eq!(get(&mut session, &TestDirectory::new()).await.unwrap(), 5);
    assert!(seen.lock().unwrap().notes.iter().any(|note| note.contains("CCC")));
    drop(session);
    server.finish();
}

/// A client's certificate, for servers that ask for one; and the error of a client that has none.
#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (certificate, ours) = (TestCertificate::new(&["127.0.0.1"]), TestCertificate::new(&["client"]));
    for versions in [TLS12, TLS13] {
        let tls_of_server = ServerTls::with(&certificate, versions, Some(&ours));
        let server = FtpsServer::start(tls_of_server.clone(), |server| {
            server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(LOGIN);
        });
        let mut options = tls(TlsMode::Require);
        options.tls.connector = ConnectorOptions {
            authorities: vec![certificate.certificate()],
            identity: Some((ours.certificate(), ours.key())),
            newest: None,
        };
        drop(connect(server.address(), Scheme::Ftp, options.clone()).await.unwrap());
        server.finish();

        let server = FtpsServer::start(tls_of_server, |server| {
            server.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls_in_vain();
        });
        options.tls.connector.identity = None;
        let error = connect(server.address(), Scheme::Ftp, options).await.unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        server.finish();
    }
}

/// Where the tickets are used up and no new ones come, a new control connection gets some: in TLS 1.2, if that is spoken.
#[tokio::test]
async fn tickets_that_run_out_come_with_a_new_control_connection() {
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server_address = listener.local_addr().unwrap();
    let server_certificate = certificate.certificate();
    let server = std::thread::spawn(move || {
        let only13 = ServerTls::with(&certificate, TLS13, None).without_tickets_for_data();
        let give = |server: &mut FtpsConversation, asked: &str| {
            server.play(asked);
            let mut data = server.secured_data();
            assert_eq!(data.conn.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
            data.write_all(b"hello").unwrap();
            close_in_order(data);
            server.play("S: 226 done");
        };
        let mut first = FtpsConversation::with_client(&listener, only13.clone());
        first.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(LOGIN);
        give(&mut first, GET);
        give(&mut first, GET_AGAIN);
        // TLS 1.2 is tried, and not spoken here.
        first.play("C: SIZE file\nS: 213 5");
        let mut in_vain = FtpsConversation::with_client(&listener, only13.clone());
        in_vain.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls_in_vain();
        let mut second = FtpsConversation::with_client(&listener, only13);
        let again = LOGIN.trim_end_matches("C: FEAT\n    S: 500 what?");
        second.play("S: 220 ready\nC: AUTH TLS\nS: 234 go on").begin_tls().play(again);
        give(&mut second, "C: TYPE I\nS: 200 I\nC: EPSV\nS: 229 (|||{port}|)\nC: RETR file\nS: 150 here");
    });
    let mut options = tls(TlsMode::Require);
    options.tls.connector.authorities = vec![server_certificate];
    let (mut session, _) = connect(server_address, Scheme::Ftp, options).await.unwrap();
    assert_eq!(session.secured().unwrap().version, TlsVersion::Tls13);
    for _ in 0..3 {
        assert_eq!(get(&mut session, &TestDirectory::new()).await.unwrap(), 5);
    }
    drop(session);
    server.join().unwrap();
}
