//! Sequences that clients, honest and other ones, are known to send.

use std::time::Duration;

use wharf_proto::dialogue::{Deviation, Event, LoginState};
use wharf_proto::server_pi::Action;
use wharf_proto::verb::Role;
use wharf_proto::{Command, Reply, ReplyCode, Timestamp, Verb, limits};

use crate::bench::{Bench, PIECE};

#[test]
fn all_commands_of_one_piece_are_answered() {
    // More than the queue holds: the rest waits in the decoder and must not be forgotten there.
    let mut bench = Bench::logged_in();
    bench.send(&b"NOOP\r\n".repeat(PIECE / 6));
    assert_eq!(bench.finals.len(), 3 + PIECE / 6);
    bench.settle();
}

#[test]
fn the_queue_is_bounded_while_a_transfer_runs_and_nothing_is_lost() {
    let mut bench = Bench::transferring("RETR a");
    bench.send(&b"NOOP\r\n".repeat(20_000));
    assert!(!bench.pi.wants_input(), "the client has to wait");
    let taken = 20_000 * 6 - bench.unread.len();
    assert!(taken <= limits::READ_AHEAD_COMMANDS * 6 + 2 * PIECE, "{taken} bytes were taken");
    assert!(bench.running.is_some());
    bench.end_transfer(ReplyCode::TRANSFER_COMPLETE);
    assert_eq!(bench.finals.len(), 4 + 1 + 20_000);
    bench.settle();
}

#[test]
fn long_commands_are_bounded_by_their_bytes() {
    let mut bench = Bench::transferring("RETR a");
    let line = [b"CWD ", vec![b'x'; 4000].as_slice(), b"\r\n"].concat();
    bench.send(&line.repeat(100));
    let taken = line.len() * 100 - bench.unread.len();
    assert!(taken <= limits::READ_AHEAD_BYTES + 2 * line.len() + PIECE, "{taken} bytes were taken");
    bench.end_transfer(ReplyCode::TRANSFER_COMPLETE);
    bench.settle();
}

#[test]
fn an_abort_behind_more_stats_than_the_queue_holds_is_seen() {
    let mut bench = Bench::transferring("RETR a");
    let mut burst = b"STAT\r\n".repeat(limits::READ_AHEAD_COMMANDS + 10);
    burst.extend_from_slice(b"ABOR\r\n");
    bench.send(&burst);
    assert!(bench.running.is_none(), "the transfer was not aborted");
    let codes = bench.codes();
    assert_eq!(codes[4..4 + limits::READ_AHEAD_COMMANDS + 10], vec![211; limits::READ_AHEAD_COMMANDS + 10]);
    assert_eq!(codes[codes.len() - 2..], [426, 226]);
    bench.settle();
}

#[test]
fn a_running_transfer_is_not_changed_by_what_is_pipelined_behind_it() {
    let mut bench = Bench::transferring("RETR a");
    bench.send(b"USER other\r\nCWD b\r\nTYPE A\r\nRNFR x\r\nREIN\r\n");
    let state = bench.pi.dialogue().state();
    assert_eq!(state.login, LoginState::LoggedIn);
    assert_eq!(state.user.as_ref().unwrap().as_bytes(), b"anonymous");
    assert_eq!(bench.codes().len(), 4, "nothing is answered before the transfer's end");
    bench.end_transfer(ReplyCode::TRANSFER_COMPLETE);
    // Behind USER nobody is logged in.
    assert_eq!(bench.codes()[4..], [226, 331, 530, 530, 530, 220]);
    bench.settle();
}

#[test]
fn an_abort_behind_other_commands_acts_at_once_and_is_answered_in_its_turn() {
    let mut bench = Bench::transferring("STOR a");
    bench.send(b"SIZE a\r\n\xFF\xF4\xFF\xF2ABOR\r\nNOOP\r\n");
    assert_eq!(bench.codes()[4..], [426, 213, 226, 200]);
    bench.settle();
}

#[test]
fn quit_waits_for_the_transfer_and_nothing_behind_it_counts() {
    let mut bench = Bench::transferring("STOR a");
    bench.send(b"QUIT\r\nDELE a\r\n");
    assert!(bench.running.is_some() && !bench.closed);
    bench.end_transfer(ReplyCode::TRANSFER_COMPLETE);
    assert_eq!(bench.codes()[4..], [226, 221]);
    assert!(bench.closed);
}

