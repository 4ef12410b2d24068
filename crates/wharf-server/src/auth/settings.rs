//! What holds for one user.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::charset::Charset;
use crate::config::{Modes, TlsPolicy};
use crate::policy::{Policy, Rights};

/// Everything that is set for a user. What is none is as for the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSettings {
    /// The directory that the user sees as `/`, with `%u` for its name and `%%` for a per cent sign.
    pub root: Option<PathBuf>,
    /// What may be done, and where.
    pub policy: Policy,
    /// How much may lie under the root.
    pub quota: Quota,
    /// Bytes a second that all downloads of the user may take together.
    pub download_rate: Option<u64>,
    /// Bytes a second that all uploads of the user may take together.
    pub upload_rate: Option<u64>,
    /// Sessions at once.
    pub sessions: Option<u32>,
    /// Where the user may come from; everywhere where this is empty.
    pub networks: Vec<IpNet>,
    /// Whether logins and data have to go through TLS.
    pub tls: Option<TlsPolicy>,
    /// The modes on offer.
    pub modes: Option<Modes>,
    /// The character set of names on the wire.
    pub charset: Option<Charset>,
    /// Whether the user may log in at all.
    pub enabled: bool,
}

/// How much may lie under a root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// In bytes.
    pub bytes: Option<u64>,
    /// In files; directories are none.
    pub files: Option<u64>,
}

impl Quota {
    /// Whether there is any.
    #[must_use]
    pub fn is_set(self) -> bool {
        self.bytes.is_some() || self.files.is_some()
    }
}

impl UserSettings {
    /// As for the whole server, with these rights.
    #[must_use]
    pub const fn with_rights(rights: Rights) -> Self {
        Self {
            root: None,
            policy: Policy::everywhere(rights),
            quota: Quota { bytes: None, files: None },
            download_rate: None,
            upload_rate: None,
            sessions: None,
            networks: Vec::new(),
            tls: None,
            modes: None,
            charset: None,
            enabled: true,
        }
    }
}

impl Default for UserSettings {
    fn default() -> Self {
        Self::with_rights(Rights::READ_ONLY)
    }
}
