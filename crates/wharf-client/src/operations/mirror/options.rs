//! What a mirror is asked to do.

use super::filter::Filter;
use crate::operations::third_party::ThirdPartyOptions;

/// Which way a mirror goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the server to this machine.
    Download,
    /// From this machine to the server.
    Upload,
    /// From a server to another one.
    Between,
}

/// How to mirror. `Default` is four sessions, everything, nothing deleted.
#[derive(Clone, Debug)]
pub struct MirrorOptions {
    /// Most sessions at once; a server that lets in fewer is served with fewer.
    pub sessions: usize,
    /// Remove from the destination what the source does not have, after everything else succeeded.
    pub delete: bool,
    /// Change nothing; the events tell what would be done.
    pub dry_run: bool,
    /// Transfer only what is missing at the destination or newer at the source.
    pub newer: bool,
    /// Make symbolic links anew where they can be made: on this machine. Else they are skipped.
    pub links: bool,
    /// What is left out.
    pub filter: Filter,
    /// Between two servers: whether files go directly.
    pub third_party: ThirdPartyOptions,
    /// How often a file or a listing is tried again when something passed in between.
    pub retries: u32,
}

impl Default for MirrorOptions {
    fn default() -> Self {
        Self {
            sessions: 4,
            delete: false,
            dry_run: false,
            newer: false,
            links: false,
            filter: Filter::default(),
            third_party: ThirdPartyOptions::default(),
            retries: 0,
        }
    }
}
