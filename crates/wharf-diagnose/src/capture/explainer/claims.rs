//! Which connection belongs to which agreement.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_proto::dialogue::{DataMode, Side};
use wharf_proto::{Timestamp, limits};

use super::{Ended, Explainer, Key, Told, Tracked};
use crate::capture::conversation::FoundBy;
use crate::capture::facts::{End, Facts};
use crate::capture::stream::Sight;

/// A connection that is expected because it was agreed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    conversation: usize,
    negotiation: usize,
    endpoint: SocketAddr,
    listener: Side,
}

/// What is longer ago than this has nothing to do with an agreement.
const EARLY: Duration = Duration::from_secs(60);

impl Explainer {
    /// What the dialogue agreed on is looked for, and what ended is told.
    pub(super) fn after_talk(&mut self, conversation: usize) {
        for agreed in std::mem::take(&mut self.watched[conversation].agreed) {
            let expected = Expected {
                conversation,
                negotiation: agreed.negotiation,
                endpoint: agreed.plan.endpoint,
                listener: agreed.plan.listener(),
            };
            self.claim_earlier(expected);
            self.expect(expected);
        }
        for transfer in std::mem::take(&mut self.watched[conversation].ended) {
            self.watched[conversation].settle_transfer(transfer, self.shows_other_ports);
            self.ended.push(Ended { conversation, transfer });
        }
    }

    fn expect(&mut self, expected: Expected) {
        if self.expected_order.len() >= limits::CAPTURED_AGREEMENTS
            && let Some(port) = self.expected_order.pop_front()
            && let Some(same_port) = self.expected.get_mut(&port)
        {
            same_port.remove(0);
            if same_port.is_empty() {
                self.expected.remove(&port);
            }
        }
        let port = expected.endpoint.port();
        self.expected.entry(port).or_default().push(expected);
        self.expected_order.push_back(port);
    }

    /// The agreement that a new connection follows from, the best one and of equals the latest.
    pub(super) fn expectation(&self, facts: &Facts) -> Option<(Expected, FoundBy)> {
        let fits = |expected: &Expected| self.fits(*expected, facts).map(|(rank, by)| (rank, *expected, by));
        let of_port = |end: End| self.expected.get(&facts.ends[end].port()).into_iter().flatten();
        // In the middle of a connection it is not known who listens.
        let both = (!facts.opened).then(|| of_port(0)).into_iter().flatten();
        of_port(1)
            .chain(both)
            .filter_map(fits)
            .max_by_key(|(rank, ..)| *rank)
            .map(|(_, expected, by)| (expected, by))
    }

    /// How well a connection fits an agreement, and how it was found; `None` if it does not.
    fn fits(&self, expected: Expected, facts: &Facts) -> Option<(u8, FoundBy)> {
        let told = &self.watched[expected.conversation].told;
        let (listener, connector) = match expected.listener {
            Side::Client => (told.client.ip(), told.server.ip()),
            Side::Server => (told.server.ip(), told.client.ip()),
        };
        // Once a transfer is over, its port is anybody's again.
        let is_open = self.is_open(expected, facts.first);
        let ends = |listening: End| (facts.ends[listening], facts.ends[1 - listening].ip());
        let rank = |(to, from): (SocketAddr, IpAddr)| {
            if to.port() != expected.endpoint.port() {
                return None;
            }
            match (to == expected.endpoint, to.ip() == listener, from == connector) {
                (true, _, true) => Some((4, FoundBy::Endpoint)),
                (_, true, true) => Some((3, FoundBy::Port)),
                // The address was rewritten on the way, or is a private one that was tried all the same.
                (false, false, true) => Some((2, FoundBy::Port)),
                (true, _, false) | (_, true, false) if is_open => Some((1, FoundBy::Stranger)),
                (_, _, false) => None,
            }
        };
        if facts.opened {
            return rank(ends(1));
        }
        rank(ends(1)).or_else(|| rank(ends(0)))
    }

    /// Whether what was agreed on is still waited for when a connection begins.
    fn is_open(&self, expected: Expected, first: Sight) -> bool {
        let told = &self.watched[expected.conversation].told;
        let negotiation = &told.negotiations[expected.negotiation];
        let agreed = negotiation.reply.as_ref().map_or(Timestamp::START, |reply| reply.sight.at);
        let transfer = negotiation.transfer.and_then(|index| told.transfers.get(index));
        let is_answered = transfer.is_some_and(|transfer| transfer.reply.is_some());
        !is_answered && !told.control.is_over() && first.at.since(agreed) < EARLY
    }

    /// A connection turned out to be what was agreed.
    pub(super) fn claim(&mut self, key: Key, facts: Facts, expected: Expected, found_by: FoundBy) {
        self.shows_other_ports = true;
        let listens = if facts.opened || facts.ends[1].port() == expected.endpoint.port() { 1 } else { 0 };
        let client_end = match expected.listener {
            Side::Client => listens,
            Side::Server => 1 - listens,
        };
        let conversation = expected.conversation;
        if self.budget.data == 0 {
            self.connections.insert(key, Box::new(Tracked::Loose { facts, unjudged: None, nearest: None }));
            return;
        }
        self.budget.data -= 1;
        let index = self.watched[conversation].adopt(facts, client_end, found_by, Some(expected.negotiation));
        let tracked = Tracked::Data { conversation, index, told: Told::default() };
        self.connections.insert(key, Box::new(tracked));
        self.tell_dialogue(key, conversation, index, Told::default());
    }

