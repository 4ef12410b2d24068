//! Bytes of a control connection, or of a listing, into lines, with a bound on the length of each.

use core::num::NonZeroU64;
use std::collections::VecDeque;

use memchr::{memchr, memchr2, memrchr};

/// One line without its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The bytes. A CR that ended no line and a NUL are still in them, so that whoever forbids them sees them
    /// (`Pathname` does); Telnet's CR NUL is a CR here (RFC 854).
    pub bytes: Vec<u8>,
    /// The line ended with LF alone (RFC 959 §5.3.1 wants CRLF).
    pub bare_line_feed: bool,
    /// Telnet commands were taken out of the middle of the line: perhaps they were none, but a name in Latin-1 from
    /// a peer that does not double its 0xFF (`ÿ`), so that a path of this line may not be the one that was meant.
    pub telnet_inside: bool,
}

/// A [`Line`] that is still in the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRef<'a> {
    /// See [`Line::bytes`].
    pub bytes: &'a [u8],
    /// See [`Line::bare_line_feed`].
    pub bare_line_feed: bool,
    /// See [`Line::telnet_inside`].
    pub telnet_inside: bool,
}

/// Why a line could not be had. The decoder goes on with the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line was longer than the limit and was discarded up to its end.
    #[error("a line of {length} bytes, where at most {limit} are taken")]
    TooLong {
        /// The decoder's limit, with the line's end.
        limit: usize,
        /// The length of what was discarded, with the line's end.
        length: u64,
    },
}

/// Splits bytes into lines of bounded length (RFC 959 §5.3.1) and takes Telnet out of them (RFC 854).
///
/// - Input: [`push`](Self::push), any number of bytes cut at any place.
/// - Output: [`next_line`](Self::next_line) or [`next_line_ref`](Self::next_line_ref) until `None`; then
///   [`take_interrupt`](Self::take_interrupt).
/// - A line ends at LF; one CR before it belongs to the end. A line longer than the limit is discarded *as it
///   arrives*, so it costs no memory, and yields one error in its place when its end comes;
///   [`is_discarding`](Self::is_discarding) tells so at once.
/// - Telnet (RFC 1123 §4.1.2.12): IAC IAC is the byte 0xFF; WILL, WONT, DO, DONT and subnegotiations are dropped; the
///   other commands (IP, AO, DM, …) are dropped and remembered as an interrupt; IAC before a byte below 0xF0 is a
///   literal 0xFF from a peer that does not double it.
/// - Between an interrupt and the command behind it (ABOR) stands the Synch, IAC DM, whose urgent byte the kernel may
///   have taken out of the stream: what is left of it there, a lone DM or a lone IAC, is dropped too.
///
/// Memory: what was pushed and not yet taken, plus one unfinished line. When all is taken, the decoder owns no heap.
///
/// A listing's data connection has no Telnet: [`without_telnet`](Self::without_telnet) leaves 0xFF alone.
#[derive(Debug)]
pub struct LineDecoder {
    limit: usize,
    telnet: bool,
    state: State,
    /// An interrupt came, and nothing but Telnet since the start of this line.
    synch_expected: bool,
    interrupted: bool,
    /// Telnet commands came behind the first byte of the unfinished line.
    telnet_inside: bool,
    /// `Some(length so far)` while an over-long line is thrown away.
    discarding: Option<u64>,
    /// `taken..complete` are whole lines, each with its LF; `complete..` is the unfinished line.
    buffer: Vec<u8>,
    taken: usize,
    complete: usize,
    /// What is to be said about a few of the whole lines, in order. Empty on any normal connection.
    remarks: VecDeque<Remark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    /// After IAC.
    Command,
    /// After IAC WILL and the like.
    Option,
    /// After IAC SB, with the bytes dropped since.
    Subnegotiation(usize),
    /// After an IAC in a subnegotiation.
    SubnegotiationCommand(usize),
}

#[derive(Clone, Copy, Debug)]
struct Remark {
    /// Where the line's LF is in the buffer.
    line_feed: usize,
    /// The length of a line that was too long; `None`: Telnet commands were inside the line.
    too_long: Option<NonZeroU64>,
}

