//! Entries of a listing, as lines and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};
use wharf_proto::listing::{EntryKind, ListedTime, ListingEntry, TimePrecision};
use wharf_proto::pathname::escaped;

/// One line without its end: the name as `shown` shows it, or with `long` type, size and time before it.
pub(crate) fn line(entry: &ListingEntry, long: bool, shown: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut line = Vec::new();
    if long {
        let size = entry.size.map_or_else(|| "-".to_owned(), |size| size.to_string());
        let time = entry.modified.map_or_else(|| "-".to_owned(), |time| time_text(&time));
        line.extend_from_slice(format!("{} {size:>14} {time:<19} ", letter(entry.kind)).as_bytes());
    }
    line.extend_from_slice(&shown(&entry.name));
    if long && let Some(target) = &entry.link_target {
        line.extend_from_slice(b" -> ");
        line.extend_from_slice(&shown(target));
    }
    line
}

/// As a JSON object. A name that is not UTF-8 is there with escapes, and as it is in `name_hex`.
pub(crate) fn object(entry: &ListingEntry) -> Value {
    let mut object = json!({
        "type": kind(entry.kind),
        "size": entry.size,
        "modified": entry.modified.map(|time| time_text(&time)),
    });
    set_name(&mut object, "name", &entry.name);
    if let Some(permissions) = entry.permissions {
        object["permissions"] = format!("{permissions:04o}").into();
    }
    if let Some(target) = &entry.link_target {
        object["target"] = text(target).into();
    }
    object
}

/// Puts a name into an object. One that is not UTF-8 is there with escapes, and as it is in `key` with `_hex`.
pub(crate) fn set_name(object: &mut Value, key: &str, name: &[u8]) {
    object[key] = text(name).into();
    if std::str::from_utf8(name).is_err() {
        let hex = name.iter().fold(String::new(), |mut hex, byte| {
            // Writing into a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        object[format!("{key}_hex")] = hex.into();
    }
}

fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => escaped(bytes).to_string(),
    }
}

/// As in the `type` of JSON.
pub(crate) fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory | EntryKind::CurrentDirectory | EntryKind::ParentDirectory => "directory",
        EntryKind::Symlink => "link",
        EntryKind::CharacterDevice | EntryKind::BlockDevice => "device",
        EntryKind::Fifo => "fifo",
        EntryKind::Socket => "socket",
        EntryKind::Other => "other",
    }
}

fn letter(kind: EntryKind) -> char {
    match kind {
        EntryKind::File => '-',
        EntryKind::Directory | EntryKind::CurrentDirectory | EntryKind::ParentDirectory => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::CharacterDevice => 'c',
        EntryKind::BlockDevice => 'b',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::Other => '?',
    }
}

/// `2026-11-20T10:00:05Z`; without the `Z` where only the server knows the zone, and as exact as it is known.
pub(crate) fn time_text(time: &ListedTime) -> String {
    let form = match time.precision {
        TimePrecision::Day => "%Y-%m-%d",
        TimePrecision::Minute => "%Y-%m-%dT%H:%M",
        TimePrecision::Second => "%Y-%m-%dT%H:%M:%S",
    };
    let zone = if time.zone_known { "Z" } else { "" };
    format!("{}{zone}", time.moment.strftime(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_objects() {
        let mut entry = ListingEntry::new(*b"a b", EntryKind::File);
        entry.size = Some(12);
        entry.modified = Some(ListedTime::exact("2026-11-20T10:00:05Z".parse().unwrap()));
        assert_eq!(line(&entry, false, <[u8]>::to_vec), b"a b");
        assert_eq!(
            String::from_utf8(line(&entry, true, <[u8]>::to_vec)).unwrap(),
            "-             12 2026-11-20T10:00:05Z a b"
        );
        let value = object(&entry);
        assert_eq!(
            (&value["name"], &value["type"], &value["size"]),
            (&json!("a b"), &json!("file"), &json!(12))
        );
        assert_eq!(value["modified"], "2026-11-20T10:00:05Z");
        assert_eq!(object(&ListingEntry::new(*b"caf\xE9", EntryKind::File))["name_hex"], "636166e9");
    }
}
