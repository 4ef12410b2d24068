//! Where a download goes on this machine.
//!
//! A regular file is written as `name.part` and takes its name only when it is complete. What is anything else (a
//! device, a FIFO, a socket, a symbolic link) is opened and written straight: it is never replaced.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use wharf_proto::listing::check_name;
use wharf_proto::pathname::escaped;

use crate::error::{ClientError, STANDARD_OUTPUT};
use crate::operations::segments::{journal_of, remove_journal};
use crate::times::set_modified;

/// Where a download is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The remote name, in this directory.
    Directory(PathBuf),
    /// This path; if a directory is there, the remote name in it.
    Path(PathBuf),
    /// Standard output.
    Stdout,
}

/// An open target.
#[derive(Debug)]
pub(crate) struct LocalTarget {
    /// What it is called at the end.
    name: PathBuf,
    kind: Kind,
    file: File,
    /// Bytes that are there to go on with.
    length: u64,
    finished: bool,
}

#[derive(Debug)]
enum Kind {
    /// `name.part`, to be renamed.
    Part(PathBuf),
    /// `name` itself, which an earlier program left incomplete.
    InPlace,
    /// No regular file of its own.
    Straight,
}

impl LocalTarget {
    /// Opens the target; a FIFO waits for its reader. With `resume`, what is there stays: `name.part`, or `name`
    /// itself.
    pub(crate) async fn open(
        destination: &Destination,
        remote_name: &[u8],
        resume: bool,
    ) -> Result<Self, ClientError> {
        let path = match destination {
            Destination::Stdout => return Self::stdout(),
            Destination::Directory(directory) => directory.join(local_name(remote_name)?),
            Destination::Path(path) if path.is_dir() => path.join(local_name(remote_name)?),
            Destination::Path(path) => path.clone(),
        };
        let shown = path.display().to_string();
        match tokio::task::spawn_blocking(move || Self::open_path(path, resume)).await {
            Ok(opened) => opened.map_err(ClientError::local(shown)),
            Err(error) => Err(ClientError::Local { what: shown, source: io::Error::other(error) }),
        }
    }

    /// Whether a part is there that several sessions have begun, as its journal tells.
    pub(crate) fn is_in_segments(destination: &Destination, remote_name: &[u8]) -> bool {
        let path = match (destination, local_name(remote_name)) {
            (Destination::Stdout, _) => return false,
            (Destination::Directory(directory), Ok(name)) => directory.join(name),
            (Destination::Path(path), Ok(name)) if path.is_dir() => path.join(name),
            (Destination::Path(path), _) => path.clone(),
            (Destination::Directory(_), Err(_)) => return false,
        };
        journal_of(&part_name(&path)).exists()
    }

