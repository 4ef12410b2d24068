//! Lines of a server into replies, with tolerance for what real servers send.

use core::fmt;

use super::line::{Line, LineDecoder, LineError};
use crate::limits;
use crate::pathname::escaped;
use crate::reply::{Reply, ReplyCode, ReplyText};

/// A reply and what was unusual about how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedReply {
    /// The reply. Inner lines that repeat the code and a hyphen (`220-…`) are without them.
    pub reply: Reply,
    /// How it differs from RFC 959 §4.2. Empty for a well-behaved server.
    pub quirks: ReplyQuirks,
}

/// One thing about the writing of a reply that RFC 959 §4.2 does not say, and that was understood all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyQuirk {
    /// A line ended with LF alone.
    BareLineFeed,
    /// Text stands right behind the code: `220Welcome`.
    MissingSpace,
    /// Nothing stands behind the code, not even the space: `220`.
    CodeAlone,
    /// The second digit is above 5, which RFC 959 leaves undefined.
    CodeOutOfRange,
    /// A CR that ends no line, or a NUL, stands in the text.
    ForbiddenByte,
    /// Telnet commands stand inside a line, or a 0xFF that was not doubled and looked like one.
    TelnetInside,
    /// Empty lines stood before the reply.
    BlankLine,
}

/// A set of [`ReplyQuirk`]s.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ReplyQuirks(u8);

/// Why something a server sent is not a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A line or a whole reply over the limit. The decoder is finished: where the next reply begins is unknown.
    #[error("a reply longer than {limit} bytes")]
    TooLong {
        /// [`limits::REPLY_LINE`] or [`limits::REPLY`].
        limit: usize,
    },
    /// The line starts with a number that is no reply code. The decoder goes on with the next line.
    #[error("a reply with an impossible code: \"{}\"", shown(.line))]
    BadCode {
        /// The whole line.
        line: Vec<u8>,
    },
    /// The line does not start with a number: perhaps this is no FTP server. The decoder goes on with the next line.
    #[error("not an FTP reply: \"{}\"", shown(.line))]
    NotAReply {
        /// The whole line.
        line: Vec<u8>,
    },
    /// The connection ended within a reply.
    #[error("the connection ended within a reply, at \"{}\"", shown(.line))]
    Unfinished {
        /// The code of the multi-line reply that has begun, if one has.
        code: Option<ReplyCode>,
        /// The unfinished line, perhaps empty.
        line: Vec<u8>,
    },
}

/// Decodes what a server sends (RFC 959 §4.2).
///
/// - Input: [`push`](Self::push), any number of bytes cut at any place; [`end`](Self::end) when the connection ends.
/// - Output: [`next_reply`](Self::next_reply) until `None`.
///
/// A multi-line reply begins with `123-` and ends at the first line that is the same code and a space, or the same
/// code alone; the lines between are text, whatever number they start with. Takes at most [`limits::REPLY`] bytes a
/// reply and [`limits::REPLY_LINE`] a line, in linear time; holds no heap between replies.
#[derive(Debug)]
pub struct ReplyDecoder {
    lines: LineDecoder,
    unfinished: Option<Unfinished>,
    /// Of the blank lines before a reply that has not begun.
    quirks: ReplyQuirks,
    finished: bool,
}

/// A multi-line reply whose end has not come.
#[derive(Debug)]
struct Unfinished {
    code: ReplyCode,
    texts: Vec<ReplyText>,
    /// Of all its lines as they came, with line ends.
    length: usize,
}

/// What stands behind the code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    Space,
    Hyphen,
    Missing,
    End,
}

