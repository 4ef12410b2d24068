//! Two captures of the same conversations, taken at two places of the way: what was changed, lost or put in between them.

use std::collections::HashMap;

use serde::Serialize;
use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::dialogue::{NegotiationCommand, Side};

use super::conversation::{Conversation, Line, LineKind, Outcome};
use super::explainer::Reading;
use super::facts::Facts;
use super::stream::Sight;

/// What two captures show together.
#[derive(Debug)]
pub struct Comparison {
    /// Conversations that are in both, by their numbers in each.
    pub pairs: Vec<(usize, usize)>,
    /// By how many seconds the second capture's clock is ahead of the first's, as far as that can be told.
    pub offset: Option<f64>,
    /// What differs, in the order of the first capture.
    pub differences: Vec<Difference>,
    /// Causes that only both captures together prove.
    pub findings: Vec<Finding>,
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What happened to it.
    pub what: What,
    /// The frame of the first capture.
    pub frame_a: Option<u64>,
    /// The frame of the second capture.
    pub frame_b: Option<u64>,
    /// What stands in the first.
    pub a: String,
    /// What stands in the second.
    pub b: String,
}

/// What happened between the two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// It arrived other than it was sent.
    Rewritten,
    /// It was sent and did not arrive.
    Lost,
    /// It arrived and nobody sent it.
    Injected,
}

/// Most lines of a conversation that are compared.
const MOST_LINES: usize = 1500;
/// Most differences that are told.
const MOST_DIFFERENCES: usize = 1000;

/// Compares two readings.
#[must_use]
pub fn compare(a: &Reading, b: &Reading) -> Comparison {
    let mut comparison =
        Comparison { pairs: pairs(a, b), offset: None, differences: Vec::new(), findings: Vec::new() };
    let mut offsets = [Vec::new(), Vec::new()];
    for (first, second) in comparison.pairs.clone() {
        let (first, second) = (&a.conversations[first], &b.conversations[second]);
        let nearer = Nearer::of(first, second);
        for side in [Side::Client, Side::Server] {
            let lines = (lines_of(first, side), lines_of(second, side));
            let whole = first.gaps == 0 && second.gaps == 0 && first.control.opened && second.control.opened;
            for step in align(&lines.0, &lines.1) {
                let line = |lines: &[&'_ Line], index: Option<usize>| {
                    index.and_then(|index| lines.get(index).map(|line| (*line).clone()))
                };
                let (one, other) = (line(&lines.0, step.0), line(&lines.1, step.1));
                if let (Some(one), Some(other)) = (&one, &other) {
                    let shift = (b.epoch + other.sight.at.since_start()).as_secs_f64()
                        - (a.epoch + one.sight.at.since_start()).as_secs_f64();
                    offsets[usize::from(side == Side::Server)].push(shift);
                }
                comparison.line(one.as_ref(), other.as_ref(), nearer, side, whole);
            }
        }
        comparison.rewritten_in_vain(first, second, nearer);
    }
    comparison.offset = match offsets.map(median) {
        // What takes time in one direction takes it in the other.
        [Some(there), Some(back)] => Some(f64::midpoint(there, back)),
        [one, other] => one.or(other),
    };
    comparison.connections(a, b);
    comparison.differences.sort_by_key(|difference| (difference.frame_a, difference.frame_b));
    comparison.differences.truncate(MOST_DIFFERENCES);
    comparison
}

/// Which capture is nearer to each side: there the packets of that side have more hops left.
#[derive(Clone, Copy, Debug)]
struct Nearer {
    /// The first capture is nearer to the client, and the second to the server.
    first_is_clients: bool,
}

impl Nearer {
    fn of(a: &Conversation, b: &Conversation) -> Self {
        let ttl = |conversation: &Conversation, side: Side| {
            conversation.control.sent[conversation.control_end(side)].ttl
        };
        let client = ttl(a, Side::Client).cmp(&ttl(b, Side::Client));
        let server = ttl(a, Side::Server).cmp(&ttl(b, Side::Server));
        // As they are named on the command line, where the packets do not tell.
        Self { first_is_clients: client.is_gt() || (client.is_eq() && server.is_le()) }
    }

    /// Whether the first capture is the one at `side`.
    fn first_is_at(self, side: Side) -> bool {
        self.first_is_clients == (side == Side::Client)
    }

    /// What it means that something of `side` is in one capture only.
    fn only_in(self, in_first: bool, side: Side) -> What {
        if self.first_is_at(side) == in_first { What::Lost } else { What::Injected }
    }
}

