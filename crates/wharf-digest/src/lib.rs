//! Checksums: the one place where they are computed, for the server and the client.
//!
//! SHA comes from the library that TLS uses; MD5 and CRC-32, which that does not have and no one should trust against anybody
//! with intentions, find what was changed by accident.

use core::fmt;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use md5::Digest as _;

/// A way to compute a checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SHA-1: for old clients; it proves nothing against an attacker.
    Sha1,
    /// MD5 (RFC 1321): for old clients; it proves nothing against an attacker.
    Md5,
    /// CRC-32, as in ZIP and Ethernet: finds accidents only.
    Crc32,
}

impl Algorithm {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 5] = [Self::Sha256, Self::Sha512, Self::Sha1, Self::Md5, Self::Crc32];

    /// Its name in the registry of HASH (draft-bryan-ftpext-hash §3.1).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
            Self::Sha1 => "SHA-1",
            Self::Md5 => "MD5",
            Self::Crc32 => "CRC32",
        }
    }

    /// All of them, the strongest first.
    pub const STRONGEST_FIRST: [Self; 5] = [Self::Sha512, Self::Sha256, Self::Sha1, Self::Md5, Self::Crc32];

    /// Digits of a checksum in hexadecimal.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Sha512 => 128,
            Self::Sha256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
            Self::Crc32 => 8,
        }
    }

    /// The one that people and servers mean by a name: in any case, with hyphens or without.
    #[must_use]
    pub fn from_any_name(name: &str) -> Option<Self> {
        let plain = |name: &str| name.replace('-', "").to_ascii_uppercase();
        let wanted = match plain(name).as_str() {
            // So it is called where there was no other yet.
            "SHA" => "SHA1".to_owned(),
            "CRC" => "CRC32".to_owned(),
            other => other.to_owned(),
        };
        Self::ALL.into_iter().find(|algorithm| plain(algorithm.name()) == wanted)
    }

    /// The algorithm of that name, in any case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A checksum that is being computed.
pub struct Digest(State);

enum State {
    Secure(Context),
    Md5(md5::Md5),
    Crc32(crc32fast::Hasher),
}

impl Digest {
    /// Begins, with nothing in it.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Secure(Context::new(&SHA256)),
            Algorithm::Sha512 => State::Secure(Context::new(&SHA512)),
            Algorithm::Sha1 => State::Secure(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            Algorithm::Md5 => State::Md5(md5::Md5::new()),
            Algorithm::Crc32 => State::Crc32(crc32fast::Hasher::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Secure(context) => context.update(bytes),
            State::Md5(context) => context.update(bytes),
            State::Crc32(context) => context.update(bytes),
        }
    }

    /// The checksum, most significant byte first.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            State::Secure(context) => context.finish().as_ref().to_vec(),
            State::Md5(context) => context.finalize().to_vec(),
            State::Crc32(context) => context.finalize().to_be_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").finish_non_exhaustive()
    }
}

/// Bytes as hexadecimal digits, in lower case.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the standards; CRC-32 of "123456789" is its check value in every catalogue.
    #[test]
    fn known_texts_have_their_known_checksums() {
        for (algorithm, text, wanted) in [
            (Algorithm::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                Algorithm::Sha512,
                "abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (Algorithm::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Md5, "abc", "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Crc32, "123456789", "cbf43926"),
        ] {
            let mut digest = Digest::new(algorithm);
            for byte in text.as_bytes() {
                digest.update(std::slice::from_ref(byte));
            }
            assert_eq!(hexadecimal(&digest.finish()), wanted, "{}", algorithm.name());
            assert_eq!(wanted.len(), algorithm.digits());
            assert_eq!(Algorithm::from_name(algorithm.name().to_lowercase().as_bytes()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name(b"SHA-3"), None);
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
            assert_eq!(Algorithm::from_any_name(name), algorithm, "{name}");
        }
    }
}
