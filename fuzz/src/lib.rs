//! What each fuzz target checks: one function a decoder, on any bytes at all.
//!
//! The targets in `fuzz_targets/` hand libFuzzer's bytes to these; `crates/wharf-proto/tests/fuzz_bodies.rs` runs the
//! same functions on the seeds and on random bytes, in the ordinary tests. They panic on whatever must never be: a
//! result that depends on where the bytes were cut, a value that does not come back from its own text, memory without
//! a bound.

use jiff::Timestamp;
use jiff::tz::Offset;
use wharf_proto::ascii::{AsciiDecoder, AsciiEncoder};
use wharf_proto::command::Command;
use wharf_proto::decoder::{
    DecodedReply, Line, LineDecoder, LineError, ReplyDecoder, ReplyError, ReplyQuirk,
};
use wharf_proto::dialogue::{Endpoints, Side};
use wharf_proto::host_port::{ExtendedHostPort, HostPort, extended_passive_mode_text, find_extended_port};
use wharf_proto::listing::{
    EntryKind, ListedTime, ListingEntry, ListingError, ListingKind, ListingParser, dos, is_safe_name, mlsx,
    unix,
};
use wharf_proto::observer::{Observer, Seen};
use wharf_proto::reply::Reply;
use wharf_proto::tls_records::{Record, RecordWatcher};
use wharf_proto::{facts_time, limits};

/// A function that checks one decoder.
pub type Body = fn(&[u8]);

/// Every body, by the name of its target.
pub const BODIES: [(&str, Body); 12] = [
    ("line", line),
    ("reply", reply),
    ("command", command),
    ("host_port", host_port),
    ("extended", extended),
    ("mlsx", mlsx),
    ("unix_list", unix_list),
    ("dos_list", dos_list),
    ("ascii", ascii),
    ("times", times),
    ("dialogue", dialogue),
    ("tls_records", tls_records),
];

/// A small number from the first byte of the input; the rest is the input proper.
fn split_number(data: &[u8], most: usize) -> (usize, &[u8]) {
    data.split_first().map_or((1, data), |(first, rest)| (usize::from(*first) % most + 1, rest))
}

/// `LineDecoder`: pieces change nothing, lines are within the limit, memory is bounded, lines come back.
pub fn line(data: &[u8]) {
    let (limit, rest) = split_number(data, 64);
    let (piece, input) = split_number(rest, 64);
    for new in [LineDecoder::new, LineDecoder::without_telnet] {
        let mut whole = new(limit);
        whole.push(input);
        let expected: Vec<_> = core::iter::from_fn(|| whole.next_line()).collect();
        let mut pieces = new(limit);
        let mut lines = Vec::new();
        for bytes in input.chunks(piece) {
            pieces.push(bytes);
            lines.extend(core::iter::from_fn(|| pieces.next_line()));
            assert!(pieces.unfinished().len() < limit);
            // An unfinished line, with what a vector grows ahead.
            assert!(pieces.heap_bytes() <= 2 * limit + 64, "{} bytes of heap", pieces.heap_bytes());
        }
        assert_eq!(lines, expected);
        assert_eq!(pieces.unfinished(), whole.unfinished());
        assert_eq!(pieces.take_interrupt(), whole.take_interrupt());
        for line in lines.iter().flatten() {
            assert!(line.bytes.len() < limit && !line.bytes.contains(&b'\n'));
        }
        lines_come_back(&lines);
    }
}

fn lines_come_back(lines: &[Result<Line, LineError>]) {
    let mut wire = Vec::new();
    for line in lines.iter().flatten() {
        for byte in &line.bytes {
            match byte {
                0xFF => wire.extend([0xFF, 0xFF]),
                b'\r' => wire.extend(b"\r\0"),
                _ => wire.push(*byte),
            }
        }
        wire.extend(b"\r\n");
    }
    let mut decoder = LineDecoder::new(limits::COMMAND_LINE);
    decoder.push(&wire);
    for line in lines.iter().flatten() {
        assert_eq!(decoder.next_line().map(|line| line.map(|line| line.bytes)), Some(Ok(line.bytes.clone())));
    }
    assert_eq!((decoder.next_line(), decoder.heap_bytes()), (None, 0));
}

