//! The simulated pair: a user-PI and a server-PI joined in memory, with a clock that only moves when it is told to.

use std::time::Duration;

use wharf_proto::command::{EpsvArgument, Representation};
use wharf_proto::dialogue::{Deadlines, Endpoints, Event};
use wharf_proto::host_port::{HostPort, extended_passive_mode_text};
use wharf_proto::server_pi::Action;
use wharf_proto::user_pi::Answer;
use wharf_proto::{Command, Reply, ReplyCode, ServerPi, Timestamp, UserPi};

/// Where the simulated server listens for data.
pub const DATA_PORT: u16 = 40_000;

/// A client and a server that talk to each other without any I/O.
#[derive(Debug)]
pub struct Pair {
    /// The client's side.
    pub user: UserPi,
    /// The server's side.
    pub server: ServerPi,
    /// The server's 1yz stands and its transfer waits for [`finish_transfer`](Self::finish_transfer).
    pub transfer_waits: bool,
    /// All replies that the client has seen, with what they belong to.
    pub answers: Vec<Answer>,
    /// All events of the client's dialogue.
    pub user_events: Vec<Event>,
    /// All events of the server's dialogue.
    pub server_events: Vec<Event>,
    /// Every command that the server carried out.
    pub carried_out: Vec<Command>,
    /// Whether the server has closed.
    pub closed: bool,
    at: Timestamp,
    piece: usize,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Pair {
    /// A pair whose bytes travel in pieces of at most `piece` bytes. The greeting has not been sent.
    #[must_use]
    pub fn new(piece: usize) -> Self {
        Self::with_deadlines(piece, Deadlines::default())
    }

    /// As [`new`](Self::new); both sides watch `deadlines`.
    #[must_use]
    pub fn with_deadlines(piece: usize, deadlines: Deadlines) -> Self {
        let endpoints = Endpoints::new(([192, 0, 2, 7], 50_000).into(), ([192, 0, 2, 1], 21).into());
        let at = Timestamp::START;
        Self {
            user: UserPi::new(at, endpoints, deadlines),
            server: ServerPi::new(at, endpoints, deadlines),
            transfer_waits: false,
            answers: Vec::new(),
            user_events: Vec::new(),
            server_events: Vec::new(),
            carried_out: Vec::new(),
            closed: false,
            at,
            piece: piece.max(1),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at
    }

    /// Lets time pass on both sides.
    pub fn wait(&mut self, time: Duration) {
        self.at = self.at + time;
        self.user.handle_timeout(self.at);
        self.server.handle_timeout(self.at);
        self.exchange();
    }

    /// The server greets.
    pub fn greet(&mut self) {
        self.server.greet(self.at, &Reply::new(ReplyCode::SERVICE_READY, "Ready."));
        self.exchange();
    }

    /// The client sends `line` and everything that follows from it happens. Returns the codes that came back.
    pub fn send(&mut self, line: &str) -> Vec<u16> {
        self.send_all(&[line])
    }

    /// As [`send`](Self::send), with several commands in one go.
    pub fn send_all(&mut self, lines: &[&str]) -> Vec<u16> {
        let before = self.answers.len();
        for line in lines {
            let command = Command::parse(line.as_bytes()).expect("a well-formed command");
            self.user.send(self.at, &command);
        }
        self.exchange();
        self.codes_since(before)
    }

    /// The client's socket carries `bytes` that its interpreter knows nothing of.
    pub fn inject_into_server(&mut self, bytes: &[u8]) {
        self.server.handle_input(bytes);
        self.exchange();
    }

    /// The transfer that waits ends with `reply`. Returns the codes that came back.
    pub fn finish_transfer(&mut self, reply: &Reply) -> Vec<u16> {
        let before = self.answers.len();
        self.transfer_waits = false;
        self.server.reply(self.at, reply);
        self.exchange();
        self.codes_since(before)
    }

    /// Logs in as `test`.
    pub fn log_in(&mut self) {
        self.greet();
        assert_eq!(self.send_all(&["USER test", "PASS secret"]), [331, 230]);
    }

    fn codes_since(&self, before: usize) -> Vec<u16> {
        self.answers[before..].iter().map(|answer| answer.reply.code().get()).collect()
    }

    /// Moves bytes both ways until nothing moves any more.
    pub fn exchange(&mut self) {
        loop {
            let to_server = self.user.output().to_vec();
            self.user.output_written(to_server.len());
            for piece in to_server.chunks(self.piece) {
                self.server.handle_input(piece);
            }
            while let Some(action) = self.server.poll_action(self.at) {
                self.act(action);
            }
            let to_user = self.server.output().to_vec();
            self.server.output_written(to_user.len());
            for piece in to_user.chunks(self.piece) {
                self.user.handle_input(self.at, piece).expect("replies of our own server");
            }
            self.answers.extend(std::iter::from_fn(|| self.user.poll_answer()));
            self.user_events.extend(std::iter::from_fn(|| self.user.poll_event()));
            self.server_events.extend(std::iter::from_fn(|| self.server.poll_event()));
            if to_server.is_empty() && to_user.is_empty() {
                return;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::CarryOut(command) => {
                let reply = self.answer(&command);
                self.carried_out.push(command);
                self.server.reply(self.at, &reply);
            }
            Action::AbortTransfer => {
                self.transfer_waits = false;
                self.server.reply(self.at, &Reply::new(ReplyCode::TRANSFER_ABORTED, "Aborted."));
            }
            Action::ReportTransfer => {
                self.server.reply(self.at, &Reply::new(ReplyCode::SYSTEM_STATUS, "Running."));
            }
            Action::Close => self.closed = true,
        }
    }

    /// A server that says yes to everything that is in sequence.
    fn answer(&mut self, command: &Command) -> Reply {
        let (code, text) = match command {
            Command::User(_) => (331, "Password?".to_owned()),
            Command::Pass(_) => (230, "Welcome.".to_owned()),
            Command::Quit => (221, "Bye.".to_owned()),
            Command::Rein | Command::Host(_) => (220, "Ready.".to_owned()),
            Command::Auth(_) => (234, "Begin TLS.".to_owned()),
            Command::Pasv => {
                let told = HostPort { address: [192, 0, 2, 1].into(), port: DATA_PORT };
                (227, told.passive_mode_text())
            }
            Command::Epsv(EpsvArgument::Same | EpsvArgument::Family(_)) => {
                (229, extended_passive_mode_text(DATA_PORT))
            }
            Command::Pwd | Command::Mkd(_) => (257, "\"/\"".to_owned()),
            Command::Rest(_) | Command::Rnfr(_) => (350, "Go on.".to_owned()),
            Command::Size(_) | Command::Mdtm(_) => (213, "1".to_owned()),
            Command::Feat => return Reply::feature_list(["EPSV", "SIZE"]),
            Command::Syst => (215, "UNIX Type: L8".to_owned()),
            Command::Abor => (225, "Nothing to abort.".to_owned()),
            Command::Stat(_) => (211, "Idle.".to_owned()),
            Command::Type(Representation::Ebcdic | Representation::Local(_)) => (504, "No.".to_owned()),
            Command::Cwd(_) | Command::Cdup | Command::Dele(_) | Command::Rmd(_) | Command::Rnto(_) => {
                (250, "Done.".to_owned())
            }
            other if other.verb().is_some_and(|verb| verb.role().is_transfer()) => {
                self.transfer_waits = true;
                (150, "Here it comes.".to_owned())
            }
            _ => (200, "OK.".to_owned()),
        };
        Reply::new(ReplyCode::new(code).expect("a code of RFC 959"), text)
    }
}
