//! Reading facts.

use memchr::{memchr, memmem};

use super::super::entry::{EntryKind, ListedTime, ListingEntry};
use super::super::parser::ListingError;
use super::super::text::parse_decimal;
use crate::facts_time;

/// Reads a line of MLSD: facts, one space, the name (RFC 3659 §7.2).
///
/// Names of facts may be in any case, unknown facts are passed over, and a value that cannot be read is as one that is
/// not there. A missing `;` behind the last fact is tolerated, and so is a space in a fact's value if the facts end
/// with `; `.
///
/// # Errors
/// [`ListingError::Unrecognised`] if there are no facts before a space, or no name behind it.
pub fn parse_line(line: &[u8]) -> Result<ListingEntry, ListingError> {
    let unrecognised = || ListingError::Unrecognised { line: line.to_vec() };
    let space = end_of_facts(line).ok_or_else(unrecognised)?;
    let (facts, name) = (&line[..space], &line[space + 1..]);
    if name.is_empty() {
        return Err(unrecognised());
    }
    let mut entry = ListingEntry::new(name, EntryKind::Other);
    for fact in facts.split(|byte| *byte == b';') {
        if let Some(equals) = memchr(b'=', fact) {
            take_fact(&mut entry, &fact[..equals], &fact[equals + 1..]);
        }
    }
    Ok(entry)
}

/// Reads the inner line of MLST's reply, which is the same behind one leading space (RFC 3659 §7.2); servers that
/// forget it are understood too. The name may be a whole path.
///
/// # Errors
/// As [`parse_line`].
pub fn parse_reply_line(line: &[u8]) -> Result<ListingEntry, ListingError> {
    match line.strip_prefix(b" ") {
        Some(entry) => parse_line(entry),
        None => parse_line(line),
    }
}

/// The space between the facts and the name.
fn end_of_facts(line: &[u8]) -> Option<usize> {
    let first = memchr(b' ', line)?;
    // None asked for (RFC 3659 §7.2: the facts may be empty), or the form of the RFC.
    if first == 0 || (line[first - 1] == b';' && are_facts(&line[..first])) {
        return Some(first);
    }
    let spaced =
        memmem::find(line, b"; ").map(|semicolon| semicolon + 1).filter(|end| are_facts(&line[..*end]));
    spaced.or_else(|| are_facts(&line[..first]).then_some(first))
}

fn are_facts(text: &[u8]) -> bool {
    let text = text.strip_suffix(b";").unwrap_or(text);
    text.split(|byte| *byte == b';').all(|fact| memchr(b'=', fact).is_some_and(|equals| equals > 0))
}

fn take_fact(entry: &mut ListingEntry, name: &[u8], value: &[u8]) {
    match name.to_ascii_lowercase().as_slice() {
        b"type" => (entry.kind, entry.link_target) = parse_type(value),
        // `sizd` is what some servers say of directories.
        b"size" | b"sizd" => entry.size = parse_decimal(value),
        b"modify" => entry.modified = facts_time::parse(value).ok().map(ListedTime::exact),
        b"perm" => entry.rights = Some(value.to_vec()),
        b"unique" => entry.unique = Some(value.to_vec()),
        b"unix.mode" => entry.permissions = parse_octal(value),
        // Names before numbers, where a server gives both.
        b"unix.ownername" => entry.owner = Some(value.to_vec()),
        b"unix.groupname" => entry.group = Some(value.to_vec()),
        b"unix.owner" | b"unix.uid" if entry.owner.is_none() => entry.owner = Some(value.to_vec()),
        b"unix.group" | b"unix.gid" if entry.group.is_none() => entry.group = Some(value.to_vec()),
        _ => {}
    }
}

fn parse_type(value: &[u8]) -> (EntryKind, Option<Vec<u8>>) {
    let lower = value.to_ascii_lowercase();
    let kind = match lower.as_slice() {
        b"file" => EntryKind::File,
        b"dir" => EntryKind::Directory,
        b"cdir" => EntryKind::CurrentDirectory,
        b"pdir" => EntryKind::ParentDirectory,
        _ => match lower.strip_prefix(b"os.unix=") {
            Some(unix) => return parse_unix_type(unix, &value[value.len() - unix.len()..]),
            None => EntryKind::Other,
        },
    };
    (kind, None)
}

/// `slink:/target` and the like: what stands behind the word varies, and only a link's is a target.
fn parse_unix_type(lower: &[u8], value: &[u8]) -> (EntryKind, Option<Vec<u8>>) {
    let (word, rest) = match lower.iter().position(|byte| matches!(byte, b':' | b'-')) {
        Some(at) => (&lower[..at], Some(&value[at + 1..])),
        None => (lower, None),
    };
    match word {
        b"slink" | b"symlink" | b"link" => {
            (EntryKind::Symlink, rest.filter(|target| !target.is_empty()).map(<[u8]>::to_vec))
        }
        b"chr" | b"char" | b"cdev" => (EntryKind::CharacterDevice, None),
        b"blk" | b"block" | b"bdev" => (EntryKind::BlockDevice, None),
        b"fifo" | b"pipe" => (EntryKind::Fifo, None),
        b"socket" | b"sock" => (EntryKind::Socket, None),
        _ => (EntryKind::Other, None),
    }
}

fn parse_octal(text: &[u8]) -> Option<u32> {
    if !(1..=8).contains(&text.len()) || !text.iter().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    // Some servers put the type of the file in front.
    Some(text.iter().fold(0, |mode, digit| mode << 3 | u32::from(digit - b'0')) & 0o7777)
}
