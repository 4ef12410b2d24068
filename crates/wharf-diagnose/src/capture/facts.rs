//! What is known of one TCP connection: counted, never kept.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_proto::limits;
use wharf_proto::tls_records::{Alert, ClientHello, Record, RecordWatcher, ServerHello, may_begin_record};

use super::packet::{IcmpMessage, Segment};
use super::stream::Sight;

/// One end of a connection: 0 is the one that opened it, as far as that is known.
pub type End = usize;

/// What was seen of one TCP connection.
#[derive(Debug)]
pub struct Facts {
    /// The two ends: first the one that opened it, where `opened` says so.
    pub ends: [SocketAddr; 2],
    /// Whether it is known who opened it: a SYN or a SYN-ACK was seen.
    pub opened: bool,
    /// Attempts to open it, the first ones.
    pub syns: Vec<Sight>,
    /// How many there were in all.
    pub syn_count: u32,
    /// The answer.
    pub syn_ack: Option<Sight>,
    /// The third step of the handshake.
    pub ack: Option<Sight>,
    /// What each end sent.
    pub sent: [Sent; 2],
    /// An ICMP message about it.
    pub icmp: Option<IcmpSeen>,
    /// The first packet.
    pub first: Sight,
    /// The last packet.
    pub last: Sight,
    /// Packets that were captured twice.
    pub copies: u64,
    /// The SYN's sequence number, by which a new connection between the same ends is known.
    initial_sequence: Option<u32>,
}

/// What one end sent.
#[derive(Debug, Default)]
pub struct Sent {
    /// Bytes of payload, each counted once.
    pub bytes: u64,
    /// Of these, bytes that are not in the capture though they arrived.
    pub uncaptured: u64,
    /// Segments with payload.
    pub segments: u64,
    /// The first of them.
    pub first: Option<Sight>,
    /// The last of them.
    pub last: Option<Sight>,
    /// Its FIN.
    pub fin: Option<Sight>,
    /// Its RST.
    pub reset: Option<Reset>,
    /// Hops left to its first packet that was no RST.
    pub ttl: Option<u8>,
    /// Segments that were sent again.
    pub resent: u64,
    /// The segment that was sent again most often in a row.
    pub most_resent: Option<Resent>,
    /// The last acknowledgement again and again.
    pub duplicate_acks: u32,
    /// The TLS records, as far as they can be followed.
    pub tls: Option<Box<TlsSeen>>,
    /// The first bytes, of which it can be told whether they are TLS or text.
    pub begins_with: Option<[u8; 3]>,
    /// A NUL byte among the first ones: no text.
    pub has_nul: bool,
    /// Next sequence number.
    next: Option<u32>,
    /// Highest acknowledgement of what the other end sent.
    acknowledges: Option<u32>,
    /// Of the last packets, by which copies are known.
    recent: [Option<(u64, Duration)>; 4],
    recent_at: usize,
    resending: Option<(u32, Resent)>,
}

/// A segment that was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resent {
    /// Its payload in bytes.
    pub length: u32,
    /// How often it was sent in all.
    pub times: u32,
    /// The first time.
    pub first: Sight,
    /// The last time.
    pub last: Sight,
    /// Whether it was acknowledged in the end.
    pub acknowledged: bool,
}

/// A RST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Where.
    pub sight: Sight,
    /// Hops left to it.
    pub ttl: u8,
}

/// An ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpSeen {
    /// Where.
    pub sight: Sight,
    /// Who sent it.
    pub sender: IpAddr,
    /// What it says.
    pub message: IcmpMessage,
}

/// What was seen of TLS in one direction of a data connection.
#[derive(Debug, Default)]
pub struct TlsSeen {
    watcher: Option<RecordWatcher>,
    /// What the client of TLS offered.
    pub client_hello: Option<ClientHello>,
    /// What the server of TLS chose.
    pub server_hello: Option<ServerHello>,
    /// An alert in clear.
    pub alert: Option<Alert>,
    /// Whether the last record was one that looks like close_notify.
    pub ends_with_alert: bool,
    /// Bytes in records of application data, handshake messages of TLS 1.3 among them.
    pub data: u64,
}

