//! The tree on this machine. Nothing in it is reached through a symbolic link, whoever put that there (threat 25): each
//! directory of a path is opened in the one before it, by a descriptor, with `O_NOFOLLOW`.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fstat, mkdirat, openat, readlinkat,
    renameat, renameat_with, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use wharf_proto::listing::{ListedTime, check_name};

use super::tree::{Entries, Entry, Kind};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Less the umask.
const NEW_DIRECTORY: Mode = Mode::from_raw_mode(0o777);
const NEW_FILE: Mode = Mode::from_raw_mode(0o666);

/// A directory with all that is beneath it.
#[derive(Debug)]
pub(super) struct LocalTree {
    root: OwnedFd,
    path: PathBuf,
}

impl LocalTree {
    /// Opens the root, which may be behind symbolic links: the user named it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: openat(CWD, path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// As a person would write it.
    pub(super) fn shown(&self, path: &[u8]) -> String {
        self.path.join(OsStr::from_bytes(path)).display().to_string()
    }

    /// The directory `path`.
    pub(super) fn directory(&self, path: &[u8]) -> io::Result<LocalDirectory> {
        let mut directory: Option<OwnedFd> = None;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            check_name(name).map_err(io::Error::other)?;
            let parent = directory.as_ref().unwrap_or(&self.root);
            directory = Some(openat(parent, name, DIRECTORY, Mode::empty()).map_err(explained)?);
        }
        let descriptor = match directory {
            Some(directory) => directory,
            None => openat(&self.root, c".", DIRECTORY, Mode::empty())?,
        };
        Ok(LocalDirectory { descriptor })
    }
}

/// `ENOTDIR` and `ELOOP` are what the kernel says of a symbolic link in a directory's place.
fn explained(errno: Errno) -> io::Error {
    match errno {
        Errno::LOOP | Errno::NOTDIR => {
            io::Error::other("a part of the path is no directory, or a symbolic link, which is not followed")
        }
        other => other.into(),
    }
}

/// An open directory. Names given to it are single names.
#[derive(Debug)]
pub(super) struct LocalDirectory {
    descriptor: OwnedFd,
}

impl LocalDirectory {
    /// What lies in it, at most `most` entries.
    pub(super) fn entries(&self, most: usize) -> io::Result<Entries> {
        let mut entries = Entries::new();
        for entry in Dir::read_from(&self.descriptor)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if entries.len() >= most {
                return Err(io::Error::other(format!("it holds more than {most} entries")));
            }
            // One that is gone meanwhile is not there.
            if let Some(entry) = self.entry(name)? {
                entries.insert(name.to_vec(), entry);
            }
        }
        Ok(entries)
    }

    /// What `name` is; none if it is not there.
    pub(super) fn entry(&self, name: &[u8]) -> io::Result<Option<Entry>> {
        let stat = match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        let target = match kind {
            Kind::Symlink => Some(readlinkat(&self.descriptor, name, Vec::new())?.into_bytes()),
            _ => None,
        };
        let modified = modified(&stat).map(ListedTime::exact);
        Ok(Some(Entry { kind, size: u64::try_from(stat.st_size).ok(), modified, target, unique: None }))
    }

    /// Opens a regular file for reading, with its length.
    pub(super) fn open_file(&self, name: &[u8]) -> io::Result<(File, u64)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = self.regular(name, flags)?;
        let stat = fstat(&file)?;
        Ok((file, u64::try_from(stat.st_size).unwrap_or(0)))
    }

    /// Opens `name`, which is a part of a file, for reading and writing.
    pub(super) fn open_part(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.regular(name, flags)
    }

    fn regular(&self, name: &[u8], flags: OFlags) -> io::Result<File> {
        check_name(name).map_err(io::Error::other)?;
        let file = match openat(&self.descriptor, name, flags, NEW_FILE) {
            Err(Errno::LOOP) => return Err(io::Error::other("it is a symbolic link, which is not followed")),
            other => other?,
        };
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::other("it is no regular file"));
        }
        Ok(File::from(file))
    }

    /// Gives the complete `part` its name, unless something else than a file has that.
    pub(super) fn publish(&self, part: &[u8], name: &[u8]) -> io::Result<()> {
        let (here, flags) = (&self.descriptor, RenameFlags::NOREPLACE);
        // Most files are new: then nothing has to be looked at. Not every file system can do this.
        if renameat_with(here, part, here, name, flags).is_ok() {
            return Ok(());
        }
        if let Some(Entry { kind: kind @ (Kind::Directory | Kind::Symlink | Kind::Other), .. }) =
            self.entry(name)?
        {
            return Err(io::Error::other(format!("it is {} here; move it away", kind.name())));
        }
        Ok(renameat(&self.descriptor, part, &self.descriptor, name)?)
    }

    /// Makes the directory `name`; one that is there is as good.
    pub(super) fn make_directory(&self, name: &[u8]) -> io::Result<()> {
        check_name(name).map_err(io::Error::other)?;
        match mkdirat(&self.descriptor, name, NEW_DIRECTORY) {
            Err(Errno::EXIST) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Makes `name` a symbolic link to `target`, in the place of one that is there.
    pub(super) fn make_link(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        check_name(name).map_err(io::Error::other)?;
        if let Some(Entry { kind: Kind::Symlink, .. }) = self.entry(name)? {
            self.remove_file(name)?;
        }
        Ok(symlinkat(target, &self.descriptor, name)?)
    }

    /// Removes what is no directory.
    pub(super) fn remove_file(&self, name: &[u8]) -> io::Result<()> {
        check_name(name).map_err(io::Error::other)?;
        Ok(unlinkat(&self.descriptor, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    pub(super) fn remove_directory(&self, name: &[u8]) -> io::Result<()> {
        check_name(name).map_err(io::Error::other)?;
        Ok(unlinkat(&self.descriptor, name, AtFlags::REMOVEDIR)?)
    }
}

fn modified(stat: &Stat) -> Option<Timestamp> {
    let nanoseconds = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
    Timestamp::from_nanosecond(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::times::set_modified;

    #[test]
    fn no_symbolic_link_is_gone_through() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("file"), "theirs").unwrap();
        symlink(outside.path(), inside.path().join("away")).unwrap();
        symlink(outside.path().join("file"), inside.path().join("link")).unwrap();
        let tree = LocalTree::open(inside.path()).unwrap();
        assert!(tree.directory(b"away").is_err() && tree.directory(b"..").is_err());
        let root = tree.directory(b"").unwrap();
        assert!(root.open_part(b"link").is_err() && root.open_file(b"link").is_err());
        assert!(root.open_part(b"away/file").is_err() && root.open_part(b"../file").is_err());
        root.open_part(b"x.part").unwrap();
        assert!(root.publish(b"x.part", b"link").is_err());
        assert_eq!(fs::read(outside.path().join("file")).unwrap(), b"theirs");
        let entries = root.entries(10).unwrap();
        assert_eq!(entries[&b"link"[..].to_vec()].kind, Kind::Symlink);
        assert!(root.entries(1).is_err());
    }

    #[test]
    fn times_before_and_after_the_epoch_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let root = LocalTree::open(directory.path()).unwrap().directory(b"").unwrap();
        for time in ["1969-12-31T23:59:58.25Z", "2026-11-20T10:00:05Z"] {
            let time: Timestamp = time.parse().unwrap();
            set_modified(&root.open_part(b"x").unwrap(), time).unwrap();
            assert_eq!(root.entry(b"x").unwrap().unwrap().exact_time(), Some(time));
        }
    }
}
