//! Bytes of a data connection into entries.

use core::fmt;

use jiff::Timestamp;

use super::entry::{EntryKind, ListingEntry};
use super::name::{UnsafeName, check_name};
use super::{dos, mlsx, unix};
use crate::decoder::{LineDecoder, LineError};
use crate::limits;
use crate::pathname::escaped;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListingKind {
    /// MLSD: facts.
    Facts,
    /// LIST: the dialect is found out from the lines.
    Lines,
    /// NLST: names only.
    Names,
}

/// The form in which a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Facts of RFC 3659.
    Facts,
    /// `ls -l`.
    Unix,
    /// `DIR`, as of IIS.
    Dos,
    /// A name a line.
    Names,
}

/// Why a line gave no entry that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListingError {
    /// No dialect has such a line. The next one may be better.
    #[error("a line of the listing that nobody understands: \"{}\"", shown(.line))]
    Unrecognised {
        /// The line.
        line: Vec<u8>,
    },
    /// The entry was read, but its name must not be used as one in a folder (threat 25). It can be shown.
    #[error("the name \"{}\" is not safe: {reason}", escaped(&.entry.name))]
    UnsafeName {
        /// The first reason.
        reason: UnsafeName,
        /// The entry, its name as it came.
        entry: Box<ListingEntry>,
    },
    /// A line over the limit; it was passed over.
    #[error("a line of {length} bytes in the listing, where at most {limit} are taken")]
    LineTooLong {
        /// [`limits::LISTING_LINE`].
        limit: usize,
        /// What was passed over.
        length: u64,
    },
    /// More entries than a client takes. The parser is finished.
    #[error("the listing has more than {limit} entries")]
    TooManyEntries {
        /// [`limits::LISTING_ENTRIES`].
        limit: usize,
    },
}

/// Reads a listing as it arrives.
///
/// - Input: [`push`](Self::push), any number of bytes cut at any place; [`end`](Self::end) when the data ends.
/// - Output: [`next_entry`](Self::next_entry) until `None`.
///
/// Directories named `.` and `..`, and `type=cdir` and `type=pdir` of MLSD, come as entries of
/// [`CurrentDirectory`](EntryKind::CurrentDirectory) and [`ParentDirectory`](EntryKind::ParentDirectory), whatever
/// their names are: they are never something to fetch. Every other entry has a safe name, or is an error.
///
/// Memory: what was pushed and not yet taken, and one unfinished line of at most [`limits::LISTING_LINE`].
#[derive(Debug)]
pub struct ListingParser {
    kind: ListingKind,
    now: Timestamp,
    lines: LineDecoder,
    dialect: Option<Dialect>,
    /// Lines that are still allowed.
    left: usize,
    finished: bool,
}

impl ListingParser {
    /// At the start of a listing. `now` is the wall's time, to find the year of dates that have none.
    #[must_use]
    pub const fn new(kind: ListingKind, now: Timestamp) -> Self {
        Self {
            kind,
            now,
            lines: LineDecoder::without_telnet(limits::LISTING_LINE),
            dialect: None,
            left: limits::LISTING_ENTRIES,
            finished: false,
        }
    }

    /// Takes the next bytes of the data connection; ignores them when the parser is finished.
    pub fn push(&mut self, input: &[u8]) {
        if !self.finished {
            self.lines.push(input);
        }
    }

    /// The data has ended: a last line without an end is a line all the same.
    pub fn end(&mut self) {
        if !self.lines.unfinished().is_empty() || self.lines.is_discarding() {
            self.lines.push(b"\n");
        }
    }

