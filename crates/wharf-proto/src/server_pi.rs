//! The server's protocol interpreter: [`Dialogue`] + decoder + output (server-PI of RFC 959 §2.2).

use crate::command::{Command, CommandError};
use crate::decoder::{LineDecoder, LineError, LineRef};
use crate::dialogue::{
    Attribution, Authenticated, DataEvent, Deadlines, Deviation, Dialogue, Endpoints, Event, LoginState, Side,
};
use crate::limits;
use crate::pathname::{escaped, shortened};
use crate::reply::{Reply, ReplyCode};
use crate::short_queue::ShortQueue;
use crate::time::Timestamp;
use crate::verb::Verb;

/// Room for the usual reply, in bytes, which a session keeps for the next one.
const KEPT: usize = 64;

/// What the server has to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Carry this command out and answer it with [`ServerPi::reply`]. It is in sequence and well formed; no other
    /// command comes before its final reply.
    CarryOut(Command),
    /// Cut the transfer that runs; its final reply is then 426 (RFC 959 §4.1.3, ABOR).
    AbortTransfer,
    /// Tell about the transfer that runs, with [`ServerPi::reply`] and 211, while it runs on (RFC 959 §4.1.3, STAT).
    ReportTransfer,
    /// Send what is left of the output, then close the control connection.
    Close,
}

/// A line that waits for its turn.
#[derive(Debug)]
enum Waiting {
    Command {
        command: Command,
        bytes: usize,
    },
    /// ABOR that has cut the transfer already and only waits to be answered.
    ActedAbort,
    Malformed(CommandError),
}

/// The server's protocol interpreter.
///
/// While a command is unanswered none other is carried out, but reading goes on into a bounded queue, so that an
/// ABOR, STAT or QUIT behind others is seen at once.
///
/// Its methods are of four kinds:
/// * getters: [`dialogue`](Self::dialogue), [`wants_input`](Self::wants_input), [`output`](Self::output)
/// * input: [`handle_input`](Self::handle_input), [`handle_data`](Self::handle_data),
///   [`handle_timeout`](Self::handle_timeout), [`tls_established`](Self::tls_established)
/// * mutators: [`greet`](Self::greet), [`reply`](Self::reply), [`close_with`](Self::close_with)
/// * output, to be drained after each of the above: [`output`](Self::output) with
///   [`output_written`](Self::output_written), [`poll_action`](Self::poll_action), [`poll_event`](Self::poll_event),
///   and last [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct ServerPi {
    dialogue: Dialogue,
    decoder: LineDecoder,
    waiting: ShortQueue<Waiting>,
    waiting_bytes: usize,
    output: Vec<u8>,
    abort_requested: bool,
    quit_seen: bool,
    unknown_before_login: u8,
    close: Closing,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    No,
    Due,
    Told,
}

impl ServerPi {
    /// A server that has just accepted a control connection.
    #[must_use]
    pub fn new(at: Timestamp, endpoints: Endpoints, deadlines: Deadlines) -> Self {
        Self {
            dialogue: Dialogue::new(at, endpoints, deadlines),
            decoder: LineDecoder::new(limits::COMMAND_LINE),
            waiting: ShortQueue::new(),
            waiting_bytes: 0,
            output: Vec::new(),
            abort_requested: false,
            quit_seen: false,
            unknown_before_login: 0,
            close: Closing::No,
        }
    }

    /// The conversation so far.
    #[must_use]
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// The proof of a login, if there was one.
    #[must_use]
    pub fn authenticated(&self) -> Option<Authenticated> {
        self.dialogue.authenticated()
    }

