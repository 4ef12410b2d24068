//! One direction of a control connection, put together from its segments.

use std::collections::BTreeMap;

use wharf_proto::{Timestamp, limits};

/// A packet, by its number, and when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sight {
    /// Its number in the capture, from 1.
    pub frame: u64,
    /// When.
    pub at: Timestamp,
}

/// What comes out of a stream, in the order of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered<'a> {
    /// The next bytes, and the packet that brought them.
    Bytes(Sight, &'a [u8]),
    /// So many bytes went over and are not in the capture.
    Gap(Sight, usize),
}

/// Puts segments in order: late ones, repeated ones, overlapping ones.
///
/// What is missing stays awaited until the other side acknowledges it, for then it arrived and only the capture lacks it;
/// or until more waits behind it than [`limits::CAPTURED_OUT_OF_ORDER`], or the stream [ends](Self::end).
///
/// Sequence numbers wrap; all arithmetic is relative to the next one (RFC 9293 §3.4).
#[derive(Debug, Default)]
pub struct Stream {
    next: Option<u32>,
    /// By the distance from the first sequence number.
    waiting: BTreeMap<u64, Waiting>,
    held: usize,
    /// How far it came, counted from its first byte.
    position: u64,
}

#[derive(Debug)]
struct Waiting {
    sight: Sight,
    bytes: Box<[u8]>,
    /// Bytes behind these that are not in the capture.
    missing: usize,
}

/// What a waiting segment costs beside its bytes.
const ENTRY: usize = 96;
/// A segment further off than this belongs to something else.
const WINDOW: i64 = 1 << 30;

impl Stream {
    /// A stream of which nothing is known: it begins with the first segment that comes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The first byte has this sequence number: the one behind the SYN's.
    pub fn begin(&mut self, sequence: u32) {
        if self.next.is_none() {
            self.next = Some(sequence);
        }
    }

    /// Takes a segment's payload, with `missing` bytes behind it that were not captured.
    pub fn segment(
        &mut self,
        sight: Sight,
        sequence: u32,
        payload: &[u8],
        missing: usize,
        tell: &mut dyn FnMut(Delivered<'_>),
    ) {
        if payload.is_empty() && missing == 0 {
            return;
        }
        let next = *self.next.get_or_insert(sequence);
        let distance = i64::from(sequence.wrapping_sub(next).cast_signed());
        if distance.abs() > WINDOW {
            return;
        }
        if distance > 0 {
            self.keep(sight, self.position + distance.unsigned_abs(), payload, missing);
            if self.held > limits::CAPTURED_OUT_OF_ORDER {
                self.skip_to_waiting(tell);
            }
        } else {
            let known = usize::try_from(distance.unsigned_abs()).unwrap_or(usize::MAX);
            self.deliver(sight, payload, missing, known, tell);
        }
        self.deliver_waiting(tell);
    }

    /// The other side acknowledged all before `sequence`: what of it is missing is missing in the capture only.
    pub fn acknowledged(&mut self, sequence: u32, tell: &mut dyn FnMut(Delivered<'_>)) {
        let Some(next) = self.next else { return };
        let Some((position, _)) = self.waiting.first_key_value() else { return };
        let hole = position - self.position;
        let acknowledged = i64::from(sequence.wrapping_sub(next).cast_signed());
        if acknowledged > 0 && acknowledged.unsigned_abs() >= hole {
            self.skip_to_waiting(tell);
            self.deliver_waiting(tell);
        }
    }

    /// The stream ends: what waits comes out, with gaps where something is missing.
    pub fn end(&mut self, tell: &mut dyn FnMut(Delivered<'_>)) {
        while !self.waiting.is_empty() {
            self.skip_to_waiting(tell);
            self.deliver_waiting(tell);
        }
    }

    /// Bytes that are kept, with what keeping them costs.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    fn keep(&mut self, sight: Sight, position: u64, payload: &[u8], missing: usize) {
        let better = self.waiting.get(&position).is_none_or(|known| known.bytes.len() < payload.len());
        if better {
            let waiting = Waiting { sight, bytes: payload.into(), missing };
            self.held += payload.len() + ENTRY;
            if let Some(replaced) = self.waiting.insert(position, waiting) {
                self.held -= replaced.bytes.len() + ENTRY;
            }
        }
    }

    /// Hands out what of a segment is new; `known` bytes of it were handed out before.
    fn deliver(
        &mut self,
        sight: Sight,
        payload: &[u8],
        missing: usize,
        known: usize,
        tell: &mut dyn FnMut(Delivered<'_>),
    ) {
        let new = payload.get(known..).unwrap_or_default();
        if !new.is_empty() {
            self.advance(new.len());
            tell(Delivered::Bytes(sight, new));
        }
        let missing = missing.saturating_sub(known.saturating_sub(payload.len()));
        if missing > 0 {
            self.advance(missing);
            tell(Delivered::Gap(sight, missing));
        }
    }

    fn deliver_waiting(&mut self, tell: &mut dyn FnMut(Delivered<'_>)) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > self.position {
                return;
            }
            let (position, waiting) = entry.remove_entry();
            self.held -= waiting.bytes.len() + ENTRY;
            let known = usize::try_from(self.position - position).unwrap_or(usize::MAX);
            self.deliver(waiting.sight, &waiting.bytes, waiting.missing, known, tell);
        }
    }

    fn skip_to_waiting(&mut self, tell: &mut dyn FnMut(Delivered<'_>)) {
        if let Some((&position, waiting)) = self.waiting.first_key_value() {
            let sight = waiting.sight;
            let missing = usize::try_from(position - self.position).unwrap_or(usize::MAX);
            if missing > 0 {
                self.advance(missing);
                tell(Delivered::Gap(sight, missing));
            }
        }
    }

    fn advance(&mut self, count: usize) {
        self.position += count as u64;
        // Sequence numbers wrap, so the lower 32 bits are all that counts.
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32 by definition")]
        let count = count as u32;
        self.next = self.next.map(|next| next.wrapping_add(count));
    }
}
