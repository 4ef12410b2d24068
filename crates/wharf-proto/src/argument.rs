//! What may stand behind a verb: one type for each shape of argument, parsed where it enters.

use core::fmt;

use crate::facts_time;
use crate::host_port::{ExtendedHostPort, ExtendedHostPortError, HostPort, HostPortError};
use crate::pathname::{Pathname, PathnameError, escaped, shortened};
use crate::reply::ReplyCode;

/// An argument that can be read from and written to a command line.
pub(crate) trait Argument: Sized {
    /// Reads the bytes behind the verb's space; empty where there were none.
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError>;
    /// Whether anything is written behind the verb.
    fn is_present(&self) -> bool {
        true
    }
    /// Appends what [`Argument::parse`] reads.
    fn write(&self, out: &mut Vec<u8>);
}

/// What is wrong with the argument of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// The verb needs one.
    #[error("an argument is missing")]
    Missing,
    /// The verb takes none.
    #[error("this command takes no argument")]
    Unexpected,
    /// CR, LF or NUL in it, or too long.
    #[error(transparent)]
    Pathname(#[from] PathnameError),
    /// The six numbers of PORT.
    #[error(transparent)]
    HostPort(#[from] HostPortError),
    /// The fields of EPRT.
    #[error(transparent)]
    ExtendedHostPort(#[from] ExtendedHostPortError),
    /// Not a decimal number of bytes, or one that no file can have.
    #[error("\"{}\" is not a number from 0 to 9223372036854775807", escaped(.0))]
    Number(Box<[u8]>),
    /// Not a time of RFC 3659 §2.3.
    #[error("\"{}\" is not a time of the form YYYYMMDDHHMMSS", escaped(.0))]
    Time(Box<[u8]>),
    /// Well formed, but a value that RFC 959 does not know.
    #[error("\"{}\" is not a known parameter", escaped(.0))]
    UnknownParameter(Box<[u8]>),
}

impl ArgumentError {
    /// The reply code that says so: 501, 504 (RFC 959 §4.2.1) or 522 (RFC 2428 §2).
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::UnknownParameter(_) => ReplyCode::PARAMETER_NOT_IMPLEMENTED,
            Self::ExtendedHostPort(ExtendedHostPortError::UnknownFamily { .. }) => {
                ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED
            }
            _ => ReplyCode::PARAMETER_SYNTAX_ERROR,
        }
    }
}

/// Free text without CR, LF and NUL, never empty: a user name, a host, the argument of SITE or OPTS.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Pathname);

impl Text {
    /// Checks and copies `bytes`.
    ///
    /// # Errors
    /// When they are empty, longer than [`limits::PATHNAME`](crate::limits::PATHNAME), or hold CR, LF or NUL.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathnameError> {
        Pathname::new(bytes).map(Self)
    }

    /// The bytes, as they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text(\"{self}\")")
    }
}

/// A password or an account: may be empty, never CR, LF or NUL, and cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

impl Password {
    /// Checks and copies `bytes`.
    ///
    /// # Errors
    /// When they are longer than [`limits::PATHNAME`](crate::limits::PATHNAME), or hold CR, LF or NUL.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathnameError> {
        match Pathname::new(bytes.as_ref()) {
            Ok(_) | Err(PathnameError::Empty) => Ok(Self(bytes.as_ref().into())),
            Err(error) => Err(error),
        }
    }

    /// The secret itself, for the one place that compares or sends it.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// How the bytes of a file stand for its content (TYPE, RFC 959 §3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Representation {
    /// `A`: lines end with CR LF on the wire. The format (`N`, `T`, `C`) makes no difference to us.
    #[default]
    Ascii,
    /// `I`, and `L 8`: bytes as they are.
    Image,
    /// `E`: nobody's any more; recognised so that it can be refused by name.
    Ebcdic,
    /// `L n` with n ≠ 8, in bits.
    Local(u8),
}

/// STRU (RFC 959 §3.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structure {
    /// `F`
    #[default]
    File,
    /// `R`
    Record,
    /// `P`
    Page,
}