    /// The next entry, or what was wrong with its line; `None` until more is pushed. Lines that list nothing are
    /// passed over.
    pub fn next_entry(&mut self) -> Option<Result<ListingEntry, ListingError>> {
        if self.finished {
            return None;
        }
        loop {
            let line = match self.lines.next_line_ref()? {
                Ok(line) => line.bytes,
                Err(LineError::TooLong { limit, length }) => {
                    return Some(Err(ListingError::LineTooLong { limit, length }));
                }
            };
            if line.is_empty() {
                continue;
            }
            if self.left == 0 {
                self.finished = true;
                self.lines.clear();
                return Some(Err(ListingError::TooManyEntries { limit: limits::LISTING_ENTRIES }));
            }
            self.left -= 1;
            let (dialect, parsed) = parse_as(self.kind, self.dialect, line, self.now);
            match parsed {
                Ok(Some(entry)) => {
                    self.dialect = Some(dialect);
                    return Some(checked(entry, dialect));
                }
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The dialect of the last line that was understood.
    #[must_use]
    pub const fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Whether nothing is read any more, after [`ListingError::TooManyEntries`].
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }
}

type Parsed = Result<Option<ListingEntry>, ListingError>;

fn parse_as(kind: ListingKind, last: Option<Dialect>, line: &[u8], now: Timestamp) -> (Dialect, Parsed) {
    match (kind, last) {
        (ListingKind::Facts, _) => (Dialect::Facts, mlsx::parse_line(line).map(Some)),
        (ListingKind::Names, _) => (Dialect::Names, Ok(Some(ListingEntry::new(line, EntryKind::Other)))),
        (ListingKind::Lines, Some(Dialect::Dos)) => match dos::parse_line(line) {
            Ok(entry) => (Dialect::Dos, Ok(Some(entry))),
            Err(_) => (Dialect::Unix, unix::parse_line(line, now)),
        },
        (ListingKind::Lines, _) => match unix::parse_line(line, now) {
            Err(error) => (Dialect::Dos, dos::parse_line(line).map(Some).map_err(|_| error)),
            parsed => (Dialect::Unix, parsed),
        },
    }
}

fn checked(mut entry: ListingEntry, dialect: Dialect) -> Result<ListingEntry, ListingError> {
    // Pure-FTPd has `.` and `..` in NLST, some servers have them as `type=dir`.
    if matches!(entry.kind, EntryKind::Directory | EntryKind::Other)
        && matches!(&entry.name[..], b"." | b"..")
    {
        entry.kind = EntryKind::of_directory_named(&entry.name);
    }
    if matches!(entry.kind, EntryKind::CurrentDirectory | EntryKind::ParentDirectory) {
        return Ok(entry);
    }
    // A server that lists as DIR does parts paths with it.
    let parts_path = dialect == Dialect::Dos && entry.name.contains(&b'\\');
    match check_name(&entry.name) {
        Ok(()) if parts_path => {
            Err(ListingError::UnsafeName { reason: UnsafeName::Separator, entry: Box::new(entry) })
        }
        Ok(()) => Ok(entry),
        Err(reason) => Err(ListingError::UnsafeName { reason, entry: Box::new(entry) }),
    }
}

/// The start of a line, for a message.
fn shown(line: &[u8]) -> impl fmt::Display + '_ {
    escaped(&line[..line.len().min(200)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn all(parser: &mut ListingParser) -> Vec<Result<ListingEntry, ListingError>> {
        core::iter::from_fn(|| parser.next_entry()).collect()
    }

    fn parse(kind: ListingKind, input: &[u8]) -> (Vec<Result<ListingEntry, ListingError>>, Option<Dialect>) {
        let mut parser = ListingParser::new(kind, now());
        parser.push(input);
        parser.end();
        (all(&mut parser), parser.dialect())
    }

    fn names(parsed: &[Result<ListingEntry, ListingError>]) -> Vec<&[u8]> {
        parsed.iter().map(|entry| entry.as_ref().unwrap().name.as_slice()).collect()
    }

    #[test]
    fn dialects_are_found_out() {
        let unix = b"total 8\r\ndrwxr-xr-x   2 ftp ftp 4096 Nov 20 10:00 pub\r\n-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 x";
        let (entries, dialect) = parse(ListingKind::Lines, unix);
        assert_eq!((names(&entries), dialect), (vec![&b"pub"[..], b"x"], Some(Dialect::Unix)));

        let dos =
            b"11-20-26  10:00AM       <DIR>          pub\r\n11-20-26  10:00AM                    3 x\r\n";
        let (entries, dialect) = parse(ListingKind::Lines, dos);
        assert_eq!((names(&entries), dialect), (vec![&b"pub"[..], b"x"], Some(Dialect::Dos)));

        let (entries, dialect) = parse(ListingKind::Facts, b"type=cdir; /pub\r\ntype=file;size=3; x\r\n");
        assert_eq!((names(&entries), dialect), (vec![&b"/pub"[..], b"x"], Some(Dialect::Facts)));

        let (entries, dialect) = parse(ListingKind::Names, b" x \r\nb\n");
        assert_eq!((names(&entries), dialect), (vec![&b" x "[..], b"b"], Some(Dialect::Names)));
    }

    #[test]
    fn a_strange_line_does_not_end_the_listing() {
        let (entries, _) = parse(ListingKind::Lines, b"hello\r\n-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 x\r\n");
        assert_eq!(entries[0], Err(ListingError::Unrecognised { line: b"hello".to_vec() }));
        assert!(entries[1].is_ok());
        let long = [vec![b'x'; limits::LISTING_LINE], b"\r\nx\r\n".to_vec()].concat();
        let (entries, _) = parse(ListingKind::Names, &long);
        assert_eq!(
            entries[0],
            Err(ListingError::LineTooLong {
                limit: limits::LISTING_LINE,
                length: limits::LISTING_LINE as u64 + 2
            })
        );
        assert_eq!(names(&entries[1..]), [b"x"]);
    }

    #[test]
    fn unsafe_names_are_errors_in_every_dialect() {
        for name in ["../x", "/x", "a/b", "a\0b", "a\rb"] {
            for (kind, line) in [
                (ListingKind::Names, name.to_owned()),
                (ListingKind::Facts, format!("type=file;size=1; {name}")),
                (ListingKind::Lines, format!("-rw-r--r-- 1 ftp ftp 1 Nov 20 10:00 {name}")),
                (ListingKind::Lines, format!("11-20-26  10:00AM  1 {name}")),
            ] {
                let (entries, _) = parse(kind, line.as_bytes());
                assert!(
                    matches!(&entries[..], [Err(ListingError::UnsafeName { entry, .. })] if entry.name == name.as_bytes()),
                    "{line:?}: {entries:?}"
                );
            }
        }
        // A backslash parts paths only where the server is of the kind that lists as DIR does.
        for name in ["C:\\x", "..\\x"] {
            let line = format!("11-20-26  10:00AM  1 {name}");
            let (entries, _) = parse(ListingKind::Lines, line.as_bytes());
            assert!(matches!(&entries[..], [Err(ListingError::UnsafeName { .. })]), "{entries:?}");
            let line = format!("type=file;size=1; {name}");
            let (entries, _) = parse(ListingKind::Facts, line.as_bytes());
            assert_eq!(names(&entries), [name.as_bytes()]);
        }
        // The listed directory itself is an entry of its own kind, but not as a file.
        for (kind, line, good) in [
            (ListingKind::Lines, "drwxr-xr-x 2 ftp ftp 1 Nov 20 10:00 .", true),
            (ListingKind::Lines, "drwxr-xr-x 2 ftp ftp 1 Nov 20 10:00 ..", true),
            (ListingKind::Lines, "-rw-r--r-- 2 ftp ftp 1 Nov 20 10:00 ..", false),
            (ListingKind::Names, "..", true),
            (ListingKind::Facts, "type=dir; ..", true),
            (ListingKind::Facts, "type=file; ..", false),
        ] {
            let (entries, _) = parse(kind, line.as_bytes());
            assert_eq!(entries[0].is_ok(), good, "{line}");
            if let Ok(entry) = &entries[0] {
                assert!(
                    matches!(entry.kind, EntryKind::CurrentDirectory | EntryKind::ParentDirectory),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn an_endless_listing_is_cut_off() {
        let mut parser = ListingParser::new(ListingKind::Names, now());
        parser.left = 2;
        parser.push(b"a\r\nb\r\nc\r\nd\r\n");
        let entries = all(&mut parser);
        assert_eq!(entries[2], Err(ListingError::TooManyEntries { limit: limits::LISTING_ENTRIES }));
        assert_eq!(entries.len(), 3);
        parser.push(b"e\r\n");
        assert!(parser.is_finished() && parser.next_entry().is_none());
    }

    proptest! {
        #[test]
        fn pieces_change_nothing(
            lines in prop::collection::vec(prop::sample::select(vec![
                "total 8\r\n", "-rw-r--r-- 1 ftp ftp 1 Nov 20 10:00 x\r\n", "\r\n", "junk\n", "../x\r\n",
                "11-20-26  10:00AM  1 x\r\n", "type=file;size=1; x\r\n", "lrwxrwxrwx 1 a b 1 Nov 20 10:00 x -> y",
            ]), 0..12),
            piece in 1_usize..40,
            kind in prop::sample::select(vec![ListingKind::Facts, ListingKind::Lines, ListingKind::Names]),
        ) {
            let input = lines.concat();
            let mut parser = ListingParser::new(kind, now());
            let mut entries = Vec::new();
            for bytes in input.as_bytes().chunks(piece) {
                parser.push(bytes);
                entries.extend(all(&mut parser));
            }
            parser.end();
            entries.extend(all(&mut parser));
            prop_assert_eq!(entries, parse(kind, input.as_bytes()).0);
        }
    }
}