    /// Whether more input may be handed in. When not, the peer has filled the queue and has to wait.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.close == Closing::No
            && !self.quit_seen
            && self.waiting.len() < limits::READ_AHEAD_COMMANDS
            && self.waiting_bytes < limits::READ_AHEAD_BYTES
    }

    /// Whether the client has said QUIT: what it closes from then on, it closes in order.
    #[must_use]
    pub fn has_quit(&self) -> bool {
        self.quit_seen
    }

    /// Bytes came from the client.
    pub fn handle_input(&mut self, input: &[u8]) {
        // One command, all of it, while nothing else is on its way: it needs no buffer.
        if self.wants_input()
            && let Some(line) = self.decoder.whole_line(input)
        {
            if !line.bytes.is_empty() {
                self.queue(line.bare_line_feed, read_line(line));
            }
            return;
        }
        self.decoder.push(input);
        self.read_lines();
    }

    /// Something happened to the data connection.
    pub fn handle_data(&mut self, at: Timestamp, event: DataEvent) {
        self.dialogue.data(at, event);
    }

    /// The moment of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, at: Timestamp) {
        self.dialogue.handle_timeout(at);
    }

    /// The TLS handshake of the control connection is done.
    pub fn tls_established(&mut self, at: Timestamp) {
        self.dialogue.tls_established(at);
    }

    /// TLS began with the connection, before the greeting (implicit FTPS). Data are protected too unless PROT C is agreed.
    pub fn tls_from_the_start(&mut self, at: Timestamp) {
        self.dialogue.tls_from_the_start(at);
    }

    /// Sends the greeting, 220 or 421.
    pub fn greet(&mut self, at: Timestamp, reply: &Reply) {
        self.say(at, reply);
    }

    /// Answers the command that is being carried out (or the transfer's status, on [`Action::ReportTransfer`]).
    ///
    /// 234 to AUTH is said only where nothing stands behind the AUTH; else the session ends (threat 6).
    pub fn reply(&mut self, at: Timestamp, reply: &Reply) {
        if reply.code() == ReplyCode::SECURITY_EXCHANGE_COMPLETE && self.discard_behind_auth() {
            let text = "Nothing may be sent behind AUTH before its 234 has come (RFC 4217); closing.";
            self.close_with(at, &Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, text));
            return;
        }
        let attribution = self.say(at, reply);
        let Some(command) = attribution.command else { return };
        if attribution.is_preliminary {
            return;
        }
        match command.verb() {
            Some(Verb::Quit) => self.close = Closing::Due,
            // The transfer is over: what it made ABOR wait for is done.
            Some(verb) if verb.role().can_be_overtaken() => self.abort_requested = false,
            _ => {}
        }
    }

    /// Says `reply` whatever else is under way, and closes: 421 for a time that is over or a server that stops.
    pub fn close_with(&mut self, at: Timestamp, reply: &Reply) {
        if self.close == Closing::No {
            self.say(at, reply);
            self.close = Closing::Due;
        }
    }

    /// What has to be sent, from its beginning.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many bytes of [`output`](Self::output) were sent.
    pub fn output_written(&mut self, count: usize) {
        if count >= self.output.len() {
            self.output.clear();
            if self.output.capacity() > KEPT {
                self.output = Vec::new(); // idle sessions own next to nothing
            }
        } else {
            self.output.drain(..count);
        }
    }

    /// What has to be done, if anything can be done now.
    pub fn poll_action(&mut self, at: Timestamp) -> Option<Action> {
        loop {
            match self.close {
                Closing::No => {}
                Closing::Due => {
                    self.close = Closing::Told;
                    return Some(Action::Close);
                }
                Closing::Told => return None,
            }
            // Lines that found the queue full when they came have room now.
            self.read_lines();
            if self.dialogue.is_unanswered() {
                return self.overtaking_action(at);
            }
            let waiting = self.waiting.pop_front()?;
            if let Some(action) = self.take_turn(at, waiting) {
                return Some(action);
            }
        }
    }

    /// What became known, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.dialogue.poll_event()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.dialogue.poll_timeout()
    }

    /// Lines become commands as far as the queue has room; the rest stays in the decoder, which is bounded itself.
    fn read_lines(&mut self) {
        while self.wants_input() {
            let (bare_line_feed, waiting) = match self.decoder.next_line_ref() {
                None => return,
                Some(Err(LineError::TooLong { .. })) => (false, Waiting::Malformed(CommandError::TooLong)),
                Some(Ok(line)) if line.bytes.is_empty() => continue, // what an interrupted line leaves behind
                Some(Ok(line)) => (line.bare_line_feed, read_line(line)),
            };
            self.queue(bare_line_feed, waiting);
        }
    }

    fn queue(&mut self, bare_line_feed: bool, waiting: Waiting) {
        if bare_line_feed {
            self.dialogue.deviation(Deviation::BareLineFeed { by: Side::Client });
        }
        if let Waiting::Command { command, bytes } = &waiting {
            self.quit_seen |= *command == Command::Quit;
            self.waiting_bytes += bytes;
        }
        self.waiting.push_back(waiting);
    }

    /// Nothing is unanswered: the oldest line has its turn.
    fn take_turn(&mut self, at: Timestamp, waiting: Waiting) -> Option<Action> {
        let command = match waiting {
            Waiting::Command { command, bytes } => {
                self.waiting_bytes -= bytes;
                command
            }
            Waiting::ActedAbort => {
                self.dialogue.command(at, &Command::Abor);
                self.reply(at, &Reply::new(ReplyCode::TRANSFER_COMPLETE, "Transfer aborted."));
                return None;
            }
            Waiting::Malformed(error) => {
                self.answer_malformed(at, &error);
                return None;
            }
        };
        if let Err(refusal) = self.dialogue.permits(&command) {
            self.dialogue.command(at, &command);
            self.reply(at, &refusal.reply());
            return None;
        }
        if let Command::Unknown(unknown) = &command {
            let name = shortened(unknown.name().as_bytes());
            self.dialogue.command(at, &command);
            self.reply(
                at,
                &Reply::new(ReplyCode::SYNTAX_ERROR, format!("{}: command not known.", escaped(&name))),
            );
            self.count_unknown(at, &command);
            return None;
        }
        self.dialogue.command(at, &command);
        Some(Action::CarryOut(command))
    }

    /// A transfer runs, or something else that takes its time: ABOR, STAT and QUIT are looked for in the whole queue.
    fn overtaking_action(&mut self, at: Timestamp) -> Option<Action> {
        if self.dialogue.transfer().is_none() && !self.dialogue.is_computing() {
            return None;
        }
        for index in 0..self.waiting.len() {
            match self.waiting.get_mut(index) {
                Some(waiting @ Waiting::Command { command: Command::Abor, .. }) if !self.abort_requested => {
                    if let Waiting::Command { bytes, .. } = std::mem::replace(waiting, Waiting::ActedAbort) {
                        self.waiting_bytes -= bytes;
                    }
                    self.abort_requested = true;
                    return Some(Action::AbortTransfer);
                }
                Some(Waiting::Command { command: Command::Stat(None), bytes }) => {
                    self.waiting_bytes -= *bytes;
                    self.waiting.remove(index);
                    self.dialogue.command(at, &Command::Stat(None));
                    return Some(Action::ReportTransfer);
                }
                _ => {}
            }
        }
        None
    }

    fn answer_malformed(&mut self, at: Timestamp, error: &CommandError) {
        let reply = Reply::new(error.reply_code(), format!("{error}."));
        // The line was no command, so the dialogue has none that this could answer; the bytes are what counts.
        reply.encode(&mut self.output);
        self.dialogue.line_refused(at);
        if matches!(error, CommandError::NotAVerb(_)) {
            self.count_unknown_line(at);
        }
    }

    /// A browser or a cross-protocol attack (threat 9) shows before login.
    fn count_unknown(&mut self, at: Timestamp, command: &Command) {
        let name = command.name();
        let is_http = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE"].contains(&name.as_str());
        if is_http && self.dialogue.state().login != LoginState::LoggedIn {
            self.close_with(
                at,
                &Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, "This is an FTP server, not HTTP."),
            );
        } else {
            self.count_unknown_line(at);
        }
    }

    fn count_unknown_line(&mut self, at: Timestamp) {
        if self.dialogue.state().login == LoginState::LoggedIn {
            return;
        }
        self.unknown_before_login = self.unknown_before_login.saturating_add(1);
        if self.unknown_before_login >= limits::UNKNOWN_COMMANDS_BEFORE_LOGIN {
            self.close_with(at, &Reply::new(ReplyCode::SERVICE_NOT_AVAILABLE, "Too many unknown commands."));
        }
    }

    /// What was pipelined behind AUTH came in clear and must not act inside TLS (threat 6). Tells whether there was any.
    fn discard_behind_auth(&mut self) -> bool {
        let count = self.decoder.pending_bytes() + self.waiting_bytes + self.waiting.len();
        if count > 0 {
            self.dialogue.deviation(Deviation::BytesBehindAuth { by: Side::Client, count });
        }
        self.decoder.clear();
        self.waiting = ShortQueue::new();
        self.waiting_bytes = 0;
        count > 0
    }

    fn say(&mut self, at: Timestamp, reply: &Reply) -> Attribution {
        reply.encode(&mut self.output);
        // RFC 959 §5.4: 421 may answer any command, and nothing comes behind it.
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE && self.close == Closing::No {
            self.close = Closing::Due;
        }
        self.dialogue.reply(at, reply)
    }
}

/// What a line is, which may be no command at all.
fn read_line(line: LineRef<'_>) -> Waiting {
    let parsed = if line.telnet_inside && line.bytes.contains(&b' ') {
        Err(CommandError::TelnetInside)
    } else {
        Command::parse(line.bytes)
    };
    match parsed {
        Ok(command) => Waiting::Command { command, bytes: line.bytes.len() },
        Err(error) => Waiting::Malformed(error),
    }
}
