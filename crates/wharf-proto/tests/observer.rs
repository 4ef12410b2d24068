//! A bystander understands what the two interpreters understand, and finds its place again where it missed something.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::net::SocketAddr;

use wharf_proto::dialogue::{DataConnectionPlan, Deviation, Endpoints, Event, NegotiationCommand, Side};
use wharf_proto::observer::{Observer, Seen};
use wharf_proto::tls_records::Record;
use wharf_proto::{Command, Timestamp};

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Server;
const AT: Timestamp = Timestamp::START;

fn endpoints() -> Endpoints {
    let endpoint = |text: &str| -> SocketAddr { text.parse().unwrap() };
    Endpoints::new(endpoint("192.0.2.2:40000"), endpoint("192.0.2.1:21"))
}

fn watch(observer: &mut Observer, talk: &[(Side, &[u8])]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (side, said) in talk {
        observer.handle_input(AT, *side, said);
        seen.extend(std::iter::from_fn(|| observer.poll_seen()));
    }
    seen
}

/// Each reply's code with the command that it belongs to.
fn answers(seen: &[Seen]) -> Vec<(u16, Option<String>)> {
    let answer = |seen: &Seen| match seen {
        Seen::Reply { reply, attribution } => {
            Some((reply.code().get(), attribution.command.as_ref().map(Command::to_string)))
        }
        _ => None,
    };
    seen.iter().filter_map(answer).collect()
}

fn answer(code: u16, command: &str) -> (u16, Option<String>) {
    (code, Some(command.to_owned()))
}

fn plans(seen: &[Seen]) -> Vec<DataConnectionPlan> {
    let plan = |seen: &Seen| match seen {
        Seen::Event(Event::PlanAgreed(plan)) => Some(*plan),
        _ => None,
    };
    seen.iter().filter_map(plan).collect()
}

const PASV_REPLY: &[u8] = b"227 Entering Passive Mode (192,0,2,1,8,86)\r\n";

#[test]
fn commands_before_the_greeting_get_their_answers() {
    let mut observer = Observer::new(AT, endpoints());
    let seen = watch(
        &mut observer,
        &[
            (CLIENT, b"USER me\r\nPASS secret\r\nPASV\r\nRETR f\r\n"),
            (SERVER, b"220 late\r\n331 pw\r\n230 in\r\n"),
            (SERVER, PASV_REPLY),
            (SERVER, b"150 go\r\n226 done\r\n"),
        ],
    );
    assert_eq!(
        answers(&seen),
        [
            (220, None),
            answer(331, "USER me"),
            answer(230, "PASS ****"),
            answer(227, "PASV"),
            answer(150, "RETR f"),
            answer(226, "RETR f")
        ]
    );
    assert!(seen.contains(&Seen::Event(Event::LoggedIn)));
    let [plan] = plans(&seen).try_into().unwrap();
    assert_eq!(
        (plan.command, plan.endpoint.to_string()),
        (NegotiationCommand::Pasv, "192.0.2.1:2134".to_owned())
    );
    // No secret gets out in any form.
    assert!(!format!("{seen:?}").contains("secret"));
}

#[test]
fn whoever_comes_late_understands_what_follows() {
    let mut observer = Observer::joining_late(AT, endpoints());
    let seen = watch(
        &mut observer,
        &[
            (SERVER, b"the end of something\r\n200 whatever\r\n"),
            (CLIENT, b"me/of/a/path\r\nPASV\r\n"),
            (SERVER, PASV_REPLY),
            (CLIENT, b"LIST\r\n"),
            (SERVER, b"150 go\r\n226 done\r\n"),
        ],
    );
    assert_eq!(answers(&seen), [(200, None), answer(227, "PASV"), answer(150, "LIST"), answer(226, "LIST")]);
    assert_eq!(plans(&seen).len(), 1);
}

#[test]
fn a_lost_answer_does_not_shift_those_behind_it() {
    let mut observer = Observer::new(AT, endpoints());
    watch(&mut observer, &[(SERVER, b"220 hi\r\n"), (CLIENT, b"TYPE I\r\n"), (CLIENT, b"CWD x\r\n")]);
    observer.handle_gap(AT, SERVER, 20);
    let seen =
        watch(&mut observer, &[(SERVER, b"250 there\r\n"), (CLIENT, b"SIZE f\r\n"), (SERVER, b"213 5\r\n")]);
    assert_eq!(answers(&seen), [answer(250, "CWD x"), answer(213, "SIZE f")]);
}

