//! Replies: an open three-digit code and its lines, and how they are written to the wire.

use core::fmt;
use std::borrow::Cow;

use memchr::{memchr, memchr3};

use crate::pathname::escaped;

/// Telnet's "interpret as command" (RFC 854); as data it is sent twice.
const INTERPRET_AS_COMMAND: u8 = 0xFF;

/// The three digits of a reply (RFC 959 §4.2), 100 to 599.
///
/// The set is open: a peer may send any code of that range, and [`class`](Self::class) says what to do with one that
/// has no name here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

/// What the first digit of a reply says (RFC 959 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyClass {
    /// 1yz: begun; another reply follows before the next command.
    Preliminary,
    /// 2yz: done.
    Completion,
    /// 3yz: accepted so far; the next command of the sequence is wanted.
    Intermediate,
    /// 4yz: not done; the same may work later.
    TransientNegative,
    /// 5yz: not done; the same will not work.
    PermanentNegative,
}

macro_rules! reply_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl ReplyCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Every code that has a name here, in ascending order.
            pub const NAMED: &'static [Self] = &[$(Self($code)),*];
        }
    };
}

reply_codes! {
    /// 110 Restart marker (RFC 959 §3.5, block and compressed mode).
    RESTART_MARKER = 110;
    /// 120 Service ready in so many minutes (RFC 959 §5.4).
    SERVICE_READY_LATER = 120;
    /// 125 Data connection already open, transfer starting (RFC 959 §5.4).
    TRANSFER_STARTING = 125;
    /// 150 File status okay, about to open the data connection (RFC 959 §5.4).
    OPENING_DATA_CONNECTION = 150;
    /// 200 Command okay (RFC 959 §5.4).
    COMMAND_OKAY = 200;
    /// 202 Command not implemented, superfluous at this site (RFC 959 §5.4).
    COMMAND_SUPERFLUOUS = 202;
    /// 211 System status or help; the features too (RFC 959 §5.4, RFC 2389 §3.2).
    SYSTEM_STATUS = 211;
    /// 212 Directory status (RFC 959 §5.4).
    DIRECTORY_STATUS = 212;
    /// 213 File status; size and time too (RFC 959 §5.4, RFC 3659 §3.1 and §4.1).
    FILE_STATUS = 213;
    /// 214 Help (RFC 959 §5.4).
    HELP_MESSAGE = 214;
    /// 215 The system's name (RFC 959 §5.4).
    SYSTEM_TYPE = 215;
    /// 220 Ready for a new user; also the answer to REIN and HOST (RFC 959 §5.4, RFC 7151 §3.1).
    SERVICE_READY = 220;
    /// 221 Closing the control connection (RFC 959 §5.4).
    CLOSING_CONTROL_CONNECTION = 221;
    /// 225 Data connection open, no transfer running; ABOR's answer in that state (RFC 959 §4.1.3).
    DATA_CONNECTION_OPEN = 225;
    /// 226 Closing the data connection: the transfer, or the abort of one, succeeded (RFC 959 §5.4).
    TRANSFER_COMPLETE = 226;
    /// 227 Entering passive mode (RFC 959 §4.1.2).
    PASSIVE_MODE = 227;
    /// 228 Entering long passive mode (RFC 1639).
    LONG_PASSIVE_MODE = 228;
    /// 229 Entering extended passive mode (RFC 2428 §3).
    EXTENDED_PASSIVE_MODE = 229;
    /// 230 Logged in (RFC 959 §5.4).
    LOGGED_IN = 230;
    /// 232 Logged in, authorised by the security data exchange (RFC 2228 §5.1).
    LOGGED_IN_BY_SECURITY_DATA = 232;
    /// 234 Security data exchange complete; AUTH TLS is accepted with it (RFC 2228 §5.1, RFC 4217 §4).
    SECURITY_EXCHANGE_COMPLETE = 234;
    /// 235 The security data completed the exchange (RFC 2228 §5.1).
    SECURITY_DATA_ACCEPTED = 235;
    /// 250 File action okay, completed (RFC 959 §5.4, RFC 3659 §7.2).
    FILE_ACTION_OKAY = 250;
    /// 257 A quoted path: created, or the current one (RFC 959 §5.4 and appendix II).
    PATHNAME_CREATED = 257;
    /// 331 User name okay, need a password (RFC 959 §5.4).
    NEED_PASSWORD = 331;
    /// 332 Need an account for login (RFC 959 §5.4).
    NEED_ACCOUNT = 332;
    /// 334 The security mechanism is accepted, and wants security data (RFC 2228 §5.1).
    SECURITY_DATA_WANTED = 334;
    /// 335 The security data is accepted, and more is wanted (RFC 2228 §5.1).
    MORE_SECURITY_DATA_WANTED = 335;
    /// 336 User name okay, need a password, challenge is in the text (RFC 2228 §5.1).
    NEED_PASSWORD_FOR_CHALLENGE = 336;
    /// 350 File action pending further information: after REST and RNFR (RFC 959 §5.4).
    FILE_ACTION_PENDING = 350;
    /// 421 Service not available, closing the control connection; may come at any time (RFC 959 §5.4).
    SERVICE_NOT_AVAILABLE = 421;
    /// 425 Cannot open the data connection (RFC 959 §5.4).
    CANNOT_OPEN_DATA_CONNECTION = 425;
    /// 426 Connection closed, transfer aborted (RFC 959 §5.4).
    TRANSFER_ABORTED = 426;
    /// 431 Need some unavailable resource to process security (RFC 2228 §5.1).
    SECURITY_RESOURCE_UNAVAILABLE = 431;
    /// 450 File action not taken: the file is busy (RFC 959 §5.4).
    FILE_BUSY = 450;
    /// 451 Action aborted: local error in processing (RFC 959 §5.4).
    LOCAL_ERROR = 451;
    /// 452 Action not taken: insufficient storage (RFC 959 §5.4).
    INSUFFICIENT_STORAGE = 452;
    /// 500 Syntax error, command unrecognised or line too long (RFC 959 §5.4).
    SYNTAX_ERROR = 500;
    /// 501 Syntax error in parameters (RFC 959 §5.4).
    PARAMETER_SYNTAX_ERROR = 501;
    /// 502 Command not implemented (RFC 959 §5.4).
    NOT_IMPLEMENTED = 502;
    /// 503 Bad sequence of commands (RFC 959 §5.4).
    BAD_SEQUENCE = 503;
    /// 504 Command not implemented for that parameter; a forbidden PORT endpoint, an unknown HOST (RFC 959 §5.4,
    /// RFC 2577 §3, RFC 7151 §3.1).
    PARAMETER_NOT_IMPLEMENTED = 504;
    /// 521 The data connection cannot be opened with this PROT setting (drafts of RFC 4217; some servers send it), or
    /// the address family is not supported (RFC 1639).
    DATA_PROTECTION_UNACCEPTABLE = 521;
    /// 522 Network protocol not supported, use one of those in parentheses (RFC 2428 §2). Also what many servers send
    /// for any trouble with a data connection's TLS.
    NETWORK_PROTOCOL_NOT_SUPPORTED = 522;
    /// 530 Not logged in (RFC 959 §5.4).
    NOT_LOGGED_IN = 530;
    /// 532 Need an account for storing files (RFC 959 §5.4).
    NEED_ACCOUNT_FOR_STORING = 532;
    /// 533 Command protection level denied for policy reasons (RFC 2228 §5.1).
    COMMAND_PROTECTION_DENIED = 533;
    /// 534 Request denied for policy reasons (RFC 2228 §5.1).
    DENIED_BY_POLICY = 534;
    /// 535 Failed security check: hash, sequence and so on (RFC 2228 §5.1).
    FAILED_SECURITY_CHECK = 535;
    /// 536 The mechanism does not support that PROT level (RFC 2228 §5.1).
    PROTECTION_LEVEL_NOT_SUPPORTED = 536;
    /// 537 The mechanism does not support that command protection level (RFC 2228 §5.1).
    COMMAND_PROTECTION_NOT_SUPPORTED = 537;
    /// 550 Action not taken: file unavailable, missing or no access (RFC 959 §5.4).
    FILE_UNAVAILABLE = 550;
    /// 551 Action aborted: page type unknown (RFC 959 §5.4).
    PAGE_TYPE_UNKNOWN = 551;
    /// 552 File action aborted: storage allocation exceeded (RFC 959 §5.4).
    STORAGE_EXCEEDED = 552;
    /// 553 Action not taken: file name not allowed (RFC 959 §5.4).
    NAME_NOT_ALLOWED = 553;
    /// 554 Action not taken: invalid REST parameter (RFC 1123 §4.1.3.4, RFC 3659 §5.3).
    INVALID_RESTART = 554;
    /// 555 Action not taken: type or structure mismatch (RFC 1123 §4.1.3.4).
    TYPE_MISMATCH = 555;
}

