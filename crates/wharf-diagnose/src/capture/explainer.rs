//! From packets to conversations: who talks FTP with whom, and which connections belong to whose transfers.

mod claims;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use wharf_findings::Finding;
use wharf_proto::dialogue::{DataEvent, Side};
use wharf_proto::{Timestamp, limits};

use super::conversation::Conversation;
use super::facts::{End, Facts, IcmpSeen};
use super::file::Packet;
use super::packet::{Dissector, Icmp, Layer, Segment};
use super::sniff::{Unjudged, Verdict};
use super::stream::{Sight, Stream};
use super::watched::{Budget, Watched};
use crate::capture::diagnosis;
use claims::Expected;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Ports that are control ports whatever is said there, beside 21.
    pub ports: Vec<u16>,
}

/// Everything that was understood of a capture.
#[derive(Debug)]
pub struct Reading {
    /// The conversations, in the order in which they began.
    pub conversations: Vec<Conversation>,
    /// Causes that belong to no conversation.
    pub findings: Vec<Finding>,
    /// Packets in all.
    pub frames: u64,
    /// When the first of them was seen, since 1970; what [`Timestamp`]s count from.
    pub epoch: Duration,
    /// Conversations that are not told about.
    pub left_out: u64,
    /// Connections that did not come up, or were silent, and belong to no conversation.
    pub strays: Vec<Facts>,
    /// Whether packets went to other ports than those of control connections: where not, the capture was filtered, and
    /// what is missing in it proves nothing.
    pub shows_other_ports: bool,
}

impl Reading {
    /// Whether anything was found to be wrong.
    #[must_use]
    pub fn has_findings(&self) -> bool {
        !self.findings.is_empty()
            || self.conversations.iter().any(|conversation| !conversation.findings.is_empty())
    }

    /// Which side of a conversation opened a connection between the same hosts.
    #[must_use]
    pub fn opener_of(&self, facts: &Facts) -> Option<Side> {
        let source = facts.ends[0].ip();
        let target = facts.ends[1].ip();
        self.conversations.iter().find_map(|conversation| {
            let (client, server) = (conversation.client.ip(), conversation.server.ip());
            if source == client || target == server {
                Some(Side::Client)
            } else if source == server || target == client {
                Some(Side::Server)
            } else {
                None
            }
        })
    }
}

/// A transfer that came to its end, in a reading that still goes on.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    conversation: usize,
    transfer: usize,
}

/// The two ends of a connection, the lower one first.
type Key = (SocketAddr, SocketAddr);

/// What a TCP connection is to us.
#[derive(Debug)]
enum Tracked {
    /// A control connection that has not come up.
    Coming { facts: Facts, client_end: End },
    /// A control connection.
    Control { conversation: usize },
    /// A data connection.
    Data { conversation: usize, index: usize, told: Told },
    /// It is not known, or is something else. `nearest` is the conversation under TLS that spoke last before it began.
    Loose { facts: Facts, unjudged: Option<Box<Unjudged>>, nearest: Option<usize> },
    /// A control connection over the limit.
    Ignored,
}

/// What the dialogue was told of a data connection.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    opened: bool,
    over: bool,
}

/// Reads packets, and understands.
///
/// - Input: [`packet`](Self::packet), in the order of the capture.
/// - Output: [`poll_ended`](Self::poll_ended) after each packet, with [`conversation`](Self::conversation); in the end
///   [`finish`](Self::finish).
///
/// Memory is bounded by `limits.rs`, whatever the capture holds and however long it is.
#[derive(Debug)]
pub struct Explainer {
    options: Options,
    dissector: Dissector,
    connections: HashMap<Key, Box<Tracked>>,
    watched: Vec<Watched>,
    expected: HashMap<u16, Vec<Expected>>,
    /// The ports of the agreements, oldest first.
    expected_order: VecDeque<u16>,
    /// Connections that nobody expected when they began, oldest first.
    recent: VecDeque<(Timestamp, Key)>,
    /// Conversations under TLS that go on, the latest first.
    hidden: Vec<usize>,
    unjudged: usize,
    /// Bytes of TLS hellos that are not whole yet, on connections that are not watched.
    hellos: usize,
    budget: Budget,
    ended: Vec<Ended>,
    /// Connections that were given up and have something to tell.
    lost: Vec<Facts>,
    frames: u64,
    epoch: Option<Duration>,
    left_out: u64,
    shows_other_ports: bool,
}

