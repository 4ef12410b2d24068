//! RNFR and RNTO (RFC 959 §4.1.3): the core lets RNTO through only right behind RNFR.

use wharf_proto::pathname::escaped;
use wharf_proto::{Pathname, Reply};
use wharf_storage::StorageError;

use super::{Carried, resolve};
use crate::policy::{Right, denied, has, may, may_rename};
use crate::replies;
use crate::session::Session;
use crate::uploads::note_removed;

/// Notes what will be renamed, if it is there.
pub(crate) async fn from(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may_rename(session, &path, &path).await?;
    session.storage().stat(&path).await.map_err(|error| replies::storage(&error))?;
    session.rename_from = Some(path);
    Ok(replies::rename_from_accepted())
}

/// Renames it.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let to = resolve(session, path)?;
    let Some(from) = session.rename_from.take() else {
        return Err(wharf_proto::dialogue::Refusal::RenameFromFirst.reply());
    };
    may_rename(session, &from, &to).await?;
    // What may not be read where it is must not be read by moving it to where it may.
    if has(session, Right::Read, &to) {
        may(session, Right::Read, &from)?;
    }
    if has(session, Right::Overwrite, &to) {
        let replaced = session.storage().rename(&from, &to).await;
        let replaced = replaced.map_err(|error| replies::storage(&error))?;
        if let Some(file) = replaced.filter(wharf_storage::Metadata::is_file) {
            note_removed(session, file.size);
        }
    } else {
        session.storage().rename_to_free_name(&from, &to).await.map_err(|error| match error {
            StorageError::Exists => denied(session, Right::Overwrite, &to),
            error => replies::storage(&error),
        })?;
    }
    tracing::info!(
        session = session.number, user = %session.who(),
        from = %escaped(from.as_bytes()), to = %escaped(to.as_bytes()), "renamed"
    );
    Ok(replies::renamed())
}
