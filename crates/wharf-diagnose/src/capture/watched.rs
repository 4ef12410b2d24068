//! A control connection while it is being watched: the dialogue becomes lines, negotiations and transfers.

use std::collections::VecDeque;
use std::net::SocketAddr;

use wharf_proto::command::Representation;
use wharf_proto::dialogue::{
    Attribution, DataConnectionPlan, DataEvent, Deviation, Endpoints, Event, NegotiationCommand, Side,
};
use wharf_proto::observer::{Observer, Seen};
use wharf_proto::pathname::escaped;
use wharf_proto::tls_records::Record;
use wharf_proto::verb::Verb;
use wharf_proto::{Command, Reply, ReplyCode, Timestamp, limits};

use super::conversation::{
    Conversation, DataConnection, FoundBy, Line, LineKind, Negotiation, Outcome, Said, TlsUse, Transfer,
};
use super::facts::{End, Facts};
use super::outcome::outcome;
use super::packet::Segment;
use super::sniff::Kept;
use super::stream::{Delivered, Sight, Stream};

/// What can be kept of all conversations together.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) lines: usize,
    pub(super) transfers: usize,
    pub(super) negotiations: usize,
    pub(super) data: usize,
    pub(super) deviations: usize,
    /// Bytes that may still be held.
    pub(super) held: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            lines: limits::CAPTURED_LINES,
            transfers: limits::CAPTURED_TRANSFERS,
            negotiations: 2 * limits::CAPTURED_TRANSFERS,
            data: limits::CAPTURED_DATA_CONNECTIONS,
            deviations: limits::CAPTURED_TRANSFERS,
            held: limits::CAPTURED_HELD,
        }
    }
}

/// An agreement that a connection may follow from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) negotiation: usize,
    pub(super) plan: DataConnectionPlan,
}

/// A command that waits for its final reply.
#[derive(Debug)]
struct Pending {
    command: Command,
    negotiation: Option<usize>,
    transfer: Option<usize>,
    /// What it costs to remember it.
    bytes: usize,
}

/// A conversation and what is needed to follow it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) told: Conversation,
    observer: Option<Box<Observer>>,
    streams: [Stream; 2],
    pending: VecDeque<Pending>,
    /// The agreement that no transfer has used.
    plan: Option<usize>,
    /// The transfer that an unattributed 1yz has begun.
    unknown_transfer: Option<usize>,
    is_binary: bool,
    /// What the explainer has to look for.
    pub(super) agreed: Vec<Agreed>,
    /// Transfers that came to their end since this was last asked.
    pub(super) ended: Vec<usize>,
    hidden_told: [bool; 2],
    /// Bytes of unanswered commands.
    pending_bytes: usize,
    /// What was taken from the budget for all that is held.
    held: usize,
}

/// What an unanswered command costs beside its text.
const PENDING: usize = 128;
/// Deviations of one conversation.
const MOST_DEVIATIONS: usize = 200;

impl Watched {
    /// A control connection, whose client is the end `client_end`.
    pub(super) fn new(facts: Facts, client_end: End, streams: [Stream; 2]) -> Self {
        let client = facts.ends[client_end];
        let server = facts.ends[1 - client_end];
        let endpoints = Endpoints::new(client, server);
        let at = facts.first.at;
        let observer =
            if facts.opened { Observer::new(at, endpoints) } else { Observer::joining_late(at, endpoints) };
        let told = Conversation {
            client,
            server,
            tls: TlsUse::None,
            user: None,
            is_hidden: false,
            lines: Vec::new(),
            lines_left_out: 0,
            negotiations: Vec::new(),
            transfers: Vec::new(),
            transfers_left_out: 0,
            data: Vec::new(),
            control: facts,
            client_end,
            gaps: 0,
            deviations: Vec::new(),
            findings: Vec::new(),
        };
        Self {
            told,
            observer: Some(Box::new(observer)),
            streams,
            pending: VecDeque::new(),
            plan: None,
            unknown_transfer: None,
            is_binary: false,
            agreed: Vec::new(),
            ended: Vec::new(),
            hidden_told: [false; 2],
            pending_bytes: 0,
            held: 0,
        }
    }

    fn side_of(&self, end: End) -> Side {
        if end == self.told.client_end { Side::Client } else { Side::Server }
    }

