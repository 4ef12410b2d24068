//! A bystander that sees both directions of a conversation: the same decoders and the same [`Dialogue`] as the two
//! interpreters have, fed from a capture.

use std::collections::VecDeque;

use crate::command::{Command, CommandError, UnknownCommand};
use crate::decoder::{DecodedReply, LineDecoder, ReplyDecoder, ReplyError, ReplyQuirk};
use crate::dialogue::{
    Attribution, DataEvent, Deadlines, Deviation, Dialogue, Endpoints, Event, SecurityState, Side,
};
use crate::limits;
use crate::pathname::shortened;
use crate::reply::{Reply, ReplyCode};
use crate::time::Timestamp;
use crate::tls_records::{Record, RecordWatcher, may_begin_record};
use crate::verb::Verb;

/// One thing that the bystander saw or understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The client sent a command. Its `Display` hides passwords.
    Command(Command),
    /// The client sent a line that is no command.
    NotACommand(CommandError),
    /// The server said something.
    Reply {
        /// What.
        reply: Reply,
        /// Which command it belongs to.
        attribution: Attribution,
    },
    /// The server sent a line that is no reply.
    NotAReply {
        /// The line, shortened.
        line: Box<[u8]>,
        /// The command that was waiting for a reply, and will get no other.
        command: Option<Command>,
    },
    /// Something became known.
    Event(Event),
    /// The answer to this command was missed.
    Forgotten(Command),
    /// A TLS record went over.
    Tls {
        /// Who sent it.
        by: Side,
        /// What is known of it.
        record: Record,
    },
    /// The conversation is in clear again, after CCC.
    ClearAgain,
}

/// What the bytes of a direction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Clear,
    Tls,
}

/// Watches both directions of a control connection.
///
/// Its methods are of three kinds:
/// * getters: [`dialogue`](Self::dialogue), [`is_under_tls`](Self::is_under_tls)
/// * input: [`handle_input`](Self::handle_input), [`handle_gap`](Self::handle_gap), [`handle_data`](Self::handle_data)
/// * output, to be drained after each input: [`poll_seen`](Self::poll_seen) until `None`.
///
/// Gaps: what is lost of the commands shows as replies that nobody asked for, what is lost of the replies as commands
/// that stay unanswered. After a gap an answer goes to the first unanswered command that it fits, and a command says that
/// those before it are settled: most clients wait for each answer.
#[derive(Debug)]
pub struct Observer {
    dialogue: Dialogue,
    commands: LineDecoder,
    replies: ReplyDecoder,
    layers: [Layer; 2],
    records: [RecordWatcher; 2],
    /// Which directions have a gap behind which nothing was understood yet.
    after_gap: [bool; 2],
    /// Answers may have been lost: whose the next one is has to be found out.
    unsettled: bool,
    /// Nothing was said in this direction yet.
    silent: [bool; 2],
    seen: VecDeque<Seen>,
}

impl Observer {
    /// The control connection has just come up.
    #[must_use]
    pub fn new(at: Timestamp, endpoints: Endpoints) -> Self {
        Self {
            dialogue: Dialogue::new(at, endpoints, Deadlines::default()),
            commands: LineDecoder::new(limits::COMMAND_LINE),
            replies: ReplyDecoder::new(),
            layers: [Layer::Clear; 2],
            records: [RecordWatcher::new(), RecordWatcher::new()],
            after_gap: [false; 2],
            unsettled: false,
            silent: [true; 2],
            seen: VecDeque::new(),
        }
    }

    /// The control connection was there before anybody watched.
    #[must_use]
    pub fn joining_late(at: Timestamp, endpoints: Endpoints) -> Self {
        let mut observer = Self::new(at, endpoints);
        observer.dialogue.joined_late(at);
        observer.after_gap = [true; 2];
        observer.unsettled = true;
        observer
    }

    /// The conversation so far.
    #[must_use]
    pub fn dialogue(&self) -> &Dialogue {
        &self.dialogue
    }

