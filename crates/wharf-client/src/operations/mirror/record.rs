//! What a part is part of, written down beside it as `name.part.wharf`, so that a later run can go on with it: the remote size
//! and time. It has the form of the journal of a segmented download, without ranges.
//!
//! Of a part without a record, or with one of another version of the file, nothing is known: it is begun anew. The part is
//! emptied before a record is written, so that a record never stands beside the beginning of another version, whenever the run
//! is killed.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use super::local_tree::LocalDirectory;
use super::queue::FileJob;
use super::tree::Entry;
use crate::operations::segments::{Identity, journal_beginning, whole_second};

/// Files below, in bytes, come again faster than their parts are looked after.
const LEAST: u64 = 256 * 1024;
/// More than any record has, in bytes.
const LONGEST: u64 = 256;

/// The record of one part.
#[derive(Debug)]
pub(super) struct Record {
    name: Vec<u8>,
    text: String,
}

/// The name of the record of `part`.
pub(super) fn name_of(part: &[u8]) -> Vec<u8> {
    [part, b".wharf"].concat()
}

/// Whether parts of such a file have a record: it is large enough, and size and time tell one version from the next.
pub(super) fn is_recorded(source: &Entry) -> bool {
    source.size.is_some_and(|size| size >= LEAST) && source.exact_time().is_some()
}

impl Record {
    /// That of the part of `job`; none where parts of it have none.
    pub(super) fn of(job: &FileJob) -> Option<Self> {
        let source = Some(&job.source).filter(|source| is_recorded(source))?;
        let modified = source.exact_time().and_then(whole_second);
        let identity = Identity { size: source.size?, modified };
        Some(Self { name: name_of(&job.part), text: journal_beginning(identity) })
    }

    /// Whether it is what `directory` holds: the part is of this version of the file.
    pub(super) fn is_there(&self, directory: &LocalDirectory) -> bool {
        let Ok((file, _)) = directory.open_file(&self.name) else { return false };
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).is_ok() && text == self.text
    }

    /// Empties `part` and writes the record down. Where that cannot be, the part is begun anew the next time, and no more.
    pub(super) fn begin(&self, directory: &LocalDirectory, part: &File) -> io::Result<()> {
        part.set_len(0)?;
        let written = directory.open_part(&self.name).and_then(|mut file| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(self.text.as_bytes())
        });
        if written.is_err() {
            self.remove(directory);
        }
        Ok(())
    }

    /// Removes it; it is not needed any longer, or never was there.
    pub(super) fn remove(&self, directory: &LocalDirectory) {
        let _ = directory.remove_file(&self.name);
    }
}
