//! Listings: what is selected, and the lines that tell it.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use wharf_proto::glob;
use wharf_proto::listing::EntryKind;
use wharf_proto::listing::mlsx::{self, Fact, FactSelection, Facts, Rights};
use wharf_proto::listing::unix::{self, Attributes};
use wharf_proto::{Pathname, Reply, facts_time};
use wharf_storage::{Entry, Kind, Listing, Metadata, Storage, StorageError, StoragePath};

use crate::auth::UserSettings;
use crate::charset::Charset;
use crate::policy::{Right, Rights as UserRights};
use crate::replies;

/// Owner and group that are shown: the host's accounts are nobody's business.
const OWNER: &[u8] = b"ftp";

/// The facts that this server has (RFC 3659 §7.5).
pub(crate) const FACTS: FactSelection = FactSelection::NONE
    .with(Fact::Type)
    .with(Fact::Size)
    .with(Fact::Modify)
    .with(Fact::Perm)
    .with(Fact::Unique)
    .with(Fact::UnixMode);

/// How a listing is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListingStyle {
    /// As `ls -l` (LIST).
    Unix,
    /// Names only (NLST).
    Names,
    /// Facts (MLSD).
    Facts(FactSelection),
}

/// What is listed.
#[derive(Debug)]
pub(crate) enum Selection {
    /// What a directory holds. `prefix` stands before each name in NLST, so that each can be given to RETR
    /// (RFC 1123 §4.1.2.7).
    Directory { path: StoragePath, prefix: Vec<u8>, hidden: bool },
    /// The names in a directory that fit a pattern.
    Pattern { path: StoragePath, prefix: Vec<u8>, pattern: Vec<u8>, hidden: bool },
    /// One file, under the name that was given.
    File { path: StoragePath, metadata: Metadata, name: Vec<u8> },
}

impl Selection {
    /// What `argument` of LIST, NLST or STAT means in `directory`.
    pub(crate) async fn find(
        storage: &Arc<dyn Storage>,
        directory: &StoragePath,
        argument: Option<&Pathname>,
        hidden: bool,
        charset: Charset,
    ) -> Result<Self, Reply> {
        let Some(argument) = argument else {
            return Ok(Self::Directory { path: directory.clone(), prefix: Vec::new(), hidden });
        };
        let bytes = argument.as_bytes();
        let given = charset.to_storage(bytes).ok_or_else(|| replies::not_in_charset(charset))?;
        let path = directory.resolve(&given).map_err(|error| replies::bad_path(&error))?;
        match storage.stat(&path).await {
            Ok(metadata) if metadata.is_directory() => {
                let mut prefix = bytes.to_vec();
                if !prefix.ends_with(b"/") {
                    prefix.push(b'/');
                }
                Ok(Self::Directory { path, prefix, hidden })
            }
            Ok(metadata) => Ok(Self::File { path, metadata, name: given.into_owned() }),
            // Only the last component may be a pattern: no search ever leaves its directory (threat 11).
            Err(error) => match (path.file_name(), error) {
                (Some(name), StorageError::NotFound) if glob::is_pattern(name) => {
                    let prefix_length =
                        bytes.len() - bytes.rsplit(|&byte| byte == b'/').next().map_or(0, <[u8]>::len);
                    Ok(Self::Pattern {
                        pattern: name.to_vec(),
                        path: path.parent(),
                        prefix: bytes[..prefix_length].to_vec(),
                        hidden,
                    })
                }
                (_, error) => Err(replies::storage(&error)),
            },
        }
    }

    /// A whole directory.
    pub(crate) fn directory(path: StoragePath, hidden: bool) -> Self {
        Self::Directory { path, prefix: Vec::new(), hidden }
    }

    /// The directory or file.
    pub(crate) fn path(&self) -> &StoragePath {
        match self {
            Self::Directory { path, .. } | Self::Pattern { path, .. } | Self::File { path, .. } => path,
        }
    }
}

/// How a user sees a directory: with the rights that it has there, and without what it may do nothing with.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// What holds for the user.
    pub settings: Option<Arc<UserSettings>>,
    /// What is listed, or where the one file stands.
    pub directory: StoragePath,
    /// The character set of names on the wire.
    pub charset: Charset,
}