#[test]
fn what_stands_behind_auth_in_clear_is_discarded() {
    // Threat 6: whole lines in the same segment, an unfinished one, and one whose verb would be completed under TLS.
    for behind in
        [&b"NOOP\r\n"[..], b"NOOP\r\nUSER x\r\nDE", b"\xFF\xF4ABOR\r\nQUIT\r\n", b"\xFF\xFA", b"LIS"]
    {
        let mut pi = Bench::new().pi;
        let now = Timestamp::START;
        pi.handle_input(&[b"AUTH TLS\r\n", behind].concat());
        let Some(Action::CarryOut(Command::Auth(_))) = pi.poll_action(now) else { panic!("AUTH first") };
        pi.output_written(pi.output().len());
        pi.reply(now, &Reply::new(ReplyCode::SECURITY_EXCHANGE_COMPLETE, "now TLS"));
        assert_eq!(pi.poll_action(now), Some(Action::Close), "{behind:?}");
        assert!(pi.output().starts_with(b"421 "), "{behind:?}: no 234, and nothing else");
        assert_eq!(pi.output().iter().filter(|&&byte| byte == b'\n').count(), 1);
        let events: Vec<Event> = std::iter::from_fn(|| pi.poll_event()).collect();
        assert!(!events.contains(&Event::HandshakeDue));
        let noticed = |event: &Event| matches!(event, Event::Deviation(Deviation::BytesBehindAuth { count, .. }) if *count > 0);
        assert!(events.iter().any(noticed), "{behind:?}: {events:?}");
        assert!(!pi.wants_input());
        pi.handle_input(b"T\r\nSYST\r\n");
        assert_eq!(pi.poll_action(now), None, "nothing of {behind:?} may be carried out");
    }
}

#[test]
fn a_plan_made_in_clear_is_not_good_under_tls() {
    let mut bench = Bench::logged_in();
    bench.send(b"PASV\r\n");
    bench.pi.handle_input(b"AUTH TLS\r\n");
    assert!(matches!(bench.pi.poll_action(bench.now), Some(Action::CarryOut(Command::Auth(_)))));
    bench.pi.reply(bench.now, &Reply::new(ReplyCode::SECURITY_EXCHANGE_COMPLETE, "now TLS"));
    assert!(bench.pi.dialogue().plan().is_none());
}

#[test]
fn http_is_turned_away_at_its_first_line() {
    for request in ["GET / HTTP/1.1", "POST /x HTTP/1.0", "OPTIONS * HTTP/1.1", "CONNECT a:25 HTTP/1.1"] {
        let mut bench = Bench::new();
        bench.send(format!("{request}\r\nHost: a\r\n\r\nUSER anonymous\r\nPASS x\r\n").as_bytes());
        assert!(bench.closed, "{request}");
        assert_eq!(bench.codes(), [500, 421]);
    }
}

#[test]
fn three_unknown_commands_before_login_end_the_session_and_after_it_do_not() {
    let mut bench = Bench::new();
    bench.send(b"AAAA\r\nNOOP\r\nB\x01\r\nCCCC\r\nNOOP\r\n");
    assert!(bench.closed);
    assert_eq!(bench.codes(), [500, 200, 500, 500, 421]);
    let mut bench = Bench::logged_in();
    bench.send(b"AAAA\r\nBBBB\r\nCCCC\r\nGET / HTTP/1.1\r\nNOOP\r\n");
    assert!(!bench.closed);
    assert_eq!(bench.codes()[3..], [500, 500, 500, 500, 200]);
}

#[test]
fn a_421_that_answers_a_command_is_the_last_word() {
    let mut bench = Bench::new();
    bench.pi.handle_input(b"USER x\r\nNOOP\r\n");
    assert!(matches!(bench.pi.poll_action(bench.now), Some(Action::CarryOut(_))));
    bench.pi.reply(bench.now, &Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, "enough"));
    bench.drain();
    assert!(bench.closed);
    assert_eq!(bench.codes(), [421]);
}

