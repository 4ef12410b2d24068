//! Operations on names: the directory is opened beneath the root, and the last name is never followed.

use rustix::fs::{AtFlags, Mode, mkdirat, renameat, unlinkat};
use rustix::io::Errno;

use super::root::Root;
use crate::{StorageError, StoragePath};

/// Permission bits of new directories, less the umask.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o777);

pub(super) fn rename(root: &Root, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
    let (Some((from_directory, from_name)), Some((to_directory, to_name))) =
        (root.parent_of(from)?, root.parent_of(to)?)
    else {
        return Err(StorageError::PermissionDenied);
    };
    renameat(from_directory, from_name, to_directory, to_name).map_err(name_refused)
}

pub(super) fn delete(root: &Root, path: &StoragePath) -> Result<(), StorageError> {
    let (directory, name) = root.parent_of(path)?.ok_or(StorageError::IsDirectory)?;
    unlinkat(directory, name, AtFlags::empty()).map_err(name_refused)
}

pub(super) fn make_directory(root: &Root, path: &StoragePath) -> Result<(), StorageError> {
    let (directory, name) = root.parent_of(path)?.ok_or(StorageError::Exists)?;
    mkdirat(directory, name, NEW_DIRECTORY).map_err(name_refused)
}

pub(super) fn remove_directory(root: &Root, path: &StoragePath) -> Result<(), StorageError> {
    let (directory, name) = root.parent_of(path)?.ok_or(StorageError::PermissionDenied)?;
    unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(|errno| match errno {
        // POSIX lets a file system say either.
        Errno::EXIST => StorageError::NotEmpty,
        errno => name_refused(errno),
    })
}

fn name_refused(errno: Errno) -> StorageError {
    match errno {
        // A directory moved into itself, or bytes that the file system does not take in names.
        Errno::INVAL => StorageError::NameNotAllowed,
        errno => errno.into(),
    }
}
