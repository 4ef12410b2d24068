//! What a session holds while somebody is logged in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_net::dtp::Throttle;
use wharf_proto::Verb;
use wharf_proto::verb::Role;
use wharf_storage::Storage;

use super::accounts::Identity;
use super::settings::UserSettings;
use crate::occupancy::UserSeat;
use crate::quota::Purse;
use crate::roots::Roots;

/// A login: where the files are, what may be done with them, and the user's place among its own sessions.
#[derive(Debug)]
pub(crate) struct Login {
    pub identity: Identity,
    pub settings: Arc<UserSettings>,
    pub storage: Arc<dyn Storage>,
    pub seat: UserSeat,
    /// What the user may still store, where there is a limit.
    pub purse: Option<Arc<Purse>>,
}

impl Login {
    /// The limit of speed that the user's transfers of this kind share.
    pub(crate) fn throttle(&self, verb: Verb) -> Option<Arc<Throttle>> {
        match verb.role() {
            Role::Download => self.settings.download_rate.map(|_| self.seat.shares.down.clone()),
            Role::Upload => self.settings.upload_rate.map(|_| self.seat.shares.up.clone()),
            _ => None,
        }
    }
}

/// Why a login that is right comes to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Its directory cannot be had.
    #[error("{0}")]
    Root(String),
}

/// The storage beneath the root of `settings` for the user of this name; `usual` where it has none of its own.
pub(crate) async fn storage_of(
    roots: &Arc<Roots>,
    settings: &UserSettings,
    name: &[u8],
    usual: &Arc<dyn Storage>,
) -> Result<Arc<dyn Storage>, LoginError> {
    let Some(template) = &settings.root else { return Ok(usual.clone()) };
    let path = root_for(template, name).ok_or_else(|| {
        LoginError::Root("its name cannot be a part of a path, which the %u of its root wants".to_owned())
    })?;
    let roots = roots.clone();
    // Opening a directory may wait for a disk.
    let opened = tokio::task::spawn_blocking(move || roots.open(&path)).await;
    opened.map_err(|error| LoginError::Root(error.to_string()))?.map_err(LoginError::Root)
}

/// `template` with the user's name in place of each `%u`; none where that name is no single component of a path.
pub(crate) fn root_for(template: &Path, name: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    let template = template.as_os_str().as_bytes();
    let mut path = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        path.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(b'u') => {
                let is_component = !matches!(name, b"" | b"." | b"..")
                    && !name.iter().any(|&byte| byte == b'/' || byte == 0);
                path.extend_from_slice(is_component.then_some(name)?);
                rest = &rest[at + 2..];
            }
            Some(b'%') => {
                path.push(b'%');
                rest = &rest[at + 2..];
            }
            _ => {
                path.push(b'%');
                rest = &rest[at + 1..];
            }
        }
    }
    path.extend_from_slice(rest);
    Some(std::ffi::OsString::from_vec(path).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_takes_its_place_in_the_root_and_never_leads_elsewhere() {
        let root = |template: &str, name: &[u8]| root_for(Path::new(template), name);
        assert_eq!(root("/srv/%u/in", b"a b"), Some("/srv/a b/in".into()));
        assert_eq!(root("/srv/100%%/%x", b"a"), Some("/srv/100%/%x".into()));
        assert_eq!(root("/srv", b".."), Some("/srv".into()));
        for name in [&b".."[..], b".", b"", b"a/b", b"/", b"a\0"] {
            assert_eq!(root("/srv/%u", name), None, "{name:?}");
        }
    }
}
