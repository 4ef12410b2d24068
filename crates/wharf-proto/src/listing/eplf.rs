//! Easily Parsed LIST Format, which publicfile and its kin send for LIST (D. J. Bernstein, <https://cr.yp.to/ftp/list/eplf.html>).

use jiff::Timestamp;

use super::entry::{EntryKind, ListedTime, ListingEntry};
use super::parser::ListingError;
use super::text::parse_decimal;

/// Reads a line such as `+i8388621.48594,m825718503,r,s280,` with a tab and the name behind it.
///
/// Facts: `/` a directory, `r` a file that can be fetched, `s` the size in bytes, `m` the time of change in seconds since
/// 1970 UTC, `i` the identity, `up` the permissions in octal. Others mean nothing.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8]) -> Result<ListingEntry, ListingError> {
    parse(line).ok_or_else(|| ListingError::Unrecognised { line: line.to_vec() })
}

fn parse(line: &[u8]) -> Option<ListingEntry> {
    let line = line.strip_prefix(b"+")?;
    let tab = memchr::memchr(b'\t', line)?;
    let mut entry = ListingEntry::new(&line[tab + 1..], EntryKind::Other);
    if entry.name.is_empty() {
        return None;
    }
    for fact in line[..tab].split(|byte| *byte == b',') {
        match fact {
            b"/" => entry.kind = EntryKind::of_directory_named(&entry.name),
            b"r" => entry.kind = EntryKind::File,
            [b's', size @ ..] => entry.size = parse_decimal(size),
            [b'm', seconds @ ..] => {
                let seconds = parse_decimal(seconds).and_then(|seconds| i64::try_from(seconds).ok());
                let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
                entry.modified = time.map(ListedTime::exact);
            }
            [b'i', identity @ ..] => entry.unique = Some(identity.to_vec()),
            [b'u', b'p', mode @ ..] => {
                let mode = core::str::from_utf8(mode).ok().and_then(|mode| u32::from_str_radix(mode, 8).ok());
                entry.permissions = mode.filter(|mode| *mode <= 0o7777);
            }
            _ => {}
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_format() {
        let file = parse_line(b"+i8388621.48594,m825718503,r,s280,\tdjb.html").unwrap();
        assert_eq!((&file.name[..], file.kind, file.size), (&b"djb.html"[..], EntryKind::File, Some(280)));
        assert_eq!(file.unique.as_deref(), Some(&b"8388621.48594"[..]));
        let time = file.modified.unwrap();
        assert_eq!(time.timestamp(), Some("1996-03-01T22:15:03Z".parse().unwrap()));
        let directory = parse_line(b"+i8388621.50690,m824255907,/,up755,\t514 x").unwrap();
        assert_eq!((&directory.name[..], directory.kind), (&b"514 x"[..], EntryKind::Directory));
        assert_eq!(directory.permissions, Some(0o755));
    }

    #[test]
    fn what_is_no_line_of_it() {
        for line in [&b""[..], b"+", b"+r,s1 x", b"+r,\t", b"r,s1,\tx", b"-rw-r--r-- 1 a b 1 Nov 20 10:00 x"]
        {
            assert!(parse_line(line).is_err(), "{}", line.escape_ascii());
        }
        let vague = parse_line(b"+s18446744073709551616,m99999999999999999999,up9,\tx").unwrap();
        assert_eq!((vague.size, vague.modified, vague.permissions), (None, None, None));
    }
}