impl Default for ReplyDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ReplyDecoder {
    /// A decoder at the start of a connection.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lines: LineDecoder::new(limits::REPLY_LINE),
            unfinished: None,
            quirks: ReplyQuirks::NONE,
            finished: false,
        }
    }

    /// Takes the next bytes of the connection; ignores them when it [is finished](Self::is_finished).
    pub fn push(&mut self, input: &[u8]) {
        if !self.finished {
            self.lines.push(input);
        }
    }

    /// The next reply, or what was wrong with it; `None` until more is pushed.
    pub fn next_reply(&mut self) -> Option<Result<DecodedReply, ReplyError>> {
        if self.finished {
            return None;
        }
        loop {
            match self.lines.next_line() {
                Some(Ok(line)) => {
                    if let Some(result) = self.take_line(line) {
                        return Some(result);
                    }
                }
                Some(Err(LineError::TooLong { limit, .. })) => return Some(self.fail_too_long(limit)),
                // Said at once: the end of an endless line never comes.
                None if self.lines.is_discarding() => return Some(self.fail_too_long(limits::REPLY_LINE)),
                None => return None,
            }
        }
    }

    /// The connection has ended: what it left behind, if that was not a whole reply. The decoder is finished then.
    pub fn end(&mut self) -> Option<ReplyError> {
        let pending = self.lines.pending_bytes() > 0 || self.unfinished.is_some();
        let error = (pending && !self.finished).then(|| ReplyError::Unfinished {
            code: self.unfinished.as_ref().map(|unfinished| unfinished.code),
            line: self.lines.unfinished().to_vec(),
        });
        self.finish();
        error
    }

    /// Whether nothing can be decoded any more: after [`ReplyError::TooLong`] or [`end`](Self::end).
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether a multi-line reply has begun and not ended.
    #[must_use]
    pub const fn is_within_reply(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The bytes that were pushed and have not come out as a reply; 0 if nothing is left.
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.lines.pending_bytes()
            + match &self.unfinished {
                Some(unfinished) => unfinished.length,
                None => 0,
            }
    }

    /// Throws everything away that was pushed and has not come out, as behind 234 (RFC 4217 §4; threats 6 and 29).
    pub fn clear(&mut self) {
        self.lines.clear();
        self.unfinished = None;
        self.quirks = ReplyQuirks::NONE;
    }

    fn take_line(&mut self, line: Line) -> Option<Result<DecodedReply, ReplyError>> {
        let Line { bytes, bare_line_feed, telnet_inside } = line;
        if bytes.is_empty() && self.unfinished.is_none() {
            self.quirks.insert(ReplyQuirk::BlankLine);
            return None;
        }
        self.quirks.insert_if(bare_line_feed, ReplyQuirk::BareLineFeed);
        self.quirks.insert_if(telnet_inside, ReplyQuirk::TelnetInside);
        self.quirks.insert_if(bytes.iter().any(|byte| matches!(byte, 0 | b'\r')), ReplyQuirk::ForbiddenByte);
        match self.unfinished.take() {
            Some(unfinished) => self.take_later_line(unfinished, bytes),
            None => self.take_first_line(bytes),
        }
    }

    fn take_first_line(&mut self, line: Vec<u8>) -> Option<Result<DecodedReply, ReplyError>> {
        let (code, separator) = match parse_code(&line) {
            Ok(parsed) => parsed,
            Err(bad) => {
                self.quirks = ReplyQuirks::NONE;
                return Some(Err(bad.with(line)));
            }
        };
        self.quirks.insert_if(code.get() / 10 % 10 > 5, ReplyQuirk::CodeOutOfRange);
        self.quirks.insert_if(separator == Separator::Missing, ReplyQuirk::MissingSpace);
        self.quirks.insert_if(separator == Separator::End, ReplyQuirk::CodeAlone);
        let length = line.len() + 2;
        let text = without_code(line, separator);
        if separator == Separator::Hyphen {
            self.unfinished = Some(Unfinished { code, texts: vec![text], length });
            return None;
        }
        Some(Ok(self.complete(Reply::new(code, text))))
    }

    fn take_later_line(
        &mut self,
        mut unfinished: Unfinished,
        line: Vec<u8>,
    ) -> Option<Result<DecodedReply, ReplyError>> {
        unfinished.length += line.len() + 2;
        if unfinished.length > limits::REPLY {
            return Some(self.fail_too_long(limits::REPLY));
        }
        let same_code = parse_code(&line).ok().filter(|(code, _)| *code == unfinished.code);
        match same_code {
            Some((_, separator @ (Separator::Space | Separator::End))) => {
                self.quirks.insert_if(separator == Separator::End, ReplyQuirk::CodeAlone);
                unfinished.texts.push(without_code(line, separator));
                Some(Ok(self.complete(Reply::multi_line(unfinished.code, unfinished.texts))))
            }
            other => {
                unfinished.texts.push(match other {
                    Some((_, Separator::Hyphen)) => without_code(line, Separator::Hyphen),
                    _ => line.into(),
                });
                self.unfinished = Some(unfinished);
                None
            }
        }
    }

    fn complete(&mut self, reply: Reply) -> DecodedReply {
        DecodedReply { reply, quirks: core::mem::take(&mut self.quirks) }
    }

    fn fail_too_long(&mut self, limit: usize) -> Result<DecodedReply, ReplyError> {
        self.finish();
        Err(ReplyError::TooLong { limit })
    }

    fn finish(&mut self) {
        self.clear();
        self.finished = true;
    }
}