    /// The connection may have come before the answer that agreed on it.
    fn claim_earlier(&mut self, expected: Expected) {
        let watched = &self.watched[expected.conversation].told;
        let asked =
            watched.negotiations[expected.negotiation].asked.map_or(Timestamp::START, |asked| asked.at);
        let mut found: Option<(u8, Key, FoundBy)> = None;
        for (_, key) in self.recent.iter().rev().take_while(|(at, _)| *at >= asked) {
            let Some(Tracked::Loose { facts, .. }) = self.connections.get(key).map(|tracked| &**tracked)
            else {
                continue;
            };
            if let Some((rank, by)) = self.fits(expected, facts)
                && found.is_none_or(|(best, ..)| rank > best)
            {
                found = Some((rank, *key, by));
            }
        }
        if let Some((_, key, by)) = found
            && let Some(Tracked::Loose { facts, unjudged, .. }) =
                self.connections.remove(&key).map(|tracked| *tracked)
        {
            self.unjudged -= usize::from(unjudged.is_some());
            self.claim(key, facts, expected, by);
        }
    }

    /// What no agreement led to, but is between the same hosts at the right time: ports that were changed on the way, and
    /// data connections whose agreement TLS hides.
    pub(super) fn claim_by_time(&mut self) {
        let mut loose: Vec<(Sight, Key)> = self
            .connections
            .iter()
            .filter_map(|(key, tracked)| match &**tracked {
                Tracked::Loose { facts, .. } if facts.opened => Some((facts.first, *key)),
                _ => None,
            })
            .collect();
        loose.sort_unstable();
        for (first, key) in loose {
            let Some(tracked) = self.connections.get(&key) else { continue };
            let Tracked::Loose { facts, nearest, .. } = &**tracked else { continue };
            let Some((conversation, client_end, claim)) = self.by_time(first, facts, *nearest) else {
                continue;
            };
            let Some(Tracked::Loose { facts, .. }) = self.connections.remove(&key).map(|tracked| *tracked)
            else {
                continue;
            };
            let watched = &mut self.watched[conversation];
            match claim {
                Claim::Hidden => watched.adopt_hidden(facts, client_end, &mut self.budget),
                Claim::Negotiation(negotiation) => {
                    watched.adopt(facts, client_end, FoundBy::Time, Some(negotiation));
                }
            }
        }
    }

    /// Of several conversations under TLS between the same hosts, the one of which this follows: before a connection of the
    /// client's comes an answer of the server, before one of the server's a command.
    pub(super) fn nearest_hidden(&self, facts: &Facts) -> Option<usize> {
        let last_word = |index: &usize| {
            let told = &self.watched[*index].told;
            let client_end = self.watched[*index].client_end_of(facts)?;
            let speaker = if client_end == 0 { Side::Server } else { Side::Client };
            let last = told.control.sent[told.control_end(speaker)].last?;
            (!told.control.is_over()).then_some((last, *index))
        };
        self.hidden.iter().filter_map(last_word).max().map(|(_, index)| index)
    }

    fn by_time(&self, first: Sight, facts: &Facts, nearest: Option<usize>) -> Option<(usize, End, Claim)> {
        if let Some(index) = nearest.filter(|_| facts.ends[1].port() >= 1024) {
            let client_end = self.watched[index].client_end_of(facts)?;
            return Some((index, client_end, Claim::Hidden));
        }
        self.watched.iter().enumerate().rev().find_map(|(index, watched)| {
            let client_end = watched.client_end_of(facts)?;
            let (begins, ends) = watched.lifetime();
            if first.at < begins || first.at > ends {
                return None;
            }
            if watched.hides_agreements() && facts.ends[1].port() >= 1024 {
                return Some((index, client_end, Claim::Hidden));
            }
            let mode = if client_end == 0 { DataMode::Passive } else { DataMode::Active };
            let negotiation = watched.told.negotiations.iter().position(|negotiation| {
                let answered = negotiation.reply.as_ref().map(|reply| reply.sight);
                let waiting = negotiation.agreed && negotiation.data.is_empty();
                let is_after =
                    answered.is_some_and(|answered| first >= answered && first.at.since(answered.at) < EARLY);
                let is_before_end = negotiation
                    .transfer
                    .and_then(|transfer| watched.told.transfers[transfer].reply.as_ref())
                    .is_none_or(|reply| first <= reply.sight);
                waiting && is_after && is_before_end && negotiation.command.mode() == mode
            })?;
            Some((index, client_end, Claim::Negotiation(negotiation)))
        })
    }
}

/// How a connection belongs to a conversation that did not name it.
enum Claim {
    Hidden,
    Negotiation(usize),
}