impl View {
    /// What the user may do with `name`, which stands in the directory.
    fn rights(&self, name: &[u8]) -> UserRights {
        let Some(policy) = self.settings.as_ref().map(|settings| &settings.policy) else {
            return UserRights::NONE;
        };
        if policy.rules.is_empty() {
            return policy.rights;
        }
        match self.directory.join(name) {
            Ok(path) => policy.rights_at(&path),
            Err(_) => UserRights::NONE,
        }
    }

    /// What the user may do with `path`.
    pub(crate) fn rights_at(&self, path: &StoragePath) -> UserRights {
        self.settings.as_ref().map_or(UserRights::NONE, |settings| settings.policy.rights_at(path))
    }

    /// Whether the user sees what it has these rights to. Where no rule says otherwise, everything.
    fn shows(&self, rights: UserRights) -> bool {
        rights != UserRights::NONE
            || self.settings.as_ref().is_none_or(|settings| settings.policy.rules.is_empty())
    }
}

/// Writes a listing piece by piece, so that a huge directory costs no memory.
pub(crate) struct ListingWriter {
    source: Entries,
    style: ListingStyle,
    prefix: Vec<u8>,
    pattern: Option<Vec<u8>>,
    hidden: bool,
    view: View,
    now: Timestamp,
}

enum Entries {
    Directory(Listing),
    One(Option<Entry>),
}

impl ListingWriter {
    /// Opens what is listed, so that 550 comes before any 150.
    pub(crate) async fn open(
        storage: &dyn Storage,
        selection: Selection,
        style: ListingStyle,
        view: View,
    ) -> Result<Self, Reply> {
        let (source, prefix, pattern, hidden) = match selection {
            Selection::Directory { path, prefix, hidden } => {
                (Entries::Directory(open_directory(storage, &path).await?), prefix, None, hidden)
            }
            Selection::Pattern { path, prefix, pattern, hidden } => {
                let hidden = hidden || pattern.starts_with(b".");
                (Entries::Directory(open_directory(storage, &path).await?), prefix, Some(pattern), hidden)
            }
            Selection::File { metadata, name, .. } => {
                let entry = Entry { name: name.into(), metadata };
                (Entries::One(Some(entry)), Vec::new(), None, true)
            }
        };
        Ok(Self { source, style, prefix, pattern, hidden, view, now: Timestamp::now() })
    }

    /// The next lines, CR LF at the end of each; none at the end of the listing. May be empty in between.
    pub(crate) async fn next_lines(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        let mut lines = Vec::new();
        let (style, charset, now) = (self.style, self.view.charset, self.now);
        match &mut self.source {
            Entries::One(entry) => match entry.take() {
                None => return Ok(None),
                Some(entry) => {
                    // It is the name as it was given, with directories before it.
                    let rights = self.view.rights_at(&self.view.directory);
                    write_line(&mut lines, style, &[], &entry, (rights, charset), now);
                }
            },
            Entries::Directory(listing) => {
                let Some(batch) = listing.next_batch().await? else { return Ok(None) };
                for entry in &batch {
                    if entry.name.starts_with(b".") && !self.hidden {
                        continue;
                    }
                    if self.pattern.as_ref().is_some_and(|pattern| !glob::fits(pattern, &entry.name)) {
                        continue;
                    }
                    let rights = self.view.rights(&entry.name);
                    if self.view.shows(rights) {
                        write_line(&mut lines, style, &self.prefix, entry, (rights, charset), now);
                    }
                }
            }
        }
        Ok(Some(lines))
    }
}

async fn open_directory(storage: &dyn Storage, path: &StoragePath) -> Result<Listing, Reply> {
    storage.list(path).await.map_err(|error| replies::storage(&error))
}

