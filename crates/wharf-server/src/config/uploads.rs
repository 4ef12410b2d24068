//! How files are stored.

use std::time::Duration;

use wharf_storage::{AppendMethod, Durability, UploadMethod};

/// How files are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadPolicy {
    /// Where the data go until all of them are there.
    pub method: UploadMethod,
    /// What an atomic upload does that goes on with a complete file.
    pub append: AppendMethod,
    /// When the data count as all.
    pub publish: Publish,
    /// What is done before the 226.
    pub durability: Durability,
    /// How long a part waits for somebody to go on with it.
    pub keep_parts: Duration,
}

impl Default for UploadPolicy {
    fn default() -> Self {
        Self {
            method: UploadMethod::default(),
            append: AppendMethod::default(),
            publish: Publish::default(),
            durability: Durability::default(),
            keep_parts: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// When the data of an upload count as all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// When they have ended in order and the client still has its control connection open: one that was killed has not.
    #[default]
    WhileConnected,
    /// When they have ended in order: for devices that close both connections at once.
    OnEof,
}