impl Comparison {
    fn line(&mut self, a: Option<&Line>, b: Option<&Line>, nearer: Nearer, side: Side, whole: bool) {
        let difference = match (a, b) {
            (Some(a), Some(b)) if a.text != b.text => Difference {
                what: What::Rewritten,
                frame_a: Some(a.sight.frame),
                frame_b: Some(b.sight.frame),
                a: a.text.clone(),
                b: b.text.clone(),
            },
            (Some(_), Some(_)) | (None, None) => return,
            // What a capture lacks anyway proves nothing.
            _ if !whole => return,
            (one, other) => self::only_in(
                nearer.only_in(one.is_some(), side),
                one.map(|line| (line.sight, line.text.clone())),
                other.map(|line| (line.sight, line.text.clone())),
            ),
        };
        self.differences.push(difference);
    }

    /// A changed negotiation whose transfer failed: the change is to blame.
    fn rewritten_in_vain(&mut self, a: &Conversation, b: &Conversation, nearer: Nearer) {
        for (one, other) in a.negotiations.iter().zip(&b.negotiations) {
            let failed = |conversation: &Conversation, transfer: Option<usize>| {
                transfer.and_then(|index| conversation.transfers.get(index)).is_some_and(|transfer| {
                    !matches!(transfer.outcome, Outcome::Complete | Outcome::NotCaptured | Outcome::Unknown)
                })
            };
            let is_active = matches!(one.command, NegotiationCommand::Port | NegotiationCommand::Eprt);
            let text = |negotiation: &super::conversation::Negotiation| {
                if is_active {
                    negotiation.text.clone()
                } else {
                    negotiation.reply.as_ref().map(|reply| reply.text.clone()).unwrap_or_default()
                }
            };
            let frame = |negotiation: &super::conversation::Negotiation| {
                let reply = negotiation.reply.as_ref().map(|reply| reply.sight);
                if is_active { negotiation.asked } else { reply }.map(|sight| sight.frame)
            };
            if one.command != other.command || one.told == other.told || text(one) == text(other) {
                continue;
            }
            if failed(a, one.transfer) || failed(b, other.transfer) {
                let sender = if is_active { Side::Client } else { Side::Server };
                let (sent, received) = if nearer.first_is_at(sender) { (one, other) } else { (other, one) };
                let evidence = Evidence::TextRewritten { sent: text(sent), received: text(received) };
                let frames = frame(one).into_iter().chain(frame(other)).collect();
                self.find(Cause::AlgRewrite, Confidence::Likely, evidence, frames);
            }
        }
    }

    fn find(&mut self, cause: Cause, confidence: Confidence, evidence: Evidence, frames: Vec<u64>) {
        if !self.findings.iter().any(|finding| finding.cause() == cause) {
            self.findings.extend(Finding::captured(cause, confidence, [(evidence, frames)]));
        }
    }

    /// Attempts to connect, answers and resets that are in one capture only.
    fn connections(&mut self, a: &Reading, b: &Reading) {
        let nearer = self.pairs.first().map_or(Nearer { first_is_clients: true }, |(first, second)| {
            Nearer::of(&a.conversations[*first], &b.conversations[*second])
        });
        let (ours, theirs) = (connections(a), connections(b));
        let mut by_number: HashMap<u32, Vec<usize>> = HashMap::new();
        for (index, it) in theirs.iter().enumerate() {
            if let Some(number) = it.facts.initial_sequence() {
                by_number.entry(number).or_default().push(index);
            }
        }
        let mut met = vec![false; theirs.len()];
        for one in &ours {
            let same_number = one.facts.initial_sequence().and_then(|number| by_number.get(&number));
            let free = || same_number.into_iter().flatten().copied().filter(|index| !met[*index]);
            // Of several with one number, the one between the same ends.
            let other =
                free().find(|index| theirs[*index].facts.ends == one.facts.ends).or_else(|| free().next());
            match other {
                Some(index) => {
                    met[index] = true;
                    self.same_connection(one, &theirs[index], nearer);
                }
                None if b.shows_other_ports || !one.is_data => self.one_sided(one, true, nearer),
                None => {}
            }
        }
        for (other, _) in theirs.iter().zip(met).filter(|(_, met)| !met) {
            if a.shows_other_ports || !other.is_data {
                self.one_sided(other, false, nearer);
            }
        }
    }

