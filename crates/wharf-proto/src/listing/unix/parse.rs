//! Reading lines. What stands before the date varies from server to server, so the date is the anchor: the number
//! before it is the size, one space behind it the name begins.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use memchr::memmem;

use super::super::entry::{EntryKind, ListedTime, ListingEntry, TimePrecision};
use super::super::parser::ListingError;
use super::super::text::{Word, parse_decimal, parse_month, parse_short, words};

/// Words that are looked at before the date must have come: links, owner and group, which may have spaces.
const MOST_WORDS: usize = 24;

/// Reads a line of `ls -l`. `None` is a line that lists nothing: `total 8`, or an empty one.
///
/// Understood: numeric and missing owners and groups, those with spaces, devices (`1, 3`), links (`name -> target`),
/// a sign for access lists behind the mode, dates as `Nov 20 10:00`, `Nov 20 2026`, `20 Nov 2026`,
/// `2026-11-20 10:00` and `2026-11-20 10:00:05.123456789 +0100`. A date without a year is the latest one that is at most
/// a day after `now`. The name is all that stands behind the one space behind the date, spaces included.
///
/// # Errors
/// [`ListingError::Unrecognised`].
pub fn parse_line(line: &[u8], now: Timestamp) -> Result<Option<ListingEntry>, ListingError> {
    let unrecognised = || ListingError::Unrecognised { line: line.to_vec() };
    if lists_nothing(line) {
        return Ok(None);
    }
    let (kind, permissions, mode_end) = parse_mode(line).ok_or_else(unrecognised)?;
    let mut found = [Word::default(); MOST_WORDS];
    let mut count = 0;
    for (place, word) in found.iter_mut().zip(words(line, mode_end)) {
        *place = word;
        count += 1;
    }
    let found = &found[..count];
    let (size_index, date) = (1..count)
        .filter(|index| is_size(found[index - 1].of(line), kind))
        .find_map(|index| Some((index - 1, parse_date(line, &found[index..], now)?)))
        .ok_or_else(unrecognised)?;
    let name = line.get(date.end + 1..).filter(|name| !name.is_empty()).ok_or_else(unrecognised)?;

    let mut entry = ListingEntry::new(name, kind);
    entry.permissions = Some(permissions);
    entry.modified = date.time;
    if !is_device(kind) {
        entry.size = parse_decimal(found[size_index].of(line));
    }
    let mut owners = &found[..size_index];
    if is_device(kind) && owners.last().is_some_and(|word| word.of(line).ends_with(b",")) {
        owners = &owners[..owners.len() - 1];
    }
    (entry.owner, entry.group) = parse_owners(line, owners);
    match kind {
        EntryKind::Symlink => split_link(&mut entry),
        EntryKind::Directory => entry.kind = EntryKind::of_directory_named(&entry.name),
        _ => {}
    }
    Ok(Some(entry))
}

/// An empty line, or `total 8` in any language.
fn lists_nothing(line: &[u8]) -> bool {
    let mut words = words(line, 0);
    let Some(first) = words.next() else { return true };
    let Some(second) = words.next() else { return false };
    words.next().is_none()
        && first.of(line).iter().all(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
        && parse_decimal(second.of(line)).is_some()
}

/// `drwxr-xr-x` with what it means and where it ends.
fn parse_mode(line: &[u8]) -> Option<(EntryKind, u32, usize)> {
    let (&letter, bits) = line.get(..10)?.split_first()?;
    let kind = match letter {
        b'-' => EntryKind::File,
        b'd' => EntryKind::Directory,
        b'l' => EntryKind::Symlink,
        b'c' => EntryKind::CharacterDevice,
        b'b' => EntryKind::BlockDevice,
        b'p' => EntryKind::Fifo,
        b's' => EntryKind::Socket,
        b'D' | b'P' | b'C' | b'M' | b'n' | b'?' => EntryKind::Other,
        _ => return None,
    };
    let mut permissions = 0;
    for (index, byte) in bits.iter().enumerate() {
        let bit = 1 << (8 - index);
        // Set-user-ID, set-group-ID and sticky share the places of the execute bits.
        let special = 0o4000 >> (index / 3);
        permissions |= match (byte, index % 3) {
            (b'-', _) => 0,
            (b'r', 0) | (b'w', 1) | (b'x', 2) => bit,
            (b's' | b't', 2) => bit | special,
            (b'S' | b'T' | b'l' | b'L', 2) => special,
            _ => return None,
        };
    }
    let sign = usize::from(matches!(line.get(10), Some(b'+' | b'.' | b'@')));
    let end = 10 + sign;
    matches!(line.get(end), Some(b' ' | b'\t')).then_some((kind, permissions, end))
}

fn is_device(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::CharacterDevice | EntryKind::BlockDevice)
}

