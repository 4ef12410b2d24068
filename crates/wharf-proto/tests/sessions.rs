//! Whole sessions between the two interpreters, joined in memory.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::time::Duration;

use wharf_proto::dialogue::{
    Deadlines, Deviation, Event, LoginState, NegotiationCommand, SecurityState, Side, Timer,
};
use wharf_proto::{Command, Reply, ReplyCode, Verb, limits};
use wharf_testkit::pair::{DATA_PORT, Pair};

fn complete() -> Reply {
    Reply::new(ReplyCode::TRANSFER_COMPLETE, "Complete.")
}

fn logged_in() -> Pair {
    let mut pair = Pair::default();
    pair.log_in();
    pair
}

/// The verbs that the answers since `from` belong to.
fn answered_verbs(pair: &Pair, from: usize) -> Vec<Option<Verb>> {
    pair.answers[from..]
        .iter()
        .map(|answer| answer.attribution.command.as_ref().and_then(Command::verb))
        .collect()
}

#[test]
fn the_classical_session_runs_whatever_the_pieces() {
    for piece in [1, 2, 7, usize::MAX] {
        let mut pair = Pair::new(piece);
        pair.greet();
        let mut codes = Vec::new();
        for line in ["USER test", "PASS secret", "PWD", "CWD /", "TYPE A", "PASV", "STOR 404.htm"] {
            codes.extend(pair.send(line));
        }
        codes.extend(pair.finish_transfer(&complete()));
        for line in ["TYPE I", "PORT 192,0,2,7,8,77", "MLSD"] {
            codes.extend(pair.send(line));
        }
        codes.extend(pair.finish_transfer(&complete()));
        codes.extend(pair.send("QUIT"));
        assert_eq!(
            codes,
            [331, 230, 257, 250, 200, 227, 150, 226, 200, 200, 150, 226, 221],
            "pieces of {piece}"
        );
        assert!(pair.closed);
        assert_eq!(pair.user.dialogue().state(), pair.server.dialogue().state(), "both sides saw the same");
        let deviations = pair.user_events.iter().filter(|event| {
            // No data connection exists here, and that is what the dialogue says.
            matches!(event, Event::Deviation(deviation) if !matches!(deviation, Deviation::CompletionBeforeData { .. }))
        });
        assert_eq!(deviations.count(), 0, "{:?}", pair.user_events);
    }
}

#[test]
fn each_negotiation_makes_a_plan_for_one_transfer() {
    for (line, command, listener, endpoint) in [
        ("PASV", NegotiationCommand::Pasv, Side::Server, format!("192.0.2.1:{DATA_PORT}")),
        ("EPSV", NegotiationCommand::Epsv, Side::Server, format!("192.0.2.1:{DATA_PORT}")),
        ("PORT 192,0,2,7,156,65", NegotiationCommand::Port, Side::Client, "192.0.2.7:40001".to_owned()),
        ("EPRT |1|192.0.2.7|40001|", NegotiationCommand::Eprt, Side::Client, "192.0.2.7:40001".to_owned()),
    ] {
        let mut pair = logged_in();
        pair.send(line);
        for plan in [pair.user.dialogue().plan(), pair.server.dialogue().plan()] {
            let plan = plan.expect("a plan");
            assert_eq!(
                (plan.command, plan.listener(), plan.endpoint.to_string()),
                (command, listener, endpoint.clone())
            );
        }
        assert_eq!(pair.send("RETR x"), [150]);
        assert_eq!(pair.finish_transfer(&complete()), [226]);
        assert_eq!(pair.send("RETR x"), [425], "the plan of {line} is used up");
    }
}

#[test]
fn a_negotiation_and_its_transfer_may_be_pipelined() {
    let mut pair = logged_in();
    assert_eq!(pair.send_all(&["PASV", "RETR x", "SIZE x"]), [227, 150]);
    assert_eq!(pair.finish_transfer(&complete()), [226, 213]);
    assert!(
        !pair
            .user_events
            .iter()
            .any(|event| { matches!(event, Event::Deviation(Deviation::TransferWithoutNegotiation { .. })) })
    );
}

