//! Causes that the lab does not set up, and what must not be taken for one: conversations made to measure.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use common::{Capture, Connection, Script, explained};
use std::time::Duration;
use wharf_diagnose::capture::{Outcome, Reading};

/// Client, server, and a stranger.
const CLIENT: u8 = 2;
const SERVER: u8 = 1;
const STRANGER: u8 = 9;

/// A conversation that has been greeted and logged in.
struct Talk {
    script: Script,
    control: Connection,
    next_port: u16,
}

impl Talk {
    fn new() -> Self {
        let mut talk = Self::silent();
        talk.server("220 ready");
        talk.exchange("USER me", "331 password?");
        talk.exchange("PASS secret", "230 in");
        talk.exchange("TYPE I", "200 ok");
        talk
    }

    /// A connection on which nothing has been said.
    fn silent() -> Self {
        let mut script = Script::default();
        let mut control = Connection {
            ipv6: false,
            hosts: [CLIENT, SERVER],
            ports: [40_000, 21],
            next: [1000, 2000],
            ttl: [64, 60],
        };
        script.open(&mut control);
        Self { script, control, next_port: 50_000 }
    }

    fn client(&mut self, line: &str) {
        self.script.say(&mut self.control, 0, format!("{line}\r\n").as_bytes());
    }

    fn server(&mut self, line: &str) {
        self.script.say(&mut self.control, 1, format!("{line}\r\n").as_bytes());
    }

    fn exchange(&mut self, command: &str, reply: &str) {
        self.client(command);
        self.server(reply);
    }

    /// PASV with port 2134; the connection that is to follow.
    fn pasv(&mut self) -> Connection {
        self.exchange("PASV", "227 Entering Passive Mode (192,0,2,1,8,86)");
        self.data([CLIENT, SERVER], 2134)
    }

    /// PORT with port 2134; the connection that is to follow, from the server's port 20.
    fn port(&mut self) -> Connection {
        self.exchange("PORT 192,0,2,2,8,86", "200 ok");
        let mut data = self.data([SERVER, CLIENT], 2134);
        data.ports[0] = 20;
        data.ttl = [60, 64];
        data
    }

    fn data(&mut self, hosts: [u8; 2], port: u16) -> Connection {
        self.next_port += 1;
        Connection {
            ipv6: false,
            hosts,
            ports: [self.next_port, port],
            next: [u32::from(self.next_port), 77],
            ttl: [64, 60],
        }
    }

    /// A whole download over `data`.
    fn download(&mut self, mut data: Connection, server_end: usize) {
        self.script.open(&mut data);
        self.exchange("RETR file", "150 here it comes");
        self.script.say(&mut data, server_end, &[7; 100]);
        self.script.close(&mut data, server_end);
        self.server("226 done");
    }

    fn end(mut self) -> Reading {
        self.exchange("QUIT", "221 bye");
        self.script.close(&mut self.control, 1);
        self.read()
    }

    fn read(&self) -> Reading {
        self.read_slowly(Duration::from_millis(1))
    }

    fn read_slowly(&self, step: Duration) -> Reading {
        explained(&Capture { step, ..Capture::default() }.bytes(&self.script.packets))
    }
}

fn causes(reading: &Reading) -> Vec<&'static str> {
    let of_conversations = reading.conversations.iter().flat_map(|conversation| &conversation.findings);
    let mut causes: Vec<_> =
        of_conversations.chain(&reading.findings).map(|finding| finding.cause().id()).collect();
    causes.sort_unstable();
    causes
}

fn outcome(reading: &Reading) -> Outcome {
    reading.conversations[0].transfers.last().unwrap().outcome
}

#[test]
fn probing_is_no_fault() {
    let mut talk = Talk::new();
    for (command, reply) in [
        ("CLNT some client", "500 what?"),
        ("FEAT", "502 no"),
        ("MLST", "500 what?"),
        ("EPSV", "500 what?"),
        ("CWD nowhere", "550 there is no such directory"),
        ("SIZE file", "550 could not get file size"),
    ] {
        talk.exchange(command, reply);
    }
    let data = talk.pasv();
    talk.download(data, 1);
    let data = talk.port();
    talk.download(data, 0);
    let reading = talk.end();
    assert_eq!(causes(&reading), Vec::<&str>::new());
    assert_eq!(outcome(&reading), Outcome::Complete);
}

#[test]
fn what_the_server_says_of_the_session() {
    for (command, reply, cause) in [
        ("USER me", "421 Too many users, sorry.", "session-limit"),
        ("USER me", "530 Sorry, the maximum number of clients for this user is reached.", "session-limit"),
        ("USER me", "530 Non-anonymous sessions must use encryption.", "tls-required"),
        ("USER me", "500 OOPS: cannot change directory:/home/me", "server-misconfigured"),
    ] {
        let mut talk = Talk::silent();
        talk.server("220 ready");
        talk.exchange(command, reply);
        assert_eq!(causes(&talk.end()), [cause], "{reply}");
    }
}