impl ReplyCode {
    /// The code `value`, if it is in 100 to 599.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value >= 100 && value <= 599 { Some(Self(value)) } else { None }
    }

    /// The number, 100 to 599.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What the first digit says.
    #[must_use]
    pub const fn class(self) -> ReplyClass {
        match self.0 {
            0..200 => ReplyClass::Preliminary,
            200..300 => ReplyClass::Completion,
            300..400 => ReplyClass::Intermediate,
            400..500 => ReplyClass::TransientNegative,
            _ => ReplyClass::PermanentNegative,
        }
    }

    /// 1yz: another reply to the same command follows.
    #[must_use]
    pub const fn is_preliminary(self) -> bool {
        matches!(self.class(), ReplyClass::Preliminary)
    }

    /// Not 1yz: the command is answered.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !self.is_preliminary()
    }

    /// 1yz, 2yz or 3yz.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        !self.is_negative()
    }

    /// 4yz or 5yz.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        matches!(self.class(), ReplyClass::TransientNegative | ReplyClass::PermanentNegative)
    }

    const fn digits(self) -> [u8; 3] {
        [b'0' + (self.0 / 100) as u8, b'0' + (self.0 / 10 % 10) as u8, b'0' + (self.0 % 10) as u8]
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyCode({})", self.0)
    }
}

