//! Path and file names as they go over the wire: bytes without CR, LF and NUL.

use core::fmt;

use crate::limits;

/// A path or file name on the wire (RFC 959 §5.3.2): not empty, bytes of any character set, never CR, LF or NUL.
///
/// RFC 959 forbids CR and LF in a pathname; NUL ends a name for every kernel. A name that holds one is refused
/// where it enters, so that nothing behind needs to look again. 0xFF is allowed: the encoder doubles it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pathname(Box<[u8]>);

/// Why bytes are not a [`Pathname`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathnameError {
    /// Nothing was given.
    #[error("the path is empty")]
    Empty,
    /// Longer than [`limits::PATHNAME`].
    #[error("the path is longer than {} bytes", limits::PATHNAME)]
    TooLong,
    /// CR, LF or NUL in it.
    #[error("the path holds {} at byte {at}", control_name(*.byte))]
    Forbidden {
        /// The byte: 0x00, 0x0A or 0x0D.
        byte: u8,
        /// Its position, from 0.
        at: usize,
    },
}

fn control_name(byte: u8) -> &'static str {
    match byte {
        0 => "a NUL",
        b'\n' => "a line feed",
        _ => "a carriage return",
    }
}

impl Pathname {
    /// Checks and copies `bytes`.
    ///
    /// # Errors
    /// When they are empty, too long, or hold CR, LF or NUL.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, PathnameError> {
        let bytes = bytes.as_ref();
        if bytes.is_empty() {
            return Err(PathnameError::Empty);
        }
        if bytes.len() > limits::PATHNAME {
            return Err(PathnameError::TooLong);
        }
        match bytes.iter().position(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
            Some(at) => Err(PathnameError::Forbidden { byte: bytes[at], at }),
            None => Ok(Self(bytes.into())),
        }
    }

    /// The bytes, as they are.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Pathname {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&str> for Pathname {
    type Error = PathnameError;
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

/// As text on one line: what is not printable ASCII or valid UTF-8 is escaped (threat 21: logs stay one line).
impl fmt::Display for Pathname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for Pathname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pathname(\"{}\")", escaped(&self.0))
    }
}

/// Shows bytes on one line: control characters and bytes that are not UTF-8 as `\xNN`, the rest as it is.
pub fn escaped(bytes: &[u8]) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a [u8]);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            use core::fmt::Write;
            for chunk in self.0.utf8_chunks() {
                for character in chunk.valid().chars() {
                    if character.is_control() || is_invisible(character) {
                        write!(f, "{}", character.escape_unicode())?;
                    } else {
                        f.write_char(character)?;
                    }
                }
                for byte in chunk.invalid() {
                    write!(f, "\\x{byte:02X}")?;
                }
            }
            Ok(())
        }
    }
    Escaped(bytes)
}

/// What of a peer's bytes is told back to it, or kept in an error: escaped, the whole of a line would be longer than any
/// reply may be.
pub(crate) fn shortened(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(limits::ECHO)].into()
}

/// Line separators and the characters that turn the direction of text: they could forge a log line.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_bytes_are_named_with_their_place() {
        assert_eq!(Pathname::new(b"a\rb"), Err(PathnameError::Forbidden { byte: b'\r', at: 1 }));
        assert_eq!(Pathname::new(b"a\0").unwrap_err().to_string(), "the path holds a NUL at byte 1");
        assert_eq!(Pathname::new(b""), Err(PathnameError::Empty));
        assert_eq!(Pathname::new(vec![b'x'; limits::PATHNAME + 1]), Err(PathnameError::TooLong));
    }

    #[test]
    fn any_other_byte_stays_as_it_is_and_shows_on_one_line() {
        let name = Pathname::new(b"caf\xE9 \x1b[31m\xff \"x\"").unwrap();
        assert_eq!(name.as_bytes(), b"caf\xE9 \x1b[31m\xff \"x\"");
        assert_eq!(name.to_string(), "caf\\xE9 \\u{1b}[31m\\xFF \"x\"");
    }
}
