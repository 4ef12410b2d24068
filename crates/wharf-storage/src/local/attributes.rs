//! What the kernel knows of a file, and the changes of it that clients may ask for.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, chmodat, fchmod, fstat,
    fstatvfs, utimensat,
};
use rustix::io::Errno;

use super::files;
use super::root::{Root, in_proc};
use crate::{Kind, Metadata, StorageError, StoragePath};

/// What an open descriptor, also one with `O_PATH`, stands for.
pub(super) fn stat(place: impl AsFd) -> Result<Metadata, StorageError> {
    Ok(from_stat(&fstat(place)?))
}

/// Sets the time of the last change, and leaves that of the last access.
pub(super) fn set_modified(root: &Root, path: &StoragePath, time: SystemTime) -> Result<(), StorageError> {
    let place = file_or_directory(root, path)?;
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access, last_modification: timespec(time) };
    let result = match utimensat(&place, c"", &times, AtFlags::EMPTY_PATH) {
        // Linux before 5.8 takes no empty path here.
        Err(Errno::INVAL | Errno::NOENT) => utimensat(CWD, in_proc(&place), &times, AtFlags::empty()),
        result => result,
    };
    Ok(result?)
}

/// Sets the permission bits.
pub(super) fn set_mode(root: &Root, path: &StoragePath, mode: u32) -> Result<(), StorageError> {
    let place = file_or_directory(root, path)?;
    let mode = Mode::from_raw_mode(mode & 0o7777);
    // fchmod takes no O_PATH descriptor, and a real one needs the right to read, which the owner may just want to
    // give back to himself. The link in /proc is our own descriptor's, so it leads nowhere else.
    match chmodat(CWD, in_proc(&place), mode, AtFlags::empty()) {
        // No /proc: then the file has to be readable.
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(fchmod(root.open_beneath(path, files::READ)?, mode)?),
        result => Ok(result?),
    }
}

/// Bytes that a user without privileges may still store in a directory.
pub(super) fn free_space(root: &Arc<Root>, path: &StoragePath) -> Result<u64, StorageError> {
    let place = root.open_beneath(path, OFlags::PATH)?;
    if stat(&place)?.kind != Kind::Directory {
        return Err(StorageError::NotDirectory);
    }
    let told = fstatvfs(&place)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// A descriptor without any right of `path`, links within the root followed.
fn file_or_directory(root: &Root, path: &StoragePath) -> Result<OwnedFd, StorageError> {
    let place = root.open_beneath(path, OFlags::PATH)?;
    match stat(&place)?.kind {
        Kind::File | Kind::Directory => Ok(place),
        _ => Err(StorageError::NotRegular),
    }
}

/// The kernel's words in ours.
#[expect(clippy::unnecessary_cast, reason = "the fields of `Stat` have other types on other processors")]
pub(super) fn from_stat(stat: &Stat) -> Metadata {
    Metadata {
        kind: kind(FileType::from_raw_mode(stat.st_mode)),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        modified: system_time(stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        mode: stat.st_mode & 0o7777,
        links: stat.st_nlink as u64,
        owner: Some(stat.st_uid),
        group: Some(stat.st_gid),
        device: Some(stat.st_dev as u64),
        inode: Some(stat.st_ino as u64),
    }
}

/// Our kind for the kernel's.
pub(super) fn kind(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Unknown => Kind::Other,
    }
}

/// A time that Rust cannot hold, which only a broken file system has, becomes the epoch.
fn system_time(seconds: i64, nanoseconds: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let start = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    start.and_then(|start| start.checked_add(Duration::from_nanos(nanoseconds.into()))).unwrap_or(UNIX_EPOCH)
}

/// Seconds are rounded down also before the epoch, so that the nanoseconds are positive.
fn timespec(time: SystemTime) -> Timespec {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Timespec { tv_sec: seconds(after), tv_nsec: after.subsec_nanos().into() },
        Err(before) => {
            let before = before.duration();
            match before.subsec_nanos() {
                0 => Timespec { tv_sec: -seconds(before), tv_nsec: 0 },
                nanoseconds => {
                    Timespec { tv_sec: -seconds(before) - 1, tv_nsec: (1_000_000_000 - nanoseconds).into() }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_the_epoch_come_back() {
        let epoch = UNIX_EPOCH;
        for time in [
            epoch,
            epoch + Duration::new(1_700_000_000, 123_456_789),
            epoch - Duration::from_secs(5),
            epoch - Duration::new(5, 250_000_000),
        ] {
            let told = timespec(time);
            assert!((0..1_000_000_000).contains(&told.tv_nsec));
            assert_eq!(system_time(told.tv_sec, u32::try_from(told.tv_nsec).unwrap()), time);
        }
        assert_eq!(system_time(i64::MAX, 0), UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs()));
        let _ = system_time(i64::MIN, 999_999_999);
    }
}