/// `ReplyDecoder`: pieces change nothing, memory is bounded, what it understood it writes and understands again.
pub fn reply(data: &[u8]) {
    let (piece, input) = split_number(data, 256);
    let (expected, end) = decode_replies(input, input.len().max(1));
    assert_eq!(decode_replies(input, piece), (expected.clone(), end));
    for DecodedReply { reply, .. } in expected.into_iter().flatten() {
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        if wire.len() > limits::REPLY_LINE {
            continue; // the escapes may have made it too long
        }
        let (again, end) = decode_replies(&wire, wire.len());
        let [Ok(DecodedReply { reply: again, quirks })] = &again[..] else {
            panic!("{reply:?} became {again:?}")
        };
        assert!(
            end.is_none() && quirks.iter().all(|quirk| quirk == ReplyQuirk::CodeOutOfRange),
            "{quirks:?}"
        );
        let mut wire_again = Vec::new();
        again.encode(&mut wire_again);
        assert_eq!(wire, wire_again);
        let normal =
            |reply: &Reply| reply.lines().all(|line| !line.iter().any(|byte| matches!(byte, 0 | b'\r')));
        if normal(&reply) && !reply.is_multi_line() {
            assert_eq!(&reply, again);
        }
    }
}

type Replies = Vec<Result<DecodedReply, ReplyError>>;

fn decode_replies(input: &[u8], piece: usize) -> (Replies, Option<ReplyError>) {
    let mut decoder = ReplyDecoder::new();
    let mut replies = Vec::new();
    for bytes in input.chunks(piece) {
        decoder.push(bytes);
        replies.extend(core::iter::from_fn(|| decoder.next_reply()));
        assert!(decoder.pending_bytes() <= limits::REPLY + limits::REPLY_LINE);
    }
    let end = decoder.end();
    assert!(decoder.is_finished() && decoder.pending_bytes() == 0);
    (replies, end)
}

/// `Command::parse`: what it understood it writes as one line, and understands again.
pub fn command(data: &[u8]) {
    let Ok(command) = Command::parse(data) else { return };
    let mut wire = Vec::new();
    command.encode(&mut wire);
    let mut decoder = LineDecoder::new(wire.len().max(1));
    decoder.push(&wire);
    let line = decoder.next_line().expect("a whole line").expect("within the limit");
    assert!(!line.bare_line_feed && !line.telnet_inside);
    assert_eq!((decoder.next_line(), decoder.pending_bytes()), (None, 0));
    assert_eq!(Command::parse(&line.bytes), Ok(command.clone()), "{command}");
    assert!(!command.to_string().contains(['\r', '\n', '\0']));
}

/// PORT and 227.
pub fn host_port(data: &[u8]) {
    if let Ok(endpoint) = HostPort::parse_strict(data) {
        assert_eq!(HostPort::find_in_reply_text(data), Ok(endpoint));
        assert_ne!(endpoint.port, 0);
    }
    if let Ok(endpoint) = HostPort::find_in_reply_text(data) {
        let mut text = Vec::new();
        endpoint.write(&mut text);
        assert_eq!(HostPort::parse_strict(&text), Ok(endpoint));
        assert_eq!(HostPort::find_in_reply_text(endpoint.passive_mode_text().as_bytes()), Ok(endpoint));
    }
}

/// EPRT and 229.
pub fn extended(data: &[u8]) {
    if let Ok(endpoint) = ExtendedHostPort::parse(data) {
        let mut text = Vec::new();
        endpoint.write(&mut text);
        assert_eq!(ExtendedHostPort::parse(&text), Ok(endpoint));
        assert_eq!(find_extended_port(&text), Ok(endpoint.port));
    }
    if let Ok(port) = find_extended_port(data) {
        assert_ne!(port, 0);
        assert_eq!(find_extended_port(extended_passive_mode_text(port).as_bytes()), Ok(port));
    }
}

fn now() -> Timestamp {
    Timestamp::constant(1_795_176_000, 0)
}

/// Facts: the name is the end of the line, and what was understood is written and understood again.
pub fn mlsx(data: &[u8]) {
    let selection = mlsx::FactSelection::parse_options(data, mlsx::FactSelection::ALL);
    let options = selection.options_text();
    let asked = options.strip_prefix("MLST OPTS").unwrap_or_default();
    assert_eq!(mlsx::FactSelection::parse_options(asked.as_bytes(), mlsx::FactSelection::ALL), selection);
    listing_is_bounded(ListingKind::Facts, data);

    let Ok(entry) = mlsx::parse_line(data) else { return };
    assert!(!entry.name.is_empty() && data.ends_with(&entry.name));
    let second = |time: ListedTime| Timestamp::new(time.timestamp()?.as_second(), 0).ok();
    let facts = mlsx::Facts {
        size: entry.size,
        modify: entry.modified.and_then(second),
        rights: entry.rights.as_deref().map(mlsx::Rights::from_letters),
        unix_mode: entry.permissions,
        ..mlsx::Facts::new(entry.kind)
    };
    let mut line = Vec::new();
    if mlsx::write_entry(&mut line, &facts, mlsx::FactSelection::ALL, &entry.name).is_err() {
        return;
    }
    let again = mlsx::parse_line(&line).expect("our own line");
    assert_eq!(
        (again.name, again.kind, again.size, again.permissions),
        (entry.name, entry.kind, entry.size, entry.permissions)
    );
    assert_eq!(again.modified, facts.modify.map(ListedTime::exact));
    assert_eq!(again.rights.as_deref().map(mlsx::Rights::from_letters), facts.rights);
}