#[test]
fn negotiations_that_are_refused() {
    for (commands, cause) in [
        (&[("PORT 192,0,2,9,8,86", "500 Illegal PORT command.")][..], "bounce-refused"),
        (&[("PORT 192,0,2,2,0,25", "500 Illegal PORT command.")], "bounce-refused"),
        (&[("EPSV ALL", "200 ok"), ("PASV", "503 EPSV ALL is in effect")], "epsv-all"),
        // As vsftpd, Pure-FTPd and pyftpdlib have it.
        (&[("EPSV ALL", "200 EPSV ALL ok."), ("PASV", "550 Permission denied.")], "epsv-all"),
        (
            &[
                ("EPSV ALL", "220 Active mode is disabled"),
                ("PORT 192,0,2,2,8,86", "501 Active mode is disabled"),
            ],
            "epsv-all",
        ),
        (&[("EPSV ALL", "220 Disabled."), ("PASV", "501 PASV not allowed after EPSV ALL.")], "epsv-all"),
        (&[("EPRT |2|2001:db8::1|2134|", "522 Network protocol not supported, use (1)")], "family-mismatch"),
        (&[("EPRT |2|2001:db8::1|2134|", "500 Bad EPRT protocol.")], "family-mismatch"),
        (&[("PASV", "227 somewhere")], "malformed-reply"),
        (&[("EPSV", "229 (|||x|)")], "malformed-reply"),
        (&[("PASV", "550 Permission denied."), ("EPSV", "550 Permission denied.")], "mode-disabled"),
        (&[("EPSV", "500 what?")], "extended-unsupported"),
        (&[("RETR file", "425 Use PORT or PASV first.")], "no-negotiation"),
        (&[("RETR file", "425 No data connection")], "no-negotiation"),
        (&[("RETR file", "425 Unable to build data connection: Connection refused")], "no-negotiation"),
    ] {
        let mut talk = Talk::new();
        for (command, reply) in commands {
            talk.exchange(command, reply);
        }
        assert_eq!(causes(&talk.end()), [cause], "{commands:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_not_the_networks_fault() {
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("RETR nothing", "550 Failed to open file.");
    talk.script.close(&mut data, 1);
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec!["not-network"], Outcome::Refused));
}

#[test]
fn a_control_connection_alone_proves_nothing_about_data() {
    let mut talk = Talk::new();
    talk.exchange("PORT 192,0,2,2,8,86", "200 ok");
    talk.exchange("RETR file", "150 here it comes");
    talk.server("226 done");
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec![], Outcome::NotCaptured));
    // The server's word that it failed is told, and that its words allow no more than guesses.
    let mut talk = Talk::new();
    talk.pasv();
    talk.exchange("RETR file", "425 Failed to establish connection.");
    let reading = talk.end();
    assert_eq!(outcome(&reading), Outcome::Unknown);
    let findings = &reading.conversations[0].findings;
    assert!(
        findings.iter().all(|finding| finding.confidence() == wharf_findings::Confidence::Possible),
        "{findings:?}"
    );
}

#[test]
fn a_reset_in_the_middle_cuts_a_transfer_and_one_after_the_end_does_not() {
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("RETR file", "150 here it comes");
    talk.script.say(&mut data, 1, &[7; 100]);
    let mut box_in_between = data.clone();
    box_in_between.ttl[1] = 250;
    talk.script.reset(&box_in_between, 1);
    talk.server("426 Failure writing network stream.");
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec!["transfer-cut"], Outcome::Cut));
    let finding = reading.conversations[0].findings[0].to_string();
    assert!(finding.contains("TTL 250"), "{finding}");

    let mut talk = Talk::new();
    let data = talk.pasv();
    talk.download(data.clone(), 1);
    talk.script.reset(&data, 0);
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec![], Outcome::Complete));
}

#[test]
fn an_abort_is_the_clients_own_wish() {
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("RETR file", "150 here it comes");
    talk.script.say(&mut data, 1, &[7; 100]);
    talk.client("ABOR");
    talk.script.reset(&data, 1);
    talk.server("426 aborted");
    talk.server("226 aborted");
    assert_eq!(causes(&talk.end()), Vec::<&str>::new());
}

