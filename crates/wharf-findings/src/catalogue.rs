//! What is known of each cause, a file for each section of the catalogue.

use crate::{EvidenceKind, Fix, Text};

pub(crate) mod active;
pub(crate) mod addresses;
pub(crate) mod commands;
pub(crate) mod peers;
pub(crate) mod time_and_policy;
pub(crate) mod tls;

/// One row of the catalogue.
pub(crate) struct Entry {
    /// The id in scripts, logs and documents.
    pub(crate) id: &'static str,
    /// What goes wrong.
    pub(crate) summary: Text,
    /// What each side can change.
    pub(crate) fix: Fix,
    /// Evidence that decides it; never none.
    pub(crate) decided_by: &'static [EvidenceKind],
    /// Evidence that only points to it.
    pub(crate) hinted_by: &'static [EvidenceKind],
}