/// Lines of `ls -l`.
pub fn unix_list(data: &[u8]) {
    listing_is_bounded(ListingKind::Lines, data);
    let Ok(Some(entry)) = unix::parse_line(data, now()) else { return };
    assert!(data.ends_with(entry.link_target.as_ref().unwrap_or(&entry.name)));
    let Some(modified) = entry.modified.and_then(|time| time.assuming_utc()) else { return };
    let attributes = unix::Attributes {
        kind: entry.kind,
        permissions: entry.permissions.unwrap_or(0),
        links: 1,
        owner: b"ftp",
        group: b"ftp",
        size: entry.size.unwrap_or(0),
        modified,
        link_target: entry.link_target.as_deref(),
    };
    let mut line = Vec::new();
    if unix::write_line(&mut line, &attributes, &entry.name, now()).is_err() {
        return;
    }
    let line = line.strip_suffix(b"\r\n").expect("a line's end");
    let again = unix::parse_line(line, now()).expect("our own line").expect("an entry");
    let date = |entry: &ListingEntry| entry.modified.map(|time| time.moment.date());
    let year = Offset::UTC.to_datetime(modified).year();
    assert!(year < 0 || date(&again) == date(&entry), "{entry:?} became {again:?}");
    assert_eq!(again.permissions, entry.permissions);
    // These have no letter of their own, and arrows in names are a guess.
    if entry.kind != EntryKind::Other {
        assert_eq!(again.kind, entry.kind);
    }
    if again.kind != EntryKind::Symlink {
        assert_eq!(again.name, entry.name);
    }
}

/// Lines of `DIR`.
pub fn dos_list(data: &[u8]) {
    listing_is_bounded(ListingKind::Lines, data);
    let Ok(entry) = dos::parse_line(data) else { return };
    assert!(!entry.name.is_empty());
    assert!(entry.kind == EntryKind::Symlink || data.ends_with(&entry.name));
    assert_eq!(entry.kind == EntryKind::File, entry.size.is_some());
}

/// A listing in pieces is the listing; every entry that comes out is safe.
fn listing_is_bounded(kind: ListingKind, data: &[u8]) {
    let (piece, input) = split_number(data, 64);
    let expected = parse_listing(kind, input, input.len().max(1));
    assert_eq!(parse_listing(kind, input, piece), expected);
    for entry in expected.iter().flatten() {
        let itself = matches!(entry.kind, EntryKind::CurrentDirectory | EntryKind::ParentDirectory);
        assert!(itself || is_safe_name(&entry.name), "{entry:?}");
    }
}

fn parse_listing(kind: ListingKind, input: &[u8], piece: usize) -> Vec<Result<ListingEntry, ListingError>> {
    let mut parser = ListingParser::new(kind, now());
    let mut entries = Vec::new();
    for bytes in input.chunks(piece) {
        parser.push(bytes);
        entries.extend(core::iter::from_fn(|| parser.next_entry()));
    }
    parser.end();
    entries.extend(core::iter::from_fn(|| parser.next_entry()));
    entries
}

/// TYPE A: pieces change nothing, every line on the wire ends with CRLF, text with LF comes back.
pub fn ascii(data: &[u8]) {
    let (piece, input) = split_number(data, 64);
    let wire = encode_ascii(input, input.len().max(1));
    assert_eq!(encode_ascii(input, piece), wire);
    assert_eq!(decode_ascii(input, piece), decode_ascii(input, input.len().max(1)));
    let ends = wire.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    for (at, _) in ends {
        assert!(at > 0 && wire[at - 1] == b'\r');
    }
    if !input.windows(2).any(|pair| pair == b"\r\n") {
        assert_eq!(decode_ascii(&wire, piece), input);
    }
}