#[test]
fn a_byte_of_a_name_that_looks_like_telnet_is_refused_and_not_taken_out() {
    let mut bench = Bench::logged_in();
    // Undoubled 0xFF before a byte that Telnet knows: what is left would be another name.
    bench.send(b"DELE a\xFF\xFBb.txt\r\nDELE a\xFF\xF1b\r\nDELE \xFF\xFA.txt\r\n");
    assert_eq!(bench.codes()[3..], [501, 501, 501]);
    // Doubled, or alone before a letter, it is a byte of the name.
    bench.pi.handle_input(b"DELE \xFF\xFF\xFF\xFFx\r\n");
    let Some(Action::CarryOut(Command::Dele(name))) = bench.pi.poll_action(bench.now) else { panic!() };
    assert_eq!(name.as_bytes(), b"\xFF\xFFx");
}

#[test]
fn no_refusal_repeats_so_much_that_it_is_longer_than_a_reply_may_be() {
    // Escaped, each of these bytes takes four or more.
    let long = vec![0x80; 8000];
    for verb in ["TYPE", "EPSV", "REST", "STRU", "MFMT", "PORT", "EPRT", "NOOP", "XXXX"] {
        let mut bench = Bench::logged_in();
        bench.send(&[verb.as_bytes(), b" ", &long, b" x\r\n"].concat());
        assert!(matches!(bench.codes()[3], 500..=504), "{verb}"); // the client's decoder would have said no
    }
    let mut bench = Bench::logged_in();
    bench.send(&[vec![b'\x7E'; 4090].as_slice(), b"\r\n", &long, b"\r\n"].concat());
    assert_eq!(bench.codes()[3..], [500, 500]);
}

#[test]
fn nul_and_bare_cr_are_refused_in_every_argument() {
    for verb in Verb::ALL {
        for bad in [&b"a\0b"[..], b"a\rb", b"a\r", b"\0", b"a\r\0b"] {
            let mut bench = Bench::logged_in();
            bench.refuse_transfers = true;
            bench.send(&[verb.specification().name.as_bytes(), b" ", bad, b"\r\n"].concat());
            let code = bench.codes()[3];
            assert!(matches!(code, 501 | 504), "{verb} {:?}: {code}", bad.escape_ascii().to_string());
            assert_eq!(bench.carried_out, 3, "{verb}");
        }
    }
}

#[test]
fn a_cr_behind_the_options_of_a_listing_is_refused_too() {
    let mut bench = Bench::logged_in();
    bench.send(b"STAT -la \r\r\nSTAT -l  \0\r\nSTAT -a -l \ra\r\n");
    assert_eq!(bench.codes()[3..], [501, 501, 501]);
}

#[test]
fn a_rename_needs_its_two_commands_one_right_behind_the_other() {
    let mut bench = Bench::logged_in();
    bench.send(b"RNFR a\r\nNOOP\r\nRNTO b\r\nRNFR a\r\nRNTO b\r\nRNTO c\r\n");
    assert_eq!(bench.codes()[3..], [350, 200, 503, 350, 200, 503]);
}

#[test]
fn the_time_for_a_login_is_absolute_and_begins_anew_with_a_logout() {
    let mut bench = Bench::new();
    for _ in 0..6 {
        bench.send(b"NOOP\r\nUSER x\r\n");
        bench.pass(Duration::from_secs(10));
    }
    assert!(bench.closed, "commands do not prolong it");
    assert_eq!(bench.codes().last(), Some(&421));

    let mut bench = Bench::logged_in();
    bench.pass(Duration::from_secs(200));
    bench.send(b"USER other\r\n");
    bench.pass(Duration::from_secs(50));
    assert!(!bench.closed, "a second login has its own time");
    bench.pass(Duration::from_secs(10));
    assert!(bench.closed);
}

#[test]
fn the_table_knows_which_verbs_use_a_data_connection() {
    // `Role` decides what may overtake: a mistake there would let commands run into a transfer.
    let overtaking: Vec<_> = Verb::ALL.iter().filter(|verb| verb.role() == Role::Overtaking).collect();
    assert_eq!(overtaking, [&Verb::Quit, &Verb::Abor, &Verb::Stat]);
}
