//! Uploads into a hidden part, which takes the final name when it is complete.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, SeekFrom, Uid, copy_file_range, fchmod, fchown, fsync, ftruncate,
    ioctl_ficlone, openat, renameat, seek, statat, unlinkat,
};
use rustix::io::Errno;

use super::files::{self, READ, WRITE};
use super::names::rename_without_replacing;
use super::parts::{self, Part};
use super::root::Root;
use super::writers::{self, Reserved};
use super::{attributes, in_place};
use crate::budget::Account;
use crate::part::{part_name, told_size};
use crate::{
    AppendMethod, Durability, FileUpload, Kind, Metadata, StorageError, StoragePath, Upload, UploadKind,
    UploadRequest, WriteMode,
};

/// Bytes that are copied at once, between two looks at whether the upload is cut.
const COPY: usize = 8 * 1024 * 1024;

/// Takes the name and opens the part; may wait for a disk.
///
/// What the final name stands for decides: a file is replaced, a symbolic link is written through in place, since the link
/// is what would be replaced.
pub(super) fn begin(root: &Root, path: &StoragePath, request: UploadRequest) -> Result<Upload, StorageError> {
    let Some((directory, name)) = root.parent_of(path)? else { return Err(StorageError::IsDirectory) };
    let is_new = request.mode == WriteMode::New;
    let reserved = writers::reserve_name(&directory, name).map_err(|error| match error {
        StorageError::Busy if is_new => StorageError::Exists,
        error => error,
    })?;
    let standing = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Some(attributes::from_stat(&stat)),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(errno.into()),
    };
    let goes_on = matches!(request.mode, WriteMode::At(1..) | WriteMode::Append);
    match standing.map(|standing| standing.kind) {
        None => {}
        Some(_) if is_new => return Err(StorageError::Exists),
        Some(Kind::Symlink) => return in_place::begin(root, path, request),
        Some(Kind::Directory) => return Err(StorageError::IsDirectory),
        Some(Kind::File) if !request.may_replace => return Err(StorageError::Exists),
        Some(Kind::File) if goes_on && request.append == AppendMethod::InPlace => {
            return in_place::begin(root, path, request);
        }
        Some(Kind::File) => {}
        Some(_) => return Err(StorageError::NotRegular),
    }
    let part_name = part_name(&request.owner, name);
    let old = standing.map(|standing| open_old(&directory, name, standing, goes_on)).transpose()?;
    let (part, offset) = match &old {
        Some(old) => {
            let offset = files::begins_at(request.mode, old.metadata.size)?;
            (parts::open(&directory, &part_name, true)?, offset)
        }
        None => waiting_part(&directory, &part_name, request.mode)?,
    };
    let before = match &old {
        Some(old) => Some(old.metadata.size),
        None if part.is_new => None,
        None => Some(part.size),
    };
    let mut upload = Atomic {
        file: File::from(part.file),
        found: (!part.is_new).then_some(part.size),
        old,
        name: name.into(),
        directory,
        part_name,
        position: offset,
        is_ready: false,
        is_published: false,
        is_discarded: false,
        may_replace: request.may_replace && !is_new,
        durability: request.durability,
        permissions: request.permissions,
        account: Account::open(None, None)?,
        _reserved: reserved,
    };
    // Only now, so that a refusal takes away a part that was made.
    upload.account = Account::open(request.budget, before)?;
    Ok(Upload { kind: UploadKind::File(Box::new(upload)), offset })
}

/// The part for a file that does not exist yet, and where the data begin in it.
fn waiting_part(directory: &OwnedFd, part_name: &[u8], mode: WriteMode) -> Result<(Part, u64), StorageError> {
    let goes_on = matches!(mode, WriteMode::At(1..));
    let part = match (parts::open(directory, part_name, !goes_on), mode) {
        (Err(StorageError::NotFound), WriteMode::At(offset)) => {
            return Err(StorageError::OffsetBeyondEnd { offset, size: 0 });
        }
        (result, _) => result?,
    };
    // As it was told: whoever appends has asked for the size before.
    let told = told_size(part.size).unwrap_or(0);
    let offset = match mode {
        WriteMode::Append => told,
        mode => files::begins_at(mode, part.size)?,
    };
    Ok((part, offset))
}

/// The file that will be replaced. That it may be written is asked of the kernel, as in place.
fn open_old(
    directory: &OwnedFd,
    name: &[u8],
    metadata: Metadata,
    is_read: bool,
) -> Result<Old, StorageError> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let writable = openat(directory, name, WRITE | flags, Mode::empty())?;
    let reserved = writers::reserve_file(&files::regular(&writable)?)?;
    let content = is_read.then(|| openat(directory, name, READ | flags, Mode::empty())).transpose()?;
    Ok(Old { content: content.map(File::from), metadata, _reserved: reserved, _file: writable })
}

/// The complete file that stands under the final name.
struct Old {
    /// Where the upload goes on with it.
    content: Option<File>,
    metadata: Metadata,
    _reserved: Reserved,
    /// Held until the register has forgotten it: its number would be another file's as soon as it is replaced, and that one
    /// would count as written.
    _file: OwnedFd,
}