    /// Takes a packet of the control connection.
    pub(super) fn take(&mut self, sight: Sight, segment: &Segment<'_>, budget: &mut Budget) {
        let end = self.told.control.end_of(segment.source);
        let is_new = self.told.control.take(sight, segment);
        self.told.control.let_go(); // the observer follows TLS here
        if !is_new {
            return;
        }
        if segment.flags.syn {
            self.streams[end].begin(segment.sequence.wrapping_add(1));
        }
        // What it acknowledges was said before what it says.
        if let Some(acknowledged) = segment.acknowledges {
            let mut pieces = Vec::new();
            let mut keep = |delivered: Delivered<'_>| pieces.push(Piece::from(delivered));
            self.streams[1 - end].acknowledged(acknowledged, &mut keep);
            self.take_pieces(1 - end, pieces, budget);
        }
        let mut pieces = Vec::new();
        let mut keep = |delivered: Delivered<'_>| pieces.push(Piece::from(delivered));
        if !segment.flags.syn && !segment.flags.rst {
            let missing = segment.missing as usize;
            self.streams[end].segment(sight, segment.sequence, segment.payload, missing, &mut keep);
        }
        self.take_pieces(end, pieces, budget);
        if self.told.control.is_over() {
            self.end(budget);
        }
        self.account(sight, budget);
    }

    /// Takes what is held from the budget; where that does not suffice, lets all of it go.
    fn account(&mut self, sight: Sight, budget: &mut Budget) {
        budget.held += std::mem::take(&mut self.held);
        let now = self.holds();
        if now > budget.held {
            for end in 0..2 {
                let mut pieces = Vec::new();
                self.streams[end].end(&mut |delivered| pieces.push(Piece::from(delivered)));
                self.take_pieces(end, pieces, budget);
            }
            if let Some(observer) = &mut self.observer {
                observer.let_go(sight.at);
            }
            self.drain(sight, budget);
            self.told.gaps += 1; // as good as one
        }
        self.held = self.holds().min(budget.held);
        budget.held -= self.held;
    }

    fn holds(&self) -> usize {
        let streams: usize = self.streams.iter().map(Stream::held).sum();
        let observer = self.observer.as_ref().map_or(0, |observer| observer.held());
        streams + observer + self.pending_bytes
    }

    /// What a connection had said before it was known to be this.
    pub(super) fn take_earlier(&mut self, kept: Vec<Kept>, budget: &mut Budget) {
        for (end, sight, bytes) in kept {
            self.take_pieces(end, vec![Piece::Bytes(sight, bytes)], budget);
        }
    }

    /// The control connection or the capture is over: nothing more will come.
    pub(super) fn end(&mut self, budget: &mut Budget) {
        for end in 0..2 {
            let mut pieces = Vec::new();
            self.streams[end].end(&mut |delivered| pieces.push(Piece::from(delivered)));
            self.take_pieces(end, pieces, budget);
        }
        if self.told.control.is_over() {
            self.observer = None;
            self.pending = VecDeque::new();
            self.pending_bytes = 0;
        }
    }

    fn take_pieces(&mut self, end: End, pieces: Vec<Piece>, budget: &mut Budget) {
        let by = self.side_of(end);
        for piece in pieces {
            let Some(observer) = &mut self.observer else { return };
            let sight = match piece {
                Piece::Bytes(sight, bytes) => {
                    observer.handle_input(sight.at, by, &bytes);
                    sight
                }
                Piece::Gap(sight, length) => {
                    observer.handle_gap(sight.at, by, length);
                    if !self.is_hidden() {
                        self.told.gaps += length as u64;
                        self.line(sight, by, LineKind::Gap(length as u64), String::new(), budget);
                    }
                    sight
                }
            };
            self.drain(sight, budget);
        }
    }

    fn is_hidden(&self) -> bool {
        self.observer.as_ref().is_some_and(|observer| observer.is_under_tls())
    }

    /// Something happened to a data connection of this conversation.
    pub(super) fn data_event(&mut self, sight: Sight, event: DataEvent, budget: &mut Budget) {
        if let Some(observer) = &mut self.observer {
            observer.handle_data(sight.at, event);
            self.drain(sight, budget);
        }
    }

    fn drain(&mut self, sight: Sight, budget: &mut Budget) {
        while let Some(seen) = self.observer.as_mut().and_then(|observer| observer.poll_seen()) {
            self.understand(sight, seen, budget);
        }
    }

