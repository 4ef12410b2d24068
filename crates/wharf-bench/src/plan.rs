//! What is done, by how many, for how long.

use std::sync::Arc;
use std::time::Duration;

use wharf_proto::{Command, Pathname};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What each session does, over and over.
    pub work: Work,
    /// How many sessions at once.
    pub parallel: usize,
    /// How long is measured.
    pub time: Duration,
    /// How long is worked before that.
    pub warm_up: Duration,
    /// Most operations of all sessions together, those of the warm-up included.
    pub count: Option<u64>,
}

/// What a session does.
#[derive(Clone, Debug)]
pub enum Work {
    /// Downloads these in turn.
    Download {
        /// What; sessions begin at places far apart.
        files: Arc<[Download]>,
        /// Files that take long: they are cut when the time is over, and under TLS not decrypted.
        is_large: bool,
    },
    /// Uploads files of this size to names of its own, and removes them at the end.
    Upload {
        /// What stands before the names: a directory with its slash, or nothing.
        prefix: Vec<u8>,
        /// Bytes of each.
        size: u64,
    },
    /// Sends this, LIST, NLST or MLSD, and throws the listing away.
    List(Command),
    /// Connects, logs in and quits.
    Login,
    /// Holds sessions, and times NOOP on one more.
    Idle,
}

/// A file to download.
#[derive(Clone, Debug)]
pub struct Download {
    /// RETR.
    pub command: Command,
    /// Its size in bytes, where that is known: other lengths are errors.
    pub size: Option<u64>,
}

impl Download {
    /// The file of this path.
    #[must_use]
    pub fn of(path: Pathname, size: Option<u64>) -> Self {
        Self { command: Command::Retr(path), size }
    }
}
