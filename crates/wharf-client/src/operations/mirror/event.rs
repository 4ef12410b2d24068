//! What a mirror tells while it works, and at its end.

use std::time::Duration;

use crate::attempt::Attempt;
use crate::error::ClientError;
use crate::observer::{Observer, Silent};
use crate::operations::third_party::Route;

/// Is told what a mirror does. Each method does nothing unless it is written. Several sessions may call at once.
pub trait MirrorObserver: Send + Sync {
    /// Something was done, or in a dry run would be done. Paths are relative to both roots.
    fn event(&self, _event: &MirrorEvent<'_>) {}
    /// So many files wait to be transferred, or are being transferred, with so many bytes, as far as is known by now.
    fn planned(&self, _files: u64, _bytes: u64) {}
    /// Who is told what goes on in a session that is about to be opened.
    fn session(&self) -> Box<dyn Observer> {
        Box::new(Silent)
    }
}

/// Tells nobody.
impl MirrorObserver for Silent {}

/// One thing that a mirror did.
#[derive(Debug)]
pub enum MirrorEvent<'a> {
    /// A file is at the destination, whole and confirmed.
    Transferred {
        /// Which.
        path: &'a [u8],
        /// Its length in bytes.
        bytes: u64,
        /// How our data connection with the source was made, or with the server where there is one; none in a dry run, and
        /// between two servers.
        attempt: Option<&'a Attempt>,
        /// From server to server: which way the bytes went.
        route: Option<Route>,
        /// How long it took.
        took: Duration,
    },
    /// A directory was made.
    MadeDirectory {
        /// Which.
        path: &'a [u8],
    },
    /// A symbolic link was made.
    Linked {
        /// Which.
        path: &'a [u8],
        /// Where to.
        target: &'a [u8],
    },
    /// Something that the source does not have was removed.
    Deleted {
        /// What.
        path: &'a [u8],
        /// Whether it was a directory.
        is_directory: bool,
    },
    /// Something was left alone.
    Skipped {
        /// What.
        path: &'a [u8],
        /// Why.
        reason: &'a str,
    },
    /// Something failed; all else goes on.
    Failed {
        /// What.
        path: &'a [u8],
        /// Why.
        error: &'a ClientError,
    },
    /// Something that a person wants to know.
    Note {
        /// What.
        text: &'a str,
    },
}

/// What a mirror did in all; in a dry run, what it would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files that were transferred.
    pub transferred: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were the same on both sides, or not newer where only newer ones were wanted.
    pub unchanged: u64,
    /// Directories that were made.
    pub directories: u64,
    /// Symbolic links that were made.
    pub links: u64,
    /// Files, links and directories that were removed.
    pub deleted: u64,
    /// What was left alone for a reason that was told.
    pub skipped: u64,
    /// What failed.
    pub failed: u64,
    /// The exit code of the first failure.
    pub first_failure: Option<u8>,
    /// Most sessions that were logged in at once.
    pub sessions: usize,
    /// Whether commands were sent before their turn, to the end.
    pub pipelined: bool,
}
