//! Bytes of a data connection into entries.

use core::fmt;

use jiff::Timestamp;

use super::entry::{EntryKind, ListingEntry};
use super::name::{UnsafeName, check_name};
use super::{dos, eplf, mlsx, mvs, netware, os400, unix, vms};
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
    /// EPLF, as of publicfile.
    Eplf,
    /// NetWare.
    NetWare,
    /// OpenVMS.
    Vms,
    /// IBM i.
    Os400,
    /// z/OS, in the table that its header began.
    Mvs(mvs::Table),
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
    /// A name that stood alone on its line, as VMS has it where it is too long for its column.
    name_alone: Option<Vec<u8>>,
    /// A line that was looked at and is still to be read.
    held: Option<Vec<u8>>,
    /// Lines that are still allowed.
    left: usize,
    finished: bool,
    /// Nothing more will be pushed.
    ended: bool,
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
            name_alone: None,
            held: None,
            left: limits::LISTING_ENTRIES,
            finished: false,
            ended: false,
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
        self.ended = true;
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
            let held = self.held.take();
            let is_held = held.is_some();
            let line = match &held {
                Some(line) => line,
                None => match self.lines.next_line_ref() {
                    Some(Ok(line)) => line.bytes,
                    Some(Err(LineError::TooLong { limit, length })) => {
                        return Some(Err(ListingError::LineTooLong { limit, length }));
                    }
                    None if self.ended => {
                        let line = self.name_alone.take()?;
                        return Some(Err(ListingError::Unrecognised { line }));
                    }
                    None => return None,
                },
            };
            if line.is_empty() {
                continue;
            }
            if self.left == 0 {
                self.finished = true;
                self.lines.clear();
                return Some(Err(ListingError::TooManyEntries { limit: limits::LISTING_ENTRIES }));
            }
            let may_be_vms =
                self.kind == ListingKind::Lines && matches!(self.dialect, None | Some(Dialect::Vms));
            if may_be_vms && !is_held && vms::is_name_alone(line) {
                let before = self.name_alone.replace(line.to_vec());
                if let Some(line) = before {
                    self.left -= 1;
                    return Some(Err(ListingError::Unrecognised { line }));
                }
                continue;
            }
            let joined;
            let line = match self.name_alone.take() {
                Some(name) if line[0].is_ascii_whitespace() => {
                    joined = [&name, line].concat();
                    &joined
                }
                Some(name) => {
                    self.held = Some(line.to_vec());
                    self.left -= 1;
                    return Some(Err(ListingError::Unrecognised { line: name }));
                }
                None => line,
            };
            self.left -= 1;
            let (dialect, parsed) = parse_as(self.kind, self.dialect, line, self.now);
            match parsed {
                Ok(Some(entry)) => {
                    self.dialect = Some(dialect);
                    return Some(checked(entry, dialect));
                }
                // Only its header tells a table of z/OS.
                Ok(None) if matches!(dialect, Dialect::Mvs(_)) => self.dialect = Some(dialect),
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
        (ListingKind::Lines, last) => parse_in_any_dialect(last, line, now),
    }
}

