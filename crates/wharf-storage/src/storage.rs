//! The trait that every storage implements.

use core::fmt::Debug;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::{Listing, Metadata, Source, StorageError, StoragePath, Upload, UploadRequest};

/// A walk through a storage that removes parts nobody went on with.
#[async_trait]
pub trait Sweep: Send + Debug {
    /// Some thousand names more. Tells what the parts held that were removed; `None` at the end.
    async fn step(&mut self) -> Option<Held>;
}

/// What some files hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Bytes in them.
    pub bytes: u64,
    /// How many they are.
    pub files: u64,
}

impl Held {
    /// One file more, of so many bytes.
    pub fn add(&mut self, bytes: u64) {
        *self += Self { bytes, files: 1 };
    }
}

impl core::ops::AddAssign for Held {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.files = self.files.saturating_add(other.files);
    }
}

/// Files and directories beneath one root.
///
/// Nothing outside of the root can be reached by any path or symbolic link. Links within the root are followed, but
/// for the last name of [`rename`](Self::rename), [`delete`](Self::delete) and
/// [`remove_directory`](Self::remove_directory), which act on the link itself. An operation whose future is dropped
/// may still be carried out.
#[async_trait]
pub trait Storage: Send + Sync + Debug {
    /// Opens a regular file for reading from `offset`, in bytes; `offset` may be the file's size.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`IsDirectory`](StorageError::IsDirectory),
    /// [`NotRegular`](StorageError::NotRegular), [`OutsideRoot`](StorageError::OutsideRoot),
    /// [`OffsetBeyondEnd`](StorageError::OffsetBeyondEnd), [`PermissionDenied`](StorageError::PermissionDenied) and
    /// what else the storage meets.
    async fn open_read(&self, path: &StoragePath, offset: u64) -> Result<Source, StorageError>;

    /// Begins to write a regular file. Names of [parts](crate::is_part) are no names.
    ///
    /// # Errors
    /// As [`open_read`](Self::open_read); [`Exists`](StorageError::Exists) for [`WriteMode::New`], and where nothing may be
    /// replaced; [`Busy`](StorageError::Busy) while somebody else writes under that name. Where an offset lies beyond the
    /// end nothing is created.
    async fn begin_upload(&self, path: &StoragePath, request: UploadRequest) -> Result<Upload, StorageError>;

    /// The size in bytes from which `owner` can go on with an upload that was cut; `None` where there is a file, or nothing
    /// to go on with.
    ///
    /// It is one byte less than what came: a client that has sent everything, but was never told that it arrived, then has
    /// something to send, and so a way to learn it.
    ///
    /// # Errors
    /// As [`stat`](Self::stat), but for [`NotFound`](StorageError::NotFound).
    async fn part_size(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError>;

    /// Removes what `owner` could go on with. Tells how many bytes it had; `None` where there was nothing.
    ///
    /// # Errors
    /// As [`delete`](Self::delete); [`Busy`](StorageError::Busy) while it is being written.
    async fn delete_part(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError>;

    /// What the parts in a directory hold, whoever they belong to.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    async fn parts_in(&self, directory: &StoragePath) -> Result<Held, StorageError>;

    /// Begins to remove the parts that nobody has written to for so long.
    fn sweep(&self, unused_for: Duration) -> Box<dyn Sweep>;

    /// Bytes that may still be stored in a directory, as far as the storage can tell (AVBL).
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), and [`Unsupported`](StorageError::Unsupported) where nobody knows.
    async fn free_space(&self, path: &StoragePath) -> Result<u64, StorageError>;

    /// Begins to list a directory.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`NotDirectory`](StorageError::NotDirectory) and what else is met.
    async fn list(&self, path: &StoragePath) -> Result<Listing, StorageError>;

    /// What stands at `path`; a symbolic link within the root is followed.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), also for a link that leads nowhere,
    /// [`OutsideRoot`](StorageError::OutsideRoot) for one that leads out, and what else is met.
    async fn stat(&self, path: &StoragePath) -> Result<Metadata, StorageError>;

    /// Renames a file or directory; what stood at `to` is replaced if it is of the same kind, a directory only if it
    /// is empty. Tells what was replaced.
    ///
    /// # Errors
    /// [`Busy`](StorageError::Busy) while somebody writes under one of the names;
    /// [`NotFound`](StorageError::NotFound), [`IsDirectory`](StorageError::IsDirectory) and
    /// [`NotDirectory`](StorageError::NotDirectory) for a `to` of the other kind,
    /// [`NotEmpty`](StorageError::NotEmpty), [`NameNotAllowed`](StorageError::NameNotAllowed) for a directory that
    /// is moved into itself, [`PermissionDenied`](StorageError::PermissionDenied) for the root,
    /// [`Unsupported`](StorageError::Unsupported) across file systems.
    async fn rename(&self, from: &StoragePath, to: &StoragePath) -> Result<Option<Metadata>, StorageError>;

    /// As [`rename`](Self::rename), but nothing is ever replaced, whoever makes something at `to` meanwhile.
    ///
    /// # Errors
    /// [`Exists`](StorageError::Exists) where something stands at `to`; else as [`rename`](Self::rename).
    async fn rename_to_free_name(&self, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError>;

    /// Deletes what is not a directory. Tells what it was; of a link, what that led to.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`IsDirectory`](StorageError::IsDirectory), [`Busy`](StorageError::Busy)
    /// while somebody writes under that name what will replace it.
    async fn delete(&self, path: &StoragePath) -> Result<Metadata, StorageError>;

    /// Makes a directory.
    ///
    /// # Errors
    /// [`Exists`](StorageError::Exists), [`NotFound`](StorageError::NotFound) for a missing parent.
    async fn make_directory(&self, path: &StoragePath) -> Result<(), StorageError>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`NotDirectory`](StorageError::NotDirectory),
    /// [`NotEmpty`](StorageError::NotEmpty), [`PermissionDenied`](StorageError::PermissionDenied) for the root.
    async fn remove_directory(&self, path: &StoragePath) -> Result<(), StorageError>;

    /// Sets the time of the last change of a file or directory (MFMT).
    ///
    /// # Errors
    /// [`NotFound`](StorageError::NotFound), [`NotRegular`](StorageError::NotRegular) for FIFOs, devices and sockets.
    async fn set_modified(&self, path: &StoragePath, time: SystemTime) -> Result<(), StorageError>;

    /// Sets the Unix permission bits of a file or directory (SITE CHMOD); of `mode` only `0o7777` counts.
    ///
    /// # Errors
    /// As [`set_modified`](Self::set_modified); [`Unsupported`](StorageError::Unsupported) where there are none.
    async fn set_mode(&self, path: &StoragePath, mode: u32) -> Result<(), StorageError>;
}
