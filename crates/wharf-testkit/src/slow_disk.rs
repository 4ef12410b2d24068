//! A file system whose disk is slow, or hangs: FUSE, so that the kernel waits for us as it would for the disk.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, Request,
    SessionACL,
};

use crate::directory::sample;
use crate::janitor::{self, Remains, Watched};

/// The only file of the file system.
pub const COLD: &str = "cold";
/// Its inode; the root has the first.
const COLD_INODE: INodeNo = INodeNo(2);
/// The kernel asks for everything anew: nothing of a cold disk is in memory.
const NOTHING_IS_KEPT: Duration = Duration::ZERO;

/// How slow it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// Each thing that is asked of it takes this long: a look for a name, a look at a file, a piece of content.
    Slow(Duration),
    /// Names and sizes are known at once, and no piece of content ever comes.
    Hanging,
}

/// A directory on such a disk, mounted while this lives. Whoever reads there should have ended before it goes: what still waits
/// for the disk then gets an error.
#[derive(Debug)]
pub struct SlowDisk {
    place: PathBuf,
    reads: Arc<Reads>,
    session: Option<BackgroundSession>,
    _watched: Watched,
}

impl SlowDisk {
    /// Mounts one at `place`, an empty directory, with the file [`COLD`] of `length` bytes. The error is the reason why it
    /// cannot be had here, fit for [`skip!`](crate::skip!).
    ///
    /// # Errors
    /// When this is not root, or the kernel has no FUSE.
    pub fn mount(place: &Path, disk: Disk, length: usize) -> Result<Self, String> {
        if !crate::is_root() {
            return Err("a slow disk is mounted by root".into());
        }
        let reads = Arc::<Reads>::default();
        let files = Files { disk, content: sample(length).into(), reads: reads.clone() };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("slow-disk".into()), MountOption::RO];
        config.acl = SessionACL::All;
        let watched = janitor::watch_over(Remains::Mount(&place.to_string_lossy()));
        let session = fuser::spawn_mount(files, place, &config)
            .map_err(|error| format!("no file system of our own can be mounted here: {error}"))?;
        Ok(Self { place: place.to_owned(), reads, session: Some(session), _watched: watched })
    }

    /// Waits until somebody waits for content of a hanging disk.
    ///
    /// # Panics
    /// When nobody does within `limit`.
    #[track_caller]
    pub fn wait_for_reader(&self, limit: Duration) {
        let held = self.reads.held.lock().unwrap();
        let (held, _) = self.reads.changed.wait_timeout_while(held, limit, |held| held.is_empty()).unwrap();
        assert!(!held.is_empty(), "nobody reads from the disk that hangs");
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        // Forced, so that those that wait get an error: nobody can be killed while he waits for a disk.
        let _ = Command::new("umount").args(["--force", "--lazy"]).arg(&self.place).status();
        self.reads.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.session = None;
    }
}

/// The reads of a hanging disk.
#[derive(Default)]
struct Reads {
    held: Mutex<Vec<ReplyData>>,
    changed: Condvar,
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reads").finish_non_exhaustive()
    }
}

/// What the kernel asks.
struct Files {
    disk: Disk,
    content: Arc<[u8]>,
    reads: Arc<Reads>,
}

impl Files {
    /// Answers when the disk has moved. Each answer has a thread of its own: a disk has several requests under way.
    fn answer(&self, answer: impl FnOnce() + Send + 'static) {
        if let Disk::Slow(delay) = self.disk {
            thread::spawn(move || {
                thread::sleep(delay);
                answer();
            });
        } else {
            answer();
        }
    }

    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0o755, 0),
            COLD_INODE => (FileType::RegularFile, 0o644, self.content.len() as u64),
            _ => return None,
        };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = (parent == INodeNo::ROOT && name == COLD).then(|| self.attributes(COLD_INODE)).flatten();
        self.answer(move || match found {
            Some(attributes) => reply.entry(&NOTHING_IS_KEPT, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        });
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.attributes(inode);
        self.answer(move || match found {
            Some(attributes) => reply.attr(&NOTHING_IS_KEPT, &attributes),
            None => reply.error(Errno::ENOENT),
        });
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        // Each opening drops what is in memory, so that the file stays cold: but for that it would wait for what never comes.
        let flags = match self.disk {
            Disk::Hanging => FopenFlags::FOPEN_KEEP_CACHE,
            Disk::Slow(_) => FopenFlags::empty(),
        };
        self.answer(move || reply.opened(FileHandle(0), flags));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        if self.disk == Disk::Hanging {
            self.reads.held.lock().unwrap().push(reply);
            self.reads.changed.notify_all();
            return;
        }
        let content = self.content.clone();
        self.answer(move || {
            let start = usize::try_from(offset).map_or(content.len(), |offset| offset.min(content.len()));
            let end = start.saturating_add(size as usize).min(content.len());
            reply.data(&content[start..end]);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::TestDirectory;

    #[test]
    fn a_slow_disk_gives_what_it_has_and_a_hanging_one_gives_nothing() {
        let directory = TestDirectory::new();
        let (slow, hanging) = (directory.make_directory("slow"), directory.make_directory("hanging"));
        let length = 300_000;
        let _slow_disk = match SlowDisk::mount(&slow, Disk::Slow(Duration::from_millis(1)), length) {
            Ok(disk) => disk,
            Err(reason) => crate::skip!("{reason}"),
        };
        assert_eq!(fs::read(slow.join(COLD)).unwrap(), sample(length));
        assert!(fs::read(slow.join("other")).is_err());
        let disk = SlowDisk::mount(&hanging, Disk::Hanging, length).unwrap();
        assert_eq!(fs::metadata(hanging.join(COLD)).unwrap().len(), length as u64);
        let reader = thread::spawn(move || fs::read(hanging.join(COLD)));
        disk.wait_for_reader(Duration::from_secs(20));
        drop(disk);
        assert!(reader.join().unwrap().is_err());
    }
}