    fn understand(&mut self, sight: Sight, seen: Seen, budget: &mut Budget) {
        match seen {
            Seen::Command(command) => self.command(sight, command, budget),
            Seen::NotACommand(error) => {
                self.line(sight, Side::Client, LineKind::Unreadable, error.to_string(), budget);
            }
            Seen::Reply { reply, attribution } => self.reply(sight, &reply, attribution, budget),
            Seen::NotAReply { line, command } => {
                let text = escaped(&line).to_string();
                self.line(sight, Side::Server, LineKind::Unreadable, text, budget);
                if let Some(pending) = command.and_then(|command| self.pending_of(&command, true)) {
                    self.missed(&pending);
                }
            }
            Seen::Forgotten(command) => {
                if let Some(pending) = self.pending_of(&command, true) {
                    self.missed(&pending);
                }
            }
            Seen::Event(Event::PlanAgreed(plan)) => self.plan_agreed(plan),
            Seen::Event(Event::Deviation(deviation)) => self.deviation(sight, deviation, budget),
            Seen::Event(Event::HandshakeDue) => self.told.tls = TlsUse::Explicit,
            Seen::Event(_) => {}
            Seen::Tls { by, record } => self.tls(sight, by, record, budget),
            Seen::ClearAgain => {
                self.line(sight, Side::Client, LineKind::ClearAgain, String::new(), budget);
            }
        }
    }

    fn line(&mut self, sight: Sight, by: Side, kind: LineKind, mut text: String, budget: &mut Budget) {
        if budget.lines == 0 {
            self.told.lines_left_out += 1;
            return;
        }
        budget.lines -= 1;
        if text.len() > limits::CAPTURED_LINE_TEXT {
            let end = text.floor_char_boundary(limits::CAPTURED_LINE_TEXT);
            text.truncate(end);
            text.push('…');
        }
        self.told.lines.push(Line { sight, by, kind, text });
    }

    fn deviation(&mut self, sight: Sight, deviation: Deviation, budget: &mut Budget) {
        if self.told.deviations.len() < MOST_DEVIATIONS && budget.deviations > 0 {
            budget.deviations -= 1;
            self.told.deviations.push((sight, deviation));
        }
    }