#[test]
fn a_refused_transfer_is_not_an_ended_one() {
    let mut pair = logged_in();
    pair.send("RETR x");
    let refused = |event: &Event| matches!(event, Event::TransferRefused { verb: Verb::Retr, .. });
    assert!(pair.user_events.iter().any(refused) && pair.server_events.iter().any(refused));
    assert!(!pair.user_events.iter().any(|event| matches!(event, Event::TransferEnded(_))));
}

#[test]
fn abort_acts_at_once_and_replies_stay_in_order() {
    let mut pair = logged_in();
    pair.send_all(&["PASV", "RETR x"]);
    let before = pair.answers.len();
    assert_eq!(pair.send_all(&["SIZE x", "ABOR"]), [426, 213, 226]);
    assert_eq!(answered_verbs(&pair, before), [Some(Verb::Retr), Some(Verb::Size), Some(Verb::Abor)]);
    assert_eq!(pair.send("ABOR"), [225], "nothing runs any more");
    assert_eq!(pair.send("NOOP"), [200], "the session goes on");
}

#[test]
fn status_overtakes_and_noop_does_not() {
    let mut pair = logged_in();
    pair.send_all(&["PASV", "RETR x"]);
    let before = pair.answers.len();
    assert_eq!(
        pair.send_all(&["NOOP", "STAT"]),
        [211],
        "a client would take NOOP's 200 for the transfer's end"
    );
    assert_eq!(answered_verbs(&pair, before), [Some(Verb::Stat)]);
    assert_eq!(pair.finish_transfer(&complete()), [226, 200]);
    assert_eq!(answered_verbs(&pair, before)[1..], [Some(Verb::Retr), Some(Verb::Noop)]);
}

#[test]
fn quit_lets_the_transfer_finish_and_ends_the_reading() {
    let mut pair = logged_in();
    pair.send_all(&["PASV", "RETR x", "QUIT"]);
    assert!(!pair.closed && !pair.server.wants_input());
    assert_eq!(pair.finish_transfer(&complete()), [226, 221]);
    assert!(pair.closed);
}

#[test]
fn commands_during_a_transfer_do_not_change_it() {
    let mut pair = logged_in();
    pair.send_all(&["PASV", "RETR x"]);
    let carried_out = pair.carried_out.len();
    pair.send_all(&["USER other", "CWD /elsewhere", "RNFR x", "TYPE A"]);
    assert_eq!(pair.carried_out.len(), carried_out, "none has its turn yet");
    assert!(pair.server.authenticated().is_some());
    pair.finish_transfer(&complete());
    assert_eq!(pair.server.dialogue().state().login, LoginState::UserNamed);
}

#[test]
fn the_queue_is_bounded_and_drains_in_order() {
    let mut pair = logged_in();
    pair.send_all(&["PASV", "RETR x"]);
    pair.server.handle_input(&b"NOOP\r\n".repeat(limits::READ_AHEAD_COMMANDS));
    assert!(!pair.server.wants_input(), "the socket is not read any further");
    pair.finish_transfer(&complete());
    assert!(pair.server.wants_input());
    let noops = pair.carried_out.iter().filter(|command| **command == Command::Noop).count();
    assert_eq!(noops, limits::READ_AHEAD_COMMANDS);
}

#[test]
fn a_long_line_is_refused_and_the_next_one_understood() {
    let mut pair = logged_in();
    let mut line = vec![b'x'; limits::COMMAND_LINE * 4];
    line.extend_from_slice(b"\r\nNOOP\r\n");
    pair.inject_into_server(&line);
    let codes: Vec<u16> = pair.answers.iter().map(|answer| answer.reply.code().get()).collect();
    assert_eq!(codes[codes.len() - 2..], [500, 200]);
}

#[test]
fn login_needs_user_then_password_and_starts_anew_with_user() {
    let mut pair = Pair::default();
    pair.greet();
    assert_eq!(pair.send("PASS secret"), [503]);
    assert_eq!(pair.send("PWD"), [530]);
    assert_eq!(pair.send("ACCT x"), [503]);
    assert_eq!(pair.send_all(&["USER test", "PASS secret"]), [331, 230]);
    assert_eq!(pair.send_all(&["USER other", "PWD"]), [331, 530], "the login from before is void");
    assert_eq!(pair.send_all(&["PASS secret", "REIN", "PWD"]), [230, 220, 530]);
    assert_eq!(pair.user.dialogue().state().login, LoginState::Nobody);
}

