//! The journal of a segmented download, beside `name.part` as `name.part.wharf`: which file it is, and which of its bytes are
//! on the disk.
//!
//! Text, one fact a line, and only ever added to; a last line that was cut is no line. A range is written down when its bytes
//! are on the disk, so that what the journal says holds whatever happens. While bytes are missing, `name.part` is one byte
//! longer than the file: without its journal nothing takes it for a whole one, or for the beginning of one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::OFlags;

use super::ranges::Ranges;

const FIRST_LINE: &str = "wharf segments 1";
/// Longest journal that is read, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What makes a file the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) size: u64,
    /// In whole seconds; none where the server does not tell.
    pub(crate) modified: Option<Timestamp>,
}

/// A journal that is being written.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

/// The journal of the part `part`.
pub(crate) fn path_of(part: &Path) -> PathBuf {
    let mut path = part.as_os_str().to_owned();
    path.push(".wharf");
    path.into()
}

/// Removes what is there of a journal of `part`; most often nothing is.
pub(crate) fn remove(part: &Path) -> io::Result<()> {
    let path = path_of(part);
    for path in [new_path(&path), path] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// What a journal is called until its beginning is written.
fn new_path(path: &Path) -> PathBuf {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    new.into()
}

/// The length of the part of a file of `size` bytes while any is missing.
pub(super) fn guarded_length(size: u64) -> u64 {
    size + 1
}

impl Journal {
    /// What the journal at `path` says; none if there is none, or it is none.
    pub(super) fn read(path: &Path) -> Option<(Identity, Ranges)> {
        let file = open(path, false).ok()?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        understand(&text)
    }

    /// Begins a journal at `path`, in the place of one that is there. Whoever is killed in between has the old one or the new one.
    pub(super) fn begin(path: &Path, identity: Identity, there: &Ranges) -> io::Result<Self> {
        let mut text = beginning(identity);
        for range in there.iter() {
            text.push_str(&line(range));
        }
        let new = new_path(path);
        let mut file = open(&new, true)?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&new, path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Writes down that the bytes of `range`, which are in `part`, are on the disk, and makes sure that they are.
    pub(super) fn add(&mut self, part: &File, range: &Range<u64>) -> io::Result<()> {
        part.sync_data()?;
        self.file.write_all(line(range).as_bytes())
    }

    /// Removes it; it is not needed any longer.
    pub(super) fn remove(self) -> io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

/// What makes a file the same file, as a journal begins with it. With nothing behind it, it is also what a mirror writes down
/// beside a part that comes in one stream.
pub(crate) fn beginning(identity: Identity) -> String {
    let mut text = format!("{FIRST_LINE}\nsize {}\n", identity.size);
    if let Some(modified) = identity.modified {
        text.push_str(&format!("modified {}\n", modified.as_second()));
    }
    text.push_str("ranges\n");
    text
}

fn line(range: &Range<u64>) -> String {
    format!("{}-{}\n", range.start, range.end)
}

fn understand(text: &str) -> Option<(Identity, Ranges)> {
    // What stands behind the last line end was being written.
    let (text, _) = text.rsplit_once('\n')?;
    let mut lines = text.split('\n');
    if lines.next() != Some(FIRST_LINE) {
        return None;
    }
    let size = lines.next()?.strip_prefix("size ")?.parse().ok()?;
    let mut next = lines.next()?;
    let mut modified = None;
    if let Some(second) = next.strip_prefix("modified ") {
        modified = Some(Timestamp::from_second(second.parse().ok()?).ok()?);
        next = lines.next()?;
    }
    if next != "ranges" {
        return None;
    }
    let mut ranges = Ranges::default();
    for line in lines {
        let (start, end) = line.split_once('-')?;
        let range = start.parse().ok()?..end.parse().ok()?;
        if range.end > size {
            return None;
        }
        ranges.add(range);
    }
    Some((Identity { size, modified }, ranges))
}

/// Never one behind a symbolic link: somebody else could have put that there.
fn open(path: &Path, writes: bool) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(writes).create(writes).truncate(false).custom_flags(flags);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other(format!("{} is no regular file", path.display())))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_cut_line_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let part = File::create(directory.path().join("x.part")).unwrap();
        let path = path_of(&directory.path().join("x.part"));
        for modified in [None, Timestamp::from_second(1_790_000_000).ok()] {
            let identity = Identity { size: 100, modified };
            let mut there = Ranges::default();
            there.add(0..10);
            let mut journal = Journal::begin(&path, identity, &there).unwrap();
            journal.add(&part, &(20..30)).unwrap();
            journal.add(&part, &(10..20)).unwrap();
            let (read, ranges) = Journal::read(&path).unwrap();
            assert_eq!((read, ranges.missing(100)), (identity, vec![30..100]));
            journal.file.write_all(b"30-100").unwrap();
            assert_eq!(Journal::read(&path).unwrap().1.missing(100), [30..100]);
            journal.remove().unwrap();
        }
        assert_eq!(Journal::read(&path), None);
    }

    #[test]
    fn anything_else_is_no_journal() {
        for text in [
            "",
            "wharf segments 2\nsize 1\nranges\n",
            "wharf segments 1\nsize 1\n",
            "wharf segments 1\nsize x\nranges\n",
            "wharf segments 1\nsize 10\nranges\n5-11\n",
            "wharf segments 1\nsize 10\nranges\n5\n",
        ] {
            assert_eq!(understand(text), None, "{text:?}");
        }
        assert!(understand("wharf segments 1\nsize 10\nranges\n").is_some());
    }
}
