//! The ladder of modes against scripted servers: what moves it on, what it never does, and what it says at the end.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::{ASK, LOGIN, LOGIN_AGAIN, SilentPort, connect, fetch, give_file, options, path, six};
use wharf_client::attempt::Outcome;
use wharf_client::operations::{DownloadOptions, UploadOptions, UploadSource};
use wharf_client::options::{ActiveOptions, ModeChoice, Options};
use wharf_client::{ClientError, Destination};
use wharf_findings::Cause;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::NegotiationCommand::{self, Eprt, Pasv, Port};
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::run;
use wharf_testkit::scripted::{Conversation, ScriptedServer};
use wharf_testkit::{TestDirectory, free_port, skip};

/// Fetches `file` and tells by which command; it must be right.
async fn works(server: &ScriptedServer, options: Options) -> NegotiationCommand {
    let directory = TestDirectory::new();
    let done = fetch(server.address(), options, &directory, false).await.unwrap();
    assert_eq!(directory.read("file"), b"hello");
    assert_eq!(directory.names(), ["file"]);
    done.attempt.unwrap().command
}

/// What follows on a control connection that was given up.
fn give_file_by_pasv_in_a_new_session(server: &mut Conversation) {
    server.play(LOGIN_AGAIN).play("C: TYPE I\nS: 200 I\nC: PASV\nS: 227 ok ({six})\nC: RETR file");
    give_file(server);
}

async fn fails(server: &ScriptedServer, options: Options) -> (Vec<Outcome>, Vec<Cause>, String) {
    let directory = TestDirectory::new();
    let error = fetch(server.address(), options, &directory, false).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert!(directory.names().is_empty(), "{:?}", directory.names());
    let text = error.to_string();
    let ClientError::NoDataConnection(failure) = error else { panic!("{text}") };
    let outcomes = failure.attempts.iter().map(|attempt| attempt.outcome.clone()).collect();
    (outcomes, failure.findings.iter().map(wharf_findings::Finding::cause).collect(), text)
}

#[tokio::test]
async fn each_refusal_leads_to_the_next_rung() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play(
            "C: EPSV
             S: 500 unknown
             C: PASV
             S: 425 no port is free
             C: EPRT {eprt}
             S: 502 no
             C: PORT {six}
             S: 200 ok
             C: RETR file",
        );
        give_file(server);
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Port);
    server.finish();
}

#[tokio::test]
async fn a_421_to_pasv_is_no_end_where_the_server_stays() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play(
            "C: EPSV
             S: 421 all ports are busy
             C: PASV
             S: 227 ok ({six})
             C: RETR file",
        );
        give_file(server);
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Pasv);
    server.finish();
}

#[tokio::test]
async fn a_421_that_closes_leads_to_a_new_control_connection() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            server.play(LOGIN).play(ASK).play("C: EPSV\nS: 421 bye").close();
        } else {
            give_file_by_pasv_in_a_new_session(server);
        }
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Pasv);
    server.finish_all();
}

#[tokio::test]
async fn a_refused_and_a_silent_port_are_left_and_what_worked_is_used_again() {
    let silent = SilentPort::new("127.0.0.1");
    let line = format!("S: 227 =({})", six(silent.endpoint()));
    let server = ScriptedServer::start(move |server| {
        let refused = free_port([127, 0, 0, 1].into());
        server.play(LOGIN).play(ASK).play(&format!("C: EPSV\nS: 229 ok (|||{refused}|)\nC: PASV"));
        server.play(&line).play("C: EPRT {eprt}\nS: 200 ok\nC: RETR file");
        give_file(server);
        server.play("C: SIZE file\nS: 213 5\nC: EPRT {eprt}\nS: 200 ok\nC: RETR file");
        give_file(server);
    });
    let directory = TestDirectory::new();
    let mut session = connect(server.address(), options(ModeChoice::Auto)).await.unwrap();
    let destination = Destination::Directory(directory.path().to_owned());
    let download = DownloadOptions { destination, resume: false, ascii: false };
    for _ in 0..2 {
        let done = session.download(&path("file"), &download).await.unwrap();
        assert_eq!(done.attempt.unwrap().command, Eprt);
    }
    server.finish();
}

