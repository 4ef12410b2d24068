//! Operations on names: the directory is opened beneath the root, and the last name is never followed.

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RenameFlags, linkat, mkdirat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::root::Root;
use super::{attributes, parts, writers};
use crate::part::is_part;
use crate::{Kind, Metadata, StorageError, StoragePath};

/// Most parts of a directory that are removed with it; with more it counts as not empty.
const PARTS: usize = 10_000;

/// Permission bits of new directories, less the umask.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o777);

pub(super) fn rename(
    root: &Root,
    from: &StoragePath,
    to: &StoragePath,
) -> Result<Option<Metadata>, StorageError> {
    let (from, to, _reserved) = both(root, from, to)?;
    let replaced = standing(root, &to)?;
    // Two names of one file stay as they are: nothing is replaced.
    let is_same = match (&replaced, standing(root, &from)?) {
        (Some(replaced), Some(moved)) => (replaced.device, replaced.inode) == (moved.device, moved.inode),
        _ => false,
    };
    renameat(&from.directory, from.name, &to.directory, to.name).map_err(name_refused)?;
    Ok(replaced.filter(|_| !is_same))
}

pub(super) fn rename_to_free_name(
    root: &Root,
    from: &StoragePath,
    to: &StoragePath,
) -> Result<(), StorageError> {
    let (from, to, _reserved) = both(root, from, to)?;
    rename_without_replacing((&from.directory, from.name), (&to.directory, to.name)).map_err(name_refused)
}

/// Renames, and fails with EEXIST where there is something at `to`.
pub(super) fn rename_without_replacing(
    (from_directory, from_name): (&OwnedFd, &[u8]),
    (to_directory, to_name): (&OwnedFd, &[u8]),
) -> Result<(), Errno> {
    match renameat_with(from_directory, from_name, to_directory, to_name, RenameFlags::NOREPLACE) {
        // A file system that has no such flag; or a directory that is moved into itself, which fails below too.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        result => return result,
    }
    match linkat(from_directory, from_name, to_directory, to_name, AtFlags::empty()) {
        Ok(()) => return unlinkat(from_directory, from_name, AtFlags::empty()),
        // A directory has one name only. It may replace an empty one, though, and one that is made here replaces nothing.
        Err(Errno::PERM | Errno::ISDIR) => {}
        Err(errno) => return Err(errno),
    }
    mkdirat(to_directory, to_name, NEW_DIRECTORY)?;
    renameat(from_directory, from_name, to_directory, to_name).inspect_err(|_| {
        let _ = unlinkat(to_directory, to_name, AtFlags::REMOVEDIR);
    })
}

pub(super) fn delete(root: &Root, path: &StoragePath) -> Result<Metadata, StorageError> {
    let (directory, name) = root.parent_of(path)?.ok_or(StorageError::IsDirectory)?;
    // A file that is being replaced is nobody's to delete: what replaces it would appear behind that.
    let _reserved = writers::reserve_name(&directory, name)?;
    let place = Named { path, directory, name };
    let gone = standing(root, &place)?.ok_or(StorageError::NotFound)?;
    unlinkat(&place.directory, name, AtFlags::empty()).map_err(name_refused)?;
    Ok(gone)
}

/// A name in a directory that is open.
struct Named<'p> {
    path: &'p StoragePath,
    directory: OwnedFd,
    name: &'p [u8],
}

/// Both names of a rename, taken: under a name that somebody writes, his file would take the place of this one, or of what
/// was moved away.
fn both<'p>(
    root: &Root,
    from: &'p StoragePath,
    to: &'p StoragePath,
) -> Result<(Named<'p>, Named<'p>, [Option<writers::Reserved>; 2]), StorageError> {
    let named = |path: &'p StoragePath| {
        let (directory, name) = root.parent_of(path)?.ok_or(StorageError::PermissionDenied)?;
        Ok::<_, StorageError>(Named { path, directory, name })
    };
    let (from, to) = (named(from)?, named(to)?);
    let places = [writers::name(&from.directory, from.name)?, writers::name(&to.directory, to.name)?];
    let is_one = places[0] == places[1];
    let [first, second] = places;
    let first = writers::reserve(first)?;
    let second = if is_one { None } else { Some(writers::reserve(second)?) };
    Ok((from, to, [Some(first), second]))
}

/// What stands under a name; of a link, what it leads to, and the link itself where that is nothing within the root.
fn standing(root: &Root, place: &Named<'_>) -> Result<Option<Metadata>, StorageError> {
    let own = match statat(&place.directory, place.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => attributes::from_stat(&stat),
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(name_refused(errno)),
    };
    if own.kind != Kind::Symlink {
        return Ok(Some(own));
    }
    let target = root.open_beneath(place.path, OFlags::PATH).and_then(attributes::stat);
    Ok(Some(target.unwrap_or(own)))
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