#[test]
fn host_comes_before_user_only() {
    let mut pair = Pair::default();
    pair.greet();
    assert_eq!(
        pair.send_all(&["HOST ftp.example.net", "USER test", "HOST other.example.net"]),
        [220, 331, 503]
    );
    assert_eq!(pair.server.dialogue().state().host.as_ref().unwrap().as_bytes(), b"ftp.example.net");
}

#[test]
fn security_goes_through_its_states() {
    let mut pair = Pair::default();
    pair.log_in();
    assert_eq!(pair.send_all(&["PBSZ 0", "PROT P", "CCC"]), [503, 503, 503]);
    assert_eq!(pair.send("AUTH TLS"), [234]);
    for (dialogue, events) in
        [(pair.user.dialogue(), &pair.user_events), (pair.server.dialogue(), &pair.server_events)]
    {
        assert_eq!(dialogue.state().security, SecurityState::Handshake);
        assert_eq!(dialogue.state().login, LoginState::Nobody, "AUTH makes a login void");
        assert!(events.contains(&Event::HandshakeDue) && events.contains(&Event::LoggedOut));
    }
    let at = pair.now();
    pair.user.tls_established(at);
    pair.server.tls_established(at);
    assert_eq!(pair.send("AUTH TLS"), [503]);
    assert_eq!(pair.send("PROT P"), [503], "PBSZ comes first");
    assert_eq!(
        pair.send_all(&["PBSZ 0", "PROT P", "USER test", "PASS secret", "EPSV"]),
        [200, 200, 331, 230, 229]
    );
    let plan = pair.user.dialogue().plan().expect("a plan");
    assert_eq!(plan.protection, wharf_proto::command::ProtectionLevel::Private);
    assert_eq!(pair.send("CCC"), [200]);
    assert_eq!(pair.user.dialogue().state().security, SecurityState::ControlCleared);
    assert!(pair.server_events.contains(&Event::ClearDue));
    assert_eq!(pair.send("REIN"), [220]);
    assert_eq!(pair.server.dialogue().state().security, SecurityState::Clear);
    let cleared = |events: &[Event]| events.iter().filter(|event| **event == Event::ClearDue).count();
    assert_eq!(cleared(&pair.server_events), 1, "CCC has ended TLS already");
}

#[test]
fn rein_under_tls_ends_it() {
    let mut pair = Pair::default();
    pair.greet();
    assert_eq!(pair.send("AUTH TLS"), [234]);
    let at = pair.now();
    pair.user.tls_established(at);
    pair.server.tls_established(at);
    assert_eq!(pair.send("REIN"), [220]);
    for (dialogue, events) in
        [(pair.user.dialogue(), &pair.user_events), (pair.server.dialogue(), &pair.server_events)]
    {
        assert_eq!(dialogue.state().security, SecurityState::Clear);
        assert!(events.contains(&Event::ClearDue));
    }
}

#[test]
fn tls_from_the_start_protects_data_too() {
    let mut pair = Pair::default();
    let at = pair.now();
    pair.server.tls_from_the_start(at);
    pair.greet();
    let state = pair.server.dialogue().state();
    assert_eq!(state.security, SecurityState::Protected);
    assert_eq!(state.protection, wharf_proto::command::ProtectionLevel::Private);
    assert_eq!(pair.send_all(&["AUTH TLS", "PROT C"]), [503, 200]);
}

#[test]
fn what_is_pipelined_behind_auth_never_acts() {
    let mut pair = Pair::default();
    pair.greet();
    pair.inject_into_server(b"AUTH TLS\r\nUSER evil\r\nNOOP\r\nPASS x");
    assert!(pair.carried_out.iter().all(|command| matches!(command, Command::Auth(_))));
    pair.inject_into_server(b"\r\n");
    let dialogue = pair.server.dialogue();
    assert!(dialogue.state().user.is_none() && dialogue.is_closing());
    assert_eq!(dialogue.state().security, SecurityState::Clear);
    assert!(pair.server_events.iter().any(|event| {
        matches!(event, Event::Deviation(Deviation::BytesBehindAuth { by: Side::Client, .. }))
    }));
}