    /// A connection that is in one capture only: its SYN was lost, and whatever answered it was not the other end.
    fn one_sided(&mut self, connection: &Connection<'_>, in_first: bool, nearer: Nearer) {
        let Some(opener) = connection.opener else { return };
        let facts = connection.facts;
        let Some(syn) = facts.syns.first() else { return };
        let what = nearer.only_in(in_first, opener);
        self.put(what, in_first, *syn, format!("SYN {} → {}", facts.ends[0], facts.ends[1]));
        if what == What::Lost {
            for (sight, text) in answers(facts) {
                self.put(What::Injected, in_first, sight, text);
            }
            if connection.goes_to_peer && !facts.is_established() {
                self.lost_attempt(facts, opener);
            }
        }
    }

    /// An attempt that left one end and did not reach the other: the trouble is between them, and neither end is to blame.
    fn lost_attempt(&mut self, facts: &Facts, opener: Side) {
        let endpoint = facts.ends[1];
        let mut frames: Vec<u64> = facts.syns.iter().map(|sight| sight.frame).collect();
        let unanswered = Evidence::SynUnanswered { endpoint, waited: facts.last.at.since(facts.first.at) };
        match (opener, facts.sent[1].reset) {
            (Side::Server, _) => {
                self.find(Cause::ClientRefusesInbound, Confidence::Likely, unanswered, frames);
            }
            (Side::Client, Some(reset)) => {
                frames.push(reset.sight.frame);
                let made_up = Evidence::ResetReceived { endpoint, ttl: reset.ttl, control_ttl: reset.ttl };
                self.find(Cause::PassivePortRefused, Confidence::Likely, made_up, frames);
            }
            (Side::Client, None) => {
                self.find(Cause::PassivePortFiltered, Confidence::Likely, unanswered, frames);
            }
        }
    }

    fn same_connection(&mut self, one: &Connection<'_>, other: &Connection<'_>, nearer: Nearer) {
        let Some(opener) = one.opener else { return };
        let side = |end: usize| if end == 0 { opener } else { opener.opposite() };
        for end in 0..2 {
            let resets = (one.facts.sent[end].reset, other.facts.sent[end].reset);
            let text = |facts: &Facts, ttl: u8| {
                format!("RST {} → {}, TTL {ttl}", facts.ends[end], facts.ends[1 - end])
            };
            match resets {
                (Some(reset), None) => {
                    let what = nearer.only_in(true, side(end));
                    self.put(what, true, reset.sight, text(one.facts, reset.ttl));
                }
                (None, Some(reset)) => {
                    let what = nearer.only_in(false, side(end));
                    self.put(what, false, reset.sight, text(other.facts, reset.ttl));
                }
                _ => {}
            }
        }
        let answer = |facts: &Facts| format!("SYN, ACK {} → {}", facts.ends[1], facts.ends[0]);
        match (one.facts.syn_ack, other.facts.syn_ack) {
            (Some(sight), None) => {
                self.put(nearer.only_in(true, side(1)), true, sight, answer(one.facts));
            }
            (None, Some(sight)) => {
                self.put(nearer.only_in(false, side(1)), false, sight, answer(other.facts));
            }
            _ => {}
        }
    }

    fn put(&mut self, what: What, in_first: bool, sight: Sight, text: String) {
        let seen = Some((sight, text));
        let difference = if in_first { only_in(what, seen, None) } else { only_in(what, None, seen) };
        self.differences.push(difference);
    }
}

fn only_in(what: What, a: Option<(Sight, String)>, b: Option<(Sight, String)>) -> Difference {
    let (frame_a, a) = a.map_or((None, String::new()), |(sight, text)| (Some(sight.frame), text));
    let (frame_b, b) = b.map_or((None, String::new()), |(sight, text)| (Some(sight.frame), text));
    Difference { what, frame_a, frame_b, a, b }
}

/// What answered an attempt to connect.
fn answers(facts: &Facts) -> Vec<(Sight, String)> {
    let mut answers = Vec::new();
    if let Some(reset) = facts.sent[1].reset {
        answers.push((reset.sight, format!("RST {} → {}, TTL {}", facts.ends[1], facts.ends[0], reset.ttl)));
    }
    if let Some(sight) = facts.syn_ack {
        answers.push((sight, format!("SYN, ACK {} → {}", facts.ends[1], facts.ends[0])));
    }
    answers
}

/// A connection of a reading, and who opened it.
struct Connection<'a> {
    facts: &'a Facts,
    opener: Option<Side>,
    is_data: bool,
    /// A data connection to the address of the control connection's other end, and not to one that was told.
    goes_to_peer: bool,
}

