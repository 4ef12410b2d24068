//! What both sides of a mirror have in common: paths relative to a root, and what lies in a directory.

use std::collections::BTreeMap;

use jiff::Timestamp;
use wharf_proto::listing::{ListedTime, ListingEntry, TimePrecision};

/// A path below the root of a tree: names of any bytes, parted by `/`; the root itself is empty.
pub(super) type TreePath = Vec<u8>;

/// `name` in the directory `path`.
pub(super) fn join(path: &[u8], name: &[u8]) -> TreePath {
    let mut joined = path.to_vec();
    if !joined.is_empty() {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}

/// The directory in which `path` lies, and its name there.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (&[], path),
    }
}

/// How many directories lie between the root and what is in `path`.
pub(super) fn depth(path: &[u8]) -> usize {
    if path.is_empty() { 0 } else { 1 + path.iter().filter(|byte| **byte == b'/').count() }
}

/// What an entry with so long a name takes of memory, some more rather than some less.
pub(super) const fn weight(name: usize) -> usize {
    256 + 2 * name
}

/// What lies in a directory, by name.
pub(super) type Entries = BTreeMap<Vec<u8>, Entry>;

/// Something in a directory of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// In bytes.
    pub(super) size: Option<u64>,
    pub(super) modified: Option<ListedTime>,
    /// Where a symbolic link points to.
    pub(super) target: Option<Vec<u8>>,
    /// Equal for two names of one directory.
    pub(super) unique: Option<Vec<u8>>,
}

/// What a mirror makes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    /// A device, a FIFO, a socket, or what nobody knows.
    Other,
}

impl Kind {
    /// With its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Other => "neither a file nor a directory",
        }
    }
}

impl From<ListingEntry> for Entry {
    fn from(entry: ListingEntry) -> Self {
        use wharf_proto::listing::EntryKind;
        let kind = match entry.kind {
            EntryKind::File => Kind::File,
            kind if kind.is_directory() => Kind::Directory,
            EntryKind::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        let (size, modified) = (entry.size, entry.modified);
        Self { kind, size, modified, target: entry.link_target, unique: entry.unique }
    }
}

impl Entry {
    /// Whether its time is known to the second, in a known zone.
    pub(super) fn exact_time(&self) -> Option<Timestamp> {
        self.modified.filter(|time| time.precision == TimePrecision::Second)?.timestamp()
    }
}