    fn command(&mut self, sight: Sight, command: Command, budget: &mut Budget) {
        let text = command.to_string();
        let verb = command.verb();
        self.line(sight, Side::Client, LineKind::Command(verb), text.clone(), budget);
        if let Command::User(name) = &command {
            self.told.user = Some(escaped(name.as_bytes()).to_string());
        }
        let negotiation = verb.and_then(NegotiationCommand::from_verb).and_then(|negotiation| {
            let negotiation = Negotiation {
                command: negotiation,
                asked: Some(sight),
                text: text.clone(),
                told: told_by_client(&command),
                reply: None,
                agreed: false,
                data: Vec::new(),
                transfer: None,
            };
            self.negotiation(negotiation, budget)
        });
        let transfer = verb.filter(|verb| verb.role().is_transfer()).and_then(|verb| {
            let path = text.split_once(' ').map(|(_, path)| path.to_owned());
            self.transfer(sight, Some(verb), path, budget)
        });
        if self.pending.len() >= limits::OUTSTANDING_COMMANDS
            && let Some(oldest) = self.pending.pop_front()
        {
            self.pending_bytes -= oldest.bytes;
        }
        // Here and in the dialogue.
        let bytes = 2 * (text.len() + PENDING);
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { command, negotiation, transfer, bytes });
    }

    fn negotiation(&mut self, negotiation: Negotiation, budget: &mut Budget) -> Option<usize> {
        budget.negotiations = budget.negotiations.checked_sub(1)?;
        self.told.negotiations.push(negotiation);
        Some(self.told.negotiations.len() - 1)
    }

    fn transfer(
        &mut self,
        sight: Sight,
        verb: Option<Verb>,
        path: Option<String>,
        budget: &mut Budget,
    ) -> Option<usize> {
        if budget.transfers == 0 {
            self.told.transfers_left_out += 1;
            return None;
        }
        budget.transfers -= 1;
        self.told.transfers.push(Transfer {
            verb,
            path,
            asked: sight,
            negotiation: None,
            data: Vec::new(),
            begun: None,
            reply: None,
            is_binary: self.is_binary,
            is_answer_missed: false,
            outcome: Outcome::Unknown,
        });
        Some(self.told.transfers.len() - 1)
    }

    /// The oldest pending command that equals this one; taken out if it got its final answer.
    fn pending_of(&mut self, command: &Command, is_final: bool) -> Option<Pending> {
        let position = self.pending.iter().position(|pending| pending.command == *command)?;
        if is_final {
            let pending = self.pending.remove(position)?;
            self.pending_bytes -= pending.bytes;
            return Some(pending);
        }
        let Pending { command, negotiation, transfer, bytes } = &self.pending[position];
        Some(Pending {
            command: command.clone(),
            negotiation: *negotiation,
            transfer: *transfer,
            bytes: *bytes,
        })
    }

    /// The answer to a command is not in the capture.
    fn missed(&mut self, pending: &Pending) {
        if let Some(transfer) = pending.transfer {
            self.bind(transfer);
            self.told.transfers[transfer].is_answer_missed = true;
            self.ended.push(transfer);
        }
    }

    fn reply(&mut self, sight: Sight, reply: &Reply, attribution: Attribution, budget: &mut Budget) {
        let text = reply_text(reply);
        let code = reply.code();
        self.line(sight, Side::Server, LineKind::Reply(code), text.clone(), budget);
        let last = text.rsplit('\n').next().unwrap_or_default().to_owned();
        let said = Said { sight, code, text: last };
        let is_final = !attribution.is_preliminary;
        let Some(command) = attribution.command else {
            self.unasked(said, budget);
            return;
        };
        if let (Command::Type(representation), true) = (&command, code.is_positive()) {
            self.is_binary = matches!(representation, Representation::Image);
        }
        let pending = self.pending_of(&command, is_final);
        if let Some(index) = pending.as_ref().and_then(|pending| pending.negotiation) {
            self.told.negotiations[index].reply = Some(said.clone());
            self.plan = None;
        } else if let Some(negotiation) = command.verb().and_then(NegotiationCommand::from_verb) {
            // The command itself was lost in a gap.
            let negotiation = Negotiation {
                command: negotiation,
                asked: None,
                text: String::new(),
                told: None,
                reply: Some(said.clone()),
                agreed: false,
                data: Vec::new(),
                transfer: None,
            };
            self.negotiation(negotiation, budget);
            self.plan = None;
        }
        if let Some(transfer) = pending.and_then(|pending| pending.transfer) {
            self.transfer_answered(transfer, said, is_final);
        }
    }

    /// A reply that nobody asked for, as far as the capture shows.
    fn unasked(&mut self, said: Said, budget: &mut Budget) {
        if matches!(said.code, ReplyCode::OPENING_DATA_CONNECTION | ReplyCode::TRANSFER_STARTING) {
            self.unknown_transfer = self.transfer(said.sight, None, None, budget);
            if let Some(transfer) = self.unknown_transfer {
                self.transfer_answered(transfer, said, false);
            }
        } else if let Some(transfer) = self.unknown_transfer.take() {
            self.transfer_answered(transfer, said, true);
        }
    }

    fn transfer_answered(&mut self, index: usize, said: Said, is_final: bool) {
        self.bind(index);
        let transfer = &mut self.told.transfers[index];
        if is_final {
            transfer.reply = Some(said);
            self.ended.push(index);
        } else {
            transfer.begun.get_or_insert(said);
        }
    }

    /// The first answer to a transfer uses up what was agreed, as in the dialogue.
    fn bind(&mut self, index: usize) {
        let transfer = &mut self.told.transfers[index];
        if transfer.negotiation.is_some() || transfer.begun.is_some() {
            return;
        }
        transfer.negotiation = self.plan.take();
        if let Some(negotiation) = transfer.negotiation {
            transfer.data.extend(&self.told.negotiations[negotiation].data);
            self.told.negotiations[negotiation].transfer = Some(index);
        }
    }

    fn plan_agreed(&mut self, plan: DataConnectionPlan) {
        // The reply that made it has just been noted.
        let made = self.told.negotiations.iter().rposition(|negotiation| {
            negotiation.command == plan.command && negotiation.reply.is_some() && !negotiation.agreed
        });
        let Some(index) = made else { return };
        let negotiation = &mut self.told.negotiations[index];
        negotiation.agreed = true;
        negotiation.told = Some(plan.endpoint);
        self.plan = Some(index);
        self.agreed.push(Agreed { negotiation: index, plan });
    }

    fn tls(&mut self, sight: Sight, by: Side, record: Record, budget: &mut Budget) {
        self.told.is_hidden = true;
        if self.told.tls == TlsUse::None {
            self.told.tls = TlsUse::Implicit;
        }
        let index = usize::from(by == Side::Server);
        let kind = match record {
            Record::ClientHello(_) | Record::ServerHello(_) | Record::Alert(_) => LineKind::Tls(record),
            Record::Data { .. } if !self.hidden_told[index] => {
                self.hidden_told[index] = true;
                LineKind::Hidden
            }
            _ => return,
        };
        self.line(sight, by, kind, String::new(), budget);
    }

    /// A connection that belongs here. Returns its number.
    pub(super) fn adopt(
        &mut self,
        facts: Facts,
        client_end: End,
        found_by: FoundBy,
        negotiation: Option<usize>,
    ) -> usize {
        self.told.data.push(DataConnection { facts, client_end, found_by });
        let index = self.told.data.len() - 1;
        if let Some(negotiation) = negotiation {
            self.told.negotiations[negotiation].data.push(index);
            if let Some(transfer) = self.told.negotiations[negotiation].transfer {
                self.told.transfers[transfer].data.push(index);
            }
        }
        index
    }

    /// A data connection whose agreement TLS hides: all that is known of its transfer.
    pub(super) fn adopt_hidden(&mut self, facts: Facts, client_end: End, budget: &mut Budget) {
        let first = facts.first;
        let index = self.adopt(facts, client_end, FoundBy::Hidden, None);
        if let Some(transfer) = self.transfer(first, None, None, budget) {
            self.told.transfers[transfer].data.push(index);
        }
    }

    /// Gives agreements that no answer used to the transfers that were asked for under them: the capture ended, or the
    /// server never answered.
    pub(super) fn settle(&mut self, shows_data: bool) {
        let waiting: Vec<usize> = self.pending.iter().filter_map(|pending| pending.transfer).collect();
        if let Some(first) = waiting.first() {
            self.bind(*first);
        }
        for index in 0..self.told.transfers.len() {
            let outcome = outcome(&self.told, &self.told.transfers[index], shows_data);
            self.told.transfers[index].outcome = outcome;
        }
    }

    /// What came of a transfer, as far as it is known now.
    pub(super) fn settle_transfer(&mut self, index: usize, shows_data: bool) {
        let outcome = outcome(&self.told, &self.told.transfers[index], shows_data);
        self.told.transfers[index].outcome = outcome;
    }

    /// Whether the dialogue is hidden now, or was at some time.
    pub(super) fn hides_agreements(&self) -> bool {
        self.told.is_hidden
    }

    /// When the talk began and when it ended.
    pub(super) fn lifetime(&self) -> (Timestamp, Timestamp) {
        (self.told.control.first.at, self.told.control.last.at)
    }

    /// The end of a connection on the side of the client, for connections between the two hosts of this conversation.
    pub(super) fn client_end_of(&self, facts: &Facts) -> Option<End> {
        let (client, server) = (self.told.client.ip(), self.told.server.ip());
        (0..2).find(|end| facts.ends[*end].ip() == client && facts.ends[1 - *end].ip() == server)
    }
}

/// A piece of a stream that owns its bytes.
enum Piece {
    Bytes(Sight, Vec<u8>),
    Gap(Sight, usize),
}

impl From<Delivered<'_>> for Piece {
    fn from(delivered: Delivered<'_>) -> Self {
        match delivered {
            Delivered::Bytes(sight, bytes) => Self::Bytes(sight, bytes.to_vec()),
            Delivered::Gap(sight, length) => Self::Gap(sight, length),
        }
    }
}

fn told_by_client(command: &Command) -> Option<SocketAddr> {
    match command {
        Command::Port(told) => Some(SocketAddr::new(told.address.into(), told.port)),
        Command::Eprt(told) => Some(SocketAddr::new(told.address, told.port)),
        _ => None,
    }
}

/// A reply as it is shown: escaped, a line a line.
fn reply_text(reply: &Reply) -> String {
    let lines: Vec<String> =
        reply.to_string().lines().map(|line| escaped(line.as_bytes()).to_string()).collect();
    lines.join("\n")
}
