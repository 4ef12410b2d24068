//! Lines of z/OS (MVS): data sets, and the members of a partitioned one.
//!
//! Both are tables with a header, and only the header tells a member's line, which may be a name alone, from any other
//! text. No line tells a size in bytes.

use jiff::civil::DateTime;

use super::entry::{EntryKind, ListedTime, ListingEntry, TimePrecision};
use super::parser::ListingError;
use super::text::{parse_decimal, parse_short, words};

/// Which table a header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// `Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname`
    DataSets,
    /// ` Name     VV.MM   Created       Changed      Size  Init   Mod   Id`
    Members,
}

/// The table that `line` is the header of.
pub(super) fn header(line: &[u8]) -> Option<Table> {
    let mut words = words(line, 0).map(|word| word.of(line).to_ascii_lowercase());
    match (words.next()?.as_slice(), words.next()?.as_slice()) {
        (b"volume", b"unit") => Some(Table::DataSets),
        (b"name", b"vv.mm") => Some(Table::Members),
        _ => None,
    }
}

/// Reads a line of `table`, such as `WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  48-MVS.FILE` or
/// `MEMBER    01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001`.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8], table: Table) -> Result<ListingEntry, ListingError> {
    let entry = match table {
        Table::DataSets => parse_data_set(line),
        Table::Members => parse_member(line),
    };
    entry.ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

fn parse_data_set(line: &[u8]) -> Option<ListingEntry> {
    let found: Vec<&[u8]> = words(line, 0).take(12).map(|word| word.of(line)).collect();
    let (name, before) = found.split_last()?;
    // A name in quotes is one without the prefix of the working directory, and just as good.
    let organisation = before.last()?.to_ascii_uppercase();
    let kind = match organisation.as_slice() {
        b"PO" | b"PO-E" | b"DIRECTORY" => EntryKind::Directory,
        b"PS" | b"PS-E" | b"PS-L" | b"DA" => EntryKind::File,
        // On tape by now, or of a kind that FTP cannot fetch.
        b"MIGRATED" | b"ARCIVE" | b"VSAM" | b"IS" => EntryKind::Other,
        _ => return None,
    };
    let mut entry = ListingEntry::new(*name, kind);
    // Referred, which is the day of the last use, is no time of change.
    entry.modified = None;
    Some(entry)
}

fn parse_member(line: &[u8]) -> Option<ListingEntry> {
    let found: Vec<&[u8]> = words(line, 0).take(6).map(|word| word.of(line)).collect();
    let name = found.first()?;
    // Eight at most, of these: what else stands there is no member.
    let is_name = (1..=8).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"@#$".contains(byte));
    let is_alone = found.len() == 1;
    let has_version = found.get(1).is_some_and(|word| word.len() == 5 && word[2] == b'.');
    if !is_name || !(is_alone || has_version) {
        return None;
    }
    let mut entry = ListingEntry::new(*name, EntryKind::File);
    entry.modified = found.get(3).zip(found.get(4)).and_then(|(day, clock)| parse_time(day, clock));
    Some(entry)
}

/// `2002/10/11` and `09:37`.
fn parse_time(day: &[u8], clock: &[u8]) -> Option<ListedTime> {
    let mut date = day.split(|byte| *byte == b'/');
    let year = parse_short(date.next()?, 4..=4)?;
    let small = |part: Option<&[u8]>| i8::try_from(parse_decimal(part?)?).ok();
    let (month, day) = (small(date.next())?, small(date.next())?);
    let mut clock = clock.split(|byte| *byte == b':');
    let (hour, minute) = (small(clock.next())?, small(clock.next())?);
    let moment = DateTime::new(year, month, day, hour, minute, 0, 0).ok()?;
    Some(ListedTime { moment, precision: TimePrecision::Minute, zone_known: false })
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;

    fn read(line: &str, table: Table) -> ListingEntry {
        parse_line(line.as_bytes(), table).unwrap()
    }

    #[test]
    fn data_sets() {
        assert_eq!(
            header(b"Volume Unit    Referred Ext Used Recfm Lrecl BlkSz Dsorg Dsname"),
            Some(Table::DataSets)
        );
        for (line, name, kind) in [
            (
                "WYOSPT 3420   2003/05/21  1  200  FB      80  8053  PS  48-MVS.FILE",
                "48-MVS.FILE",
                EntryKind::File,
            ),
            ("TSO005 3390   2003/06/06 213000 U 0 27998 PO 'USER.LOAD'", "'USER.LOAD'", EntryKind::Directory),
            ("Pseudo Directory                                   JCL", "JCL", EntryKind::Directory),
            (
                "Migrated                                                OLD.DATA",
                "OLD.DATA",
                EntryKind::Other,
            ),
        ] {
            let entry = read(line, Table::DataSets);
            assert_eq!((&entry.name[..], entry.kind, entry.size), (name.as_bytes(), kind, None), "{line}");
        }
    }

    #[test]
    fn members() {
        assert_eq!(
            header(b" Name     VV.MM   Created       Changed      Size  Init   Mod   Id   "),
            Some(Table::Members)
        );
        let entry =
            read(" MEMBER    01.03 2002/09/12 2002/10/11 09:37    11    11     0 KIL001", Table::Members);
        assert_eq!((&entry.name[..], entry.kind), (&b"MEMBER"[..], EntryKind::File));
        assert_eq!(entry.modified.unwrap().moment, datetime(2002, 10, 11, 9, 37, 0, 0));
        assert_eq!(read(" LOAD#1", Table::Members).name, b"LOAD#1");
    }

    #[test]
    fn what_is_no_line_of_either() {
        assert_eq!(header(b"WYOSPT 3420"), None);
        for (line, table) in [
            ("", Table::DataSets),
            ("x", Table::DataSets),
            ("A B C", Table::DataSets),
            ("a name with words", Table::Members),
            ("MUCHTOOLONG", Table::Members),
            ("../x", Table::Members),
        ] {
            assert!(parse_line(line.as_bytes(), table).is_err(), "{line}");
        }
    }
}
