//! DELE (RFC 959 §4.1.3).

use wharf_proto::{Pathname, Reply};
use wharf_storage::StorageError;

use super::{Carried, log_change, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;
use crate::uploads;

/// Deletes a file, or what is left of an upload of one.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may(session, Right::Delete, &path)?;
    let owner = uploads::owner(session);
    let storage = session.storage();
    let gone = match storage.delete(&path).await {
        Ok(metadata) => metadata.is_file().then_some(metadata.size),
        // What SIZE tells of can be deleted too.
        Err(StorageError::NotFound) => match storage.delete_part(&path, &owner).await {
            Ok(Some(bytes)) => Some(bytes),
            _ => return Err(replies::storage(&StorageError::NotFound)),
        },
        Err(error) => return Err(replies::storage(&error)),
    };
    if let Some(bytes) = gone {
        uploads::note_removed(session, bytes);
    }
    log_change(session, "deleted", &path);
    Ok(replies::deleted())
}