#[tokio::test]
async fn the_control_peer_is_taken_in_place_of_the_address_in_227() {
    let server = ScriptedServer::start(|server| {
        let port = free_port([127, 0, 0, 1].into());
        server.listen_data_on(SocketAddr::from(([127, 0, 0, 1], port)));
        let told = six(SocketAddr::from(([192, 0, 2, 7], port)));
        server
            .play(LOGIN)
            .play(ASK)
            .play(&format!("C: PASV\nS: 227 Entering Passive Mode ({told}).\nC: RETR file"));
        give_file(server);
    });
    assert_eq!(works(&server, options(ModeChoice::Only(Pasv))).await, Pasv);
    server.finish();
}

#[tokio::test]
async fn the_address_in_227_is_taken_after_the_control_peer_failed() {
    let server = ScriptedServer::start(|server| {
        let port = free_port([127, 0, 0, 2].into());
        server.listen_data_on(SocketAddr::from(([127, 0, 0, 2], port)));
        let told = six(SocketAddr::from(([127, 0, 0, 2], port)));
        server.play(LOGIN).play(ASK).play(&format!("C: PASV\nS: 227 {told}\nC: RETR file"));
        give_file(server);
    });
    let directory = TestDirectory::new();
    let done = fetch(server.address(), options(ModeChoice::Only(Pasv)), &directory, false).await.unwrap();
    assert_eq!(done.attempt.unwrap().endpoint.unwrap().ip().to_string(), "127.0.0.2");
    server.finish();
}

/// Threat 27, with addresses that are public: the private one would take the connection.
#[test]
fn a_public_server_never_leads_to_a_private_address() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => skip!("{reason}"),
    };
    for address in ["203.0.113.5/32", "10.9.8.7/32"] {
        run(namespace.command("ip").args(["address", "add", address, "dev", "lo"])).assert_success();
    }
    namespace.enter(|| {
        let port = free_port([203, 0, 113, 5].into());
        let bait = std::net::TcpListener::bind(("10.9.8.7", port)).unwrap();
        bait.set_nonblocking(true).unwrap();
        let server = ScriptedServer::start_on([203, 0, 113, 5], move |server| {
            let told = six(SocketAddr::from(([10, 9, 8, 7], port)));
            server.play(LOGIN).play(ASK).play(&format!("C: PASV\nS: 227 ({told})")).expect_close();
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (outcomes, causes, text) = runtime.block_on(fails(&server, options(ModeChoice::Only(Pasv))));
        assert_eq!(outcomes.len(), 1, "{text}");
        assert!(causes.contains(&Cause::PasvPrivateAddress), "{text}");
        assert!(bait.accept().is_err(), "somebody connected to the private address");
        server.finish();
    });
}

#[tokio::test]
async fn garbage_in_229_and_227_is_told() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play(
            "C: EPSV
             S: 229 Entering (|||99999999|)
             C: PASV
             S: 227 Entering Passive Mode (1,2,3)",
        );
        server.expect_close();
    });
    let (outcomes, causes, text) = fails(&server, options(ModeChoice::Passive)).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::ReplyUnreadable { .. })), "{text}");
    assert_eq!(causes, [Cause::MalformedReply], "{text}");
    server.finish();
}

#[tokio::test]
async fn a_425_everywhere_is_told_with_all_that_was_tried() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play(
            "C: EPSV
             S: 229 ok (|||{port}|)
             C: RETR file
             S: 425 no
             C: PASV
             S: 425 no
             C: EPRT {eprt}
             S: 200 ok
             C: RETR file
             S: 425 Failed to establish connection.
             C: PORT {six}
             S: 200 ok
             C: RETR file
             S: 425 Failed to establish connection.",
        );
        server.expect_close();
    });
    let (outcomes, causes, text) = fails(&server, options(ModeChoice::Auto)).await;
    assert_eq!(outcomes.len(), 4, "{text}");
    assert!(causes.contains(&Cause::ClientRefusesInbound), "{text}");
    assert!(text.contains("Client:") && text.contains("Server:"), "who must change what: {text}");
    server.finish();
}