/// MODE (RFC 959 §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransmissionMode {
    /// `S`
    #[default]
    Stream,
    /// `B`
    Block,
    /// `C`
    Compressed,
    /// `Z`, DEFLATE: a common extension.
    Deflate,
}

/// PROT (RFC 2228 §3): what protects the data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtectionLevel {
    /// `C`
    #[default]
    Clear,
    /// `S`
    Safe,
    /// `E`
    Confidential,
    /// `P`: TLS (RFC 4217 §9).
    Private,
}

/// What EPSV asks for (RFC 2428 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpsvArgument {
    /// Nothing: the family of the control connection.
    Same,
    /// A family by its number: 1 is IPv4, 2 is IPv6.
    Family(u16),
    /// `ALL`: no other negotiation will follow.
    All,
}

/// The argument of LIST and NLST: options that clients put there as for `ls`, and a path or pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListArgument {
    /// Letters of all leading words that begin with `-`, as `al` for `-a -l`.
    pub options: Box<[u8]>,
    /// The rest.
    pub path: Option<Pathname>,
}

impl ListArgument {
    /// Whether `-a` was asked for.
    #[must_use]
    pub fn shows_hidden(&self) -> bool {
        self.options.iter().any(|letter| matches!(letter, b'a' | b'A'))
    }
}

/// The argument of MFMT: a time and a path (draft-somers-ftp-mfxx §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAndPath {
    /// UTC.
    pub time: jiff::Timestamp,
    /// Whose time it becomes.
    pub path: Pathname,
}

impl TimeAndPath {
    /// What stands behind MFMT, read from the argument of another command.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes).ok()
    }
}

/// A size or an offset in bytes, at most 2^63 − 1, which is what files can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(u64);

impl ByteCount {
    /// `count`, if a file can be so long.
    #[must_use]
    pub fn new(count: u64) -> Option<Self> {
        (count <= i64::MAX as u64).then_some(Self(count))
    }

    /// The number of bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Argument for Text {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        Pathname::parse(bytes).map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }
}

impl Argument for Password {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        Ok(Self::new(bytes)?)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.reveal());
    }
}

impl Argument for Pathname {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        if bytes.is_empty() {
            return Err(ArgumentError::Missing);
        }
        Ok(Self::new(bytes)?)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl<T: Argument> Argument for Option<T> {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        if bytes.is_empty() { Ok(None) } else { T::parse(bytes).map(Some) }
    }
    fn is_present(&self) -> bool {
        self.is_some()
    }
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(argument) = self {
            argument.write(out);
        }
    }
}

impl Argument for ListArgument {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let mut options = Vec::new();
        let mut rest = bytes;
        while let Some(behind) = rest.strip_prefix(b"-") {
            let end = behind.iter().position(|&byte| byte == b' ').unwrap_or(behind.len());
            if end == 0 || !behind[..end].iter().all(u8::is_ascii_alphanumeric) {
                break;
            }
            options.extend_from_slice(&behind[..end]);
            let spaces = behind[end..].iter().take_while(|&&byte| byte == b' ').count();
            rest = &behind[end + spaces..]; // a CR is not passed over: it is refused as part of a path
        }
        Ok(Self { options: options.into(), path: Option::parse(rest)? })
    }
    fn is_present(&self) -> bool {
        !self.options.is_empty() || self.path.is_some()
    }
    fn write(&self, out: &mut Vec<u8>) {
        if !self.options.is_empty() {
            out.push(b'-');
            out.extend_from_slice(&self.options);
        }
        if let Some(path) = &self.path {
            if !self.options.is_empty() {
                out.push(b' ');
            }
            out.extend_from_slice(path.as_bytes());
        }
    }
}

