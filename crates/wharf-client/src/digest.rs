//! Checksums of files: which there are, and how those of this machine are computed.
//!
//! SHA comes from the library that TLS uses; MD5 and CRC-32, which that does not have and no one should trust against anybody
//! with intentions, find what was changed by accident.

use core::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use md5::{Digest, Md5};

/// Bytes that are read in one go.
const BUFFER: usize = 1024 * 1024;

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-512.
    Sha512,
    /// SHA-256.
    Sha256,
    /// SHA-1.
    Sha1,
    /// MD5.
    Md5,
    /// CRC-32, as in Ethernet and ZIP.
    Crc32,
}

impl Algorithm {
    /// All of them, the strongest first.
    pub const ALL: [Self; 5] = [Self::Sha512, Self::Sha256, Self::Sha1, Self::Md5, Self::Crc32];

    /// As HASH names it (draft-bryan-ftpext-hash §3.1).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha512 => "SHA-512",
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
            Self::Crc32 => "CRC32",
        }
    }

    /// The one of that name, in any case, with hyphens or without.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace('-', "").to_ascii_uppercase();
        let wanted = match plain(name).as_str() {
            // So it is called where there was no other yet.
            "SHA" => "SHA1".to_owned(),
            "CRC" => "CRC32".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.into_iter().find(|algorithm| plain(algorithm.name()) == wanted)
    }

    /// Digits of a sum in hexadecimal.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::Sha512 => 128,
            Self::Sha256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
            Self::Crc32 => 8,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// How it was computed.
    pub algorithm: Algorithm,
    /// In hexadecimal, lower case, all digits.
    pub digits: String,
}

impl Sum {
    /// Of the first `length` bytes of `file`, wherever it is positioned; of fewer where it is shorter.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(algorithm: Algorithm, file: &File, length: u64) -> io::Result<Self> {
        let mut state = State::new(algorithm);
        let mut buffer = vec![0; BUFFER];
        let mut offset = 0;
        while offset < length {
            let most = usize::try_from(length - offset).unwrap_or(BUFFER).min(BUFFER);
            match file.read_at(&mut buffer[..most], offset) {
                Ok(0) => break,
                Ok(count) => {
                    state.update(&buffer[..count]);
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { algorithm, digits: state.finish() })
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.digits)
    }
}

enum State {
    Sha(Context),
    Md5(Md5),
    Crc32(crc32fast::Hasher),
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha512 => Self::Sha(Context::new(&SHA512)),
            Algorithm::Sha256 => Self::Sha(Context::new(&SHA256)),
            Algorithm::Sha1 => Self::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Md5 => Self::Md5(Md5::new()),
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha(context) => context.update(bytes),
            Self::Md5(state) => state.update(bytes),
            Self::Crc32(state) => state.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha(context) => hexadecimal(context.finish().as_ref()),
            Self::Md5(state) => hexadecimal(&state.finalize()),
            Self::Crc32(state) => hexadecimal(&state.finalize().to_be_bytes()),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn sums_of_known_bytes() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"123456789 and more").unwrap();
        for (algorithm, digits) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (Algorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
        ] {
            let sum = Sum::of_file(algorithm, &file, 9).unwrap();
            assert_eq!((sum.digits.as_str(), sum.digits.len()), (digits, algorithm.digits()));
        }
        let sum = Sum::of_file(Algorithm::Sha512, &file, 0).unwrap();
        assert!(sum.digits.starts_with("cf83e1357eefb8bd"), "{sum}");
        assert_eq!(sum.digits.len(), Algorithm::Sha512.digits());
    }

    #[test]
    fn names_in_any_form() {
        for (name, algorithm) in [
            ("SHA-256", Some(Algorithm::Sha256)),
            ("sha256", Some(Algorithm::Sha256)),
            ("SHA", Some(Algorithm::Sha1)),
            ("crc-32", Some(Algorithm::Crc32)),
            ("Crc", Some(Algorithm::Crc32)),
            ("SHA-384", None),
            ("", None),
        ] {
            assert_eq!(Algorithm::from_name(name), algorithm, "{name}");
        }
    }
}
