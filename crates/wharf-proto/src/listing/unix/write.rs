//! Writing lines, many of them: no formatting machinery, no allocation but the output's.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::super::entry::EntryKind;
use super::super::name::{UnlistableName, check_listable, fits_line};
use super::super::text::{MONTHS, write_decimal};

/// What a line says besides the name.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// The first letter.
    pub kind: EntryKind,
    /// The twelve bits of a Unix mode; more are not looked at.
    pub permissions: u32,
    /// Hard links.
    pub links: u64,
    /// Name or number. One that is empty, or has a space or control character, is written as `-`.
    pub owner: &'a [u8],
    /// As the owner.
    pub group: &'a [u8],
    /// In bytes.
    pub size: u64,
    /// When the content changed last.
    pub modified: Timestamp,
    /// Where a symbolic link points to; only looked at for one.
    pub link_target: Option<&'a [u8]>,
}

/// The half of an average Gregorian year, in seconds: what `ls` takes for six months.
const SIX_MONTHS: i64 = 31_556_952 / 2;
/// How far a time may be ahead of `now` and still be taken for one of this year: clocks differ, and a file may change
/// while it is listed.
const AHEAD: i64 = 3600;

/// Appends `-rw-r--r--   1 ftp      ftp          1024 Nov 20 10:00 name` and CRLF.
///
/// As `ls` has it, the time stands there for the last six months before `now`, the year for all else; both in UTC. A
/// link target that no line can hold is left out.
///
/// # Errors
/// When no line can hold the name; nothing is appended then.
pub fn write_line(
    out: &mut Vec<u8>,
    attributes: &Attributes<'_>,
    name: &[u8],
    now: Timestamp,
) -> Result<(), UnlistableName> {
    check_listable(name)?;
    out.reserve(64 + name.len());
    write_mode(out, attributes.kind, attributes.permissions);
    out.push(b' ');
    write_decimal(out, attributes.links, 3);
    write_owner(out, attributes.owner);
    write_owner(out, attributes.group);
    out.push(b' ');
    write_decimal(out, attributes.size, 8);
    write_time(out, attributes.modified, now);
    out.extend_from_slice(name);
    if attributes.kind == EntryKind::Symlink
        && let Some(target) = attributes.link_target
        && fits_line(target)
    {
        out.extend_from_slice(b" -> ");
        out.extend_from_slice(target);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

fn write_mode(out: &mut Vec<u8>, kind: EntryKind, permissions: u32) {
    let letter = match kind {
        EntryKind::File | EntryKind::Other => b'-',
        EntryKind::Directory | EntryKind::CurrentDirectory | EntryKind::ParentDirectory => b'd',
        EntryKind::Symlink => b'l',
        EntryKind::CharacterDevice => b'c',
        EntryKind::BlockDevice => b'b',
        EntryKind::Fifo => b'p',
        EntryKind::Socket => b's',
    };
    let mut text = *b"----------";
    text[0] = letter;
    for (bit, letter) in text[1..].iter_mut().zip(b"rwxrwxrwx").rev().enumerate() {
        let (place, granted) = letter;
        if permissions & (1 << bit) != 0 {
            *place = *granted;
        }
    }
    // Set-user-ID, set-group-ID and sticky share the places of the execute bits.
    for (place, bit, [with, without]) in [(3, 0o4000, *b"sS"), (6, 0o2000, *b"sS"), (9, 0o1000, *b"tT")] {
        if permissions & bit != 0 {
            text[place] = if text[place] == b'x' { with } else { without };
        }
    }
    out.extend_from_slice(&text);
}

fn write_owner(out: &mut Vec<u8>, owner: &[u8]) {
    const WIDTH: usize = 8;
    let owner = if owner.is_empty() || owner.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7F)) {
        b"-"
    } else {
        owner
    };
    out.push(b' ');
    out.extend_from_slice(owner);
    out.extend_from_slice(&[b' '; WIDTH][owner.len().min(WIDTH)..]);
}

/// ` Nov 20 10:00 ` or ` Nov 20  2025 `.
fn write_time(out: &mut Vec<u8>, time: Timestamp, now: Timestamp) {
    let moment = Offset::UTC.to_datetime(time);
    let age = now.as_second() - time.as_second();
    let [a, b, c] = MONTHS[(moment.month() - 1) as usize];
    let day = moment.day() as u8;
    let tens = if day < 10 { b' ' } else { b'0' + day / 10 };
    out.extend_from_slice(&[b' ', a, b, c, b' ', tens, b'0' + day % 10, b' ']);
    if (-AHEAD..SIX_MONTHS).contains(&age) {
        let (hour, minute) = (moment.hour() as u8, moment.minute() as u8);
        out.extend_from_slice(&[
            b'0' + hour / 10,
            b'0' + hour % 10,
            b':',
            b'0' + minute / 10,
            b'0' + minute % 10,
            b' ',
        ]);
    } else {
        // Before the year 0 there is no form for it; the reader finds the year 0.
        let year = moment.year().max(0) as u16;
        let digit = |value: u16| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[
            b' ',
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b' ',
        ]);
    }
}