#[tokio::test]
async fn a_mode_that_is_off_is_named() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play("C: EPSV\nS: 502 no\nC: PASV\nS: 502 no").expect_close();
    });
    let (_, causes, text) = fails(&server, options(ModeChoice::Passive)).await;
    assert_eq!(causes, [Cause::ModeDisabled], "{text}");
    server.finish();
}

#[tokio::test]
async fn a_server_that_does_not_come_is_left_by_a_new_control_connection() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            server.play(LOGIN).play(ASK).play("C: EPRT *\nS: 200 ok\nC: RETR file").expect_close();
        } else {
            server.play(LOGIN_AGAIN);
            server.play("C: TYPE I\nS: 200 I\nC: PORT {six}\nS: 200 ok\nC: RETR file");
            give_file(server);
        }
    });
    let started = Instant::now();
    assert_eq!(works(&server, options(ModeChoice::Active)).await, Port);
    assert!(started.elapsed() < Duration::from_secs(3));
    server.finish_all();
}

#[tokio::test]
async fn a_stranger_at_the_active_listener_is_dropped() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play("C: PORT {six}\nS: 200 ok\nC: RETR file");
        let target = server.data_target().unwrap();
        server.connect_data_from([127, 0, 0, 2].into()).expect_data_end();
        server.connect_data_to(target, None).play("S: 150 now");
        server.send_data("hello").close_data().play("S: 226 done");
    });
    assert_eq!(works(&server, options(ModeChoice::Only(Port))).await, Port);
    server.finish();
}

#[tokio::test]
async fn active_mode_tells_the_address_and_listens_in_the_range_that_was_given() {
    let ports = wharf_testkit::ports::free_ports([127, 0, 0, 1].into(), 2);
    let told = ports.clone();
    let server = ScriptedServer::start(move |server| {
        server.play(LOGIN).play(ASK).play("C: PORT {six}\nS: 200 ok\nC: RETR file");
        let target = server.data_target().unwrap();
        assert_eq!(target.ip().to_string(), "198.51.100.7");
        assert!(told.contains(&target.port()));
        server.connect_data_to(SocketAddr::from(([127, 0, 0, 1], target.port())), None);
        server.play("S: 150 now").send_data("hello").close_data().play("S: 226 done");
    });
    let active = ActiveOptions { told: Some([198, 51, 100, 7].into()), ports: PassivePorts::Range(ports) };
    works(&server, Options { active, ..options(ModeChoice::Only(Port)) }).await;
    server.finish();
}

#[tokio::test]
async fn over_ipv6_the_extended_commands_are_the_only_ones() {
    if !wharf_testkit::has_ipv6() {
        skip!("no IPv6 on loopback");
    }
    let server = ScriptedServer::start_on(std::net::Ipv6Addr::LOCALHOST, |server| {
        server.play(LOGIN).play(ASK).play("C: EPSV\nS: 502 no\nC: EPRT {eprt}\nS: 200 ok\nC: RETR file");
        give_file(server);
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Eprt);
    server.finish();
}

#[tokio::test]
async fn epsv_that_gets_no_reply_is_left() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            server.play(LOGIN).play(ASK).play("C: EPSV").expect_close();
        } else {
            server.play(LOGIN_AGAIN);
            server.play("C: TYPE I\nS: 200 I\nC: PASV\nS: 227 ({six})\nC: RETR file");
            give_file(server);
        }
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Pasv);
    server.finish_all();
}

#[tokio::test]
async fn a_data_connection_that_the_server_drops_as_a_strangers_leads_to_the_next_rung() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play("C: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file");
        server.accept_data().play("S: 150 here it comes").close_data();
        server.play("S: 425 Security: Bad IP connecting.\nC: PASV\nS: 227 ok ({six})\nC: RETR file");
        give_file(server);
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Pasv);
    server.finish();
}

/// What an upload of `file` comes to: the command of its data connection, or the exit code.
async fn sent(server: &ScriptedServer, options: Options) -> Result<NegotiationCommand, u8> {
    let directory = TestDirectory::new();
    let source = UploadSource::File(directory.write("local", "hello"));
    let mut session = connect(server.address(), options).await.unwrap();
    let done = session.upload(source, &path("file"), UploadOptions::default()).await;
    done.map(|done| done.attempt.unwrap().command).map_err(|error| error.exit_code())
}

