//! Listings: the directory is read by `getdents`, buffer by buffer, with one `statat` for each name.

use core::mem::{self, MaybeUninit};
use std::ffi::CStr;
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, OFlags, RawDir, statat};
use rustix::io::Errno;

use super::root::Root;
use super::{attributes, on_thread};
use crate::part::is_part;
use crate::{Batches, Entry, Kind, Listing, Metadata, StorageError, StoragePath};

/// Flags of a directory that is listed.
pub(super) const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK);

/// Bytes of one `getdents` buffer: some 500 entries with names of usual length.
const BUFFER: usize = 16 * 1024;

/// A batch has at least so many entries, but for the last one, and at most one buffer more.
const BATCH: usize = 256;

/// Begins to list a directory that was opened with [`FLAGS`].
pub(super) fn listing(root: Arc<Root>, path: &StoragePath, directory: OwnedFd) -> Listing {
    let mut prefix = path.relative().to_vec();
    prefix.push(b'/');
    Listing::new(LocalListing::Ready(Reader { root, prefix, directory, buffer: Vec::with_capacity(BUFFER) }))
}

/// A listing between two batches; while one is read, the reader is on another thread.
enum LocalListing {
    Ready(Reader),
    /// The reader is gone: a batch failed, or its future was dropped.
    Away,
    Ended,
}

#[async_trait]
impl Batches for LocalListing {
    async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        let mut reader = match mem::replace(self, Self::Away) {
            Self::Ready(reader) => reader,
            Self::Ended => {
                *self = Self::Ended;
                return Ok(None);
            }
            // Not the end: a listing that broke off must not look whole.
            Self::Away => return Err(StorageError::Io(io::Error::other("the listing was broken off"))),
        };
        let (reader, batch) = on_thread(move || {
            let batch = reader.read_batch()?;
            Ok((reader, batch))
        })
        .await?;
        if batch.is_empty() {
            *self = Self::Ended;
            return Ok(None);
        }
        *self = Self::Ready(reader);
        Ok(Some(batch))
    }
}

struct Reader {
    root: Arc<Root>,
    /// The directory relative to the root, with a slash at its end: where symbolic links are resolved from.
    prefix: Vec<u8>,
    directory: OwnedFd,
    /// Room for the kernel's entries; never holds any between two batches.
    buffer: Vec<u8>,
}

impl Reader {
    /// At least [`BATCH`] entries, or all that are left; may wait for a disk.
    ///
    /// A buffer that was begun is always used up, because the kernel's position is behind it.
    fn read_batch(&mut self) -> Result<Vec<Entry>, StorageError> {
        let mut batch = Vec::with_capacity(BATCH * 2);
        let Self { root, prefix, directory, buffer } = self;
        let room: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
        let mut entries = RawDir::new(&*directory, room);
        while batch.len() < BATCH || !entries.is_buffer_empty() {
            let Some(entry) = entries.next() else { break };
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || is_part(name.to_bytes()) {
                continue;
            }
            if let Some(metadata) = metadata(root, prefix, directory, name, entry.file_type())? {
                batch.push(Entry { name: name.to_bytes().into(), metadata });
            }
        }
        Ok(batch)
    }
}

/// What stands under a name; `None` when it is gone meanwhile.
fn metadata(
    root: &Root,
    prefix: &mut Vec<u8>,
    directory: &OwnedFd,
    name: &CStr,
    told: FileType,
) -> Result<Option<Metadata>, StorageError> {
    let metadata = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => attributes::from_stat(&stat),
        Err(Errno::NOENT) => return Ok(None),
        // A directory that may be read but not searched: the names are all that can be known.
        Err(Errno::ACCESS) => unknown(attributes::kind(told)),
        Err(errno) => return Err(errno.into()),
    };
    if metadata.kind != Kind::Symlink {
        return Ok(Some(metadata));
    }
    // From the root and not from this directory: a link may climb out of the directory and stay within the root.
    let length = prefix.len();
    prefix.extend_from_slice(name.to_bytes());
    let target = root.open_relative(prefix, OFlags::PATH).and_then(attributes::stat);
    prefix.truncate(length);
    Ok(Some(target.unwrap_or(metadata)))
}

const fn unknown(kind: Kind) -> Metadata {
    Metadata {
        kind,
        size: 0,
        modified: UNIX_EPOCH,
        mode: 0,
        links: 1,
        owner: None,
        group: None,
        device: None,
        inode: None,
    }
}
