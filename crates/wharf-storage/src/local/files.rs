//! Regular files as sources and sinks.

use std::fs::File;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{OFlags, SeekFrom, fstat, ftruncate, seek};

use super::attributes;
use super::root::Root;
use crate::{Kind, Metadata, Sink, Source, SourceKind, StorageError, StoragePath, WriteMode};

/// A FIFO must not make us wait for its other end, a terminal must not become ours.
const CAREFUL: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);
/// Flags of a file that is read.
pub(super) const READ: OFlags = OFlags::RDONLY.union(CAREFUL);
/// Flags of a file that is written. Never `O_TRUNC`: first we look what was opened.
pub(super) const WRITE: OFlags = OFlags::WRONLY.union(CAREFUL);

/// Makes a source of a file that was opened with [`READ`].
pub(super) fn source(file: OwnedFd, offset: u64) -> Result<Source, StorageError> {
    let size = regular(&file)?.size;
    position(&file, offset, size)?;
    Ok(Source { kind: SourceKind::File(File::from(file)), size: Some(size), offset })
}

/// Opens for writing, and creates where the mode says so; may wait for a disk.
pub(super) fn open_write(root: &Root, path: &StoragePath, mode: WriteMode) -> Result<Sink, StorageError> {
    if path.is_root() {
        return Err(StorageError::IsDirectory);
    }
    let create = match mode {
        WriteMode::New => OFlags::CREATE | OFlags::EXCL,
        WriteMode::Replace | WriteMode::Append | WriteMode::At(0) => OFlags::CREATE,
        WriteMode::At(_) => OFlags::empty(),
    };
    match (root.open_beneath(path, WRITE | create), mode) {
        (Ok(file), _) => sink(file, mode),
        (Err(StorageError::NotFound), WriteMode::At(offset)) => {
            // Without a file its size is 0; without its directory it is the directory that is missing.
            root.parent_of(path)?;
            Err(StorageError::OffsetBeyondEnd { offset, size: 0 })
        }
        (Err(error), _) => Err(error),
    }
}

/// Makes a sink of a file that was opened with [`WRITE`]; may wait for a disk if it [`discards`] content.
pub(super) fn sink(file: OwnedFd, mode: WriteMode) -> Result<Sink, StorageError> {
    let size = regular(&file)?.size;
    let offset = match mode {
        WriteMode::New => 0,
        WriteMode::Replace => {
            if size > 0 {
                ftruncate(&file, 0)?;
            }
            0
        }
        WriteMode::At(offset) => offset,
        // Not O_APPEND, which splice refuses: two who append at once overwrite each other.
        WriteMode::Append => size,
    };
    if mode != WriteMode::Replace {
        position(&file, offset, size)?;
    }
    Ok(Sink::file(File::from(file), offset))
}

/// Whether [`sink`] will throw content away, which takes a disk's time.
pub(super) fn discards(file: &OwnedFd, mode: WriteMode) -> Result<bool, StorageError> {
    Ok(mode == WriteMode::Replace && regular(file)?.size > 0)
}

fn regular(file: impl AsFd) -> Result<Metadata, StorageError> {
    let metadata = attributes::from_stat(&fstat(file)?);
    match metadata.kind {
        Kind::File => Ok(metadata),
        Kind::Directory => Err(StorageError::IsDirectory),
        _ => Err(StorageError::NotRegular),
    }
}

fn position(file: impl AsFd, offset: u64, size: u64) -> Result<(), StorageError> {
    if offset > size {
        return Err(StorageError::OffsetBeyondEnd { offset, size });
    }
    if offset > 0 {
        seek(file, SeekFrom::Start(offset))?;
    }
    Ok(())
}
