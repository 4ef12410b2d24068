//! One entry of a listing, as far as a line of text tells it.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// An entry that was read from a listing. What the line does not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingEntry {
    /// The name, byte for byte; of MLST perhaps a whole path. See [`check_name`](super::check_name).
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// In bytes.
    pub size: Option<u64>,
    /// When the content changed last.
    pub modified: Option<ListedTime>,
    /// The twelve bits of a Unix mode (0 to 0o7777).
    pub permissions: Option<u32>,
    /// The letters of the `perm` fact as they came (RFC 3659 §7.5.5). Their case means nothing in the RFC, but
    /// pyftpdlib has capitals of its own (`M` and `T`, for SITE CHMOD and MFMT).
    pub rights: Option<Vec<u8>>,
    /// The `unique` fact: equal for two names of one file (RFC 3659 §7.5.2).
    pub unique: Option<Vec<u8>>,
    /// Where a symbolic link points to.
    pub link_target: Option<Vec<u8>>,
    /// The owner's name or number.
    pub owner: Option<Vec<u8>>,
    /// The group's name or number.
    pub group: Option<Vec<u8>>,
}

impl ListingEntry {
    /// An entry of which nothing but this is known.
    #[must_use]
    pub fn new(name: impl Into<Vec<u8>>, kind: EntryKind) -> Self {
        Self {
            name: name.into(),
            kind,
            size: None,
            modified: None,
            permissions: None,
            rights: None,
            unique: None,
            link_target: None,
            owner: None,
            group: None,
        }
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// The listed directory itself (`type=cdir`, `.`).
    CurrentDirectory,
    /// The directory above it (`type=pdir`, `..`).
    ParentDirectory,
    /// A symbolic link, to whatever.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// Something the listing does not say (NLST says nothing) or has its own word for.
    Other,
}

impl EntryKind {
    /// A directory, whichever.
    #[must_use]
    pub const fn is_directory(self) -> bool {
        matches!(self, Self::Directory | Self::CurrentDirectory | Self::ParentDirectory)
    }

    /// `.` and `..` stand for themselves in any listing.
    pub(super) fn of_directory_named(name: &[u8]) -> Self {
        match name {
            b"." => Self::CurrentDirectory,
            b".." => Self::ParentDirectory,
            _ => Self::Directory,
        }
    }
}

/// A time as a listing says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedTime {
    /// The date and time; what is finer than [`precision`](Self::precision) is zero.
    pub moment: DateTime,
    /// How exact it is.
    pub precision: TimePrecision,
    /// Whether `moment` is in UTC (MLSx). If not, it is in a zone that only the server knows (LIST).
    pub zone_known: bool,
}

/// How exact a [`ListedTime`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimePrecision {
    /// The date only.
    Day,
    /// To the minute.
    Minute,
    /// To the second, or finer where a fraction was given.
    Second,
}

impl ListedTime {
    /// A time in UTC, to the second or finer.
    #[must_use]
    pub fn exact(time: Timestamp) -> Self {
        Self { moment: Offset::UTC.to_datetime(time), precision: TimePrecision::Second, zone_known: true }
    }

    /// The moment, if the zone is known.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        if self.zone_known { self.assuming_utc() } else { None }
    }

    /// The moment if the zone were UTC, as it is for most servers; `None` at the edge of what can be represented.
    #[must_use]
    pub fn assuming_utc(&self) -> Option<Timestamp> {
        Offset::UTC.to_timestamp(self.moment).ok()
    }
}