fn encode_ascii(input: &[u8], piece: usize) -> Vec<u8> {
    let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
    for bytes in input.chunks(piece) {
        encoder.encode(bytes, &mut out);
    }
    encoder.finish();
    assert!(out.len() <= 2 * input.len());
    out
}

fn decode_ascii(input: &[u8], piece: usize) -> Vec<u8> {
    let (mut decoder, mut out) = (AsciiDecoder::new(), Vec::new());
    for bytes in input.chunks(piece) {
        decoder.decode(bytes, &mut out);
    }
    decoder.finish(&mut out);
    assert!(out.len() <= input.len());
    out
}

/// Times of RFC 3659.
pub fn times(data: &[u8]) {
    let Ok(time) = facts_time::parse(data) else { return };
    let mut text = Vec::new();
    facts_time::write(time, &mut text);
    assert_eq!(facts_time::parse(&text), Ok(time));
    text.clear();
    facts_time::write_seconds(time, &mut text);
    assert_eq!(text.len(), 14);
}

/// A part of a conversation: who speaks, and what; or what nobody saw.
enum Part<'a> {
    Said(Side, &'a [u8]),
    Missed(Side, usize),
}

/// The first byte of each part says who, whether it was missed, and how long it is.
fn parts(mut data: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let Some((first, rest)) = data.split_first() {
        let side = if first & 1 == 0 { Side::Client } else { Side::Server };
        let length = usize::from(first >> 2);
        if first & 2 == 0 {
            let (said, behind) = rest.split_at(rest.len().min(length));
            parts.push(Part::Said(side, said));
            data = behind;
        } else {
            parts.push(Part::Missed(side, length));
            data = rest;
        }
    }
    parts
}

/// What an observer sees of a conversation that comes in pieces of at most `piece` bytes, and whether TLS came up in it.
fn observed(parts: &[Part<'_>], piece: usize) -> (Vec<Seen>, bool) {
    let endpoint = |last: u8| core::net::SocketAddr::from(([192, 0, 2, last], 21));
    let at = wharf_proto::Timestamp::START;
    let mut observer = Observer::new(at, Endpoints::new(endpoint(1), endpoint(2)));
    let (mut seen, mut was_hidden) = (Vec::new(), false);
    for part in parts {
        match part {
            Part::Said(side, said) => {
                for bytes in said.chunks(piece) {
                    observer.handle_input(at, *side, bytes);
                    was_hidden |= observer.is_under_tls();
                    seen.extend(core::iter::from_fn(|| observer.poll_seen()));
                }
            }
            Part::Missed(side, length) => observer.handle_gap(at, *side, *length),
        }
        assert!(observer.dialogue().outstanding() <= limits::OUTSTANDING_COMMANDS);
    }
    (seen, was_hidden)
}

/// `Observer`: any bytes from both sides, and gaps. Without gaps and TLS, pieces change nothing.
pub fn dialogue(data: &[u8]) {
    let (piece, rest) = split_number(data, 16);
    let parts = parts(rest);
    let (whole, was_hidden) = observed(&parts, usize::MAX);
    let (pieces, was_hidden_in_pieces) = observed(&parts, piece);
    let has_gap = parts.iter().any(|part| matches!(part, Part::Missed(..)));
    if !has_gap && !was_hidden && !was_hidden_in_pieces {
        let talk = |seen: &[Seen]| -> Vec<Seen> {
            seen.iter().filter(|seen| !matches!(seen, Seen::Event(_))).cloned().collect()
        };
        assert_eq!(talk(&pieces), talk(&whole));
    }
}

/// `RecordWatcher`: pieces change nothing.
pub fn tls_records(data: &[u8]) {
    let (piece, input) = split_number(data, 32);
    let records = |piece: usize| -> (Vec<Record>, usize, bool) {
        let (mut watcher, mut records, mut taken) = (RecordWatcher::new(), Vec::new(), 0);
        for bytes in input.chunks(piece) {
            let count = watcher.push(bytes, &mut |record| records.push(record));
            taken += count;
            if count < bytes.len() {
                break;
            }
        }
        (records, taken, watcher.is_lost())
    };
    let (whole, taken, is_lost) = records(usize::MAX);
    let (pieces, taken_in_pieces, is_lost_in_pieces) = records(piece);
    // Whether bytes can begin a record is judged as far as they go: in pieces it may take longer to see that they cannot.
    if !is_lost && !is_lost_in_pieces {
        assert_eq!((&pieces, taken_in_pieces), (&whole, taken));
    }
    let shared = whole.len().min(pieces.len());
    assert_eq!(pieces[..shared], whole[..shared]);
}