/// The port of control connections (RFC 959 §8), and the one under TLS from the start.
const CONTROL: u16 = 21;
const IMPLICIT: u16 = 990;
/// Connections that may turn out to have come before the answer that agreed on them.
const MOST_RECENT: usize = 256;
/// Conversations under TLS, at once, whose data connections are looked for by what was said last.
const MOST_HIDDEN: usize = 64;
/// Connections that tell of a control connection which never came up, or of data without control.
const MOST_LOST: usize = 256;
impl Explainer {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            dissector: Dissector::default(),
            connections: HashMap::new(),
            watched: Vec::new(),
            expected: HashMap::new(),
            expected_order: VecDeque::new(),
            recent: VecDeque::new(),
            hidden: Vec::new(),
            unjudged: 0,
            hellos: 0,
            budget: Budget::default(),
            ended: Vec::new(),
            lost: Vec::new(),
            frames: 0,
            epoch: None,
            left_out: 0,
            shows_other_ports: false,
        }
    }

    /// Takes the next packet.
    pub fn packet(&mut self, packet: Packet<'_>) {
        self.frames = packet.frame;
        let epoch = *self.epoch.get_or_insert(packet.at);
        let at = Timestamp::from_start(packet.at.saturating_sub(epoch));
        let sight = Sight { frame: packet.frame, at };
        // It is given back below: what it holds is lent to the segment.
        let mut dissector = std::mem::take(&mut self.dissector);
        match dissector.dissect(packet.link_type, packet.data) {
            Some(Layer::Tcp(segment)) => self.segment(sight, &segment),
            Some(Layer::Icmp(icmp)) => self.icmp(sight, &icmp),
            None => {}
        }
        self.dissector = dissector;
    }

    /// A transfer that has come to its end.
    pub fn poll_ended(&mut self) -> Option<Ended> {
        if self.ended.is_empty() { None } else { Some(self.ended.remove(0)) }
    }

    /// The conversation of a transfer that has ended, and the transfer's number in it.
    #[must_use]
    pub fn conversation(&self, ended: Ended) -> (&Conversation, usize) {
        (&self.watched[ended.conversation].told, ended.transfer)
    }

    /// When the first packet was seen, since 1970.
    #[must_use]
    pub fn epoch(&self) -> Duration {
        self.epoch.unwrap_or_default()
    }

    /// The capture is over: all that is to be said about it.
    #[must_use]
    pub fn finish(mut self) -> Reading {
        for watched in &mut self.watched {
            watched.end(&mut self.budget);
        }
        self.claim_by_time();
        for watched in &mut self.watched {
            watched.settle(self.shows_other_ports);
        }
        for tracked in std::mem::take(&mut self.connections).into_values() {
            if let Tracked::Coming { facts, .. } | Tracked::Loose { facts, .. } = *tracked {
                self.lose(facts);
            }
        }
        self.lost.sort_by_key(|facts| facts.first);
        let mut reading = Reading {
            conversations: self.watched.into_iter().map(|watched| watched.told).collect(),
            findings: Vec::new(),
            frames: self.frames,
            epoch: self.epoch.unwrap_or_default(),
            left_out: self.left_out,
            strays: self.lost,
            shows_other_ports: self.shows_other_ports,
        };
        let is_control = |port: u16| port == IMPLICIT || is_control(&self.options, port);
        diagnosis::diagnose(&mut reading, &is_control);
        reading
    }

    fn segment(&mut self, sight: Sight, segment: &Segment<'_>) {
        let key = key(segment.source, segment.destination);
        if let Some(tracked) = self.connections.get(&key)
            && self.is_begun_anew(tracked, segment)
        {
            self.give_up(key);
        }
        match self.connections.get(&key).map(|tracked| &**tracked) {
            None => self.begin(key, sight, segment),
            Some(Tracked::Control { conversation }) => self.control(*conversation, sight, segment),
            Some(Tracked::Data { conversation, index, told }) => {
                self.data(key, (*conversation, *index, *told), sight, segment);
            }
            Some(Tracked::Coming { .. }) => self.coming(key, sight, segment),
            Some(Tracked::Loose { .. }) => self.loose(key, sight, segment),
            Some(Tracked::Ignored) => {}
        }
    }

    fn facts<'a>(&'a self, tracked: &'a Tracked) -> Option<&'a Facts> {
        match tracked {
            Tracked::Coming { facts, .. } | Tracked::Loose { facts, .. } => Some(facts),
            Tracked::Control { conversation } => Some(&self.watched[*conversation].told.control),
            Tracked::Data { conversation, index, .. } => {
                self.watched[*conversation].told.data.get(*index).map(|data| &data.facts)
            }
            Tracked::Ignored => None,
        }
    }

    fn is_begun_anew(&self, tracked: &Tracked, segment: &Segment<'_>) -> bool {
        segment.flags.syn && self.facts(tracked).is_some_and(|facts| facts.is_begun_anew_by(segment))
    }

    /// Forgets a connection, but for what has to be told of it.
    fn give_up(&mut self, key: Key) {
        match self.connections.remove(&key).map(|tracked| *tracked) {
            Some(Tracked::Coming { facts, .. }) => self.lose(facts),
            Some(Tracked::Loose { facts, unjudged, .. }) => {
                self.unjudged -= usize::from(unjudged.is_some());
                self.hellos -= facts.held();
                self.lose(facts);
            }
            Some(Tracked::Control { conversation }) => self.watched[conversation].end(&mut self.budget),
            Some(Tracked::Data { .. } | Tracked::Ignored) | None => {}
        }
    }

    /// Keeps what tells of trouble: attempts that failed, and control connections without a word.
    fn lose(&mut self, facts: Facts) {
        let has_failed = facts.opened && !facts.is_established();
        let is_silent = facts.is_established() && facts.sent.iter().all(|sent| sent.bytes == 0);
        let is_control = is_control(&self.options, facts.ends[1].port());
        if (has_failed || (is_silent && is_control)) && self.lost.len() < MOST_LOST {
            self.lost.push(facts);
        }
    }

    fn begin(&mut self, key: Key, sight: Sight, segment: &Segment<'_>) {
        if self.connections.len() >= limits::CAPTURED_CONNECTIONS {
            self.make_room();
        }
        let mut facts = Facts::new(sight, segment);
        if let Some((expected, found_by)) = self.expectation(&facts) {
            follow(&mut self.hellos, &mut facts, sight, segment);
            self.claim(key, facts, expected, found_by);
            return;
        }
        let ports = [facts.ends[1].port(), facts.ends[0].port()];
        // Without a SYN the first packet may be either side's.
        let server = if facts.opened { &ports[..1] } else { &ports[..] };
        if let Some(position) = server.iter().position(|port| is_control(&self.options, *port)) {
            let tracked = Tracked::Coming { facts, client_end: position };
            self.connections.insert(key, Box::new(tracked));
            self.coming(key, sight, segment);
            return;
        }
        follow(&mut self.hellos, &mut facts, sight, segment);
        self.shows_other_ports = true;
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((sight.at, key));
        let judged = self.unjudged < limits::CAPTURED_UNJUDGED_CONNECTIONS;
        self.unjudged += usize::from(judged);
        let unjudged = judged.then(Box::default);
        let nearest = self.nearest_hidden(&facts);
        self.connections.insert(key, Box::new(Tracked::Loose { facts, unjudged, nearest }));
        if segment.length() > 0 {
            self.judge(key, sight, segment);
        }
    }

    /// A control connection that had not said a word: it is watched from the first one on. One that stays silent is told of
    /// elsewhere.
    fn coming(&mut self, key: Key, sight: Sight, segment: &Segment<'_>) {
        if segment.length() == 0 {
            if let Some(Tracked::Coming { facts, .. }) =
                self.connections.get_mut(&key).map(|tracked| &mut **tracked)
            {
                follow(&mut self.hellos, facts, sight, segment);
            }
            return;
        }
        let Some(Tracked::Coming { facts, client_end }) =
            self.connections.remove(&key).map(|tracked| *tracked)
        else {
            return;
        };
        let mut streams = [Stream::new(), Stream::new()];
        for (end, stream) in streams.iter_mut().enumerate() {
            if let Some(sequence) = facts.next_sequence(end) {
                stream.begin(sequence);
            }
        }
        if let Some(conversation) = self.watch(key, facts, client_end, streams) {
            self.control(conversation, sight, segment);
        }
    }

    fn watch(&mut self, key: Key, facts: Facts, client_end: End, streams: [Stream; 2]) -> Option<usize> {
        if self.watched.len() >= limits::CAPTURED_CONVERSATIONS {
            self.left_out += 1;
            self.connections.insert(key, Box::new(Tracked::Ignored));
            return None;
        }
        self.watched.push(Watched::new(facts, client_end, streams));
        let conversation = self.watched.len() - 1;
        self.connections.insert(key, Box::new(Tracked::Control { conversation }));
        Some(conversation)
    }

    fn control(&mut self, conversation: usize, sight: Sight, segment: &Segment<'_>) {
        self.watched[conversation].take(sight, segment, &mut self.budget);
        if self.watched[conversation].hides_agreements() && !self.hidden.contains(&conversation) {
            let watched = &self.watched;
            self.hidden.retain(|index| !watched[*index].told.control.is_over());
            self.hidden.truncate(MOST_HIDDEN);
            self.hidden.insert(0, conversation);
        }
        self.after_talk(conversation);
    }

    fn data(
        &mut self,
        key: Key,
        (conversation, index, told): (usize, usize, Told),
        sight: Sight,
        segment: &Segment<'_>,
    ) {
        if let Some(data) = self.watched[conversation].told.data.get_mut(index) {
            follow(&mut self.hellos, &mut data.facts, sight, segment);
        }
        if !told.over {
            self.tell_dialogue(key, conversation, index, told);
        }
    }

    /// Tells the dialogue what became of a data connection, each thing once.
    fn tell_dialogue(&mut self, key: Key, conversation: usize, index: usize, told: Told) {
        let Some(data) = self.watched[conversation].told.data.get(index) else { return };
        let sight = data.facts.last;
        let end = |side: Side| data.facts.ends[data.end(side)];
        let (client, server, bytes) = (end(Side::Client), end(Side::Server), data.bytes());
        let opened_by = data.opened_by();
        let (is_up, is_over) = (data.facts.is_established(), data.facts.is_over());
        let (is_cut, was_up) = (data.facts.reset().is_some(), told.opened || is_up);
        let mut events = Vec::new();
        if is_up
            && !told.opened
            && let Some(by) = opened_by
        {
            events.push(DataEvent::Opened { by, client, server });
        }
        if is_over && !told.over {
            if was_up {
                events.push(DataEvent::Progress { bytes });
            }
            events.push(match (was_up, is_cut) {
                (false, _) => DataEvent::Refused,
                (true, true) => DataEvent::Cut,
                (true, false) => DataEvent::Closed,
            });
        }
        if events.is_empty() {
            return;
        }
        for event in events {
            self.watched[conversation].data_event(sight, event, &mut self.budget);
        }
        let told = Told { opened: is_up, over: is_over };
        self.connections.insert(key, Box::new(Tracked::Data { conversation, index, told }));
        self.after_talk(conversation);
    }

    fn loose(&mut self, key: Key, sight: Sight, segment: &Segment<'_>) {
        let Some(Tracked::Loose { facts, unjudged, .. }) =
            self.connections.get_mut(&key).map(|tracked| &mut **tracked)
        else {
            return;
        };
        let is_new = follow(&mut self.hellos, facts, sight, segment);
        if is_new && unjudged.is_some() && segment.length() > 0 {
            self.judge(key, sight, segment);
        }
    }

    /// Looks at the first words of a connection.
    fn judge(&mut self, key: Key, sight: Sight, segment: &Segment<'_>) {
        let Some(Tracked::Loose { facts, unjudged, .. }) =
            self.connections.get_mut(&key).map(|tracked| &mut **tracked)
        else {
            return;
        };
        let Some(words) = unjudged else { return };
        let end = facts.end_of(segment.source);
        let implicit = facts.ends[1].port() == IMPLICIT && facts.sent[end].tls.is_some() && end == 0;
        let verdict = if implicit {
            words.take(end, sight, segment.sequence, segment.payload);
            Verdict::Control(0)
        } else {
            words.take(end, sight, segment.sequence, segment.payload)
        };
        match verdict {
            Verdict::Open => {}
            Verdict::Other => {
                *unjudged = None;
                self.unjudged -= 1;
            }
            Verdict::Control(client_end) => {
                self.unjudged -= 1;
                let Some(Tracked::Loose { facts, unjudged: Some(words), .. }) =
                    self.connections.remove(&key).map(|tracked| *tracked)
                else {
                    return;
                };
                self.hellos -= facts.held();
                let (streams, kept) = words.into_parts();
                if let Some(conversation) = self.watch(key, facts, client_end, streams) {
                    self.watched[conversation].take_earlier(kept, &mut self.budget);
                    self.after_talk(conversation);
                }
            }
        }
    }

    fn icmp(&mut self, sight: Sight, icmp: &Icmp) {
        let key = key(icmp.source, icmp.destination);
        let seen = IcmpSeen { sight, sender: icmp.sender, message: icmp.message };
        match self.connections.get_mut(&key).map(|tracked| &mut **tracked) {
            Some(Tracked::Coming { facts, .. } | Tracked::Loose { facts, .. }) => {
                facts.icmp.get_or_insert(seen);
            }
            Some(Tracked::Control { conversation }) => {
                self.watched[*conversation].told.control.icmp.get_or_insert(seen);
            }
            Some(Tracked::Data { conversation, index, .. }) => {
                if let Some(data) = self.watched[*conversation].told.data.get_mut(*index) {
                    data.facts.icmp.get_or_insert(seen);
                }
            }
            Some(Tracked::Ignored) | None => {}
        }
    }

    /// Too many connections: those that were silent for longest go.
    fn make_room(&mut self) {
        let mut last: Vec<(Timestamp, Key)> = self
            .connections
            .iter()
            .map(|(key, tracked)| (self.facts(tracked).map_or(Timestamp::START, |facts| facts.last.at), *key))
            .collect();
        let count = last.len() / 8 + 1;
        last.sort_unstable();
        for (_, key) in last.into_iter().take(count) {
            self.give_up(key);
        }
    }
}

/// Takes a packet into `facts`, whose TLS is followed as long as all hellos together stay within their limit.
fn follow(hellos: &mut usize, facts: &mut Facts, sight: Sight, segment: &Segment<'_>) -> bool {
    let before = facts.held();
    let is_new = facts.take(sight, segment);
    *hellos = *hellos - before + facts.held();
    if *hellos > limits::CAPTURED_HELLOS {
        *hellos -= facts.held();
        facts.let_go();
    }
    is_new
}

fn key(one: SocketAddr, other: SocketAddr) -> Key {
    if one <= other { (one, other) } else { (other, one) }
}

fn is_control(options: &Options, port: u16) -> bool {
    port == CONTROL || options.ports.contains(&port)
}
