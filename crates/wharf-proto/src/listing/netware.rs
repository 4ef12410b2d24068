//! Lines of Novell NetWare.

use jiff::Timestamp;

use super::entry::{EntryKind, ListingEntry};
use super::parser::ListingError;
use super::text::{parse_decimal, words};
use super::unix;

/// Reads a line such as `d [R----F--] supervisor            512       Jan 16 18:53    login`: the kind, what we may do,
/// the owner, the size, a date as `ls` writes it, and the name behind any number of spaces.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8], now: Timestamp) -> Result<ListingEntry, ListingError> {
    parse(line, now).ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

fn parse(line: &[u8], now: Timestamp) -> Option<ListingEntry> {
    let kind = match line.first()? {
        b'd' => EntryKind::Directory,
        b'-' => EntryKind::File,
        _ => return None,
    };
    let rest = line[1..].trim_ascii_start();
    let rights_end = memchr::memchr(b']', rest).filter(|_| rest.starts_with(b"["))?;
    let is_right = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    if !rest[1..rights_end].iter().all(is_right) {
        return None;
    }
    let rest = &rest[rights_end + 1..];
    let found: Vec<_> = words(rest, 0).take(7).collect();
    // The owner, or a count of links before it; then size and date.
    let (size_at, date) = (1..found.len().min(4)).find_map(|at| {
        parse_decimal(found[at].of(rest))?;
        Some((at, unix::parse_date(rest, found.get(at + 1..)?, now)?))
    })?;
    let name = rest.get(date.end..)?.trim_ascii_start();
    if name.is_empty() {
        return None;
    }
    let mut entry = ListingEntry::new(name, kind);
    if kind == EntryKind::Directory {
        entry.kind = EntryKind::of_directory_named(name);
    }
    entry.size = parse_decimal(found[size_at].of(rest));
    entry.owner = Some(found[size_at - 1].of(rest).to_vec());
    entry.modified = date.time;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<ListingEntry, ListingError> {
        parse_line(line.as_bytes(), "2026-11-20T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn lines_of_netware() {
        let directory = read("d [R----F--] supervisor            512       Jan 16 18:53    login").unwrap();
        assert_eq!((&directory.name[..], directory.kind), (&b"login"[..], EntryKind::Directory));
        assert_eq!(directory.owner.as_deref(), Some(&b"supervisor"[..]));
        let file = read("- [R----F--] rhesus             214059       Oct 20 15:27    cx 2.exe").unwrap();
        assert_eq!((&file.name[..], file.size), (&b"cx 2.exe"[..], Some(214_059)));
        assert_eq!(file.modified.unwrap().moment, jiff::civil::datetime(2026, 10, 20, 15, 27, 0, 0));
        let old = read("-[RWCEAFMS] 1 admin 7 Mar 02 1999 x").unwrap();
        assert_eq!((&old.name[..], old.size), (&b"x"[..], Some(7)));
    }

    #[test]
    fn what_is_no_line_of_netware() {
        for line in [
            "",
            "d",
            "d [R--]",
            "d [R--] a 5",
            "d [1] a 5 Jan 16 18:53 x",
            "d [R] a 5 Jan 16 18:53",
            "total 0",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
