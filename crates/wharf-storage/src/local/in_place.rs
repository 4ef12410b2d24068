//! Uploads that write into the file itself.

use std::fs::File;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SeekFrom, fchmod, fsync, ftruncate, seek};

use super::files::{self, WRITE};
use super::root::Root;
use super::writers::{self, Reserved};
use crate::budget::Account;
use crate::{
    Durability, FileUpload, Metadata, StorageError, StoragePath, Upload, UploadKind, UploadRequest, WriteMode,
};

/// Opens the file, and creates it where the mode says so; may wait for a disk.
pub(super) fn begin(root: &Root, path: &StoragePath, request: UploadRequest) -> Result<Upload, StorageError> {
    if path.is_root() {
        return Err(StorageError::IsDirectory);
    }
    // Where nothing depends on whether the file is new, the kernel need not be asked twice.
    let is_any_file_fine = request.may_replace && request.permissions.is_none() && request.budget.is_none();
    if is_any_file_fine && matches!(request.mode, WriteMode::Replace | WriteMode::Append) {
        return existing(root.open_beneath(path, WRITE | OFlags::CREATE)?, request);
    }
    if request.mode != WriteMode::New {
        match (root.open_beneath(path, WRITE), request.mode) {
            (Ok(file), _) => return existing(file, request),
            (Err(StorageError::NotFound), WriteMode::At(offset @ 1..)) => {
                // Without a file its size is 0; without its directory it is the directory that is missing.
                root.parent_of(path)?;
                return Err(StorageError::OffsetBeyondEnd { offset, size: 0 });
            }
            (Err(StorageError::NotFound), _) => {}
            (Err(error), _) => return Err(error),
        }
    }
    let mut account = Account::open(request.budget.clone(), None)?;
    let created = create(root, path, &request).and_then(|file| {
        if let Some(permissions) = request.permissions {
            fchmod(&file, Mode::from_raw_mode(permissions & 0o7777))?;
        }
        let metadata = files::regular(&file)?;
        Ok((file, metadata))
    });
    match created {
        Ok((file, metadata)) => open(file, &metadata, request, account),
        Err(error) => {
            account.remove();
            Err(error)
        }
    }
}

fn create(root: &Root, path: &StoragePath, request: &UploadRequest) -> Result<OwnedFd, StorageError> {
    match root.open_beneath(path, WRITE | OFlags::CREATE | OFlags::EXCL) {
        // A link that leads to nothing yet, or somebody who was faster; the latter's file may not be touched by everyone.
        Err(StorageError::Exists) if request.mode != WriteMode::New && request.may_replace => {
            root.open_beneath(path, WRITE | OFlags::CREATE)
        }
        result => result,
    }
}

/// An upload into a file that was there, and was opened with [`WRITE`]. Does not wait for a disk.
pub(super) fn existing(file: OwnedFd, request: UploadRequest) -> Result<Upload, StorageError> {
    let metadata = files::regular(&file)?;
    if !request.may_replace {
        return Err(StorageError::Exists);
    }
    let account = Account::open(request.budget.clone(), Some(metadata.size))?;
    open(file, &metadata, request, account)
}

fn open(
    file: OwnedFd,
    metadata: &Metadata,
    request: UploadRequest,
    account: Account,
) -> Result<Upload, StorageError> {
    let reserved = writers::reserve_file(metadata)?;
    let offset = files::begins_at(request.mode, metadata.size)?;
    let upload = InPlace {
        file: File::from(file),
        discards: request.mode == WriteMode::Replace && metadata.size > 0,
        is_ready: false,
        durability: request.durability,
        position: offset,
        account,
        _reserved: reserved,
    };
    Ok(Upload { kind: UploadKind::File(Box::new(upload)), offset })
}

struct InPlace {
    file: File,
    /// Whether there is content that goes.
    discards: bool,
    is_ready: bool,
    durability: Durability,
    /// Where the next byte goes.
    position: u64,
    account: Account,
    _reserved: Reserved,
}

impl FileUpload for InPlace {
    fn prepare(&mut self, _: &dyn Fn() -> bool) -> Result<(), StorageError> {
        if self.is_ready {
            return Ok(());
        }
        if self.discards {
            ftruncate(&self.file, 0)?;
        }
        if self.position > 0 {
            seek(&self.file, SeekFrom::Start(self.position))?;
        }
        self.is_ready = true;
        Ok(())
    }

    fn admit(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.position = self.position.saturating_add(bytes);
        self.account.grow_to(self.position)
    }

    fn file(&mut self) -> &mut File {
        &mut self.file
    }

    fn publish(&mut self) -> Result<(), StorageError> {
        if self.durability == Durability::Fsync {
            fsync(&self.file)?;
        }
        Ok(())
    }

    fn discard(&mut self) {}
}

impl Drop for InPlace {
    fn drop(&mut self) {
        if self.account.is_kept() {
            match files::regular(&self.file) {
                Ok(metadata) => self.account.settle(metadata.size),
                Err(_) => self.account.restore(),
            }
        }
    }
}