#[test]
fn what_a_server_pipelines_behind_234_is_not_believed() {
    let mut pair = Pair::default();
    pair.greet();
    let at = pair.now();
    pair.user.send(at, &Command::parse(b"AUTH TLS").unwrap());
    pair.user.handle_input(at, b"234 go\r\n230 you are in\r\n").unwrap();
    while pair.user.poll_answer().is_some() {}
    assert!(pair.user.authenticated().is_none());
    let behind = std::iter::from_fn(|| pair.user.poll_event())
        .any(|event| matches!(event, Event::Deviation(Deviation::BytesBehindAuth { by: Side::Server, .. })));
    assert!(behind);
}

#[test]
fn after_epsv_all_only_epsv_is_left() {
    let mut pair = logged_in();
    assert_eq!(
        pair.send_all(&["EPSV ALL", "PASV", "PORT 192,0,2,7,8,77", "EPRT |1|192.0.2.7|2125|"]),
        [200, 503, 503, 503]
    );
    assert_eq!(pair.send_all(&["EPSV", "LIST"]), [229, 150]);
}

#[test]
fn rename_must_be_one_after_the_other() {
    let mut pair = logged_in();
    assert_eq!(pair.send_all(&["RNFR a", "RNTO b"]), [350, 250]);
    assert_eq!(pair.send_all(&["RNFR a", "NOOP", "RNTO b"]), [350, 200, 503]);
    pair.send("RNFR a");
    pair.inject_into_server(b"TYPE\r\nRNTO b\r\n");
    let codes: Vec<u16> = pair.answers.iter().map(|answer| answer.reply.code().get()).collect();
    assert_eq!(codes[codes.len() - 2..], [501, 503], "a line that is no command stands in between too");
}

#[test]
fn the_restart_offset_serves_one_transfer() {
    let mut pair = logged_in();
    pair.send_all(&["REST 100", "PASV"]);
    assert_eq!(pair.server.dialogue().state().restart_offset, 100);
    pair.send("RETR x");
    assert_eq!(pair.server.dialogue().transfer().unwrap().offset, 100);
    pair.finish_transfer(&complete());
    assert_eq!(pair.server.dialogue().state().restart_offset, 0);
}

#[test]
fn unknown_commands_before_login_end_the_session() {
    let mut pair = Pair::default();
    pair.greet();
    assert_eq!(pair.send_all(&["XYZZ", "PLUGH", "FROTZ"]), [500, 500, 500, 421]);
    assert!(pair.closed);
    let mut pair = Pair::default();
    pair.greet();
    assert_eq!(pair.send("GET / HTTP/1.1"), [500, 421]);
    assert!(pair.closed);
    let mut pair = logged_in();
    assert_eq!(pair.send_all(&["XYZZ", "PLUGH", "FROTZ", "GET /"]), [500, 500, 500, 500]);
    assert!(!pair.closed, "who is logged in may try things out");
}

#[test]
fn the_times_are_watched() {
    let deadlines =
        Deadlines { login: Some(Duration::from_secs(60)), idle: Some(Duration::from_secs(300)), reply: None };
    let mut pair = Pair::with_deadlines(usize::MAX, deadlines);
    pair.greet();
    for _ in 0..7 {
        pair.wait(Duration::from_secs(10));
        pair.send("NOOP");
    }
    assert!(
        pair.server_events.contains(&Event::TimedOut(Timer::Login)),
        "NOOPs do not stretch the login's time"
    );

    let mut pair = Pair::with_deadlines(usize::MAX, deadlines);
    pair.log_in();
    pair.send_all(&["PASV", "RETR x"]);
    pair.wait(Duration::from_secs(4000));
    assert!(
        !pair.server_events.iter().any(|event| matches!(event, Event::TimedOut(_))),
        "a transfer is no idleness"
    );
    pair.finish_transfer(&complete());
    pair.wait(Duration::from_secs(299));
    assert!(!pair.server_events.iter().any(|event| matches!(event, Event::TimedOut(_))));
    pair.wait(Duration::from_secs(1));
    assert!(pair.server_events.contains(&Event::TimedOut(Timer::Idle)));
}