struct Atomic {
    directory: OwnedFd,
    name: Box<[u8]>,
    part_name: Box<[u8]>,
    /// The part.
    file: File,
    /// The size in bytes of a part that was there before; `None` where it was made for this upload.
    found: Option<u64>,
    old: Option<Old>,
    /// Where the next byte goes.
    position: u64,
    is_ready: bool,
    is_published: bool,
    is_discarded: bool,
    may_replace: bool,
    durability: Durability,
    permissions: Option<u32>,
    account: Account,
    _reserved: Reserved,
}

impl FileUpload for Atomic {
    fn prepare(&mut self, is_cut: &dyn Fn() -> bool) -> Result<(), StorageError> {
        if self.is_ready {
            return Ok(());
        }
        self.is_ready = true;
        match &mut self.old {
            Some(old) => {
                if self.found.is_some_and(|size| size > 0) {
                    ftruncate(&self.file, 0)?;
                }
                // Before the data: they may be secret.
                take_after(&self.file, &old.metadata)?;
                if let Some(content) = &mut old.content {
                    copy(content, &mut self.file, is_cut)?;
                }
            }
            None => {
                if let Some(permissions) = self.permissions {
                    fchmod(&self.file, Mode::from_raw_mode(permissions & 0o7777))?;
                }
                if self.found.is_some_and(|size| size > self.position) {
                    ftruncate(&self.file, self.position)?;
                }
            }
        }
        // A part that is new, or was emptied, is at its beginning.
        if self.position > 0 || self.old.as_ref().is_some_and(|old| old.content.is_some()) {
            seek(&self.file, SeekFrom::Start(self.position))?;
        }
        Ok(())
    }

    fn takes_long(&self) -> bool {
        let copied = self.old.as_ref().filter(|old| old.content.is_some() && !self.is_ready);
        copied.is_some_and(|old| old.metadata.size > COPY as u64)
    }

    fn admit(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.position = self.position.saturating_add(bytes);
        self.account.grow_to(self.position)
    }

    fn file(&mut self) -> &mut File {
        &mut self.file
    }

    fn publish(&mut self) -> Result<(), StorageError> {
        let is_durable = self.durability == Durability::Fsync;
        if is_durable {
            fsync(&self.file)?;
        }
        self.rename_into_place()?;
        self.is_published = true;
        if self.account.is_kept() {
            self.account.settle(files::regular(&self.file)?.size);
        }
        if is_durable {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            fsync(openat(&self.directory, c".", flags, Mode::empty())?)?;
        }
        Ok(())
    }

    fn discard(&mut self) {
        self.is_discarded = true;
    }
}

impl Atomic {
    fn rename_into_place(&self) -> Result<(), StorageError> {
        let Self { directory, part_name, name, .. } = self;
        if self.may_replace {
            return Ok(renameat(directory, &**part_name, directory, &**name)?);
        }
        Ok(rename_without_replacing((directory, part_name), (directory, name))?)
    }

    /// What is left in bytes when nothing was published; `None` where the part goes.
    fn left(&self) -> Option<u64> {
        if !self.is_ready {
            return self.found.filter(|_| self.old.is_none());
        }
        if self.old.is_some() || self.is_discarded {
            return None; // it could not be gone on with
        }
        let size = files::regular(&self.file).ok()?.size;
        told_size(size).map(|_| size)
    }
}

impl Drop for Atomic {
    fn drop(&mut self) {
        if self.is_published {
            return;
        }
        match self.left() {
            Some(size) => self.account.settle(size),
            None => {
                // What cannot be removed now is swept away later.
                let _ = unlinkat(&self.directory, &*self.part_name, AtFlags::empty());
                if self.old.is_some() { self.account.restore() } else { self.account.remove() }
            }
        }
    }
}

/// Gives the part the owner and the permissions of the file that it will replace.
fn take_after(part: &File, old: &Metadata) -> Result<(), StorageError> {
    let own = attributes::stat(part)?;
    if (own.owner, own.group) != (old.owner, old.group) {
        // Only root can give files away; others keep what they write.
        let _ = fchown(part, old.owner.map(Uid::from_raw), old.group.map(Gid::from_raw));
    }
    // Not the bits that lend somebody's rights: they were given to the old content, and writing takes them away in place too.
    let mode = old.mode & 0o777;
    if own.mode != mode {
        fchmod(part, Mode::from_raw_mode(mode))?;
    }
    Ok(())
}

/// Copies a whole file: its blocks are shared where the file system can do that, and moved by the kernel where not.
fn copy(from: &mut File, to: &mut File, is_cut: &dyn Fn() -> bool) -> Result<(), StorageError> {
    if ioctl_ficlone(&*to, &*from).is_ok() {
        return Ok(());
    }
    let cut = || StorageError::Io(io::ErrorKind::ConnectionAborted.into());
    loop {
        match copy_file_range(&*from, None, &*to, None, COPY) {
            Ok(0) => break,
            Ok(_) if is_cut() => return Err(cut()),
            Ok(_) | Err(Errno::INTR) => {}
            // Old kernels and some file systems know nothing of it; the files' positions are where it stopped.
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    // What copy_file_range left; nothing, where it came to the end.
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
        if is_cut() {
            return Err(cut());
        }
    }
}
