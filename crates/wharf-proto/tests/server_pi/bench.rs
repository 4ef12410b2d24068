//! An I/O layer and a server around the interpreter.

use std::net::SocketAddr;
use std::time::Duration;

use wharf_proto::decoder::{LineDecoder, ReplyDecoder};
use wharf_proto::dialogue::{Deadlines, Deviation, Endpoints, Event, LoginState, Timer};
use wharf_proto::server_pi::{Action, ServerPi};
use wharf_proto::{Command, Reply, ReplyCode, Timestamp, Verb, limits};

/// What the I/O layer reads at once at most.
pub(crate) const PIECE: usize = 4096;

/// An I/O layer and a server in a few lines: they answer everything, and count.
pub(crate) struct Bench {
    pub(crate) pi: ServerPi,
    pub(crate) now: Timestamp,
    /// What the client has sent and the interpreter does not want yet.
    pub(crate) unread: Vec<u8>,
    /// Counts lines as they are handed in.
    pub(crate) reference: LineDecoder,
    pub(crate) lines: usize,
    pub(crate) carried_out: usize,
    /// Number of the transfer that runs, if one does.
    pub(crate) running: Option<usize>,
    pub(crate) refuse_transfers: bool,
    pub(crate) closed: bool,
    pub(crate) client: ReplyDecoder,
    /// Final replies after the greeting, with the number of the command that the server carried out, if it did.
    pub(crate) finals: Vec<(u16, Option<usize>)>,
    pub(crate) preliminaries: usize,
    pub(crate) begun: usize,
    pub(crate) events: Vec<Event>,
}

impl Bench {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn logged_in() -> Self {
        let mut bench = Self::new();
        bench.send(b"USER anonymous\r\nPASS x\r\nTYPE I\r\n");
        assert_eq!(bench.codes(), [331, 230, 200]);
        bench
    }

    pub(crate) fn transferring(command: &str) -> Self {
        let mut bench = Self::logged_in();
        bench.send(format!("PASV\r\n{command}\r\n").as_bytes());
        assert!(bench.running.is_some());
        assert_eq!(bench.codes(), [331, 230, 200, 227]);
        bench
    }

    pub(crate) fn codes(&self) -> Vec<u16> {
        self.finals.iter().map(|(code, _)| *code).collect()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.drain();
    }

    pub(crate) fn end_transfer(&mut self, code: ReplyCode) {
        if let Some(number) = self.running.take() {
            self.reply(code, number);
            self.drain();
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        if self.pi.poll_timeout().is_some_and(|at| at <= self.now) {
            self.pi.handle_timeout(self.now);
        }
        self.drain();
    }

    pub(crate) fn reply(&mut self, code: ReplyCode, number: usize) {
        self.pi.reply(self.now, &Reply::new(code, format!("#{number}")));
    }

    /// Everything that can be done now.
    pub(crate) fn drain(&mut self) {
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

    pub(crate) fn act(&mut self, action: Action) {
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

    pub(crate) fn carry_out(&mut self, number: usize, command: &Command) {
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

    pub(crate) fn take_output(&mut self) {
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

    pub(crate) fn note_events(&mut self) {
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
    pub(crate) fn settle(mut self) {
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
