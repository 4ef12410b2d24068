//! The character set in which names go over the wire. On the disk they are UTF-8.
//!
//! There are two places where one becomes the other: [`Charset::to_storage`], where a path from the wire becomes one of the
//! storage, and [`Charset::to_wire`], where listings and replies are written.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::{Encoding, UTF_8};

/// A character set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// UTF-8: bytes go round as they are, also those that are not UTF-8.
    pub const UTF8: Self = Self(UTF_8);

    /// The character set of that name, as browsers know it: `utf-8`, `gbk`, `latin1`, `shift_jis`, …
    ///
    /// Those in which a byte below 128 is not always what ASCII says (UTF-16, ISO-2022-JP) are none: a path could not be
    /// read then.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let encoding = Encoding::for_label_no_replacement(name.as_bytes())?;
        encoding.is_ascii_compatible().then_some(Self(encoding))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// A name from the wire as the storage has it; `None` where these bytes mean nothing in this character set, or would
    /// come back as others.
    #[must_use]
    pub fn to_storage(self, wire: &[u8]) -> Option<Cow<'_, [u8]>> {
        if self == Self::UTF8 || wire.is_ascii() {
            return Some(Cow::Borrowed(wire));
        }
        let text = self.0.decode_without_bom_handling_and_without_replacement(wire)?;
        let (back, _, is_changed) = self.0.encode(&text);
        if is_changed || *back != *wire {
            return None;
        }
        Some(Cow::Owned(text.into_owned().into_bytes()))
    }

    /// A name of the storage as it goes over the wire; `None` where this character set has no such characters, or the name
    /// is no text at all.
    #[must_use]
    pub fn to_wire(self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if self == Self::UTF8 || name.is_ascii() {
            return Some(Cow::Borrowed(name));
        }
        let (wire, _, is_changed) = self.0.encode(std::str::from_utf8(name).ok()?);
        (!is_changed).then(|| Cow::Owned(wire.into_owned()))
    }

    /// As [`to_wire`](Self::to_wire), for what has to be shown all the same: as it is on the disk.
    #[must_use]
    pub(crate) fn shown(self, name: &[u8]) -> Cow<'_, [u8]> {
        self.to_wire(name).unwrap_or_else(|| Cow::Owned(name.to_vec()))
    }
}

impl Default for Charset {
    fn default() -> Self {
        Self::UTF8
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back_or_are_refused() {
        let gbk = Charset::from_name("GBK").unwrap();
        let wire = b"\xb2\xe2\xca\xd4.txt";
        assert_eq!(gbk.to_storage(wire).unwrap(), "测试.txt".as_bytes());
        assert_eq!(gbk.to_wire("测试.txt".as_bytes()).unwrap(), &wire[..]);
        // Half a character, a byte that starts none, UTF-8 that is no GBK, and a character that GBK lacks.
        for wrong in [&b"\xb2"[..], b"\xff", b"a\xb2/"] {
            assert_eq!(gbk.to_storage(wrong), None, "{wrong:?}");
        }
        assert_eq!(gbk.to_wire("😀".as_bytes()), None);
        assert_eq!(gbk.to_wire(b"\xff\xfe"), None);
        let latin1 = Charset::from_name("latin1").unwrap();
        assert_eq!(latin1.to_storage(b"gr\xfcn").unwrap(), "grün".as_bytes());
        assert_eq!(latin1.to_wire("grün".as_bytes()).unwrap(), &b"gr\xfcn"[..]);
    }

    #[test]
    fn under_utf8_bytes_stay_bytes() {
        for bytes in [&b"plain"[..], "grün".as_bytes(), b"\xff\xfe"] {
            assert_eq!(Charset::UTF8.to_storage(bytes).unwrap(), bytes);
            assert_eq!(Charset::UTF8.to_wire(bytes).unwrap(), bytes);
        }
    }

    #[test]
    fn character_sets_that_hide_a_slash_are_none() {
        for name in ["utf-16", "iso-2022-jp", "replacement", "no such"] {
            assert!(Charset::from_name(name).is_none(), "{name}");
        }
    }
}
