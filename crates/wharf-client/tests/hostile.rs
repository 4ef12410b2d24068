//! Servers that mean no good, or that nobody meant well with: bounded memory, bounded time, nothing outside the target.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::time::{Duration, Instant};

use common::{LOGIN, connect, options, path};
use wharf_client::login::ServerAddress;
use wharf_client::observer::Silent;
use wharf_client::options::{ModeChoice, Options, Times};
use wharf_client::url::Scheme;
use wharf_client::{ClientError, Login, Session};
use wharf_proto::listing::ListingEntry;
use wharf_testkit::free_port;
use wharf_testkit::scripted::{Conversation, ScriptedServer};

/// Every wait is half a second at most.
fn hasty() -> Options {
    Options { times: Times::with_timeout(Duration::from_millis(500)), ..Options::default() }
}

/// Sends `piece` until the peer is gone, or more than any client should take.
fn flood(server: &mut Conversation, piece: &[u8]) -> usize {
    use std::io::Write;
    const TOO_MUCH: usize = 64 * 1024 * 1024;
    let mut sent = 0;
    while sent < TOO_MUCH && server.data_stream().write_all(piece).is_ok() {
        sent += piece.len();
    }
    sent
}

/// Connects to a server that plays `script`; it must fail with this exit code, and soon.
async fn connect_fails(code: u8, script: impl FnOnce(&mut Conversation) + Send + 'static) -> String {
    let server = ScriptedServer::start(script);
    let started = Instant::now();
    let error = connect(server.address(), hasty()).await.unwrap_err();
    assert_eq!(error.exit_code(), code, "{error}");
    assert!(started.elapsed() < Duration::from_secs(3), "it took {:?}", started.elapsed());
    server.finish();
    error.to_string()
}

#[tokio::test]
async fn endless_greetings_are_cut_off() {
    connect_fails(3, |server| _ = server.send(vec![b'x'; 1024 * 1024 / 8]).expect_close()).await;
    connect_fails(3, |server| {
        server.send("220-hello\r\n".repeat(10_000)).expect_close();
    })
    .await;
}

#[tokio::test]
async fn silence_and_trickling_have_a_deadline() {
    connect_fails(3, |server| _ = server.expect_close()).await;
    connect_fails(3, |server| {
        for _ in 0..4 {
            server.send("220-x\r\n").pause(Duration::from_millis(100));
        }
        server.expect_close();
    })
    .await;
    connect_fails(3, |server| {
        server.play("S: 220 ready\nC: AUTH TLS\nS: 500 x\nC: USER anonymous");
        for _ in 0..4 {
            server.send("2").pause(Duration::from_millis(100));
        }
        server.expect_close();
    })
    .await;
}

#[tokio::test]
async fn what_is_no_ftp_server() {
    connect_fails(3, |server| _ = server.send("SSH-2.0-OpenSSH_9.2\r\n").expect_close()).await;
    connect_fails(3, |server| _ = server.close()).await;
    let text = connect_fails(3, |server| _ = server.play("S: 421 too many users").close()).await;
    assert!(text.contains("too many users"), "{text}");
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], free_port([127, 0, 0, 1].into())));
    assert_eq!(connect(server, hasty()).await.unwrap_err().exit_code(), 3);
    let server = ServerAddress { scheme: Scheme::Ftp, host: "no.such.host.invalid".into(), port: 21 };
    let error = Session::connect(server, Login::anonymous(), hasty(), Box::new(Silent)).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
}

#[tokio::test]
async fn refused_logins() {
    for script in [
        "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER anonymous\nS: 530 no",
        "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER anonymous\nS: 331 x\nC: PASS wharf@\nS: 530 no",
        "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER anonymous\nS: 331 x\nC: PASS wharf@\nS: 331 again",
        "S: 220 x\nC: AUTH TLS\nS: 500 x\nC: USER anonymous\nS: 332 account?",
    ] {
        connect_fails(5, move |server| _ = server.play(script).expect_close()).await;
    }
}

async fn list(
    script: impl FnOnce(&mut Conversation) + Send + 'static,
) -> (Result<u64, ClientError>, Vec<ListingEntry>) {
    let server = ScriptedServer::start(|server| {
        server
            .play(LOGIN)
            .play("C: SYST\nS: 215 UNIX Type: L8\nC: TYPE A\nS: 200 A\nC: EPSV\nS: 229 (|||{port}|)");
        server.play("C: LIST\nS: 150 here").open_data();
        script(server);
    });
    let mut session = connect(server.address(), options(ModeChoice::Auto)).await.unwrap();
    let mut entries = Vec::new();
    let outcome = session
        .list(None, |entry| {
            entries.truncate(1000);
            entries.push(entry);
        })
        .await;
    drop(session);
    server.finish();
    (outcome.map(|listed| listed.left_out), entries)
}

#[tokio::test]
async fn names_that_lead_out_of_a_directory_are_left_out() {
    let (outcome, entries) = list(|server| {
        for name in ["../x", "/etc/passwd", "a/b", ".", "..", "|cmd", "C:\\x", "fine"] {
            server.send_data(format!("-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 {name}\r\n"));
        }
        server.send_data("-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 nul\0x\r\n");
        server.close_data().play("S: 226 done");
    })
    .await;
    let names: Vec<_> =
        entries.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect();
    assert_eq!(names, ["|cmd", "C:\\x", "fine"]);
    assert!(outcome.unwrap() >= 4);
}

#[tokio::test]
async fn a_listing_without_line_ends_is_given_up() {
    let (outcome, _) = list(|server| {
        assert!(flood(server, &[b'x'; 65_536]) < 60 * 1024 * 1024);
    })
    .await;
    assert_eq!(outcome.unwrap_err().exit_code(), 1);
}

#[tokio::test]
async fn an_endless_listing_of_nonsense_is_given_up() {
    let nonsense = "what is this?\r\n".repeat(4000).into_bytes();
    let (outcome, entries) = list(move |server| _ = flood(server, &nonsense)).await;
    assert_eq!(outcome.unwrap_err().exit_code(), 1);
    assert!(entries.is_empty());
}

#[tokio::test]
async fn a_flood_of_replies_while_data_stalls_ends_at_the_deadline() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: SIZE file\nS: 213 5\nC: EPSV\nS: 229 (|||{port}|)");
        server.play("C: RETR file\nS: 150 here").open_data();
        for _ in 0..15 {
            server.send("150 again\r\n150 again\r\n").pause(Duration::from_millis(100));
        }
    });
    let directory = wharf_testkit::TestDirectory::new();
    let error = common::fetch(server.address(), hasty(), &directory, false).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    server.finish();
}

#[tokio::test]
async fn a_reply_of_the_past_is_not_the_answer_to_the_next_command() {
    let server = ScriptedServer::start(|server| {
        // Not asked for, and not to be taken for the answer to DELE.
        server.play(LOGIN).pause(Duration::from_millis(50)).play("S: 250 unasked");
        server.pause(Duration::from_millis(100)).play("C: DELE file\nS: 550 no").expect_close();
    });
    let mut session = connect(server.address(), hasty()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let outcome = session.delete(&path("file")).await;
    assert_eq!(outcome.unwrap_err().exit_code(), 6);
    drop(session);
    server.finish();
}