/// A copy of a packet comes right behind it.
const COPY_TIME: Duration = Duration::from_millis(100);

impl Facts {
    /// The first packet of a connection.
    #[must_use]
    pub fn new(sight: Sight, segment: &Segment<'_>) -> Self {
        let ends = [segment.source, segment.destination];
        let is_answer = segment.flags.syn && segment.acknowledges.is_some();
        Self {
            ends: if is_answer { [ends[1], ends[0]] } else { ends },
            opened: segment.flags.syn,
            syns: Vec::new(),
            syn_count: 0,
            syn_ack: None,
            ack: None,
            sent: Default::default(),
            icmp: None,
            first: sight,
            last: sight,
            copies: 0,
            initial_sequence: None,
        }
    }

    /// Which end sent it.
    #[must_use]
    pub fn end_of(&self, source: SocketAddr) -> End {
        usize::from(self.ends[0] != source)
    }

    /// Whether it came up.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.syn_ack.is_some() || !self.opened || self.sent.iter().any(|sent| sent.bytes > 0)
    }

    /// Whether it is over: both ends are done, or one broke it off.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.sent.iter().all(|sent| sent.fin.is_some()) || self.reset().is_some()
    }

    /// The RST, and whose.
    #[must_use]
    pub fn reset(&self) -> Option<(End, Reset)> {
        (0..2).filter_map(|end| self.sent[end].reset.map(|reset| (end, reset))).min_by_key(|(_, it)| it.sight)
    }

    /// Whether a SYN begins another connection between the same ends.
    #[must_use]
    pub fn is_begun_anew_by(&self, segment: &Segment<'_>) -> bool {
        segment.flags.syn
            && segment.acknowledges.is_none()
            && match self.initial_sequence {
                Some(initial) => initial != segment.sequence,
                None => self.is_established(),
            }
    }

    /// The number with which whoever opened it began: a NAT leaves it alone.
    #[must_use]
    pub fn initial_sequence(&self) -> Option<u32> {
        self.initial_sequence
    }

    /// The sequence number of what this end sends next, as far as it was seen.
    #[must_use]
    pub fn next_sequence(&self, end: End) -> Option<u32> {
        self.sent[end].next
    }

    /// Whether the other end acknowledged all that this one sent, captured or not.
    #[must_use]
    pub fn has_arrived(&self, end: End) -> bool {
        match (self.sent[end].next, self.sent[1 - end].acknowledges) {
            (Some(next), Some(acknowledged)) => !is_behind(next, acknowledged),
            _ => false,
        }
    }

    /// Bytes that are kept of TLS hellos that are not whole yet.
    #[must_use]
    pub fn held(&self) -> usize {
        let watchers = self.sent.iter().filter_map(|sent| sent.tls.as_ref()?.watcher.as_ref());
        watchers.map(RecordWatcher::held).sum()
    }

    /// Follows the TLS records no further.
    pub fn let_go(&mut self) {
        for tls in self.sent.iter_mut().filter_map(|sent| sent.tls.as_mut()) {
            tls.watcher = None;
        }
    }

    /// Takes a packet. Tells whether it is new: copies of one that was captured already are only counted.
    pub fn take(&mut self, sight: Sight, segment: &Segment<'_>) -> bool {
        let end = self.end_of(segment.source);
        if self.sent[end].is_copy(sight, segment) {
            self.copies += 1;
            return false;
        }
        self.last = sight;
        if !segment.flags.rst {
            self.sent[end].ttl.get_or_insert(segment.ttl);
        }
        self.take_handshake(end, sight, segment);
        self.sent[end].take_payload(sight, segment);
        if let Some(acknowledged) = segment.acknowledges {
            self.acknowledged(end, acknowledged, segment);
        }
        true
    }

    fn take_handshake(&mut self, end: End, sight: Sight, segment: &Segment<'_>) {
        let flags = segment.flags;
        match (flags.syn, segment.acknowledges.is_some()) {
            (true, false) => {
                self.initial_sequence.get_or_insert(segment.sequence);
                self.syn_count += 1;
                if self.syns.len() < limits::CAPTURED_ATTEMPTS {
                    self.syns.push(sight);
                }
            }
            (true, true) => {
                self.syn_ack.get_or_insert(sight);
            }
            (false, true) if end == 0 && self.syn_ack.is_some() && !flags.rst => {
                self.ack.get_or_insert(sight);
            }
            _ => {}
        }
        if flags.fin {
            self.sent[end].fin.get_or_insert(sight);
        }
        if flags.rst {
            self.sent[end].reset.get_or_insert(Reset { sight, ttl: segment.ttl });
        }
    }

    fn acknowledged(&mut self, end: End, number: u32, segment: &Segment<'_>) {
        let plain = segment.length() == 0 && !segment.flags.syn && !segment.flags.fin && !segment.flags.rst;
        let other = &mut self.sent[1 - end];
        if let Some((sequence, resent)) = &mut other.resending
            && is_behind(number, *sequence)
            && !resent.acknowledged
        {
            resent.acknowledged = true;
            other.most_resent = other
                .most_resent
                .map(|most| Resent { acknowledged: most.acknowledged || most.first == resent.first, ..most });
        }
        let in_flight = other.next.is_some_and(|next| next != number);
        let sent = &mut self.sent[end];
        match sent.acknowledges {
            Some(known) if known == number && plain && in_flight => sent.duplicate_acks += 1,
            Some(known) if is_behind(known, number) => {}
            _ => sent.acknowledges = Some(number),
        }
    }
}