fn is_size(word: &[u8], kind: EntryKind) -> bool {
    // Of a device, the minor number stands there, perhaps with the major one.
    word.iter().all(|byte| byte.is_ascii_digit() || (is_device(kind) && *byte == b','))
}

/// Links, owner and group, as far as they are there.
fn parse_owners(line: &[u8], words: &[Word]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let text = |word: &Word| Some(word.of(line).to_vec());
    match words {
        [] => (None, None),
        // A lone number is the count of links.
        [only] => (text(only).filter(|owner| parse_decimal(owner).is_none()), None),
        [links, owner] if parse_decimal(links.of(line)).is_some() => (text(owner), None),
        [owner, group] => (text(owner), text(group)),
        [_, owner, group] => (text(owner), text(group)),
        // With spaces in them, nobody can tell where the owner ends: `Domain Users` is more often a group.
        [_, owner, group, .., last] => (text(owner), Some(line[group.start..last.end].to_vec())),
    }
}

/// A date and where its last word ends.
pub(in super::super) struct FoundDate {
    pub(in super::super) time: Option<ListedTime>,
    pub(in super::super) end: usize,
}

/// The date that `words` begin with.
pub(in super::super) fn parse_date(line: &[u8], words: &[Word], now: Timestamp) -> Option<FoundDate> {
    let word = |index: usize| words.get(index).map(|word| word.of(line));
    let (first, second) = (word(0)?, word(1)?);
    let month_and_day = match (parse_month(first), parse_day(second)) {
        (Some(month), Some(day)) => Some((month, day)),
        _ => parse_month(second).zip(parse_day(first)),
    };
    let Some((month, day)) = month_and_day else { return parse_iso_date(line, words) };
    let third = word(2)?;
    let mut last = 2;
    let time = if let Some(year) = parse_short(third, 4..=4) {
        day_time(year, month, day)
    } else {
        let (hour, minute, second) = parse_clock(third)?;
        // `ls -T` of BSD has the year behind the seconds.
        let year = second.and(word(3)).and_then(|word| parse_short(word, 4..=4));
        if let Some(year) = year {
            last = 3;
            let moment = DateTime::new(year, month, day, hour, minute, second.unwrap_or(0), 0).ok();
            moment.map(|moment| ListedTime { moment, precision: TimePrecision::Second, zone_known: false })
        } else {
            recent_time(month, day, hour, minute, now)
        }
    };
    Some(FoundDate { time, end: words[last].end })
}

fn day_time(year: i16, month: i8, day: i8) -> Option<ListedTime> {
    let moment = DateTime::new(year, month, day, 0, 0, 0, 0).ok()?;
    Some(ListedTime { moment, precision: TimePrecision::Day, zone_known: false })
}

/// The latest year that puts the moment no more than a day after `now`: the zones of the server and of `now` differ.
fn recent_time(month: i8, day: i8, hour: i8, minute: i8, now: Timestamp) -> Option<ListedTime> {
    let limit = now.checked_add(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX);
    let limit = Offset::UTC.to_datetime(limit);
    // Far enough back for a 29th of February.
    let years = (0..=8).filter_map(|back| limit.year().checked_sub(back));
    let moment = years
        .filter_map(|year| DateTime::new(year, month, day, hour, minute, 0, 0).ok())
        .find(|moment| *moment <= limit)?;
    Some(ListedTime { moment, precision: TimePrecision::Minute, zone_known: false })
}

