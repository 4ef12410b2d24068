use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    panic.downcast::<String>().map(|text| *text).unwrap_or_default()
}

#[test]
fn a_scripted_pair_talks_in_active_mode_and_over_ipv6() {
    if !crate::has_ipv6() {
        crate::skip!("no IPv6 on loopback");
    }
    let server = ScriptedServer::start_on(std::net::Ipv6Addr::LOCALHOST, |server| {
        server.play(
            "S: 220-several
             S: 220-lines
             S: 220 ready
             C: EPRT {eprt}
             S: 200 ok
             C: STOR *
             S: 150 send",
        );
        assert_eq!(server.open_data().receive_data(), b"content");
        server.play("S: 226 stored").close();
    });
    let mut client = ScriptedClient::connect(server.address());
    client.play(
        "# a comment
         S: 220 ready
         C: EPRT {eprt}
         S: 200
         C: STOR name with spaces
         S: 150 *",
    );
    client.open_data().send_data("content").close_data().play("S: 226").expect_close();
    assert_eq!(client.data_peers()[0].ip(), server.address().ip());
    let conversation = server.finish();
    assert_eq!(conversation.received(), b"content");
}

#[test]
fn a_failed_expectation_shows_the_transcript() {
    let server = ScriptedServer::start(|server| {
        server.play("S: 220 ready\nC: QUIT").close();
    });
    let mut client = ScriptedClient::connect(server.address());
    client.play("S: 220\nC: NOOP");
    let panic = catch_unwind(AssertUnwindSafe(|| server.finish())).err().unwrap();
    let text = message(panic);
    assert!(text.starts_with("expected `QUIT`, got `NOOP`"), "{text}");
    assert!(text.contains("S: 220 ready") && text.contains("C: NOOP"), "{text}");
    let text = message(catch_unwind(AssertUnwindSafe(|| drop(client.expect_reply("200")))).err().unwrap());
    assert!(text.contains("the peer closed the connection"), "{text}");
}

#[test]
fn silence_trickles_half_closes_and_urgent_bytes_are_seen() {
    let server = ScriptedServer::start(|server| {
        server.expect_silence(Duration::from_millis(30)).send("220 x\r\n");
        // Urgent data is not in the stream: the DM is missing.
        server.expect_bytes(b"\xFF\xF4\xFF").expect_line("ABOR");
        server.expect_line("slow");
        server.expect_close().send_line("221 bye").close();
    });
    let mut client = ScriptedClient::connect(server.address());
    client.play("S: 220 x").send_urgent(b"\xFF\xF4\xFF\xF2").send("ABOR\r\n");
    client.trickle("slow\n", Duration::from_millis(1)).half_close().play("S: 221").expect_close();
    server.finish();
}

#[test]
fn resets_are_resets() {
    let server = ScriptedServer::start(|server| {
        server.play("S: 227 ({six})").open_data().send_data("half").expect_line("next");
        server.reset_data().reset();
    });
    let mut client = ScriptedClient::connect(server.address());
    client.play("S: 227 ({six})").open_data().expect_data("half").send("next\r\n").expect_data_reset();
    client.expect_close();
    server.finish();
}

#[test]
fn several_connections_are_served_and_a_data_connection_comes_from_where_it_should() {
    let done = Signal::new();
    let given = done.clone();
    let server = ScriptedServer::start_many("127.0.0.1:0".parse().unwrap(), 2, move |number, server| {
        if number == 0 {
            given.wait();
        }
        server.send_line(&format!("220 number {number}")).play("C: PORT {six}").open_data().close_data();
    });
    let mut first = ScriptedClient::connect(server.address());
    let mut second = ScriptedClient::connect_from("127.0.0.2:0".parse().unwrap(), server.address());
    second.play("S: 220 number 1\nC: PORT {six}").accept_data().expect_data_end();
    done.give();
    first.play("S: 220 number 0").listen_data_on("127.0.0.3:0".parse().unwrap()).play("C: PORT {six}");
    first.accept_data().expect_data_end();
    assert!(TcpStream::connect(server.address()).is_err(), "a third one is refused");
    let peers: Vec<_> = server.finish_all().iter().map(|one| one.data_peers()[0].ip().to_string()).collect();
    assert!(peers.contains(&"127.0.0.3".into()) && peers.contains(&"127.0.0.2".into()), "{peers:?}");
}