impl Argument for HostPort {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        if bytes.is_empty() {
            return Err(ArgumentError::Missing);
        }
        // A trailing space is common among devices and harmless.
        Ok(Self::parse_strict(bytes.trim_ascii_end())?)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl Argument for ExtendedHostPort {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        if bytes.is_empty() {
            return Err(ArgumentError::Missing);
        }
        Ok(Self::parse(bytes.trim_ascii_end())?)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl Argument for EpsvArgument {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let word = bytes.trim_ascii();
        if word.is_empty() {
            Ok(Self::Same)
        } else if word.eq_ignore_ascii_case(b"ALL") {
            Ok(Self::All)
        } else {
            match decimal(word).and_then(|number| u16::try_from(number).ok()) {
                Some(family) => Ok(Self::Family(family)),
                None => Err(ArgumentError::UnknownParameter(shortened(word))),
            }
        }
    }
    fn is_present(&self) -> bool {
        *self != Self::Same
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Same => {}
            Self::Family(family) => out.extend_from_slice(family.to_string().as_bytes()),
            Self::All => out.extend_from_slice(b"ALL"),
        }
    }
}

impl Argument for Representation {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let unknown = || ArgumentError::UnknownParameter(shortened(bytes));
        let mut words = bytes.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        let first = words.next().ok_or(ArgumentError::Missing)?;
        let second = words.next();
        if words.next().is_some() || first.len() != 1 {
            return Err(unknown());
        }
        match (first[0].to_ascii_uppercase(), second.map(<[u8]>::to_ascii_uppercase).as_deref()) {
            (b'A', None | Some(b"N" | b"T" | b"C")) => Ok(Self::Ascii),
            (b'E', None | Some(b"N" | b"T" | b"C")) => Ok(Self::Ebcdic),
            (b'I', None) => Ok(Self::Image),
            (b'L', Some(size)) => match decimal(size).and_then(|bits| u8::try_from(bits).ok()) {
                Some(8) => Ok(Self::Image), // RFC 1123 §4.1.2.1: L 8 is I
                Some(bits) => Ok(Self::Local(bits)),
                None => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ascii => out.push(b'A'),
            Self::Image => out.push(b'I'),
            Self::Ebcdic => out.push(b'E'),
            Self::Local(bits) => out.extend_from_slice(format!("L {bits}").as_bytes()),
        }
    }
}

/// Arguments that are one letter of a fixed set.
macro_rules! one_letter {
    ($type:ty { $($variant:ident = $letter:literal),* }) => {
        impl Argument for $type {
            fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
                match bytes.trim_ascii() {
                    [] => Err(ArgumentError::Missing),
                    $([letter] if letter.eq_ignore_ascii_case(&$letter) => Ok(Self::$variant),)*
                    _ => Err(ArgumentError::UnknownParameter(shortened(bytes))),
                }
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.push(match self { $(Self::$variant => $letter),* });
            }
        }
    };
}
one_letter!(Structure { File = b'F', Record = b'R', Page = b'P' });
one_letter!(TransmissionMode { Stream = b'S', Block = b'B', Compressed = b'C', Deflate = b'Z' });
one_letter!(ProtectionLevel { Clear = b'C', Safe = b'S', Confidential = b'E', Private = b'P' });

impl Argument for ByteCount {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let word = bytes.trim_ascii();
        if word.is_empty() {
            return Err(ArgumentError::Missing);
        }
        decimal(word).and_then(Self::new).ok_or_else(|| ArgumentError::Number(shortened(word)))
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.to_string().as_bytes());
    }
}

impl Argument for TimeAndPath {
    fn parse(bytes: &[u8]) -> Result<Self, ArgumentError> {
        let end = bytes.iter().position(|&byte| byte == b' ').ok_or(ArgumentError::Missing)?;
        let time =
            facts_time::parse(&bytes[..end]).map_err(|_| ArgumentError::Time(shortened(&bytes[..end])))?;
        Ok(Self { time, path: Pathname::parse(&bytes[end + 1..])? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        facts_time::write(self.time, out);
        out.push(b' ');
        self.path.write(out);
    }
}

/// Digits only, no sign; `None` where there is anything else or it does not fit.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}