/// A name that no line can hold (CR, LF) is left out: nobody could ask for it, and a changed one would be a lie. One that the
/// character set cannot express is shown as it is on the disk.
fn write_line(
    lines: &mut Vec<u8>,
    style: ListingStyle,
    prefix: &[u8],
    entry: &Entry,
    (may, charset): (UserRights, Charset),
    now: Timestamp,
) {
    let name = charset.shown(&entry.name);
    let written = match style {
        ListingStyle::Unix => {
            let metadata = &entry.metadata;
            let attributes = Attributes {
                kind: entry_kind(metadata.kind),
                permissions: metadata.mode,
                links: metadata.links,
                owner: OWNER,
                group: OWNER,
                size: metadata.size,
                modified: timestamp(metadata.modified),
                link_target: None,
            };
            unix::write_line(lines, &attributes, &name, now)
        }
        ListingStyle::Names => {
            if Pathname::new(&name).is_ok() {
                lines.extend_from_slice(prefix);
                lines.extend_from_slice(&name);
                lines.extend_from_slice(b"\r\n");
            }
            Ok(())
        }
        ListingStyle::Facts(selection) => {
            let facts = facts(entry_kind(entry.metadata.kind), &entry.metadata, may);
            mlsx::write_line(lines, &facts, selection, &name)
        }
    };
    if written.is_err() {
        tracing::debug!(name = %wharf_proto::pathname::escaped(&entry.name), "a name that no listing can hold was left out");
    }
}

/// One line of facts about `path` for MLST, without a line end.
pub(crate) fn facts_of(
    path: &StoragePath,
    metadata: &Metadata,
    selection: FactSelection,
    may: UserRights,
    charset: Charset,
) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let facts = facts(entry_kind(metadata.kind), metadata, may);
    mlsx::write_entry(&mut line, &facts, selection, &charset.shown(path.as_bytes())).ok()?;
    Some(line)
}

fn facts(kind: EntryKind, metadata: &Metadata, may: UserRights) -> Facts<'static> {
    let unique = metadata
        .device
        .zip(metadata.inode)
        .map(|(device, inode)| u128::from(device) << 64 | u128::from(inode));
    Facts {
        size: metadata.is_file().then_some(metadata.size),
        modify: Some(timestamp(metadata.modified)),
        rights: Some(rights(metadata, may)),
        unique,
        unix_mode: Some(metadata.mode),
        ..Facts::new(kind)
    }
}

/// What may be done with it, as far as the user's rights go (RFC 3659 §7.5.5).
fn rights(metadata: &Metadata, may: UserRights) -> Rights {
    let facts = if metadata.is_directory() {
        [
            (Right::List, Rights::LIST),
            (Right::Write, Rights::CREATE),
            (Right::Delete, Rights::DELETE.with(Rights::PURGE)),
            (Right::Rename, Rights::RENAME),
            (Right::MakeDirectory, Rights::MAKE_DIRECTORY),
        ]
    } else {
        [
            (Right::Read, Rights::READ),
            (Right::Overwrite, Rights::APPEND.with(Rights::WRITE)),
            (Right::Delete, Rights::DELETE),
            (Right::Rename, Rights::RENAME),
            (Right::Read, Rights::READ),
        ]
    };
    let own = if metadata.is_directory() { Rights::ENTER } else { Rights::NONE };
    facts.iter().filter(|(right, _)| may.has(*right)).fold(own, |all, (_, fact)| all.with(*fact))
}

fn entry_kind(kind: Kind) -> EntryKind {
    match kind {
        Kind::File => EntryKind::File,
        Kind::Directory => EntryKind::Directory,
        Kind::Symlink => EntryKind::Symlink,
        Kind::Fifo => EntryKind::Fifo,
        Kind::Socket => EntryKind::Socket,
        Kind::CharacterDevice => EntryKind::CharacterDevice,
        Kind::BlockDevice => EntryKind::BlockDevice,
        Kind::Other => EntryKind::Other,
    }
}

/// Times that no calendar has become its end.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(if time > SystemTime::UNIX_EPOCH {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    })
}

/// `YYYYMMDDHHMMSS` in UTC (RFC 3659 §2.3).
pub(crate) fn wire_time(time: SystemTime) -> Vec<u8> {
    let mut text = Vec::new();
    facts_time::write_seconds(timestamp(time), &mut text);
    text
}
