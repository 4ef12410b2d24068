//! RMD, XRMD (RFC 959 §4.1.3).

use wharf_proto::{Pathname, Reply};

use super::{Carried, log_change, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;

/// Removes an empty directory.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may(session, Right::Delete, &path)?;
    session.storage().remove_directory(&path).await.map_err(|error| replies::storage(&error))?;
    log_change(session, "directory removed", &path);
    Ok(replies::removed())
}