enum BadStart {
    Code,
    NoNumber,
}

impl BadStart {
    fn with(self, line: Vec<u8>) -> ReplyError {
        match self {
            Self::Code => ReplyError::BadCode { line },
            Self::NoNumber => ReplyError::NotAReply { line },
        }
    }
}

fn parse_code(line: &[u8]) -> Result<(ReplyCode, Separator), BadStart> {
    let digits = line.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    match digits {
        0 => return Err(BadStart::NoNumber),
        3 => {}
        _ => return Err(BadStart::Code),
    }
    let value = line[..3].iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    let code = ReplyCode::new(value).ok_or(BadStart::Code)?;
    let separator = match line.get(3) {
        Some(b' ') => Separator::Space,
        Some(b'-') => Separator::Hyphen,
        Some(_) => Separator::Missing,
        None => Separator::End,
    };
    Ok((code, separator))
}

fn without_code(mut line: Vec<u8>, separator: Separator) -> ReplyText {
    let code = match separator {
        Separator::Space | Separator::Hyphen => 4,
        Separator::Missing | Separator::End => 3,
    };
    line.drain(..code);
    line.into()
}

/// The start of a line, for a message.
fn shown(line: &[u8]) -> impl fmt::Display + '_ {
    escaped(&line[..line.len().min(200)])
}

impl ReplyQuirk {
    /// All of them, in the order in which a set yields them.
    pub const ALL: [Self; 7] = [
        Self::BareLineFeed,
        Self::MissingSpace,
        Self::CodeAlone,
        Self::CodeOutOfRange,
        Self::ForbiddenByte,
        Self::TelnetInside,
        Self::BlankLine,
    ];

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ReplyQuirks {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Whether `quirk` is in the set.
    #[must_use]
    pub const fn contains(self, quirk: ReplyQuirk) -> bool {
        self.0 & quirk.bit() != 0
    }

    /// Whether nothing was unusual.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The quirks in the set, in the order of [`ReplyQuirk::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ReplyQuirk> {
        ReplyQuirk::ALL.into_iter().filter(move |quirk| self.contains(*quirk))
    }

    fn insert(&mut self, quirk: ReplyQuirk) {
        self.0 |= quirk.bit();
    }

    fn insert_if(&mut self, condition: bool, quirk: ReplyQuirk) {
        if condition {
            self.insert(quirk);
        }
    }
}

impl FromIterator<ReplyQuirk> for ReplyQuirks {
    fn from_iter<I: IntoIterator<Item = ReplyQuirk>>(quirks: I) -> Self {
        let mut set = Self::NONE;
        for quirk in quirks {
            set.insert(quirk);
        }
        set
    }
}

impl fmt::Debug for ReplyQuirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