fn connections(reading: &Reading) -> Vec<Connection<'_>> {
    let mut all = Vec::new();
    for conversation in &reading.conversations {
        let control = &conversation.control;
        let opener = Some(Side::Client);
        all.push(Connection { facts: control, opener, is_data: false, goes_to_peer: false });
        all.extend(conversation.data.iter().map(|data| {
            let (facts, opener) = (&data.facts, data.opened_by());
            let peer = match opener {
                Some(Side::Client) => Some(conversation.server.ip()),
                Some(Side::Server) => Some(conversation.client.ip()),
                None => None,
            };
            let goes_to_peer = peer == Some(facts.ends[1].ip());
            Connection { facts, opener, is_data: true, goes_to_peer }
        }));
    }
    all.extend(reading.strays.iter().map(|facts| {
        let opener = reading.opener_of(facts);
        Connection { facts, opener, is_data: true, goes_to_peer: false }
    }));
    all
}

/// Conversations that are the same: NAT leaves the number with which a connection begins alone; else what was said tells.
fn pairs(a: &Reading, b: &Reading) -> Vec<(usize, usize)> {
    let mut taken = vec![false; b.conversations.len()];
    let mut pairs = Vec::new();
    for (first, one) in a.conversations.iter().enumerate() {
        let number = one.control.initial_sequence();
        let same_number = b
            .conversations
            .iter()
            .position(|other| number.is_some() && other.control.initial_sequence() == number);
        let alike = || {
            let similarity = |other: &Conversation| similarity(one, other);
            let all = b.conversations.iter().enumerate().filter(|(index, _)| !taken[*index]);
            all.map(|(index, other)| (similarity(other), index)).filter(|(share, _)| *share >= 50).max()
        };
        let second = same_number.filter(|index| !taken[*index]).or_else(|| alike().map(|(_, index)| index));
        if let Some(second) = second {
            taken[second] = true;
            pairs.push((first, second));
        }
    }
    pairs
}

/// How many of a hundred lines are the same.
fn similarity(one: &Conversation, other: &Conversation) -> usize {
    const FIRST: usize = 60;
    let texts = |conversation: &Conversation| -> Vec<String> {
        conversation.lines.iter().take(FIRST).map(|line| line.text.clone()).collect()
    };
    let (ours, mut theirs) = (texts(one), texts(other));
    let all = ours.len().max(theirs.len());
    let mut same = 0_usize;
    for text in ours {
        if let Some(index) = theirs.iter().position(|other| *other == text) {
            theirs.swap_remove(index);
            same += 1;
        }
    }
    (same * 100).checked_div(all).unwrap_or(0)
}

fn lines_of(conversation: &Conversation, side: Side) -> Vec<&Line> {
    let is_talk = |line: &&Line| {
        line.by == side
            && matches!(line.kind, LineKind::Command(_) | LineKind::Reply(_) | LineKind::Unreadable)
    };
    conversation.lines.iter().filter(is_talk).take(MOST_LINES).collect()
}

/// Two lists of lines beside each other, with the least difference: lines of one kind may differ in their text, lines of
/// different kinds cannot be the same one.
fn align(a: &[&Line], b: &[&Line]) -> Vec<(Option<usize>, Option<usize>)> {
    const ALONE: u32 = 3;
    const CHANGED: u32 = 1;
    let step = |one: &Line, other: &Line| {
        if one.text == other.text { Some(0) } else { (one.kind == other.kind).then_some(CHANGED) }
    };
    let width = b.len() + 1;
    let mut costs = vec![0_u32; (a.len() + 1) * width];
    let alone = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(ALONE);
    for (index, cost) in costs.iter_mut().take(width).enumerate() {
        *cost = alone(index);
    }
    for i in 1..=a.len() {
        costs[i * width] = alone(i);
        for j in 1..=b.len() {
            let both = step(a[i - 1], b[j - 1]).map(|cost| costs[(i - 1) * width + j - 1] + cost);
            let one = costs[(i - 1) * width + j].min(costs[i * width + j - 1]) + ALONE;
            costs[i * width + j] = both.unwrap_or(u32::MAX).min(one);
        }
    }
    let (mut i, mut j) = (a.len(), b.len());
    let mut steps = Vec::new();
    while i > 0 || j > 0 {
        let here = costs[i * width + j];
        let both = (i > 0 && j > 0)
            .then(|| step(a[i - 1], b[j - 1]).map(|cost| costs[(i - 1) * width + j - 1] + cost))
            .flatten();
        if both == Some(here) {
            (i, j) = (i - 1, j - 1);
            steps.push((Some(i), Some(j)));
        } else if i > 0 && costs[(i - 1) * width + j] + ALONE == here {
            i -= 1;
            steps.push((Some(i), None));
        } else {
            j -= 1;
            steps.push((None, Some(j)));
        }
    }
    steps.reverse();
    steps
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