/// The text of one line of a reply: bytes of any kind, static ones without a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReplyText(Cow<'static, [u8]>);

impl ReplyText {
    /// The bytes, as they were given.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&'static str> for ReplyText {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for ReplyText {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Cow<'static, str>> for ReplyText {
    fn from(text: Cow<'static, str>) -> Self {
        match text {
            Cow::Borrowed(text) => text.into(),
            Cow::Owned(text) => text.into(),
        }
    }
}

impl From<&'static [u8]> for ReplyText {
    fn from(text: &'static [u8]) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<const LENGTH: usize> From<&'static [u8; LENGTH]> for ReplyText {
    fn from(text: &'static [u8; LENGTH]) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<Vec<u8>> for ReplyText {
    fn from(text: Vec<u8>) -> Self {
        Self(Cow::Owned(text))
    }
}

/// A reply: its code and one line or more of text, without the code and without line ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reply {
    code: ReplyCode,
    first: ReplyText,
    /// Empty for most replies, and then without heap.
    others: Vec<ReplyText>,
}

impl Reply {
    /// A reply of one line.
    #[must_use]
    pub fn new(code: ReplyCode, text: impl Into<ReplyText>) -> Self {
        Self { code, first: text.into(), others: Vec::new() }
    }

    /// A reply of as many lines as are given (none is one empty line).
    ///
    /// Inner lines go out as they are, so a caller whose RFC wants a leading space puts it (or uses
    /// [`indented`](Self::indented)); only a line that could be taken for the end gets one by [`encode`](Self::encode).
    #[must_use]
    pub fn multi_line<L>(code: ReplyCode, lines: impl IntoIterator<Item = L>) -> Self
    where
        L: Into<ReplyText>,
    {
        let mut lines = lines.into_iter().map(Into::into);
        let first = lines.next().unwrap_or_default();
        Self { code, first, others: lines.collect() }
    }

    /// A reply whose inner lines each get exactly one leading space, as MLST's facts (RFC 3659 §7.2) and FEAT's
    /// features (RFC 2389 §3.2) must have.
    #[must_use]
    pub fn indented<L>(
        code: ReplyCode,
        first: impl Into<ReplyText>,
        inner: impl IntoIterator<Item = L>,
        last: impl Into<ReplyText>,
    ) -> Self
    where
        L: AsRef<[u8]>,
    {
        let mut others: Vec<ReplyText> = Vec::new();
        for line in inner {
            let line = line.as_ref();
            let mut spaced = Vec::with_capacity(line.len() + 1);
            spaced.push(b' ');
            spaced.extend_from_slice(line);
            others.push(spaced.into());
        }
        others.push(last.into());
        Self { code, first: first.into(), others }
    }

    /// The answer to FEAT (RFC 2389 §3.2): one feature a line, or one line that says there is none.
    #[must_use]
    pub fn feature_list<L>(features: impl IntoIterator<Item = L>) -> Self
    where
        L: AsRef<[u8]>,
    {
        let reply = Self::indented(ReplyCode::SYSTEM_STATUS, "Features:", features, "End");
        if reply.others.len() == 1 {
            return Self::new(ReplyCode::SYSTEM_STATUS, "No features.");
        }
        reply
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// The first line's text; for most replies, all of it.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.first.as_bytes()
    }

    /// The text of each line, in order; at least one.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &[u8]> + DoubleEndedIterator {
        // Chain has no exact size, so count by hand.
        (0..self.others.len() + 1).map(|index| match index.checked_sub(1) {
            None => self.first.as_bytes(),
            Some(index) => self.others[index].as_bytes(),
        })
    }

    /// Whether there are several lines.
    #[must_use]
    pub fn is_multi_line(&self) -> bool {
        !self.others.is_empty()
    }

    /// Appends the reply as it goes over the wire (RFC 959 §4.2), CRLF ends included.
    ///
    /// One line is `123 text`; several are `123-first`, the inner ones, `123 last`. An inner line that starts with
    /// three digits gets a leading space, for it could be taken for the end. CR, LF and NUL in a text go out as `\r`,
    /// `\n` and `\0` (backslash and letter), so that nobody can forge a line; 0xFF goes out twice (RFC 854).
    pub fn encode(&self, out: &mut Vec<u8>) {
        let [a, b, c] = self.code.digits();
        let Some((last, inner)) = self.others.split_last() else {
            out.reserve(self.first.as_bytes().len() + 6);
            out.extend_from_slice(&[a, b, c, b' ']);
            encode_text(self.first.as_bytes(), out);
            out.extend_from_slice(b"\r\n");
            return;
        };
        out.extend_from_slice(&[a, b, c, b'-']);
        encode_text(self.first.as_bytes(), out);
        out.extend_from_slice(b"\r\n");
        for line in inner {
            if starts_with_three_digits(line.as_bytes()) {
                out.push(b' ');
            }
            encode_text(line.as_bytes(), out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&[a, b, c, b' ']);
        encode_text(last.as_bytes(), out);
        out.extend_from_slice(b"\r\n");
    }
}

/// As on the wire but without CR, one line a line, everything unprintable escaped.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, inner)) = self.others.split_last() else {
            return write!(f, "{} {}", self.code, escaped(self.first.as_bytes()));
        };
        writeln!(f, "{}-{}", self.code, escaped(self.first.as_bytes()))?;
        for line in inner {
            let pad = if starts_with_three_digits(line.as_bytes()) { " " } else { "" };
            writeln!(f, "{pad}{}", escaped(line.as_bytes()))?;
        }
        write!(f, "{} {}", self.code, escaped(last.as_bytes()))
    }
}

