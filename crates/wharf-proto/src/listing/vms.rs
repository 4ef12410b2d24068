//! Lines of OpenVMS.
//!
//! Names have a version (`NAME.TXT;3`) and directories the type DIR. The version is left out, so that the name is that of
//! the newest, and so is `.DIR`: `CWD NAME` is what leads there. Sizes are in blocks of 512 bytes, of which the last need
//! not be full: nobody can compare a length with them, so they are not told.

use jiff::civil::DateTime;

use super::entry::{EntryKind, ListedTime, ListingEntry, TimePrecision};
use super::parser::ListingError;
use super::text::{parse_decimal, parse_month, parse_short, words};

/// Reads a line such as `CORE.DIR;1  1  8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)`, or `CII.TEX;1  213/216  29-JAN-1996
/// 03:33:12  [A,B]  (RWED,RWED,,)`. `None` is a line that lists nothing: `Directory DISK:[A]`, `Total of 7 files`.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8]) -> Result<Option<ListingEntry>, ListingError> {
    if lists_nothing(line) {
        return Ok(None);
    }
    parse(line).map(Some).ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

/// Whether `line` is a name alone: too long for its column, so that all else stands on the next line.
pub(super) fn is_name_alone(line: &[u8]) -> bool {
    let mut words = words(line, 0);
    words.next().is_some_and(|word| word.start == 0 && split_version(word.of(line)).is_some())
        && words.next().is_none()
}

fn lists_nothing(line: &[u8]) -> bool {
    let header = line.strip_prefix(b"Directory ").is_some_and(|rest| rest.ends_with(b"]"));
    let total = line.starts_with(b"Total of ") && memchr::memmem::find(line, b" file").is_some();
    header || total
}

/// `NAME.TYPE` of `NAME.TYPE;3`.
fn split_version(word: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b';', word).filter(|at| *at > 0)?;
    parse_decimal(&word[at + 1..]).map(|_| &word[..at])
}

fn parse(line: &[u8]) -> Option<ListingEntry> {
    let mut words = words(line, 0);
    let name = split_version(words.next()?.of(line))?;
    let size = words.next()?.of(line);
    let is_blocks = size.split(|byte| *byte == b'/').all(|blocks| parse_decimal(blocks).is_some());
    if !is_blocks {
        return None;
    }
    let (year, month, day) = parse_date(words.next()?.of(line))?;
    let (hour, minute, second) = parse_clock(words.next()?.of(line))?;
    let mut entry = match name.len().checked_sub(4).map(|at| name.split_at(at)) {
        Some((directory, kind)) if kind.eq_ignore_ascii_case(b".DIR") && !directory.is_empty() => {
            ListingEntry::new(directory, EntryKind::Directory)
        }
        _ => ListingEntry::new(name, EntryKind::File),
    };
    let precision = if second.is_some() { TimePrecision::Second } else { TimePrecision::Minute };
    let moment = DateTime::new(year, month, day, hour, minute, second.unwrap_or(0), 0).ok()?;
    entry.modified = Some(ListedTime { moment, precision, zone_known: false });
    let owner = words.next().map(|word| word.of(line));
    entry.owner = owner.and_then(|owner| owner.strip_prefix(b"[")?.strip_suffix(b"]")).map(<[u8]>::to_vec);
    Some(entry)
}

/// `29-JAN-1996`.
fn parse_date(word: &[u8]) -> Option<(i16, i8, i8)> {
    let mut parts = word.split(|byte| *byte == b'-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let day = parse_short(day, 1..=2).and_then(|day| i8::try_from(day).ok())?;
    Some((parse_short(year, 4..=4)?, parse_month(month)?, day)).filter(|_| parts.next().is_none())
}

/// `16:09`, `03:33:12` or `03:33:12.25`.
fn parse_clock(word: &[u8]) -> Option<(i8, i8, Option<i8>)> {
    let mut parts = word.split(|byte| matches!(byte, b':' | b'.'));
    let mut number =
        || parts.next().map(|part| parse_short(part, 1..=2).and_then(|it| i8::try_from(it).ok()));
    let (hour, minute) = (number()??, number()??);
    match number() {
        None => Some((hour, minute, None)),
        Some(second) => Some((hour, minute, Some(second?))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn read(line: &str) -> ListingEntry {
        parse_line(line.as_bytes()).unwrap_or_else(|error| panic!("{error}")).unwrap()
    }

    #[test]
    fn lines_of_vms() {
        let file =
            read("CII-MANUAL.TEX;1  213/216  29-JAN-1996 03:33:12  [ANONYMOU,ANONYMOUS]   (RWED,RWED,,)");
        assert_eq!((&file.name[..], file.kind, file.size), (&b"CII-MANUAL.TEX"[..], EntryKind::File, None));
        assert_eq!(file.modified.unwrap().moment, datetime(1996, 1, 29, 3, 33, 12, 0));
        assert_eq!(file.owner.as_deref(), Some(&b"ANONYMOU,ANONYMOUS"[..]));
        let directory = read("CORE.DIR;1              1  8-SEP-1996 16:09 [SYSTEM] (RWE,RWE,RE,RE)");
        assert_eq!((&directory.name[..], directory.kind), (&b"CORE"[..], EntryKind::Directory));
        assert_eq!(directory.modified.unwrap().precision, TimePrecision::Minute);
        assert_eq!(read("a;b.txt;12 1 8-SEP-1996 16:09").name, b"a;b.txt");
    }

    #[test]
    fn what_lists_nothing_and_what_is_no_line_of_vms() {
        for line in ["Directory DISK$PCSA:[ANONYMOUS]", "Total of 7 files, 5 blocks."] {
            assert_eq!(parse_line(line.as_bytes()), Ok(None), "{line}");
        }
        for line in [
            "%RMS-E-PRV, insufficient privilege",
            "x;1",
            "x;1 1",
            "x;1 1 8-SEP-1996",
            "x;1 1 8-SEP-1996 16:99",
            "x;1 y 8-SEP-1996 16:09",
            "x 1 8-SEP-1996 16:09",
            ";1 1 8-SEP-1996 16:09",
            "x;1 1 31-FEB-1996 16:09",
        ] {
            assert!(parse_line(line.as_bytes()).is_err(), "{line}");
        }
        assert!(is_name_alone(b"A_LONG_NAME.TXT;12") && !is_name_alone(b"x") && !is_name_alone(b"x;1 2"));
    }
}
