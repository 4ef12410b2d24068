//! Regular files, opened for reading, or for writing in place.

use std::fs::File;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, SeekFrom, fstat, seek};

use super::attributes;
use crate::{Kind, Metadata, Source, SourceKind, StorageError, WriteMode};

/// A FIFO must not make us wait for its other end, a terminal must not become ours.
const CAREFUL: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);
/// Flags of a file that is read.
pub(super) const READ: OFlags = OFlags::RDONLY.union(CAREFUL);
/// Flags of a file that is written. Never `O_TRUNC`: first we look what was opened.
pub(super) const WRITE: OFlags = OFlags::WRONLY.union(CAREFUL);

/// Makes a source of a file that was opened with [`READ`].
pub(super) fn source(file: OwnedFd, offset: u64) -> Result<Source, StorageError> {
    let size = regular(&file)?.size;
    within(offset, size)?;
    if offset > 0 {
        seek(&file, SeekFrom::Start(offset))?;
    }
    Ok(Source { kind: SourceKind::File(File::from(file)), size: Some(size), offset })
}

/// What is known of an open file, if it is a regular one.
pub(super) fn regular(file: impl AsFd) -> Result<Metadata, StorageError> {
    let metadata = attributes::from_stat(&fstat(file)?);
    match metadata.kind {
        Kind::File => Ok(metadata),
        Kind::Directory => Err(StorageError::IsDirectory),
        _ => Err(StorageError::NotRegular),
    }
}

/// Where an upload begins in a file of `size` bytes.
pub(super) fn begins_at(mode: WriteMode, size: u64) -> Result<u64, StorageError> {
    match mode {
        WriteMode::New | WriteMode::Replace => Ok(0),
        WriteMode::At(offset) => within(offset, size),
        // Not O_APPEND, which splice refuses.
        WriteMode::Append => Ok(size),
    }
}

fn within(offset: u64, size: u64) -> Result<u64, StorageError> {
    if offset > size { Err(StorageError::OffsetBeyondEnd { offset, size }) } else { Ok(offset) }
}