/// Whether `number` lies behind `other`, as sequence numbers count (RFC 9293 §3.4).
fn is_behind(number: u32, other: u32) -> bool {
    number.wrapping_sub(other).cast_signed() > 0
}

impl Sent {
    fn is_copy(&mut self, sight: Sight, segment: &Segment<'_>) -> bool {
        let flags = segment.flags;
        let mut print = segment.fingerprint << 3
            | u64::from(flags.syn) << 2
            | u64::from(flags.fin) << 1
            | u64::from(flags.rst);
        for part in [segment.sequence, segment.acknowledges.unwrap_or(0), segment.length()] {
            // FNV's step: what differs anywhere differs in the end.
            print = (print ^ u64::from(part)).wrapping_mul(0x0100_0000_01B3).rotate_left(17);
        }
        let now = sight.at.since_start();
        let known =
            self.recent.iter().flatten().any(|(other, at)| *other == print && now.abs_diff(*at) < COPY_TIME);
        if !known {
            self.recent[self.recent_at] = Some((print, now));
            self.recent_at = (self.recent_at + 1) % self.recent.len();
        }
        known
    }

    fn take_payload(&mut self, sight: Sight, segment: &Segment<'_>) {
        let length = segment.length();
        // SYN and FIN take a number each.
        let begins = segment.sequence.wrapping_add(u32::from(segment.flags.syn));
        let ends = begins.wrapping_add(length).wrapping_add(u32::from(segment.flags.fin));
        if segment.flags.rst {
            return;
        }
        let Some(next) = self.next else {
            self.next = Some(ends);
            self.count(sight, length, segment, true);
            return;
        };
        if length == 0 {
            if is_behind(ends, next) && !segment.flags.fin {
                // Its own acknowledgement number is ahead of what was captured of it.
                self.miss(ends.wrapping_sub(next), ends);
            } else if is_behind(ends, next) {
                self.miss(ends.wrapping_sub(next).wrapping_sub(1), ends);
            }
            return;
        }
        let ahead = begins.wrapping_sub(next).cast_signed();
        if ahead > IMPOSSIBLE {
            return; // of another connection, or made up
        }
        match ahead {
            0 => {
                self.next = Some(ends);
                self.resending = None;
                self.count(sight, length, segment, true);
            }
            1.. => {
                self.uncaptured += u64::from(ahead.unsigned_abs());
                self.bytes += u64::from(ahead.unsigned_abs());
                self.next = Some(ends);
                if let Some(watcher) = self.tls.as_mut().and_then(|tls| tls.watcher.as_mut()) {
                    watcher.miss(ahead.unsigned_abs() as usize);
                }
                self.count(sight, length, segment, false);
            }
            _ => self.take_repeated(sight, begins, ends, length),
        }
    }