    /// Whether the text cannot be read because TLS is in use.
    #[must_use]
    pub fn is_under_tls(&self) -> bool {
        self.layers.contains(&Layer::Tls)
    }

    /// Bytes that are kept of unfinished lines, replies and TLS records.
    #[must_use]
    pub fn held(&self) -> usize {
        let records: usize = self.records.iter().map(RecordWatcher::held).sum();
        self.commands.pending_bytes() + self.replies.pending_bytes() + records
    }

    /// Gives up everything that is kept, as after a gap in both directions.
    pub fn let_go(&mut self, at: Timestamp) {
        self.settle(at);
        for side in [Side::Client, Side::Server] {
            self.handle_gap(at, side, 1);
        }
    }

    /// Bytes came from `by`.
    pub fn handle_input(&mut self, at: Timestamp, by: Side, input: &[u8]) {
        let mut rest = input;
        // Implicit FTPS: a ClientHello where a command should be, with nothing before it.
        let first = core::mem::replace(&mut self.silent[index(by)], false);
        if first && by == Side::Client && self.silent[index(Side::Server)] {
            self.begin_tls_if(at, rest);
        }
        while !rest.is_empty() {
            match self.layers[index(by)] {
                Layer::Clear => rest = self.take_clear(at, by, rest),
                Layer::Tls => {
                    let taken = self.take_records(by, rest);
                    rest = &rest[taken..];
                    if !rest.is_empty() {
                        self.clear_again(at, by);
                    }
                }
            }
        }
        self.drain_events();
    }

    /// Bytes of `by` went over that nobody saw.
    pub fn handle_gap(&mut self, at: Timestamp, by: Side, length: usize) {
        self.silent[index(by)] = false;
        if self.layers[index(by)] == Layer::Tls {
            self.records[index(by)].miss(length);
            return;
        }
        self.after_gap[index(by)] = true;
        match by {
            Side::Client => self.commands.clear(),
            Side::Server => self.replies = ReplyDecoder::new(),
        }
        self.unsettled = true;
        // What was lost answered the commands before the last one: most clients wait for each answer.
        while by == Side::Server && self.dialogue.outstanding() > 1 {
            if let Some(command) = self.dialogue.forget_oldest(at) {
                self.seen.push_back(Seen::Forgotten(command));
            }
        }
        if !self.dialogue.is_greeted() && by == Side::Server {
            self.dialogue.joined_late(at);
        }
    }

    /// Something happened to the data connection.
    pub fn handle_data(&mut self, at: Timestamp, event: DataEvent) {
        self.dialogue.data(at, event);
        self.drain_events();
    }

    /// What was seen, oldest first.
    pub fn poll_seen(&mut self) -> Option<Seen> {
        self.seen.pop_front()
    }

    fn begin_tls_if(&mut self, at: Timestamp, input: &[u8]) {
        const HANDSHAKE: u8 = 22;
        if input.len() >= 3 && input[0] == HANDSHAKE && may_begin_record(input) {
            self.layers = [Layer::Tls; 2];
            self.dialogue.tls_from_the_start(at);
        }
    }

