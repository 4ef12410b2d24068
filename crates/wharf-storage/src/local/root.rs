//! The root descriptor, and the one way to open something beneath it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat, openat2};
use rustix::io::Errno;

use crate::part::is_part;
use crate::{StorageError, StoragePath};

/// What every opening asks of the kernel: nothing above the root, and no jump through `/proc/…/fd`.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// How often an opening is tried that met a rename on its way. The kernel gives up with EAGAIN whenever anything in
/// the system is renamed while it goes over a `..` of a symbolic link.
const ATTEMPTS: u32 = 128;

/// Permission bits of new files, less the umask.
pub(super) const NEW_FILE: Mode = Mode::from_raw_mode(0o666);

/// Why a directory cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be opened.
    #[error("cannot open the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The kernel has no `openat2`, or a sandbox forbids it.
    #[error(
        "the kernel refuses openat2, without which no symbolic link can be kept from leading out of the root: \
         Linux 5.6 or later is needed, and in a container a seccomp profile that allows openat2 (libseccomp 2.5, \
         Docker 20.10.6 or later)"
    )]
    NoOpenat2 {
        /// The operating system's error.
        source: io::Error,
    },
}

/// A directory from which nothing leads out.
#[derive(Debug)]
pub(super) struct Root {
    directory: OwnedFd,
    /// Whether an opening with RESOLVE_CACHED never waits: Linux 5.12 or later, and a local file system.
    can_open_cached: bool,
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| OpenError::Directory { path: path.into(), source: errno.into() })?;
        let probe = |resolve| retried(|| openat2(&directory, c".", flags, Mode::empty(), resolve));
        probe(BENEATH).map_err(|errno| judge_probe(errno, path))?;
        let knows_cached = matches!(probe(BENEATH | ResolveFlags::CACHED), Ok(_) | Err(Errno::AGAIN));
        let can_open_cached = knows_cached && !asks_others(&directory);
        Ok(Self { directory, can_open_cached })
    }

    /// Opens `path` without waiting for a disk; `None` when the kernel would have to wait, or cannot tell.
    pub(super) fn open_cached(
        &self,
        path: &StoragePath,
        flags: OFlags,
    ) -> Result<Option<OwnedFd>, StorageError> {
        refuse_parts(path)?;
        if !self.can_open_cached {
            return Ok(None);
        }
        let resolve = BENEATH | ResolveFlags::CACHED;
        match openat2(&self.directory, path.relative(), flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(opening_failed(errno)),
        }
    }

    /// Opens `path`; may wait for a disk. With `O_CREAT` a new file gets the usual permission bits.
    pub(super) fn open_beneath(&self, path: &StoragePath, flags: OFlags) -> Result<OwnedFd, StorageError> {
        refuse_parts(path)?;
        self.open_relative(path.relative(), flags)
    }

    /// As [`Self::open_beneath`], for bytes that are relative to the root and need not be normal: the kernel decides.
    pub(super) fn open_relative(&self, relative: &[u8], flags: OFlags) -> Result<OwnedFd, StorageError> {
        let mode = if flags.contains(OFlags::CREATE) { NEW_FILE } else { Mode::empty() };
        retried(|| openat2(&self.directory, relative, flags | OFlags::CLOEXEC, mode, BENEATH))
            .map_err(opening_failed)
    }

    /// The directory in which `path` stands, and its name there; `None` for the root, which stands nowhere.
    ///
    /// System calls that take a directory and a single name then cannot be led elsewhere.
    pub(super) fn parent_of<'p>(
        &self,
        path: &'p StoragePath,
    ) -> Result<Option<(OwnedFd, &'p [u8])>, StorageError> {
        let Some(name) = path.file_name() else { return Ok(None) };
        refuse_parts(path)?;
        let directory = self.open_beneath(&path.parent(), OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(Some((directory, name)))
    }
}

/// What is not complete is reached by nobody's word.
fn refuse_parts(path: &StoragePath) -> Result<(), StorageError> {
    if path.components().any(is_part) { Err(StorageError::NotFound) } else { Ok(()) }
}

/// Whether the file system of this directory asks a server or a program when a file is opened. RESOLVE_CACHED keeps
/// only the way to a file from waiting, not its opening.
fn asks_others(directory: impl AsFd) -> bool {
    /// `f_type` of statfs(2): FUSE, NFS, CIFS, SMB2, Ceph, 9P, AFS, Coda.
    const ASKING: [u64; 8] =
        [0x6573_5546, 0x6969, 0xFF53_4D42, 0xFE53_4D42, 0x00C3_6400, 0x0102_1997, 0x6B41_4653, 0x7375_7245];
    #[expect(
        clippy::cast_sign_loss,
        reason = "the field has other types on other processors; 32 bits are meant"
    )]
    fstatfs(directory).is_ok_and(|told| ASKING.contains(&(told.f_type as u64 & 0xFFFF_FFFF)))
}

/// The path in `/proc` of one of our own descriptors, for calls that take no descriptor opened with `O_PATH`.
pub(super) fn in_proc(descriptor: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd())
}

/// Tries again, some times, what failed because of a rename on its way.
fn retried<T>(mut open: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 1..ATTEMPTS {
        match open() {
            Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
            result => return result,
        }
    }
    open()
}

/// What `openat2` says that other system calls say otherwise, or do not say.
fn opening_failed(errno: Errno) -> StorageError {
    match errno {
        // RESOLVE_BENEATH: an absolute link, or a `..` above the root.
        Errno::XDEV => StorageError::OutsideRoot,
        // A FIFO without a reader, a socket, a device without a driver.
        Errno::NXIO | Errno::NODEV => StorageError::NotRegular,
        // File systems that refuse some bytes in names.
        Errno::INVAL => StorageError::NameNotAllowed,
        errno => errno.into(),
    }
}

/// `openat2` on the root itself cannot fail for a reason of its own, but where it is missing (ENOSYS) or a sandbox
/// forbids it (EPERM, or EACCES with SELinux).
fn judge_probe(errno: Errno, path: &Path) -> OpenError {
    match errno {
        Errno::NOSYS | Errno::PERM | Errno::INVAL => OpenError::NoOpenat2 { source: errno.into() },
        errno => OpenError::Directory { path: path.into(), source: errno.into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_openat2_is_told_with_what_is_needed() {
        for errno in [Errno::NOSYS, Errno::PERM] {
            let said = judge_probe(errno, Path::new("/srv")).to_string();
            assert!(said.contains("Linux 5.6") && said.contains("seccomp"), "{said}");
        }
        let said = judge_probe(Errno::ACCESS, Path::new("/srv")).to_string();
        assert!(said.starts_with("cannot open the directory /srv"), "{said}");
    }

    #[test]
    fn a_rename_on_the_way_is_tried_again_but_not_for_ever() {
        let mut left = 5;
        let result = retried(|| {
            left -= 1;
            if left > 0 { Err(Errno::AGAIN) } else { Ok(left) }
        });
        assert_eq!(result, Ok(0));
        let mut tries = 0;
        let result: Result<(), _> = retried(|| {
            tries += 1;
            Err(Errno::AGAIN)
        });
        assert_eq!((result, tries), (Err(Errno::AGAIN), ATTEMPTS));
    }
}