/// `2026-11-20 10:00`, also with seconds, a fraction, and then a zone.
fn parse_iso_date(line: &[u8], words: &[Word]) -> Option<FoundDate> {
    let [date, clock, ..] = words else { return None };
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date.of(line) else { return None };
    let year = parse_short(&[y1, y2, y3, y4], 4..=4)?;
    let (month, day) = (parse_short(&[m1, m2], 2..=2)? as i8, parse_day(&[d1, d2])?);
    let text = clock.of(line);
    let (text, fraction) = match memchr::memchr(b'.', text) {
        Some(stop) => (&text[..stop], Some(&text[stop + 1..])),
        None => (text, None),
    };
    let (hour, minute, second) = parse_clock(text)?;
    let moment = Date::new(year, month, day).ok().and_then(|date| {
        Some(date.to_datetime(jiff::civil::Time::new(hour, minute, second.unwrap_or(0), 0).ok()?))
    });
    let precision = if second.is_some() { TimePrecision::Second } else { TimePrecision::Minute };
    let mut time = moment.map(|moment| ListedTime { moment, precision, zone_known: false });
    let mut end = clock.end;
    // `ls --full-time`: only behind a fraction is `+0100` a zone, and not the name of a file.
    if fraction.is_some_and(|digits| parse_decimal(digits).is_some())
        && let Some(zone) = words.get(2)
        && let Some(offset) = parse_zone(zone.of(line))
    {
        end = zone.end;
        time = time.and_then(|time| Some(ListedTime::exact(offset.to_timestamp(time.moment).ok()?)));
    } else if fraction.is_some() {
        return None;
    }
    Some(FoundDate { time, end })
}

fn parse_zone(word: &[u8]) -> Option<Offset> {
    let &[sign @ (b'+' | b'-'), h1, h2, m1, m2] = word else { return None };
    let minutes = i32::from(parse_short(&[h1, h2], 2..=2)?) * 60 + i32::from(parse_short(&[m1, m2], 2..=2)?);
    Offset::from_seconds(if sign == b'-' { -60 } else { 60 } * minutes).ok()
}

/// `20`, `5`, `20.`; 0 to 31.
fn parse_day(word: &[u8]) -> Option<i8> {
    let digits = word.strip_suffix(b".").or_else(|| word.strip_suffix(b",")).unwrap_or(word);
    parse_short(digits, 1..=2).filter(|day| *day <= 31).map(|day| day as i8)
}

/// `10:00`, `9:05`, `10:00:05`: hour, minute and perhaps second.
fn parse_clock(word: &[u8]) -> Option<(i8, i8, Option<i8>)> {
    let mut parts = word.split(|byte| *byte == b':');
    let hour = parse_short(parts.next()?, 1..=2)?;
    let minute = parse_short(parts.next()?, 2..=2)?;
    let second = match parts.next() {
        Some(second) => Some(parse_short(second, 2..=2)? as i8),
        None => None,
    };
    (parts.next().is_none() && hour < 24 && minute < 60 && second.is_none_or(|second| second < 60))
        .then_some((hour as i8, minute as i8, second))
}

/// `name -> target`. Where the arrow comes more than once, the size of a link, which is its target's length, decides;
/// else the first.
fn split_link(entry: &mut ListingEntry) {
    const ARROW: &[u8] = b" -> ";
    let name = &entry.name;
    // Two arrows may share a space, so each search begins one byte further on.
    let next = |from: usize| memmem::find(name.get(from..)?, ARROW).map(|at| from + at);
    let arrows = || core::iter::successors(next(1), |at| next(at + 1));
    let target_length = |at: &usize| (name.len() - at - ARROW.len()) as u64;
    let Some(at) = arrows().find(|at| Some(target_length(at)) == entry.size).or_else(|| next(1)) else {
        return;
    };
    entry.link_target = Some(entry.name[at + ARROW.len()..].to_vec());
    entry.name.truncate(at);
}