    fn stdout() -> Result<Self, ClientError> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned();
        let file = File::from(descriptor.map_err(ClientError::local(STANDARD_OUTPUT))?);
        Ok(Self { name: STANDARD_OUTPUT.into(), kind: Kind::Straight, file, length: 0, finished: true })
    }

    fn open_path(name: PathBuf, resume: bool) -> io::Result<Self> {
        match name.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if !metadata.is_file() => Self::open_straight(name, metadata.file_type(), resume),
            Ok(_) if resume && !part_name(&name).exists() => Self::open_in_place(name),
            Ok(_) => Self::open_part(name, resume),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::open_part(name, resume),
            Err(error) => Err(error),
        }
    }

    /// A symbolic link is followed, and made whole if it dangles.
    fn open_straight(name: PathBuf, file_type: FileType, resume: bool) -> io::Result<Self> {
        let file = if file_type.is_socket() {
            File::from(OwnedFd::from(UnixStream::connect(&name)?))
        } else {
            OpenOptions::new().write(true).create(file_type.is_symlink()).truncate(false).open(&name)?
        };
        let metadata = file.metadata()?;
        let length = if resume && metadata.is_file() { metadata.len() } else { 0 };
        // Read access is needed only to compare what is there.
        let file = if length > 0 { OpenOptions::new().read(true).write(true).open(&name)? } else { file };
        Ok(Self { name, kind: Kind::Straight, file, length, finished: true })
    }

    fn open_in_place(name: PathBuf) -> io::Result<Self> {
        let file = open_regular(&name, false)?;
        let length = file.metadata()?.len();
        Ok(Self { name, kind: Kind::InPlace, file, length, finished: false })
    }

    fn open_part(name: PathBuf, resume: bool) -> io::Result<Self> {
        let part = part_name(&name);
        let file = open_regular(&part, true)?;
        // A file system without locks is no reason to give up.
        if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
            return Err(io::Error::other(format!("another program is writing {}", part.display())));
        }
        let length = if resume { file.metadata()?.len() } else { 0 };
        Ok(Self { name, kind: Kind::Part(part), file, length, finished: false })
    }

    /// What it is called at the end.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// What it is called while it is written.
    pub(crate) fn written(&self) -> &Path {
        match &self.kind {
            Kind::Part(part) => part,
            Kind::InPlace | Kind::Straight => &self.name,
        }
    }

    /// Bytes that are there to go on with.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Whether what is there bears its final name already.
    fn is_in_place(&self) -> bool {
        matches!(self.kind, Kind::InPlace)
    }

    /// The last `count` bytes of what is there.
    pub(crate) fn tail(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut tail = Vec::new();
        if count == 0 {
            // Standard output has a place that must not move.
            return Ok(tail);
        }
        self.file.seek(SeekFrom::Start(self.length.saturating_sub(count)))?;
        (&self.file).take(count).read_to_end(&mut tail)?;
        Ok(tail)
    }

    /// Forgets what is there. A file that bears its final name is left alone, and `name.part` begun in its place.
    pub(crate) fn start_over(&mut self) -> io::Result<()> {
        if self.is_in_place() {
            *self = Self::open_part(std::mem::take(&mut self.name), false)?;
        }
        self.length = 0;
        Ok(())
    }

    /// The file, to be written behind what is there. Only now is anything cut off.
    pub(crate) fn writer(&mut self) -> io::Result<File> {
        if self.file.metadata()?.is_file() && !self.is_standard_output() {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.forget_journal()?;
        }
        self.file.try_clone()
    }

    /// Of what the journal of several sessions tells, nothing is there any longer. Most often there is none.
    fn forget_journal(&self) -> io::Result<()> {
        match &self.kind {
            Kind::Part(part) => remove_journal(part),
            Kind::InPlace | Kind::Straight => Ok(()),
        }
    }

    /// Empties a part, so that nothing stays of it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        if self.is_part() {
            self.file.set_len(0)?;
        }
        self.forget_journal()
    }

    /// Standard output may be a regular file to which others write too.
    pub(crate) fn is_standard_output(&self) -> bool {
        matches!(self.kind, Kind::Straight) && self.name.as_os_str() == STANDARD_OUTPUT
    }

    /// Where an incomplete download is, if it can be gone on with.
    pub(crate) fn kept(&self) -> Option<PathBuf> {
        let is_empty = || self.file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        self.may_keep().filter(|_| self.is_in_place() || !is_empty())
    }

    /// Where it will be, once something has arrived.
    pub(crate) fn may_keep(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Part(_) | Kind::InPlace => Some(self.written().to_owned()),
            Kind::Straight => None,
        }
    }

    /// The file, to be read from its beginning, where it can be: what went to a device or a pipe is gone.
    pub(crate) fn written_file(&self) -> Option<File> {
        let may_read = !matches!(self.kind, Kind::Straight);
        may_read.then(|| self.file.try_clone().ok()).flatten()
    }

    /// The file itself.
    pub(crate) fn clone_file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether it is written under another name first.
    pub(crate) fn is_part(&self) -> bool {
        matches!(self.kind, Kind::Part(_))
    }

    /// Whether it is a regular file, which has a time of its own.
    pub(crate) fn keeps_time(&self) -> bool {
        !self.is_standard_output() && self.file.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    /// It is complete: gives it its name, and `time`.
    pub(crate) fn finish(&mut self, time: Option<Timestamp>) -> io::Result<()> {
        if let Some(Err(error)) = time.map(|time| set_modified(&self.file, time)) {
            // Somebody else's file, which we may write. It is complete all the same.
            tracing::debug!(%error, file = %self.name.display(), "the time of last change cannot be set");
        }
        if let Kind::Part(part) = &self.kind {
            match self.name.symlink_metadata() {
                Ok(metadata) if !metadata.is_file() => {
                    return Err(io::Error::new(
                        io::ErrorKind::AlreadyExists,
                        format!("it became something else than a file; the download is {}", part.display()),
                    ));
                }
                _ => std::fs::rename(part, &self.name)?,
            }
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for LocalTarget {
    /// A part without a byte is of no use to anybody.
    fn drop(&mut self) {
        if let Kind::Part(part) = &self.kind
            && !self.finished
            && self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        {
            // If it stays, it does no harm.
            let _ = std::fs::remove_file(part);
        }
    }
}

/// A regular file, never one behind a symbolic link: somebody else could have put that there.
fn open_regular(path: &Path, create: bool) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false);
    let file = options.custom_flags(flags.cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(format!("{} is no regular file", path.display())))
}

fn part_name(name: &Path) -> PathBuf {
    let mut part = name.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

/// The remote name as one of ours (threat 25).
fn local_name(remote_name: &[u8]) -> Result<&Path, ClientError> {
    // There, they lead to other folders, drives and streams.
    let leads_elsewhere = cfg!(windows) && remote_name.iter().any(|byte| matches!(byte, b'\\' | b':'));
    match check_name(remote_name) {
        Ok(()) if leads_elsewhere => Err(ClientError::Usage(format!(
            "\"{}\" cannot be the name of a file here: it holds \\ or :; name one with -o",
            escaped(remote_name)
        ))),
        Ok(()) => Ok(Path::new(std::ffi::OsStr::from_bytes(remote_name))),
        Err(reason) => Err(ClientError::Usage(format!(
            "\"{}\" cannot be the name of a file here: {reason}; name one with -o",
            escaped(remote_name)
        ))),
    }
}
