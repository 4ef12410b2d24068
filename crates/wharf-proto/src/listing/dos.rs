//! Lines in the manner of `DIR`, which IIS and other servers on Windows send for LIST.

use jiff::civil::DateTime;

use super::entry::{EntryKind, ListedTime, ListingEntry, TimePrecision};
use super::parser::ListingError;
use super::text::{Word, parse_decimal, parse_short, words};

/// IIS puts this many spaces between `<DIR>` and the name, so that it stands in the column of the other names.
const SPACES_BEHIND_KIND: usize = 10;

/// Reads a line such as `11-20-26  10:00AM       <DIR>          name` or `11-20-26  10:00AM                 1024 name`.
///
/// Understood: years of two digits (70 to 99 are of the last century) and of four, `MM-DD-YY`, `MM/DD/YYYY` and
/// `YYYY-MM-DD`, clocks of 12 and 24 hours, `<DIR>`, `<JUNCTION>`, `<SYMLINK>` and `<SYMLINKD>` with the target in
/// brackets. The name of a file is all that stands behind the one space behind the size; that of a directory stands
/// ten spaces behind `<DIR>`, or behind as many as there are if fewer.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8]) -> Result<ListingEntry, ListingError> {
    parse(line).ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

fn parse(line: &[u8]) -> Option<ListingEntry> {
    let mut words = words(line, 0);
    let date = parse_date(words.next()?.of(line))?;
    let clock = parse_clock(words.next()?.of(line))?;
    let third = words.next()?;
    let mut entry = match third.of(line) {
        [b'<', kind @ .., b'>'] => parse_directory_like(line, third, kind)?,
        size => {
            let size = parse_decimal_with_commas(size)?;
            let name = line.get(third.end + 1..)?;
            ListingEntry { size: Some(size), ..ListingEntry::new(name, EntryKind::File) }
        }
    };
    if entry.name.is_empty() {
        return None;
    }
    if entry.kind == EntryKind::Directory {
        entry.kind = EntryKind::of_directory_named(&entry.name);
    }
    let ((year, month, day), (hour, minute)) = (date, clock);
    entry.modified = DateTime::new(year, month, day, hour, minute, 0, 0).ok().map(|moment| ListedTime {
        moment,
        precision: TimePrecision::Minute,
        zone_known: false,
    });
    Some(entry)
}

fn parse_directory_like(line: &[u8], word: Word, kind: &[u8]) -> Option<ListingEntry> {
    let rest = &line[word.end..];
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count().min(SPACES_BEHIND_KIND);
    let name = &rest[spaces..];
    match kind.to_ascii_uppercase().as_slice() {
        b"DIR" => Some(ListingEntry::new(name, EntryKind::Directory)),
        b"JUNCTION" | b"SYMLINK" | b"SYMLINKD" => {
            // A shorter gap than behind `<DIR>`, and `name [target]`.
            let name = name.trim_ascii_start();
            let target = memchr::memmem::rfind(name, b" [").filter(|_| name.ends_with(b"]"));
            let end = target.unwrap_or(name.len());
            let mut entry = ListingEntry::new(&name[..end], EntryKind::Symlink);
            entry.link_target = target.map(|at| name[at + 2..name.len() - 1].to_vec());
            Some(entry)
        }
        _ => None,
    }
}

/// Year, month, day.
fn parse_date(word: &[u8]) -> Option<(i16, i8, i8)> {
    let mut parts = word.split(|byte| matches!(byte, b'-' | b'/'));
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (year, month, day) = if first.len() == 4 { (first, second, third) } else { (third, first, second) };
    let year = match (year.len(), parse_decimal(year)? as i16) {
        (2, year @ 70..) => 1900 + year,
        (2, year) => 2000 + year,
        (4, year) => year,
        _ => return None,
    };
    let month = parse_short(month, 1..=2).filter(|month| (1..=12).contains(month))?;
    let day = parse_short(day, 1..=2).filter(|day| (1..=31).contains(day))?;
    Some((year, month as i8, day as i8))
}

/// Hour and minute of `10:00AM`, `09:05p` or `22:00`.
fn parse_clock(word: &[u8]) -> Option<(i8, i8)> {
    let lower = word.to_ascii_lowercase();
    let (digits, afternoon) = match lower.as_slice() {
        [digits @ .., b'a', b'm'] | [digits @ .., b'a'] => (digits, Some(false)),
        [digits @ .., b'p', b'm'] | [digits @ .., b'p'] => (digits, Some(true)),
        digits => (digits, None),
    };
    let colon = memchr::memchr(b':', digits)?;
    let hour = parse_short(&digits[..colon], 1..=2)? as i8;
    let minute = parse_short(&digits[colon + 1..], 2..=2)?;
    let hour = match afternoon {
        None if hour < 24 => hour,
        // 12:30AM is half past midnight.
        Some(afternoon) if (1..=12).contains(&hour) => hour % 12 + if afternoon { 12 } else { 0 },
        _ => return None,
    };
    (minute < 60).then_some((hour, minute as i8))
}

