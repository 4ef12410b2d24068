//! CWD, XCWD, CDUP, XCUP (RFC 959 §4.1.1).

use wharf_proto::{Pathname, Reply};

use super::{Carried, resolve};
use crate::policy::is_hidden;
use crate::replies;
use crate::session::Session;

/// Changes the directory, if it is one.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    if is_hidden(session, &path) {
        return Err(replies::storage(&wharf_storage::StorageError::NotFound));
    }
    let metadata = session.storage().stat(&path).await.map_err(|error| replies::storage(&error))?;
    if !metadata.is_directory() {
        return Err(replies::storage(&wharf_storage::StorageError::NotDirectory));
    }
    session.directory = path;
    Ok(replies::directory_is(&session.directory, session.charset()))
}

/// One up; at the root it stays.
pub(crate) fn up(session: &mut Session) -> Reply {
    session.directory = session.directory.parent();
    replies::directory_is(&session.directory, session.charset())
}
