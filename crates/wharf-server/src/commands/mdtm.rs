//! MDTM (RFC 3659 §3) and MFMT (draft-somers-ftp-mfxx §3): when a file was changed, in UTC.

use std::time::SystemTime;

use wharf_proto::command::TimeAndPath;
use wharf_proto::{Pathname, Reply};
use wharf_storage::StorageError;

use super::{Carried, log_change, resolve};
use crate::listing::wire_time;
use crate::policy::{Right, may, may_look};
use crate::replies;
use crate::session::Session;

/// Tells the time; with a time before the path it sets it, which older clients send in place of MFMT.
pub(crate) async fn run(session: &mut Session, argument: &Pathname) -> Carried<Reply> {
    let path = resolve(session, argument)?;
    may_look(session, &path)?;
    let metadata = match (session.storage().stat(&path).await, TimeAndPath::read(argument.as_bytes())) {
        // A file may have such a name.
        (Err(StorageError::NotFound), Some(argument)) => return set(session, &argument).await,
        (result, _) => result.map_err(|error| replies::storage(&error))?,
    };
    Ok(replies::fact(wire_time(metadata.modified)))
}

/// Sets the time.
pub(crate) async fn set(session: &mut Session, argument: &TimeAndPath) -> Carried<Reply> {
    let path = resolve(session, &argument.path)?;
    may(session, Right::Overwrite, &path)?;
    let time = SystemTime::from(argument.time);
    session.storage().set_modified(&path, time).await.map_err(|error| replies::storage(&error))?;
    log_change(session, "time set", &path);
    let mut text = b"Modify=".to_vec();
    text.extend_from_slice(&wire_time(time));
    text.extend_from_slice(b"; ");
    text.extend_from_slice(argument.path.as_bytes());
    Ok(replies::fact(text))
}