#[tokio::test]
async fn an_upload_that_the_server_drops_as_a_strangers_leads_to_the_next_rung() {
    for drop in [
        "S: 425 Security: Bad IP connecting.",
        "S: 426 Failure reading network stream.\nC: SIZE file\nS: 550 none",
        "S: 426 Failure reading network stream.\nC: SIZE file\nS: 213 0",
    ] {
        let server = ScriptedServer::start(move |server| {
            server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: EPSV\nS: 229 ok (|||{port}|)\nC: STOR file");
            server.accept_data().play("S: 150 send").close_data().play(drop);
            server.play("C: PASV\nS: 227 ok ({six})\nC: STOR file\nS: 150 send").open_data();
            server.expect_data("hello").expect_data_end().play("S: 226 done\nC: SIZE file\nS: 213 5");
        });
        assert_eq!(sent(&server, options(ModeChoice::Auto)).await, Ok(Pasv), "{drop}");
        server.finish();
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_on_every_rung_is_told_as_a_data_connection_that_failed() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: EPSV\nS: 229 ok (|||{port}|)\nC: STOR file");
        server.accept_data().play("S: 150 send").close_data().play("S: 425 Security: Bad IP connecting.");
        server.play("C: PASV\nS: 227 ok ({six})\nC: STOR file\nS: 150 send");
        server.accept_data().close_data().play("S: 425 Security: Bad IP connecting.").expect_close();
    });
    assert_eq!(sent(&server, options(ModeChoice::Passive)).await, Err(7));
    server.finish();
}

/// What was read from a pipe cannot be sent again.
#[tokio::test]
async fn an_upload_from_a_pipe_that_is_dropped_is_told_so_too() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play("C: TYPE I\nS: 200 I\nC: EPSV\nS: 229 ok (|||{port}|)\nC: STOR file");
        server.accept_data().play("S: 150 send").close_data().play("S: 425 Security: Bad IP connecting.");
    });
    let (input, output) = std::io::pipe().unwrap();
    drop(output);
    let source = UploadSource::Stream(std::os::fd::OwnedFd::from(input).into());
    let mut session = connect(server.address(), options(ModeChoice::Auto)).await.unwrap();
    let error = session.upload(source, &path("file"), UploadOptions::default()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    server.finish();
}

#[tokio::test]
async fn a_session_of_vsftpd_that_dies_at_a_full_range_is_replaced_by_a_new_one() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            // It goes on answering, but nothing of it can be relied on.
            server
                .play(LOGIN)
                .play(ASK)
                .play("C: EPSV\nS: 500 OOPS: vsf_sysutil_bind\nS: 500 OOPS: priv_sock_get_int");
        } else {
            give_file_by_pasv_in_a_new_session(server);
        }
    });
    assert_eq!(works(&server, options(ModeChoice::Auto)).await, Pasv);
    server.finish_all();
}

#[tokio::test]
async fn a_data_connection_that_is_closed_without_a_word_leads_to_the_next_rung() {
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, |number, server| {
        if number == 0 {
            server.play(LOGIN).play(ASK).play("C: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file");
            server.accept_data().close_data().expect_close();
        } else {
            give_file_by_pasv_in_a_new_session(server);
        }
    });
    let mut options = options(ModeChoice::Auto);
    options.times.passive = Duration::from_millis(200);
    assert_eq!(works(&server, options).await, Pasv);
    server.finish_all();
}

#[tokio::test]
async fn an_empty_file_is_confirmed_by_servers_that_wait_for_our_end_too() {
    let server = ScriptedServer::start(|server| {
        server.play(LOGIN).play(ASK).play("C: EPSV\nS: 229 ok (|||{port}|)\nC: RETR file");
        server.accept_data().play("S: 150 here it comes").half_close_data().expect_data_end();
        server.play("S: 226 that was all");
    });
    let directory = TestDirectory::new();
    // The size that SIZE told is not what comes: the file is incomplete, and that is known as soon as it is confirmed.
    let error = fetch(server.address(), options(ModeChoice::Auto), &directory, false).await.unwrap_err();
    assert_eq!(error.exit_code(), 8, "{error}");
    server.finish();
}
