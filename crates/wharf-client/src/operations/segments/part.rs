//! The part that a segmented download fills.

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::journal::{self, Identity, Journal, guarded_length};
use super::ranges::Ranges;
use crate::error::ClientError;
use crate::local_target::{Destination, LocalTarget};

/// An open part, and what of it is there.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) target: LocalTarget,
    pub(super) file: Arc<File>,
    pub(super) there: Ranges,
    /// The length of what somebody else has left, without a journal, and that is to be gone on with.
    pub(super) adopted: Option<u64>,
}

/// What came of opening a part.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) part: Part,
    /// Why what is there is of no use, if it was expected to be.
    pub(super) changed: Option<&'static str>,
}

impl Part {
    /// Opens the part behind `target`. What its journal says is gone on with if it is the same file; without a journal, with
    /// `adopts`, what one stream has left.
    pub(super) fn open(target: LocalTarget, identity: Identity, adopts: bool) -> io::Result<Opened> {
        let file = Arc::new(target.clone_file()?);
        let length = file.metadata()?.len();
        let (mut changed, mut adopted) = (None, None);
        let there = match Journal::read(&journal::path_of(target.written())) {
            // Else somebody has written the part anew since.
            Some((was, there)) if length == was.size || length == guarded_length(was.size) => {
                if was == identity {
                    there
                } else {
                    changed = Some(match was.size == identity.size {
                        true => "has another time of last change at the server than what is here",
                        false => "has another size at the server than what is here",
                    });
                    Ranges::default()
                }
            }
            Some(_) => Ranges::default(),
            None if adopts && length <= identity.size => {
                let mut there = Ranges::default();
                there.add(0..length);
                adopted = Some(length).filter(|length| *length > 0);
                there
            }
            None => Ranges::default(),
        };
        Ok(Opened { part: Self { target, file, there, adopted }, changed })
    }

    /// Whether there is something to go on with.
    pub(super) fn is_begun(&self) -> bool {
        self.there.bytes() > 0
    }

    /// Makes the part ready to be written, and its journal.
    pub(super) fn begin(&self, identity: Identity) -> io::Result<Journal> {
        let path = journal::path_of(self.target.written());
        if !self.is_begun() {
            // First: what an old journal says of it holds no longer, and by the length that is seen.
            self.file.set_len(0)?;
        }
        let journal = Journal::begin(&path, identity, &self.there)?;
        self.file.set_len(guarded_length(identity.size))?;
        Ok(journal)
    }

    /// Leaves what was adopted as it was found, since it is of another file after all.
    pub(super) fn disown(target: &LocalTarget, length: u64) -> io::Result<()> {
        target.clone_file()?.set_len(length)?;
        journal::remove(target.written())
    }

    /// Removes the part and its journal: whoever still writes to it writes to nothing.
    pub(super) async fn discard(destination: &Destination, name: &[u8]) -> Result<(), ClientError> {
        let target = LocalTarget::open(destination, name, false).await?;
        if target.is_part() {
            let part = target.written().to_owned();
            let shown = part.display().to_string();
            drop(target);
            // The part first: without it, the journal means nothing.
            match std::fs::remove_file(&part) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => journal::remove(&part),
            }
            .map_err(ClientError::local(shown))?;
        }
        Ok(())
    }
}
