//! DELE (RFC 959 §4.1.3).

use wharf_proto::{Pathname, Reply};
use wharf_storage::StorageError;

use super::{Carried, log_change, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;
use crate::uploads::{self, Freed};

/// Deletes a file, or what is left of an upload of one.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may(session, Right::Delete, &path)?;
    let owner = uploads::owner(session);
    let freed = Freed::of(session, &path).await;
    let storage = session.storage();
    match storage.delete(&path).await {
        // What SIZE tells of can be deleted too.
        Err(StorageError::NotFound) if matches!(storage.delete_part(&path, &owner).await, Ok(true)) => {}
        result => result.map_err(|error| replies::storage(&error))?,
    }
    freed.note(session);
    log_change(session, "deleted", &path);
    Ok(replies::deleted())
}
