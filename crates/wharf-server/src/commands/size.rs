//! SIZE (RFC 3659 §4): "the number of octets that would be transmitted over the data connection".

use wharf_proto::{Pathname, Reply};

use super::{Carried, resolve};
use crate::policy::may_look;
use crate::replies;
use crate::session::Session;

/// The size in bytes. In TYPE A it would take a scan of the whole file to be true (threat 20).
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    if session.converts_ascii() {
        return Err(replies::size_in_ascii());
    }
    let path = resolve(session, path)?;
    may_look(session, &path)?;
    let metadata = session.storage().stat(&path).await.map_err(|error| replies::storage(&error))?;
    if !metadata.is_file() {
        return Err(replies::storage(&wharf_storage::StorageError::NotRegular));
    }
    Ok(replies::fact(metadata.size.to_string()))
}
