//! What must hold when a client is hostile or broken: the server's lines of threats.md, on the real program.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod control;
mod data;
mod links;
mod memory;
mod names;
mod paths;
mod tls;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use wharf_testkit::scripted::{Conversation, STEP_LIMIT, ScriptedClient};
use wharf_testkit::served::Served;

/// Serves `directory` for writing.
fn serve(directory: impl AsRef<Path>) -> Served {
    Served::start(env!("CARGO_BIN_EXE_wharf"), directory, &["--write"])
}

/// An anonymous session in TYPE I.
fn log_in(server: SocketAddr) -> Conversation {
    let mut client = ScriptedClient::log_in(server, "anonymous", "test@example.net");
    client.play("C: TYPE I\nS: 200");
    client
}

/// `command`, whatever bytes it holds, as it goes over the wire: 0xFF doubled (RFC 854).
fn line(command: impl AsRef<[u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    for &byte in command.as_ref() {
        line.push(byte);
        if byte == 0xFF {
            line.push(byte);
        }
    }
    line.extend_from_slice(b"\r\n");
    line
}

/// Sends `command` and waits for its reply.
#[track_caller]
fn ask(client: &mut Conversation, command: impl AsRef<[u8]>, reply: &str) -> String {
    client.send(line(command)).expect_reply(reply)
}

/// `PASV`, and the data connection opened at once.
#[track_caller]
fn open_passive(client: &mut Conversation) {
    client.play("C: PASV\nS: 227 *({six})*").open_data();
}

/// Everything that a download or listing gives.
#[track_caller]
fn fetch(client: &mut Conversation, command: impl AsRef<[u8]>) -> Vec<u8> {
    open_passive(client);
    ask(client, command, "150");
    let bytes = client.receive_data();
    client.expect_reply("226");
    bytes
}

/// Uploads `content`.
#[track_caller]
fn store(client: &mut Conversation, command: impl AsRef<[u8]>, content: impl AsRef<[u8]>) {
    open_passive(client);
    ask(client, command, "150");
    client.send_data(content).close_data().expect_reply("226");
}

/// Waits until the server's log holds `text`.
#[track_caller]
fn expect_log(server: &Served, text: &str) {
    let deadline = Instant::now() + STEP_LIMIT;
    while !server.log().contains(text) {
        assert!(Instant::now() < deadline, "no `{text}` in the log:\n{}", server.log());
        std::thread::sleep(Duration::from_millis(5)); // the log comes through a pipe that nobody announces
    }
}
