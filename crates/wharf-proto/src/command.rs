//! Command lines: parsed once, where they enter, and written once, where they leave.

use core::fmt;

use crate::argument::{Argument, ArgumentError};
pub use crate::argument::{
    ByteCount, EpsvArgument, ListArgument, Password, ProtectionLevel, Representation, Structure, Text,
    TimeAndPath, TransmissionMode,
};
use crate::pathname::{PathnameError, escaped, shortened};
use crate::reply::ReplyCode;
pub use crate::verb::Command;
use crate::verb::Verb;

/// Helpers of the verb table's macro: what differs between a verb with an argument and one without.
macro_rules! arm {
    (parse $variant:ident, $verb:ident, $bytes:ident) => {
        if $bytes.trim_ascii().is_empty() {
            Ok(Command::$variant)
        } else {
            Err(CommandError::Argument { verb: $verb, error: crate::argument::ArgumentError::Unexpected })
        }
    };
    (parse $variant:ident, $verb:ident, $bytes:ident, $argument:ty) => {
        match <$argument as crate::argument::Argument>::parse($bytes) {
            Ok(argument) => Ok(Command::$variant(argument)),
            Err(error) => Err(CommandError::Argument { verb: $verb, error }),
        }
    };
    (first $first:ident, $second:ty) => {
        $first
    };
    (write $argument:expr, $out:ident) => {
        if crate::argument::Argument::is_present($argument) {
            $out.push(b' ');
            crate::argument::Argument::write($argument, $out);
        }
    };
}
pub(crate) use arm;

/// A verb that the table does not have, with whatever stood behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCommand {
    name: Text,
    argument: Option<Text>,
}

impl UnknownCommand {
    /// A command as a person typed it (`quote`): the first word is the verb.
    ///
    /// # Errors
    /// When the line is empty or holds CR, LF or NUL.
    pub fn new(line: &[u8]) -> Result<Self, PathnameError> {
        let (name, argument) = split(line);
        Ok(Self {
            name: Text::new(name)?,
            argument: if argument.is_empty() { None } else { Some(Text::new(argument)?) },
        })
    }

    /// The verb as it came.
    #[must_use]
    pub fn name(&self) -> &Text {
        &self.name
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name.as_bytes());
        if let Some(argument) = &self.argument {
            out.push(b' ');
            argument.write(out);
        }
    }
}

/// Why a line is not a command that can be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No verb.
    #[error("the line is empty")]
    Empty,
    /// Longer than [`limits::COMMAND_LINE`](crate::limits::COMMAND_LINE).
    #[error("the line is longer than {} bytes", crate::limits::COMMAND_LINE)]
    TooLong,
    /// The verb is not made of letters, or holds CR, LF or NUL.
    #[error("\"{}\" is not a command", escaped(.0))]
    NotAVerb(Box<[u8]>),
    /// Telnet commands stood inside the argument: perhaps they were bytes of a name that were not doubled, and what is
    /// left is another name (threat 16).
    #[error("a byte 0xFF in an argument must be sent twice (RFC 854)")]
    TelnetInside,
    /// The verb is known, what stands behind it is wrong.
    #[error("{verb}: {error}")]
    Argument {
        /// Which one.
        verb: Verb,
        /// What is wrong.
        error: ArgumentError,
    },
}

impl CommandError {
    /// The code that says so (RFC 959 §4.2.1).
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::Empty | Self::TooLong | Self::NotAVerb(_) => ReplyCode::SYNTAX_ERROR,
            Self::TelnetInside => ReplyCode::PARAMETER_SYNTAX_ERROR,
            Self::Argument { error, .. } => error.reply_code(),
        }
    }
}

impl Command {
    /// Reads one line without its end, with Telnet already undone.
    ///
    /// # Errors
    /// When there is no verb, or the argument does not have the shape that the verb table wants. A verb that the
    /// table does not have is [`Command::Unknown`].
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        let line = line.trim_ascii_start();
        let (name, argument) = split(line);
        if name.is_empty() {
            return Err(CommandError::Empty);
        }
        match Verb::from_name(name) {
            Some(verb) => verb.with_argument(argument),
            None if name.iter().all(u8::is_ascii_graphic) => match UnknownCommand::new(line) {
                Ok(unknown) => Ok(Self::Unknown(unknown)),
                Err(_) => Err(CommandError::NotAVerb(shortened(name))),
            },
            None => Err(CommandError::NotAVerb(shortened(name))),
        }
    }

    /// Appends the whole line for the wire: 0xFF doubled (RFC 854), CR LF at the end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        self.write(out);
        if memchr::memchr(TELNET_IAC, &out[start..]).is_some() {
            let line = out.split_off(start);
            for byte in line {
                out.push(byte);
                if byte == TELNET_IAC {
                    out.push(TELNET_IAC);
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The name of the verb, as in the table or as it came.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Unknown(unknown) => unknown.name().to_string(),
            known => known.verb().map_or_else(String::new, |verb| verb.to_string()),
        }
    }

    /// The same command without any secret, to be remembered.
    #[must_use]
    pub(crate) fn without_secret(&self) -> Self {
        match self {
            Self::Pass(_) => Self::Pass(Password::default()),
            Self::Acct(_) => Self::Acct(Password::default()),
            other => other.clone(),
        }
    }
}

/// On one line, passwords hidden.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass(_) => f.write_str("PASS ****"),
            Self::Acct(_) => f.write_str("ACCT ****"),
            other => {
                let mut line = Vec::new();
                other.write(&mut line);
                escaped(&line).fmt(f)
            }
        }
    }
}

const TELNET_IAC: u8 = 0xFF;

/// Verb and argument. Just one space stands between them: more belong to the argument (names may begin with one).
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', line) {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}