/// In the dialect of the last line first: a listing is hardly ever mixed. The others follow in the order of how many
/// servers speak them.
fn parse_in_any_dialect(last: Option<Dialect>, line: &[u8], now: Timestamp) -> (Dialect, Parsed) {
    const COMMON: [Dialect; 6] =
        [Dialect::Unix, Dialect::Dos, Dialect::Eplf, Dialect::NetWare, Dialect::Vms, Dialect::Os400];
    if let Some(table) = mvs::header(line) {
        return (Dialect::Mvs(table), Ok(None));
    }
    let others = COMMON.into_iter().filter(|dialect| Some(*dialect) != last);
    for dialect in last.into_iter().chain(others) {
        let parsed = match dialect {
            Dialect::Unix => unix::parse_line(line, now),
            Dialect::Dos => dos::parse_line(line).map(Some),
            Dialect::Eplf => eplf::parse_line(line).map(Some),
            Dialect::NetWare => netware::parse_line(line, now).map(Some),
            Dialect::Vms => vms::parse_line(line),
            Dialect::Os400 => os400::parse_line(line).map(Some),
            Dialect::Mvs(table) => mvs::parse_line(line, table).map(Some),
            Dialect::Facts | Dialect::Names => continue,
        };
        if parsed.is_ok() {
            return (dialect, parsed);
        }
    }
    (Dialect::Unix, Err(ListingError::Unrecognised { line: line.to_vec() }))
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
    fn rarer_dialects_are_found_out_too() {
        for (lines, expected, dialect) in [
            ("+i1,m825718503,r,s280,\tdjb.html\r\n+/,\tpub\r\n", vec!["djb.html", "pub"], Dialect::Eplf),
            (
                "total 0\r\nd [R----F--] supervisor            512       Jan 16 18:53    login\r\n",
                vec!["login"],
                Dialect::NetWare,
            ),
            (
                "\r\nDirectory DISK$PCSA:[ANONYMOUS]\r\n\r\nA.TXT;1  2  30-DEC-1996 17:44 [SYSTEM] (RWED,RWED,RE,RE)\r\n\
                 A_VERY_LONG_NAME.TXT;3\r\n            213/216  29-JAN-1996 03:33:12  [A,B]  (RWED,RWED,,)\r\n\
                 CORE.DIR;1  1  8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)\r\n\r\nTotal of 3 files, 5 blocks.\r\n",
                vec!["A.TXT", "A_VERY_LONG_NAME.TXT", "CORE"],
                Dialect::Vms,
            ),
            ("QPGMR 135168 04/03/18 13:18:19 *DIR name/\r\n", vec!["name"], Dialect::Os400),
            (
                "Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname\r\n\
                 WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  48-MVS.FILE\r\n",
                vec!["48-MVS.FILE"],
                Dialect::Mvs(mvs::Table::DataSets),
            ),
            (
                " Name     VV.MM   Created       Changed      Size  Init   Mod   Id\r\n MEMBER\r\n",
                vec!["MEMBER"],
                Dialect::Mvs(mvs::Table::Members),
            ),
        ] {
            let (entries, found) = parse(ListingKind::Lines, lines.as_bytes());
            let expected: Vec<&[u8]> = expected.into_iter().map(str::as_bytes).collect();
            assert_eq!((names(&entries), found), (expected, Some(dialect)), "{lines}");
        }
    }

    #[test]
    fn a_name_alone_is_read_with_what_follows_or_is_an_error() {
        let good = "-rw-r--r--   1 ftp ftp 3 Nov 20 10:00 x";
        for (lines, lost) in [
            (format!("A.TXT;1\r\n{good}\r\n"), "A.TXT;1"),
            (format!("{good}\r\nA.TXT;1\r\n"), "A.TXT;1"),
            (format!("A.TXT;1\r\nB.TXT;1\r\n 1 8-SEP-1996 16:09\r\n{good}\r\n"), "A.TXT;1"),
            ("A.TXT;1".to_owned(), "A.TXT;1"),
        ] {
            let (entries, _) = parse(ListingKind::Lines, lines.as_bytes());
            let errors: Vec<_> = entries.iter().filter_map(|entry| entry.as_ref().err()).collect();
            assert_eq!(errors, [&ListingError::Unrecognised { line: lost.into() }], "{lines}");
            let right = entries.iter().filter(|entry| entry.is_ok()).count();
            assert_eq!(
                right,
                lines.lines().count().saturating_sub(1).min(if lines.contains("B.TXT") { 2 } else { 1 })
            );
        }
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
                "LONG.TXT;1\r\n", "   1  8-SEP-1996 16:09 [S]\r\n", " Name VV.MM\r\n", "+r,s1,\tx\n", "MEMBER\r\n",
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
