//! The server's interpreter against whatever a client may send: arbitrary commands and bytes in each state, in
//! whatever pieces they come.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use wharf_proto::decoder::{LineDecoder, ReplyDecoder};
use wharf_proto::dialogue::{Deadlines, Deviation, Endpoints, Event, LoginState, Timer};
use wharf_proto::server_pi::{Action, ServerPi};
use wharf_proto::verb::Role;
use wharf_proto::{Command, Reply, ReplyCode, Timestamp, Verb, limits};

/// What the I/O layer reads at once at most.
const PIECE: usize = 4096;

/// An I/O layer and a server in a few lines: they answer everything, and count.
struct Bench {
    pi: ServerPi,
    now: Timestamp,
    /// What the client has sent and the interpreter does not want yet.
    unread: Vec<u8>,
    /// Counts lines as they are handed in.
    reference: LineDecoder,
    lines: usize,
    carried_out: usize,
    /// Number of the transfer that runs, if one does.
    running: Option<usize>,
    refuse_transfers: bool,
    closed: bool,
    client: ReplyDecoder,
    /// Final replies after the greeting, with the number of the command that the server carried out, if it did.
    finals: Vec<(u16, Option<usize>)>,
    preliminaries: usize,
    begun: usize,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let deadlines = Deadlines {
            login: Some(Duration::from_secs(60)),
            idle: Some(Duration::from_secs(300)),
            reply: None,
        };
        let now = Timestamp::START;
        let mut pi = ServerPi::new(now, Endpoints::new(address(40_000), address(21)), deadlines);
        pi.greet(now, &Reply::new(ReplyCode::SERVICE_READY, "ready"));
        let mut bench = Self {
            pi,
            now,
            unread: Vec::new(),
            reference: LineDecoder::new(limits::COMMAND_LINE),
            lines: 0,
            carried_out: 0,
            running: None,
            refuse_transfers: false,
            closed: false,
            client: ReplyDecoder::new(),
            finals: Vec::new(),
            preliminaries: 0,
            begun: 0,
            events: Vec::new(),
        };
        bench.drain();
        assert_eq!(bench.finals.remove(0).0, 220);
        bench
    }

    fn logged_in() -> Self {
        let mut bench = Self::new();
        bench.send(b"USER anonymous\r\nPASS x\r\nTYPE I\r\n");
        assert_eq!(bench.codes(), [331, 230, 200]);
        bench
    }

    fn transferring(command: &str) -> Self {
        let mut bench = Self::logged_in();
        bench.send(format!("PASV\r\n{command}\r\n").as_bytes());
        assert!(bench.running.is_some());
        assert_eq!(bench.codes(), [331, 230, 200, 227]);
        bench
    }

    fn codes(&self) -> Vec<u16> {
        self.finals.iter().map(|(code, _)| *code).collect()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.drain();
    }

    fn end_transfer(&mut self, code: ReplyCode) {
        if let Some(number) = self.running.take() {
            self.reply(code, number);
            self.drain();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        if self.pi.poll_timeout().is_some_and(|at| at <= self.now) {
            self.pi.handle_timeout(self.now);
        }
        self.drain();
    }

    fn reply(&mut self, code: ReplyCode, number: usize) {
        self.pi.reply(self.now, &Reply::new(code, format!("#{number}")));
    }

    /// Everything that can be done now.
    fn drain(&mut self) {
        loop {
            loop {
                // Events first: what they bring about (a time that is over) may be an action.
                self.note_events();
                let Some(action) = self.pi.poll_action(self.now) else { break };
                self.act(action);
            }
            self.take_output();
            if self.unread.is_empty() || !self.pi.wants_input() {
                break;
            }
            let rest = self.unread.split_off(self.unread.len().min(PIECE));
            let piece = std::mem::replace(&mut self.unread, rest);
            self.reference.push(&piece);
            while let Some(line) = self.reference.next_line() {
                self.lines += usize::from(line.is_err() || line.is_ok_and(|line| !line.bytes.is_empty()));
            }
            self.pi.handle_input(&piece);
        }
        self.note_events();
    }

    fn act(&mut self, action: Action) {
        assert!(!self.closed, "{action:?} after the close");
        let number = self.carried_out;
        match action {
            Action::CarryOut(command) => {
                self.carried_out += 1;
                assert!(self.running.is_none(), "{command} was carried out while a transfer runs");
                assert_eq!(self.pi.dialogue().outstanding(), 1);
                self.carry_out(number, &command);
            }
            Action::AbortTransfer => {
                let transfer = self.running.take().expect("a transfer to abort");
                self.reply(ReplyCode::TRANSFER_ABORTED, transfer);
            }
            Action::ReportTransfer => {
                assert!(self.running.is_some());
                self.pi.reply(self.now, &Reply::new(ReplyCode::SYSTEM_STATUS, "status"));
            }
            Action::Close => self.closed = true,
        }
    }

    fn carry_out(&mut self, number: usize, command: &Command) {
        let verb = command.verb().expect("unknown verbs are not the server's matter");
        let specification = verb.specification();
        if specification.login == wharf_proto::verb::Login::Needed {
            assert_eq!(self.pi.dialogue().state().login, LoginState::LoggedIn, "{command}");
        }
        let reply = match verb {
            Verb::Pasv => Reply::new(ReplyCode::PASSIVE_MODE, format!("#{number} (127,0,0,1,200,1)")),
            Verb::Epsv if *command == Command::Epsv(wharf_proto::command::EpsvArgument::All) => {
                Reply::new(ReplyCode::COMMAND_OKAY, format!("#{number}"))
            }
            Verb::Epsv => Reply::new(ReplyCode::EXTENDED_PASSIVE_MODE, format!("#{number} (|||5000|)")),
            Verb::User => Reply::new(ReplyCode::NEED_PASSWORD, format!("#{number}")),
            Verb::Pass => Reply::new(ReplyCode::LOGGED_IN, format!("#{number}")),
            Verb::Auth
            | Verb::Adat
            | Verb::Pbsz
            | Verb::Prot
            | Verb::Ccc
            | Verb::Mic
            | Verb::Conf
            | Verb::Enc => Reply::new(ReplyCode::NOT_IMPLEMENTED, format!("#{number}")),
            verb if verb.role().is_transfer() => {
                if self.refuse_transfers {
                    Reply::new(ReplyCode::FILE_UNAVAILABLE, format!("#{number}"))
                } else {
                    self.begun += 1;
                    self.running = Some(number);
                    Reply::new(ReplyCode::OPENING_DATA_CONNECTION, format!("#{number}"))
                }
            }
            _ => {
                let code = specification.replies.iter().copied().find(|code| *code >= 200).unwrap_or(502);
                Reply::new(ReplyCode::new(code).unwrap(), format!("#{number}"))
            }
        };
        self.pi.reply(self.now, &reply);
    }

    fn take_output(&mut self) {
        let output = self.pi.output().to_vec();
        // In two pieces, as a socket may take them.
        let half = output.len() / 2;
        self.pi.output_written(half);
        assert_eq!(self.pi.output(), &output[half..]);
        self.pi.output_written(output.len() - half);
        self.client.push(&output);
        while let Some(decoded) = self.client.next_reply() {
            let reply = decoded.expect("a reply that a client understands").reply;
            let number = std::str::from_utf8(reply.text())
                .ok()
                .and_then(|text| text.strip_prefix('#')?.split(' ').next()?.parse().ok());
            if reply.code().is_preliminary() {
                self.preliminaries += 1;
            } else {
                self.finals.push((reply.code().get(), number));
            }
        }
    }

    fn note_events(&mut self) {
        while let Some(event) = self.pi.poll_event() {
            match &event {
                Event::Deviation(
                    deviation @ (Deviation::ReplyWithoutCommand { .. }
                    | Deviation::ReplyNotForVerb { .. }
                    | Deviation::TooManyOutstanding
                    | Deviation::TransferDuringTransfer { .. }
                    | Deviation::RepeatedPreliminary { .. }),
                ) => assert!(
                    self.finals.last().is_some_and(|(code, _)| *code == 421)
                        || self.pi.dialogue().is_closing(),
                    "the server deviates: {deviation:?}"
                ),
                Event::TimedOut(timer) => {
                    assert!(matches!(timer, Timer::Login | Timer::Idle));
                    self.pi.close_with(self.now, &Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, "too late"));
                }
                _ => {}
            }
            self.events.push(event);
        }
    }

    /// Ends what runs, hands in what is left, and compares.
    fn settle(mut self) {
        while self.running.is_some() {
            self.end_transfer(ReplyCode::TRANSFER_COMPLETE);
        }
        assert!(self.closed || self.unread.is_empty(), "input is left and nothing is under way");
        let unasked = usize::from(self.finals.iter().any(|(code, _)| *code == 421));
        if self.closed {
            assert!(self.finals.len() <= self.lines + unasked, "{:?} for {} lines", self.finals, self.lines);
        } else {
            assert_eq!(self.finals.len(), self.lines, "each line has one final reply: {:?}", self.finals);
            assert!(!self.pi.dialogue().is_unanswered());
        }
        assert_eq!(self.preliminaries, self.begun);
        let numbers: Vec<usize> = self.finals.iter().filter_map(|(_, number)| *number).collect();
        assert!(numbers.is_sorted(), "replies are in the order of the commands: {numbers:?}");
        assert_eq!(numbers.len(), self.carried_out, "each command that was carried out has one final reply");
        // The greeting's and each later reply's output was whole.
        assert_eq!(self.client.pending_bytes(), 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    EndTransfer(bool),
    RefuseTransfers(bool),
    Pass(u64),
}

fn any_argument() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        &b""[..],
        b"a",
        b" spaced name ",
        b"I",
        b"TLS",
        b"0",
        b"18446744073709551616",
        b"127,0,0,1,200,10",
        b"|1|127.0.0.1|5000|",
        b"ALL",
        b"2",
        b"-la x",
        b"20200101000000 f",
        b"caf\xE9",
        b"nul\0",
        b"cr\rx",
        b"iac\xFF\xFFx",
        b"telnet\xFF\xFBx",
        b"telnet\xFF\xF4\xFF\xF2",
    ]);
    prop_oneof![4 => known.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let known =
        prop::sample::select(Verb::ALL).prop_map(|verb| verb.specification().name.as_bytes().to_vec());
    let usual =
        prop::sample::select(vec!["PASV", "RETR", "STOR", "LIST", "ABOR", "STAT", "USER", "PASS", "RNFR"])
            .prop_map(|name| name.as_bytes().to_vec());
    let name = prop_oneof![
        6 => known,
        6 => usual,
        1 => Just(b"GET".to_vec()),
        1 => Just(b"\xFF\xF4\xFF\xF2ABOR".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    let end = prop::sample::select(vec![&b"\r\n"[..], b"\r\n", b"\r\n", b"\n", b"\r\0\r\n", b""]);
    (name, prop::option::of(any_argument()), end).prop_map(|(name, argument, end)| {
        let space: &[u8] = if argument.is_some() { b" " } else { b"" };
        [&name, space, &argument.unwrap_or_default(), end].concat()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(any_line(), 1..12).prop_map(|lines| Step::Send(lines.concat())),
        2 => prop::collection::vec(any::<u8>(), 0..100).prop_map(Step::Send),
        1 => (any::<u8>(), 0_usize..20_000).prop_map(|(byte, count)| Step::Send(vec![byte; count])),
        1 => (any_line(), 0_usize..150).prop_map(|(line, count)| Step::Send(line.repeat(count))),
        3 => any::<bool>().prop_map(Step::EndTransfer),
        1 => any::<bool>().prop_map(Step::RefuseTransfers),
        1 => (0_u64..100).prop_map(Step::Pass),
    ]
}

fn play(mut bench: Bench, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Send(bytes) => bench.send(&bytes),
            Step::EndTransfer(true) => bench.end_transfer(ReplyCode::TRANSFER_COMPLETE),
            Step::EndTransfer(false) => bench.end_transfer(ReplyCode::TRANSFER_ABORTED),
            Step::RefuseTransfers(refuse) => bench.refuse_transfers = refuse,
            Step::Pass(seconds) => bench.pass(Duration::from_secs(seconds)),
        }
    }
    bench.settle();
}

/// A few hundred in the suite, as many as wanted in `cargo xtask soak` (threats.md: ≥ 10⁷ sessions).
fn rounds() -> ProptestConfig {
    let cases = u32::try_from(wharf_testkit::soak_rounds(400)).unwrap_or(u32::MAX);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(rounds())]

    #[test]
    fn any_session_before_login(steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::new(), steps);
    }

    #[test]
    fn any_session_after_login(steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::logged_in(), steps);
    }

    #[test]
    fn any_session_during_a_transfer(upload in any::<bool>(), steps in prop::collection::vec(any_step(), 0..12)) {
        play(Bench::transferring(if upload { "STOR a" } else { "RETR a" }), steps);
    }

    #[test]
    fn pieces_make_no_difference(lines in prop::collection::vec(any_line(), 0..20), cuts in prop::collection::vec(1_usize..9, 1..50)) {
        let bytes = lines.concat();
        let mut whole = Bench::logged_in();
        whole.refuse_transfers = true;
        whole.send(&bytes);
        let mut cut = Bench::logged_in();
        cut.refuse_transfers = true;
        let mut rest = bytes.as_slice();
        for length in cuts.into_iter().cycle() {
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            cut.send(piece);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&whole.finals, &cut.finals);
        prop_assert_eq!(whole.closed, cut.closed);
    }
}

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
