//! Operations on names: the directory is opened beneath the root, and the last name is never followed.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, renameat, unlinkat};
use rustix::io::Errno;

use super::root::Root;
use super::{parts, writers};
use crate::part::is_part;
use crate::{StorageError, StoragePath};

/// Most parts of a directory that are removed with it; with more it counts as not empty.
const PARTS: usize = 10_000;

/// Permission bits of new directories, less the umask.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o777);

pub(super) fn rename(root: &Root, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
    let (Some((from_directory, from_name)), Some((to_directory, to_name))) =
        (root.parent_of(from)?, root.parent_of(to)?)
    else {
        return Err(StorageError::PermissionDenied);
    };
    // Under a name that somebody writes, his file would take the place of this one.
    let _reserved = writers::reserve_name(&to_directory, to_name)?;
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
    match unlinkat(&directory, name, AtFlags::REMOVEDIR) {
        // POSIX lets a file system say either.
        Err(Errno::EXIST | Errno::NOTEMPTY) => {}
        result => return result.map_err(name_refused),
    }
    // A client sees no parts, so that for it a directory is empty that holds nothing else.
    remove_parts(&root.open_beneath(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)?)?;
    unlinkat(directory, name, AtFlags::REMOVEDIR).map_err(|errno| match errno {
        Errno::EXIST => StorageError::NotEmpty,
        errno => name_refused(errno),
    })
}

/// Removes all parts of a directory that holds nothing else, if nobody writes them.
fn remove_parts(directory: &OwnedFd) -> Result<(), StorageError> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name if is_part(name) && names.len() < PARTS => names.push(name.to_vec()),
            _ => return Err(StorageError::NotEmpty),
        }
    }
    for name in names {
        parts::remove(directory, &name, |_| true)?;
    }
    Ok(())
}

fn name_refused(errno: Errno) -> StorageError {
    match errno {
        // A directory moved into itself, or bytes that the file system does not take in names.
        Errno::INVAL => StorageError::NameNotAllowed,
        errno => errno.into(),
    }
}