/// `1,234,567`, as some servers group it.
fn parse_decimal_with_commas(word: &[u8]) -> Option<u64> {
    if !word.first()?.is_ascii_digit() {
        return None;
    }
    let digits: Vec<u8> = word.iter().copied().filter(|byte| *byte != b',').collect();
    parse_decimal(&digits)
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;
    use proptest::prelude::*;

    use super::*;

    fn entry(name: &str, kind: EntryKind, size: Option<u64>, moment: DateTime) -> ListingEntry {
        let time = ListedTime { moment, precision: TimePrecision::Minute, zone_known: false };
        ListingEntry { size, modified: Some(time), ..ListingEntry::new(name, kind) }
    }

    #[test]
    fn lines_of_iis_and_its_kin() {
        let morning = datetime(2026, 11, 20, 10, 0, 0, 0);
        let evening = datetime(2026, 11, 20, 22, 5, 0, 0);
        for (line, expected) in [
            ("11-20-26  10:00AM       <DIR>          pub", entry("pub", EntryKind::Directory, None, morning)),
            (
                "11-20-26  10:05PM                 1024 a b.txt",
                entry("a b.txt", EntryKind::File, Some(1024), evening),
            ),
            (
                "11-20-2026  10:05PM                 1024  x",
                entry(" x", EntryKind::File, Some(1024), evening),
            ),
            (
                "11-20-26  22:05       <DIR>            two",
                entry("  two", EntryKind::Directory, None, evening),
            ),
            ("2026-11-20  22:05    <DIR> x", entry("x", EntryKind::Directory, None, evening)),
            ("11/20/2026  10:00a  1,234,567 x", entry("x", EntryKind::File, Some(1_234_567), morning)),
            (
                "02-01-99  12:30AM       <DIR>          .",
                entry(".", EntryKind::CurrentDirectory, None, datetime(1999, 2, 1, 0, 30, 0, 0)),
            ),
            (
                "11-20-26  10:00AM       <JUNCTION>     All Users [C:\\ProgramData]",
                ListingEntry {
                    link_target: Some(b"C:\\ProgramData".to_vec()),
                    ..entry("All Users", EntryKind::Symlink, None, morning)
                },
            ),
            ("11-20-26  10:00AM       <SYMLINKD>     x", entry("x", EntryKind::Symlink, None, morning)),
        ] {
            assert_eq!(parse_line(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_of_dir() {
        for line in [
            "",
            "total 8",
            "11-20-26  10:00AM",
            "11-20-26  10:00AM  1024",
            "11-20-26  10:00AM  1024 ",
            "11-20-26  25:00  1024 x",
            "11-20-26  13:00PM  1024 x",
            "13-20-26  10:00AM  1024 x",
            "11-20-126  10:00AM  1024 x",
            "11-20-26  10:00AM  <FOO>  x",
            "11-20-26  10:00AM  , x",
            "-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 name",
        ] {
            assert!(parse_line(line.as_bytes()).is_err(), "{line}");
        }
    }

    proptest! {
        /// As IIS writes it.
        #[test]
        fn lines_come_back(
            year in 1970_i16..2070, month in 1_i8..=12, day in 1_i8..=28, hour in 0_i8..24, minute in 0_i8..60,
            size in any::<Option<u64>>(), name in "[ -~]{1,20}", century in any::<bool>(),
        ) {
            let year_text = if century { format!("{year:04}") } else { format!("{:02}", year % 100) };
            let half = if hour < 12 { "AM" } else { "PM" };
            let hour_12 = if hour % 12 == 0 { 12 } else { hour % 12 };
            let kind = match size {
                Some(size) => format!("{size:>20}"),
                None => "       <DIR>         ".to_owned(),
            };
            let line = format!("{month:02}-{day:02}-{year_text}  {hour_12:02}:{minute:02}{half} {kind} {name}");
            let kind = if size.is_some() { EntryKind::File } else { EntryKind::of_directory_named(name.as_bytes()) };
            let expected = entry(&name, kind, size, DateTime::new(year, month, day, hour, minute, 0, 0).unwrap());
            prop_assert_eq!(parse_line(line.as_bytes()), Ok(expected));
        }

        #[test]
        fn nothing_panics(line in prop::collection::vec(prop::sample::select(b"0129-/: <DIR>AMp[]x,".as_slice()), 0..60)) {
            let _ = parse_line(&line);
        }
    }
}