    /// So many bytes were sent that are not in the capture.
    fn miss(&mut self, count: u32, ends: u32) {
        if count < IMPOSSIBLE.unsigned_abs() {
            self.uncaptured += u64::from(count);
            self.bytes += u64::from(count);
            self.next = Some(ends);
        }
    }

    /// A segment that begins before the next byte: sent again, or late.
    fn take_repeated(&mut self, sight: Sight, begins: u32, ends: u32, length: u32) {
        let next = self.next.unwrap_or(ends);
        if is_behind(ends, next) {
            let new = ends.wrapping_sub(next);
            self.bytes += u64::from(new);
            self.next = Some(ends);
        }
        if length <= 1 {
            return; // a keepalive
        }
        // What was taken for missing came late.
        let late = u64::from(length).min(self.uncaptured);
        self.uncaptured -= late;
        self.resent += u64::from(late == 0);
        let resent = match &mut self.resending {
            Some((sequence, resent)) if *sequence == begins => {
                resent.times += 1;
                resent.last = sight;
                *resent
            }
            _ => {
                let first = self.last.unwrap_or(sight);
                let resent = Resent { length, times: 2, first, last: sight, acknowledged: false };
                self.resending = Some((begins, resent));
                resent
            }
        };
        if self.most_resent.is_none_or(|most| most.times <= resent.times) {
            self.most_resent = Some(resent);
        }
    }

    fn count(&mut self, sight: Sight, length: u32, segment: &Segment<'_>, in_order: bool) {
        if length == 0 {
            return;
        }
        self.bytes += u64::from(length);
        self.segments += 1;
        self.last = Some(sight);
        if self.first.is_none() {
            self.first = Some(sight);
            if in_order {
                self.begins_with = segment.payload.first_chunk::<3>().copied();
                self.tls = TlsSeen::beginning(segment.payload);
            }
        }
        if self.segments <= FIRST_SEGMENTS && self.tls.is_none() {
            self.has_nul |= memchr::memchr(0, segment.payload).is_some();
        }
        if let Some(tls) = &mut self.tls {
            tls.take(segment.payload, segment.missing as usize);
        }
    }
}

/// No window is so wide (RFC 7323 §2.3).
const IMPOSSIBLE: i32 = 1 << 30;
/// Segments that are looked at for NUL bytes.
const FIRST_SEGMENTS: u64 = 16;

impl TlsSeen {
    /// If these first bytes are TLS.
    fn beginning(payload: &[u8]) -> Option<Box<Self>> {
        const HANDSHAKE: u8 = 22;
        let is_tls = payload.first() == Some(&HANDSHAKE) && may_begin_record(payload);
        is_tls.then(|| Box::new(Self { watcher: Some(RecordWatcher::new()), ..Self::default() }))
    }

    fn take(&mut self, payload: &[u8], missing: usize) {
        let Some(watcher) = &mut self.watcher else { return };
        let (client, server) = (&mut self.client_hello, &mut self.server_hello);
        let (alert, ends, data) = (&mut self.alert, &mut self.ends_with_alert, &mut self.data);
        let mut tell = |record: Record| {
            *ends = matches!(record, Record::HiddenAlert)
                || matches!(&record, Record::Alert(alert) if alert.is_close_notify());
            match record {
                Record::ClientHello(hello) => *client = Some(hello),
                Record::ServerHello(hello) => *server = Some(hello),
                Record::Alert(seen) => *alert = Some(seen),
                Record::Data { length } => *data += length as u64,
                Record::ChangeCipherSpec | Record::HiddenAlert => {}
            }
        };
        let taken = watcher.push(payload, &mut tell);
        watcher.miss(missing);
        if taken < payload.len() || watcher.is_lost() {
            self.watcher = None;
        }
    }
}