fn starts_with_three_digits(line: &[u8]) -> bool {
    line.len() >= 3 && line[..3].iter().all(u8::is_ascii_digit)
}

fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    if memchr3(b'\r', b'\n', 0, text).is_none() && memchr(INTERPRET_AS_COMMAND, text).is_none() {
        out.extend_from_slice(text);
        return;
    }
    for &byte in text {
        match byte {
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0 => out.extend_from_slice(b"\\0"),
            INTERPRET_AS_COMMAND => out.extend_from_slice(&[INTERPRET_AS_COMMAND; 2]),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        reply.encode(&mut out);
        out
    }

    #[test]
    fn codes_are_open_and_have_classes() {
        assert_eq!(ReplyCode::new(99), None);
        assert_eq!(ReplyCode::new(600), None);
        let code = ReplyCode::new(260).unwrap();
        assert_eq!(code.class(), ReplyClass::Completion);
        assert!(code.is_final() && code.is_positive());
        assert!(ReplyCode::OPENING_DATA_CONNECTION.is_preliminary());
        assert!(ReplyCode::CANNOT_OPEN_DATA_CONNECTION.is_negative());
        assert!(ReplyCode::NAMED.is_sorted());
        assert_eq!(format!("{code} {code:?}"), "260 ReplyCode(260)");
    }

    #[test]
    fn one_line() {
        assert_eq!(encoded(&Reply::new(ReplyCode::COMMAND_OKAY, "Okay.")), b"200 Okay.\r\n");
        assert_eq!(encoded(&Reply::new(ReplyCode::COMMAND_OKAY, "")), b"200 \r\n");
    }

    #[test]
    fn several_lines_and_inner_ones_that_look_like_the_end() {
        let reply =
            Reply::multi_line(ReplyCode::SERVICE_READY, ["Hello", "220 not the end", "plain", "Ready"]);
        assert_eq!(encoded(&reply), b"220-Hello\r\n 220 not the end\r\nplain\r\n220 Ready\r\n");
        assert_eq!(reply.to_string(), "220-Hello\n 220 not the end\nplain\n220 Ready");
        assert_eq!(reply.lines().len(), 4);
        assert_eq!(reply.lines().next_back(), Some(b"Ready".as_slice()));
        assert!(reply.is_multi_line());
    }

    #[test]
    fn features_have_one_leading_space() {
        assert_eq!(
            encoded(&Reply::feature_list(["MDTM", "SIZE"])),
            b"211-Features:\r\n MDTM\r\n SIZE\r\n211 End\r\n"
        );
        assert_eq!(encoded(&Reply::feature_list([""; 0])), b"211 No features.\r\n");
    }

    #[test]
    fn no_text_can_forge_a_line() {
        let name = b"a\r\n230 in\0\xFF".to_vec();
        assert_eq!(
            encoded(&Reply::new(ReplyCode::FILE_UNAVAILABLE, name)),
            b"550 a\\r\\n230 in\\0\xFF\xFF\r\n"
        );
    }
}