#[test]
fn a_lost_pasv_is_known_by_its_answer() {
    let mut observer = Observer::new(AT, endpoints());
    watch(&mut observer, &[(SERVER, b"220 hi\r\n")]);
    observer.handle_gap(AT, CLIENT, 6);
    let seen =
        watch(&mut observer, &[(SERVER, PASV_REPLY), (CLIENT, b"RETR f\r\n"), (SERVER, b"150 go\r\n")]);
    assert_eq!(answers(&seen), [answer(227, "PASV"), answer(150, "RETR f")]);
    assert_eq!(plans(&seen).len(), 1);
}

#[test]
fn goodbye_is_the_answer_to_quit_and_to_nothing_else() {
    let mut observer = Observer::new(AT, endpoints());
    let seen = watch(
        &mut observer,
        &[(SERVER, b"220 hi\r\n"), (CLIENT, b"PORT 192,0,2,9,8,86\r\nQUIT\r\n"), (SERVER, b"221 bye\r\n")],
    );
    assert_eq!(answers(&seen), [(220, None), answer(221, "QUIT")]);
    assert!(seen.iter().any(|seen| matches!(seen, Seen::Forgotten(Command::Port(_)))), "{seen:?}");
}

#[test]
fn a_malformed_command_takes_its_turn_and_a_malformed_reply_answers() {
    let mut observer = Observer::new(AT, endpoints());
    let seen = watch(
        &mut observer,
        &[
            (SERVER, b"220 hi\r\n"),
            (CLIENT, b"PORT 1,2\r\nPASV\r\nSYST\r\n"),
            (SERVER, b"501 what?\r\n99 no\r\n215 UNIX\r\n"),
        ],
    );
    assert_eq!(answers(&seen), [(220, None), answer(501, "PORT 1,2"), answer(215, "SYST")]);
    assert!(seen.iter().any(|seen| matches!(seen, Seen::NotAReply { command: Some(Command::Pasv), .. })));
    assert!(
        seen.iter().any(|seen| matches!(seen, Seen::Event(Event::Deviation(Deviation::NotAReply { .. }))))
    );
}

/// A record of this kind.
fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], length.as_slice(), body].concat()
}

/// A ClientHello without extensions.
fn client_hello() -> Vec<u8> {
    let body = [&[3, 3], [0; 32].as_slice(), &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    record(22, &[&[1, 0, 0, length], body.as_slice()].concat())
}

#[test]
fn tls_after_auth_hides_the_talk_until_ccc() {
    let mut observer = Observer::new(AT, endpoints());
    let (hello, data, close) = (client_hello(), record(23, &[7; 40]), record(21, &[1; 26]));
    let seen = watch(
        &mut observer,
        &[
            (SERVER, b"220 hi\r\n"),
            (CLIENT, b"AUTH TLS\r\nNOOP\r\n"),
            (SERVER, b"234 go\r\n"),
            (CLIENT, &hello[..9]),
            (CLIENT, &hello[9..]),
            (CLIENT, &data),
        ],
    );
    assert!(observer.is_under_tls());
    assert_eq!(answers(&seen).last(), Some(&answer(234, "AUTH TLS")));
    assert!(
        seen.iter()
            .any(|seen| matches!(seen, Seen::Tls { by: Side::Client, record: Record::ClientHello(_) }))
    );
    // Each side ends TLS by itself; the client is the first to go on in clear.
    let seen = watch(
        &mut observer,
        &[
            (CLIENT, &data),
            (SERVER, &data),
            (CLIENT, &close),
            (CLIENT, b"PASV\r\n"),
            (SERVER, &close),
            (SERVER, PASV_REPLY),
        ],
    );
    assert!(!observer.is_under_tls());
    assert!(seen.contains(&Seen::ClearAgain));
    assert_eq!(answers(&seen), [answer(227, "PASV")]);
    assert_eq!(plans(&seen).len(), 1);
}

#[test]
fn tls_from_the_start_is_known_by_the_first_bytes() {
    let mut observer = Observer::new(AT, endpoints());
    let seen = watch(&mut observer, &[(CLIENT, &client_hello())]);
    assert!(observer.is_under_tls());
    assert!(matches!(seen.as_slice(), [Seen::Tls { record: Record::ClientHello(_), .. }]));
}