    /// Takes clear bytes up to where TLS begins, and returns the rest.
    fn take_clear<'a>(&mut self, at: Timestamp, by: Side, input: &'a [u8]) -> &'a [u8] {
        let mut input = input;
        if self.after_gap[index(by)] {
            input = behind_gap(by, input);
            if input.is_empty() {
                return input;
            }
            self.after_gap[index(by)] = false;
        }
        match by {
            Side::Client => {
                self.commands.push(input);
                self.read_commands(at);
                &[]
            }
            Side::Server => self.take_replies(at, input),
        }
    }

    fn read_commands(&mut self, at: Timestamp) {
        loop {
            let (parsed, bare_line_feed) = match self.commands.next_line_ref() {
                None => return,
                Some(Err(_)) => (Err(CommandError::TooLong), false),
                Some(Ok(line)) if line.bytes.is_empty() => continue,
                Some(Ok(line)) => (parse(line.bytes), line.bare_line_feed),
            };
            if bare_line_feed {
                self.dialogue.deviation(Deviation::BareLineFeed { by: Side::Client });
            }
            match parsed {
                Ok(command) => {
                    if self.unsettled {
                        self.settle(at);
                    }
                    self.dialogue.command(at, &command);
                    self.seen.push_back(Seen::Command(command.without_secret()));
                }
                Err(error) => {
                    self.dialogue.line_refused(at);
                    self.seen.push_back(Seen::NotACommand(error));
                }
            }
            self.drain_events();
        }
    }

    /// A client that sends the next command has its answers. A transfer under way may wait for its end all the same.
    fn settle(&mut self, at: Timestamp) {
        while let Some(command) = self.dialogue.forget_oldest(at) {
            self.seen.push_back(Seen::Forgotten(command));
        }
    }

    /// Takes replies one at a time, because behind 234 everything is TLS.
    fn take_replies<'a>(&mut self, at: Timestamp, input: &'a [u8]) -> &'a [u8] {
        let mut rest = input;
        while !rest.is_empty() {
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.replies.push(&rest[..line]);
            rest = &rest[line..];
            while let Some(decoded) = self.replies.next_reply() {
                match decoded {
                    Ok(decoded) => self.take_reply(at, decoded),
                    Err(error) => self.take_no_reply(at, error),
                }
            }
            if self.dialogue.state().security == SecurityState::Handshake {
                self.layers = [Layer::Tls; 2];
                self.dialogue.tls_established(at);
                self.settle(at); // what stood behind AUTH is discarded (RFC 4217 §4.2, threat 6)
                self.commands.clear();
                self.replies = ReplyDecoder::new();
                return rest;
            }
        }
        rest
    }

    fn take_reply(&mut self, at: Timestamp, decoded: DecodedReply) {
        let DecodedReply { reply, quirks } = decoded;
        if quirks.contains(ReplyQuirk::BareLineFeed) {
            self.dialogue.deviation(Deviation::BareLineFeed { by: Side::Server });
        }
        if quirks.contains(ReplyQuirk::MissingSpace) {
            self.dialogue.deviation(Deviation::MissingSpace { code: reply.code() });
        }
        if self.unsettled {
            self.find_owner(at, reply.code());
        } else if reply.code() == ReplyCode::CLOSING_CONTROL_CONNECTION {
            self.skip_to_quit(at);
        }
        let attribution = self.dialogue.reply(at, &reply);
        self.seen.push_back(Seen::Reply { reply, attribution });
        self.drain_events();
    }

    /// 221 answers QUIT and nothing else: what was asked before it was never answered.
    fn skip_to_quit(&mut self, at: Timestamp) {
        if !self.dialogue.is_waiting_for(Verb::Quit) {
            return;
        }
        while self.dialogue.oldest_verb() != Some(Verb::Quit) {
            let Some(command) = self.dialogue.forget_oldest(at) else { return };
            self.seen.push_back(Seen::Forgotten(command));
        }
    }

    /// After a gap: the answer belongs to the first command that it fits. The command itself may be what was lost, and a
    /// 227 says by itself what was asked.
    fn find_owner(&mut self, at: Timestamp, code: ReplyCode) {
        while self.dialogue.is_unanswered() && !self.dialogue.oldest_fits(code) {
            if let Some(command) = self.dialogue.forget_oldest(at) {
                self.seen.push_back(Seen::Forgotten(command));
            }
        }
        let asked = match code {
            ReplyCode::PASSIVE_MODE => Some((Verb::Pasv, Command::Pasv)),
            ReplyCode::EXTENDED_PASSIVE_MODE => {
                Some((Verb::Epsv, Command::Epsv(crate::command::EpsvArgument::Same)))
            }
            _ => None,
        };
        if let Some((verb, command)) = asked
            && self.dialogue.oldest_verb() != Some(verb)
        {
            self.dialogue.command(at, &command);
        }
        // From here on each answer has its command again.
        self.unsettled = !self.dialogue.is_unanswered();
    }

    fn take_no_reply(&mut self, at: Timestamp, error: ReplyError) {
        let line = match error {
            // Where the next reply begins is not known: like a gap.
            ReplyError::TooLong { .. } => {
                self.replies = ReplyDecoder::new();
                self.after_gap[index(Side::Server)] = true;
                self.unsettled = true;
                return;
            }
            // Perhaps the middle of a reply whose beginning was lost.
            ReplyError::NotAReply { .. } if self.unsettled => return,
            ReplyError::NotAReply { line } => {
                let line = shortened(&line);
                self.dialogue.deviation(Deviation::NotAReply { line: line.clone() });
                self.seen.push_back(Seen::NotAReply { line, command: None });
                self.drain_events();
                return;
            }
            ReplyError::BadCode { line } | ReplyError::Unfinished { line, .. } => line,
        };
        // It has digits as a reply has: it was meant as one, and the client will get no other.
        let line = shortened(&line);
        self.dialogue.deviation(Deviation::NotAReply { line: line.clone() });
        let command = self.dialogue.forget_oldest(at);
        self.seen.push_back(Seen::NotAReply { line, command });
        self.drain_events();
    }

    fn take_records(&mut self, by: Side, input: &[u8]) -> usize {
        let watcher = &mut self.records[index(by)];
        if watcher.is_lost() {
            return input.len();
        }
        let seen = &mut self.seen;
        let taken = watcher.push(input, &mut |record| seen.push_back(Seen::Tls { by, record }));
        // Nothing that could be a line: it is not known any more where records begin.
        if taken < input.len() && !looks_like_line(by, &input[taken..]) {
            return input.len();
        }
        taken
    }

    /// RFC 4217 §8: after CCC both sides end TLS and go on in clear. The command itself and its 200 were hidden.
    /// Each side ends its own TLS, so that one of them is in clear before the other.
    fn clear_again(&mut self, at: Timestamp, by: Side) {
        self.layers[index(by)] = Layer::Clear;
        self.records[index(by)] = RecordWatcher::new();
        if self.layers[index(by.opposite())] == Layer::Clear {
            return;
        }
        self.dialogue.command(at, &Command::Ccc);
        self.dialogue.reply(at, &Reply::new(ReplyCode::COMMAND_OKAY, ""));
        self.dialogue.joined_late(at);
        while self.dialogue.poll_event().is_some() {}
        self.seen.push_back(Seen::ClearAgain);
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.dialogue.poll_event() {
            self.seen.push_back(Seen::Event(event));
        }
    }
}

