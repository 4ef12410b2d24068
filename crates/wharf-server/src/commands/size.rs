//! SIZE (RFC 3659 §4): "the number of octets that would be transmitted over the data connection".

use wharf_proto::{Pathname, Reply};
use wharf_storage::StorageError;

use super::{Carried, resolve};
use crate::policy::may_look;
use crate::replies;
use crate::session::Session;
use crate::uploads;

/// The size in bytes. In TYPE A it would take a scan of the whole file to be true (threat 20).
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    if session.converts_ascii() {
        return Err(replies::size_in_ascii());
    }
    let path = resolve(session, path)?;
    may_look(session, &path)?;
    let metadata = match session.storage().stat(&path).await {
        // What came of an upload that was cut: from there it can be gone on with.
        Err(StorageError::NotFound) => {
            let owner = uploads::owner(session);
            return match session.storage().part_size(&path, &owner).await {
                Ok(Some(size)) => Ok(replies::fact(size.to_string())),
                _ => Err(replies::storage(&StorageError::NotFound)),
            };
        }
        result => result.map_err(|error| replies::storage(&error))?,
    };
    if !metadata.is_file() {
        return Err(replies::storage(&StorageError::NotRegular));
    }
    Ok(replies::fact(metadata.size.to_string()))
}
