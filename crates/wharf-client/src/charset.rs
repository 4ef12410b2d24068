//! Names in the charset of a server that knows no UTF-8: in that on the wire, in UTF-8 here.
//!
//! Without a charset, names are bytes and stay what they are. With one, every command that leaves is converted in
//! [`Session::send`](crate::Session), and every name of a listing where it comes in. What is no UTF-8 here is sent as it is,
//! and what is no text in the charset comes as it is, so that a name always finds its way back.

use std::borrow::Cow;

use encoding_rs::Encoding;
use wharf_proto::listing::ListingEntry;
use wharf_proto::{Command, Reply};

/// A charset in which ASCII means ASCII, as FTP's commands need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// By a name of the Encoding Standard: `gbk`, `big5`, `shift_jis`, `euc-kr`, `koi8-r`, `utf-8`, …; `latin-1` too.
    ///
    /// # Errors
    /// What is wrong with the name, for whoever typed it.
    pub fn named(name: &str) -> Result<Self, String> {
        // As people write it; the standard has `latin1` only.
        let label = if name.eq_ignore_ascii_case("latin-1") { "latin1" } else { name };
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding.is_ascii_compatible() => Ok(Self(encoding)),
            Some(encoding) => Err(format!(
                "FTP cannot be spoken in {}: its commands are ASCII, which means something else there",
                encoding.name()
            )),
            None => Err(format!(
                "\"{name}\" is no charset that is known here; try utf-8, gbk, big5, shift_jis, euc-kr, koi8-r or latin-1"
            )),
        }
    }

    /// What the standard calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether names are the same here and there.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        self.0 == encoding_rs::UTF_8
    }

    /// A name of ours as it goes over the wire; none where the charset has no such character.
    #[must_use]
    pub fn to_wire(self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let Ok(text) = std::str::from_utf8(name) else { return Some(name.into()) };
        let (bytes, _, has_unknown) = self.0.encode(text);
        (!has_unknown).then_some(bytes)
    }

    /// A name of the wire as it is called here; none for one that could not be told from another on its way back.
    #[must_use]
    pub fn from_wire(self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some(text) = self.0.decode_without_bom_handling_and_without_replacement(name)
            && self.to_wire(text.as_bytes()).as_deref() == Some(name)
        {
            return Some(match text {
                Cow::Borrowed(text) => text.as_bytes().into(),
                Cow::Owned(text) => text.into_bytes().into(),
            });
        }
        // As bytes it comes back as it went, unless it looks like UTF-8.
        std::str::from_utf8(name).is_err().then_some(name.into())
    }

    /// The command as it goes over the wire; none where the charset has no such character. Who logs in is not converted.
    pub(crate) fn command(self, command: &Command) -> Option<Command> {
        if matches!(command, Command::User(_) | Command::Pass(_) | Command::Acct(_)) {
            return Some(command.clone());
        }
        let mut line = Vec::new();
        command.encode(&mut line);
        let line = line.strip_suffix(b"\r\n").unwrap_or(&line);
        // 0xFF, which is doubled on the wire, is in no UTF-8.
        if line.is_ascii() || std::str::from_utf8(line).is_err() {
            return Some(command.clone());
        }
        Command::parse(&self.to_wire(line)?).ok()
    }

    /// The entry with its names as they are called here; none for one whose name could not be told from another.
    pub(crate) fn entry(self, mut entry: ListingEntry) -> Option<ListingEntry> {
        entry.name = self.from_wire(&entry.name)?.into_owned();
        entry.link_target = match entry.link_target {
            Some(target) => Some(self.from_wire(&target)?.into_owned()),
            None => None,
        };
        Some(entry)
    }

    /// The reply as people read it.
    pub(crate) fn reply(self, reply: &Reply) -> Reply {
        let lines = reply.lines().map(|line| match self.from_wire(line) {
            Some(line) => line.into_owned(),
            None => line.to_vec(),
        });
        Reply::multi_line(reply.code(), lines)
    }
}

#[cfg(test)]
mod tests {
    use wharf_proto::command::Password;
    use wharf_proto::pathname::Pathname;

    use super::*;

    fn charset(name: &str) -> Charset {
        Charset::named(name).unwrap()
    }

    #[test]
    fn names_go_there_and_back() {
        for (name, here, there) in [
            ("gbk", "中文.txt", &b"\xD6\xD0\xCE\xC4.txt"[..]),
            ("big5", "中文", b"\xA4\xA4\xA4\xE5"),
            ("shift_jis", "表", b"\x95\\"),
            ("euc-kr", "한", b"\xC7\xD1"),
            ("latin-1", "café", b"caf\xE9"),
            ("koi8-r", "мир", b"\xCD\xC9\xD2"),
            ("utf-8", "中文", "中文".as_bytes()),
            ("gbk", "plain", b"plain"),
        ] {
            let charset = charset(name);
            assert_eq!(charset.to_wire(here.as_bytes()).as_deref(), Some(there), "{name}");
            assert_eq!(charset.from_wire(there).as_deref(), Some(here.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_is_no_text_stays_what_it_is() {
        let gbk = charset("gbk");
        for bytes in [&b"\xFF\xFE"[..], b"a\xD6"] {
            assert_eq!(gbk.from_wire(bytes).as_deref(), Some(bytes));
            assert_eq!(gbk.to_wire(bytes).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        assert_eq!(charset("latin-1").to_wire("中".as_bytes()), None);
        let path = Pathname::new("中").unwrap();
        assert!(charset("latin-1").command(&Command::Retr(path.clone())).is_none());
        let sent = charset("gbk").command(&Command::Retr(path)).unwrap();
        assert_eq!(sent, Command::Retr(Pathname::new(b"\xD6\xD0").unwrap()));
        // A password is not a name.
        let password = Command::Pass(Password::new("中").unwrap());
        assert_eq!(charset("gbk").command(&password), Some(password));
    }

    #[test]
    fn charsets_that_cannot_be() {
        for wrong in ["klingon", "", "utf-16le", "iso-2022-jp"] {
            assert!(Charset::named(wrong).is_err(), "{wrong}");
        }
    }
}