/// A line that a server cannot obey is answered too: it takes its turn, as a command that nobody knows. What stands behind
/// the verbs that carry a secret is left out.
fn parse(line: &[u8]) -> Result<Command, CommandError> {
    Command::parse(line).or_else(|error| match &error {
        CommandError::Argument { verb: verb @ (Verb::Pass | Verb::Acct), .. } => {
            UnknownCommand::new(verb.specification().name.as_bytes()).map(Command::Unknown).map_err(|_| error)
        }
        CommandError::Argument { .. } | CommandError::NotAVerb(_) => {
            UnknownCommand::new(line).map(Command::Unknown).map_err(|_| error)
        }
        CommandError::Empty | CommandError::TooLong | CommandError::TelnetInside => Err(error),
    })
}

fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

/// Whether bytes look like the beginning of a command or of a reply.
fn looks_like_line(by: Side, input: &[u8]) -> bool {
    match by {
        Side::Client => {
            let verb = input.split(|byte| matches!(byte, b' ' | b'\r' | b'\n')).next().unwrap_or_default();
            Verb::from_name(verb).is_some()
        }
        Side::Server => {
            let digits = input.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
            digits == 3 && matches!(input.get(3), Some(b' ' | b'-' | b'\r' | b'\n'))
        }
    }
}

/// What can be read behind a gap: from here on if a line begins here, else from the next line on.
fn behind_gap(by: Side, input: &[u8]) -> &[u8] {
    if looks_like_line(by, input) {
        return input;
    }
    memchr::memchr(b'\n', input).map_or(&[], |end| &input[end + 1..])
}
