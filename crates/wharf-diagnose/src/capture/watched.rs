//! A control connection while it is being watched: the dialogue becomes lines, negotiations and transfers.

mod understanding;

use std::collections::VecDeque;

use wharf_proto::dialogue::{DataConnectionPlan, DataEvent, Endpoints, Side};
use wharf_proto::observer::Observer;
use wharf_proto::{Command, Timestamp, limits};

use super::conversation::{Conversation, DataConnection, FoundBy, LineKind, TlsUse};
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
