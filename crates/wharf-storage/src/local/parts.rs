//! Parts on the disk: found, locked, told, removed.
//!
//! Whoever writes a part holds a lock (flock(2)) on it, and whoever removes one takes that lock first: so neither this process
//! nor another one that serves the same directory takes it away from a writer.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::attributes;
use super::files::{self, WRITE};
use super::root::{NEW_FILE, Root};
use crate::part::{is_part, part_name, told_size};
use crate::{Held, Metadata, StorageError, StoragePath};

/// How often a part is opened that is removed or published meanwhile.
const ATTEMPTS: u32 = 16;

/// A part that is locked.
pub(super) struct Part {
    pub file: OwnedFd,
    pub size: u64,
    /// Whether it was made just now.
    pub is_new: bool,
}

/// Opens a part; makes it where it is missing and `makes` says so. It is [`StorageError::NotFound`] without.
pub(super) fn open(directory: impl AsFd, name: &[u8], makes: bool) -> Result<Part, StorageError> {
    let flags = WRITE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS {
        if makes {
            // The usual case first; a part that is new has been seen by nobody yet.
            match openat(&directory, name, flags | OFlags::CREATE | OFlags::EXCL, NEW_FILE) {
                Ok(file) => {
                    lock(&file)?;
                    return Ok(Part { file, size: 0, is_new: true });
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        match openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => {
                lock(&file)?;
                let size = files::regular(&file)?.size;
                if is_still(&directory, name, &file) {
                    return Ok(Part { file, size, is_new: false });
                }
            }
            Err(Errno::NOENT) if makes => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Err(StorageError::Busy)
}

/// Whether the name still stands for the file that was opened by it.
fn is_still(directory: impl AsFd, name: &[u8], file: impl AsFd) -> bool {
    let named = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let opened = fstat(file);
    named.is_ok_and(|named| {
        opened.is_ok_and(|opened| (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino))
    })
}

fn lock(file: impl AsFd) -> Result<(), StorageError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::AGAIN) => Err(StorageError::Busy),
        // A file system without locks has the register of this process alone.
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a part that nobody writes, if `may` says so of it. Tells how many bytes it had; `None` where it stays.
pub(super) fn remove(
    directory: impl AsFd,
    name: &[u8],
    may: impl Fn(&Metadata) -> bool,
) -> Result<Option<u64>, StorageError> {
    // Looked at before it is locked: whoever goes on with a part at this moment must not be told that somebody else writes it.
    let seen = statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if !may(&attributes::from_stat(&seen)) {
        return Ok(None);
    }
    let part = open(&directory, name, false)?;
    let metadata = attributes::stat(&part.file)?;
    if !may(&metadata) {
        return Ok(None);
    }
    unlinkat(directory, name, AtFlags::empty())?;
    Ok(Some(metadata.size))
}

/// What the parts in a directory hold.
pub(super) fn held(root: &Root, directory: &StoragePath) -> Result<Held, StorageError> {
    let directory = root.open_beneath(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut held = Held::default();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        if !is_part(entry.file_name().to_bytes()) {
            continue;
        }
        // One that is published or removed meanwhile is no part any more.
        if let Ok(stat) = statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            held.add(attributes::from_stat(&stat).size);
        }
    }
    Ok(held)
}

/// What `owner` can go on with: see [`Storage::part_size`](crate::Storage::part_size).
pub(super) fn size(root: &Root, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
    let Some((directory, name)) = waiting(root, path, owner)? else { return Ok(None) };
    match statat(directory, &*name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(told_size(attributes::from_stat(&stat).size)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes what `owner` could go on with.
pub(super) fn delete(root: &Root, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
    let Some((directory, name)) = waiting(root, path, owner)? else { return Ok(None) };
    match remove(directory, &name, |_| true) {
        Err(StorageError::NotFound) => Ok(None),
        result => result,
    }
}

/// The directory in which a part lies, and its name.
type Waiting = (OwnedFd, Box<[u8]>);

/// Where the part for a file that does not exist is; `None` where the file does.
fn waiting(root: &Root, path: &StoragePath, owner: &[u8]) -> Result<Option<Waiting>, StorageError> {
    let Some((directory, name)) = root.parent_of(path)? else { return Ok(None) };
    match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(Some((directory, part_name(owner, name)))),
        _ => Ok(None),
    }
}