/// Where a whole line is in the buffer, without its end.
struct Span {
    start: usize,
    end: usize,
    bare_line_feed: bool,
    telnet_inside: bool,
}

// RFC 854, "TELNET COMMAND STRUCTURE".
const SUBNEGOTIATION_END: u8 = 0xF0;
const DATA_MARK: u8 = 0xF2;
const SUBNEGOTIATION_BEGIN: u8 = 0xFA;
const WILL: u8 = 0xFB;
const DONT: u8 = 0xFE;
const INTERPRET_AS_COMMAND: u8 = 0xFF;

impl LineDecoder {
    /// For a control connection, with lines of at most `limit` bytes, line end included.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            telnet: true,
            state: State::Data,
            synch_expected: false,
            interrupted: false,
            telnet_inside: false,
            discarding: None,
            buffer: Vec::new(),
            taken: 0,
            complete: 0,
            remarks: VecDeque::new(),
        }
    }

    /// For a data connection: 0xFF, and NUL after CR, are bytes like any others.
    #[must_use]
    pub const fn without_telnet(limit: usize) -> Self {
        let mut decoder = Self::new(limit);
        decoder.telnet = false;
        decoder
    }

    /// Takes the next bytes of the connection.
    pub fn push(&mut self, input: &[u8]) {
        let mut rest = input;
        while !rest.is_empty() {
            let plain = self.plain_length(rest);
            if plain > 0 {
                self.push_data(&rest[..plain]);
                rest = &rest[plain..];
            } else {
                self.push_telnet(rest[0]);
                rest = &rest[1..];
            }
        }
    }

    /// The next whole line, or what was wrong with it; `None` until more is pushed.
    pub fn next_line(&mut self) -> Option<Result<Line, LineError>> {
        let Span { start, end, bare_line_feed, telnet_inside } = match self.take_span()? {
            Ok(span) => span,
            Err(error) => return Some(Err(error)),
        };
        // Most often the buffer is exactly the line, one command or reply, and is handed over without a copy.
        let bytes = if start == 0 && self.taken == self.buffer.len() {
            let mut bytes = core::mem::take(&mut self.buffer);
            (self.taken, self.complete) = (0, 0);
            bytes.truncate(end);
            bytes
        } else {
            self.buffer[start..end].to_vec()
        };
        Some(Ok(Line { bytes, bare_line_feed, telnet_inside }))
    }

    /// As [`next_line`](Self::next_line), without a copy.
    pub fn next_line_ref(&mut self) -> Option<Result<LineRef<'_>, LineError>> {
        let Span { start, end, bare_line_feed, telnet_inside } = match self.take_span()? {
            Ok(span) => span,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(LineRef { bytes: &self.buffer[start..end], bare_line_feed, telnet_inside }))
    }

    /// `input` as a line, where it is just one and nothing that was pushed waits: the usual command needs no buffer. `None`
    /// says that it has to be pushed.
    pub(crate) fn whole_line<'a>(&self, input: &'a [u8]) -> Option<LineRef<'a>> {
        let is_fresh = self.state == State::Data
            && !self.synch_expected
            && !self.telnet_inside
            && self.discarding.is_none()
            && self.buffer.is_empty();
        let is_plain = memchr2(0, INTERPRET_AS_COMMAND, input).is_none();
        if !is_fresh || !is_plain || input.len() >= self.limit || memchr(b'\n', input)? + 1 != input.len() {
            return None;
        }
        let line = &input[..input.len() - 1];
        let bare_line_feed = !line.ends_with(b"\r");
        let bytes = &line[..line.len() - usize::from(!bare_line_feed)];
        Some(LineRef { bytes, bare_line_feed, telnet_inside: false })
    }

    fn take_span(&mut self) -> Option<Result<Span, LineError>> {
        if self.taken == self.complete {
            self.give_back();
            return None;
        }
        let start = self.taken;
        // `complete` is always just behind an LF.
        let line_feed = start + memchr(b'\n', &self.buffer[start..self.complete])?;
        self.taken = line_feed + 1;
        let remark = self.remarks.pop_front_if(|remark| remark.line_feed == line_feed);
        if let Some(Remark { too_long: Some(length), .. }) = remark {
            return Some(Err(LineError::TooLong { limit: self.limit, length: length.get() }));
        }
        let line = &mut self.buffer[start..line_feed];
        let bare_line_feed = !line.ends_with(b"\r");
        let mut length = line.len() - usize::from(!bare_line_feed);
        if self.telnet {
            // Only now, or CR NUL LF would look like a line end.
            length = drop_nul_after_carriage_return(&mut line[..length]);
        }
        Some(Ok(Span { start, end: start + length, bare_line_feed, telnet_inside: remark.is_some() }))
    }

    /// Whether a Telnet interrupt (IP, AO, DM, …) came since this was last asked.
    pub fn take_interrupt(&mut self) -> bool {
        core::mem::take(&mut self.interrupted)
    }

    /// Whether the unfinished line is over the limit and being thrown away.
    #[must_use]
    pub const fn is_discarding(&self) -> bool {
        self.discarding.is_some()
    }

    /// Whether whole lines wait to be taken.
    #[must_use]
    pub const fn has_line(&self) -> bool {
        self.taken < self.complete
    }

    /// The bytes that were pushed and not taken, an unfinished line or Telnet command included; 0 if nothing is left.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        let held = self.buffer.len() - self.taken;
        let unfinished = self.discarding.is_some() as usize + !matches!(self.state, State::Data) as usize;
        held + unfinished
    }

    /// The unfinished line as far as it is known: what a connection that ends now leaves behind.
    #[must_use]
    pub fn unfinished(&self) -> &[u8] {
        &self.buffer[self.complete..]
    }

    /// The bytes of heap that are held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.buffer.capacity() + self.remarks.capacity() * size_of::<Remark>()
    }

    /// Throws everything away that was pushed and not taken, as behind AUTH TLS (RFC 4217 §4; threat 6).
    pub fn clear(&mut self) {
        let fresh = Self::new(self.limit);
        *self = Self { telnet: self.telnet, ..fresh };
    }

    /// How many bytes from the start of `input` are data that no Telnet rule concerns.
    fn plain_length(&self, input: &[u8]) -> usize {
        if !self.telnet {
            return input.len();
        }
        if self.state != State::Data || (self.synch_expected && input[0] == DATA_MARK) {
            return 0;
        }
        memchr(INTERPRET_AS_COMMAND, input).unwrap_or(input.len())
    }

    /// One byte that begins a Telnet command or goes on with it.
    fn push_telnet(&mut self, byte: u8) {
        match self.state {
            State::Data if byte == INTERPRET_AS_COMMAND => self.state = State::Command,
            // The lone DM of a Synch whose IAC was the urgent byte.
            State::Data => {}
            State::Command => self.push_after_iac(byte),
            State::Option => self.state = State::Data,
            State::Subnegotiation(dropped) => match byte {
                INTERPRET_AS_COMMAND => self.state = State::SubnegotiationCommand(dropped + 1),
                _ => self.drop_in_subnegotiation(byte, dropped + 1),
            },
            State::SubnegotiationCommand(_) if byte == SUBNEGOTIATION_END => self.state = State::Data,
            State::SubnegotiationCommand(dropped) => self.drop_in_subnegotiation(byte, dropped + 1),
        }
    }

    /// A subnegotiation never runs over a line's end, nor is it longer than a line: FTP needs none (RFC 1123
    /// §4.1.2.12), and a peer that meant the letters `ÿú` must not hang.
    fn drop_in_subnegotiation(&mut self, byte: u8, dropped: usize) {
        self.state = State::Subnegotiation(dropped);
        if byte == b'\n' {
            self.state = State::Data;
            self.push_data(b"\n");
        } else if dropped > self.limit {
            self.state = State::Data;
            self.discard(dropped);
        }
    }

    fn push_after_iac(&mut self, byte: u8) {
        self.state = State::Data;
        match byte {
            INTERPRET_AS_COMMAND => self.push_data(&[INTERPRET_AS_COMMAND]),
            // A Synch whose DM was the urgent byte has left its IAC before the command.
            0..SUBNEGOTIATION_END if self.synch_expected => self.push_data(&[byte]),
            0..SUBNEGOTIATION_END => {
                self.push_data(&[INTERPRET_AS_COMMAND]);
                self.push_data(&[byte]);
            }
            _ => {
                self.telnet_inside |= self.is_inside_line();
                match byte {
                    WILL..=DONT => self.state = State::Option,
                    SUBNEGOTIATION_BEGIN => self.state = State::Subnegotiation(0),
                    _ => {
                        self.interrupted = true;
                        self.synch_expected = !self.is_inside_line();
                    }
                }
            }
        }
    }

    fn is_inside_line(&self) -> bool {
        self.buffer.len() > self.complete || self.discarding.is_some()
    }

    fn push_data(&mut self, data: &[u8]) {
        self.synch_expected = false;
        let unfinished = self.buffer.len() - self.complete;
        let simple =
            self.discarding.is_none() && !self.telnet_inside && unfinished + data.len() <= self.limit;
        if simple && data.len() < self.limit {
            // No line of it can be too long.
            if let Some(line_feed) = memrchr(b'\n', data) {
                self.complete = self.buffer.len() + line_feed + 1;
            }
            self.buffer.extend_from_slice(data);
            if self.buffer.len() - self.complete >= self.limit {
                self.discard(0);
            }
            return;
        }
        let mut rest = data;
        while let Some(line_feed) = memchr(b'\n', rest) {
            self.push_within_line(&rest[..line_feed]);
            self.end_line();
            rest = &rest[line_feed + 1..];
        }
        self.push_within_line(rest);
    }

    fn push_within_line(&mut self, data: &[u8]) {
        let unfinished = self.buffer.len() - self.complete;
        // The line feed, which is still to come, counts too.
        if self.discarding.is_none() && unfinished + data.len() < self.limit {
            self.buffer.extend_from_slice(data);
        } else {
            self.discard(data.len());
        }
    }

    /// Throws the unfinished line away, and its next `more` bytes.
    fn discard(&mut self, more: usize) {
        let unfinished = self.buffer.len() - self.complete;
        self.discarding = Some(self.discarding.unwrap_or(unfinished as u64) + more as u64);
        self.buffer.truncate(self.complete);
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    fn end_line(&mut self) {
        let line_feed = self.buffer.len();
        self.buffer.push(b'\n');
        self.complete = self.buffer.len();
        let telnet_inside = core::mem::take(&mut self.telnet_inside);
        if let Some(length) = self.discarding.take() {
            self.remarks
                .push_back(Remark { line_feed, too_long: Some(NonZeroU64::MIN.saturating_add(length)) });
        } else if telnet_inside {
            self.remarks.push_back(Remark { line_feed, too_long: None });
        }
    }

    /// When all whole lines are taken: an idle session holds nothing, a busy one its unfinished line.
    fn give_back(&mut self) {
        if self.taken > 0 {
            self.buffer =
                if self.taken == self.buffer.len() { Vec::new() } else { self.buffer[self.taken..].to_vec() };
            (self.taken, self.complete) = (0, 0);
        }
        if self.remarks.is_empty() && self.remarks.capacity() > 0 {
            self.remarks = VecDeque::new();
        }
    }
}

/// Telnet's CR NUL is a CR that ends no line (RFC 854). Returns the length that is left.
fn drop_nul_after_carriage_return(line: &mut [u8]) -> usize {
    let Some(first) = memchr(0, line) else { return line.len() };
    let mut kept = first;
    let mut before = if first == 0 { 0 } else { line[first - 1] };
    for at in first..line.len() {
        let byte = line[at];
        if byte == 0 && before == b'\r' {
            before = 0;
            continue;
        }
        line[kept] = byte;
        kept += 1;
        before = byte;
    }
    kept
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