#[test]
fn a_stranger_takes_the_connection() {
    // Alone: the data come from another address, and the server says no.
    let mut talk = Talk::new();
    talk.pasv();
    let mut stranger = talk.data([STRANGER, SERVER], 2134);
    talk.script.open(&mut stranger);
    talk.script.close(&mut stranger, 1);
    talk.exchange("RETR file", "425 Security: Bad IP connecting.");
    assert_eq!(causes(&talk.end()), ["data-peer-mismatch"]);
    // Before the rightful client, which gets nothing.
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    let mut stranger = talk.data([STRANGER, SERVER], 2134);
    talk.script.open(&mut stranger);
    talk.script.open(&mut data);
    talk.exchange("RETR file", "150 here it comes");
    talk.script.say(&mut stranger, 1, &[7; 100]);
    talk.script.close(&mut stranger, 1);
    talk.server("426 cut");
    assert!(causes(&talk.end()).contains(&"stolen-accept"));
    // Dropped by the server, which goes on listening: nothing is wrong.
    let mut talk = Talk::new();
    let data = talk.pasv();
    let mut stranger = talk.data([STRANGER, SERVER], 2134);
    talk.script.open(&mut stranger);
    talk.script.close(&mut stranger, 1);
    talk.download(data, 1);
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec![], Outcome::Complete));
}

#[test]
fn the_closing_reply_comes_when_the_client_has_gone() {
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("STOR file", "150 send it");
    talk.script.say(&mut data, 0, &[7; 100]);
    talk.script.close(&mut data, 0);
    let mut control = talk.control.clone();
    talk.script.close(&mut control, 0);
    talk.script.packets.truncate(talk.script.packets.len() - 2); // the server has not closed yet
    talk.server("226 stored");
    assert_eq!(causes(&talk.read_slowly(Duration::from_secs(1))), ["slow-completion"]);
}

#[test]
fn a_segment_with_a_command_that_never_arrives() {
    let mut talk = Talk::new();
    let before = talk.control.clone();
    talk.client("PORT 192,0,2,2,8,86");
    talk.script.packets.pop(); // its acknowledgement
    for _ in 0..3 {
        let mut again = before.clone();
        talk.script.say(&mut again, 0, b"PORT 192,0,2,2,8,86\r\n");
        talk.script.packets.pop();
    }
    let mut control = talk.control.clone();
    talk.script.close(&mut control, 0);
    let reading = talk.read_slowly(Duration::from_secs(1));
    assert_eq!(causes(&reading), ["alg-drops"]);
}

#[test]
fn clear_data_against_tls() {
    let hello = [22, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    let mut talk = Talk::new();
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("RETR file", "150 here it comes");
    talk.script.say(&mut data, 0, &hello);
    talk.script.say(&mut data, 1, b"the file, in clear");
    talk.script.close(&mut data, 1);
    talk.server("426 what was that?");
    assert!(causes(&talk.end()).contains(&"prot-mismatch"));
}

#[test]
fn a_binary_file_that_went_over_as_text() {
    let mut talk = Talk::new();
    talk.exchange("TYPE A", "200 ok");
    talk.exchange("SIZE file", "213 90");
    let mut data = talk.pasv();
    talk.script.open(&mut data);
    talk.exchange("RETR file", "150 here it comes");
    talk.script.say(&mut data, 1, &[0; 100]);
    talk.script.close(&mut data, 1);
    talk.server("226 done");
    assert_eq!(causes(&talk.end()), ["ascii-damaged"]);
}

#[test]
fn a_port_that_another_protocol_owns() {
    let mut talk = Talk::new();
    for _ in 0..2 {
        talk.exchange("PASV", "227 Entering Passive Mode (192,0,2,1,19,196)");
        let mut data = talk.data([CLIENT, SERVER], 5060);
        talk.script.syn(&mut data);
        talk.script.reset(&data, 1);
        talk.exchange("RETR file", "425 no connection");
    }
    let data = talk.pasv();
    talk.download(data, 1);
    assert!(causes(&talk.end()).contains(&"port-taken-by-other-alg"));
}

#[test]
fn a_server_that_does_not_greet() {
    let mut talk = Talk::silent();
    talk.script.close(&mut talk.control.clone(), 0);
    let reading = talk.read_slowly(Duration::from_secs(1));
    assert_eq!(causes(&reading), ["control-unreachable"]);
    assert!(reading.conversations.is_empty());
}

#[test]
fn data_that_came_before_the_answer_that_agreed_on_it() {
    let mut talk = Talk::new();
    let mut data = talk.data([SERVER, CLIENT], 2134);
    data.ports[0] = 20;
    talk.client("PORT 192,0,2,2,8,86");
    talk.script.open(&mut data);
    talk.server("200 ok");
    talk.exchange("RETR file", "125 already open");
    talk.script.say(&mut data, 0, &[7; 100]);
    talk.script.close(&mut data, 0);
    talk.server("226 done");
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec![], Outcome::Complete));
    assert_eq!(reading.conversations[0].data.len(), 1);
}

#[test]
fn a_nat_that_gave_the_connection_another_port() {
    let mut talk = Talk::new();
    talk.exchange("PASV", "227 Entering Passive Mode (192,0,2,1,8,86)");
    let data = talk.data([CLIENT, SERVER], 9999);
    talk.download(data, 1);
    let reading = talk.end();
    assert_eq!((causes(&reading), outcome(&reading)), (vec![], Outcome::Complete));
}
