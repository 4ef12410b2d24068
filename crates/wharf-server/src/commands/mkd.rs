//! MKD, XMKD (RFC 959 §4.1.3).

use wharf_proto::{Pathname, Reply};

use super::{Carried, log_change, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;

/// Makes a directory; 257 tells its absolute name.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may(session, Right::MakeDirectory, &path)?;
    let storage = session.storage();
    storage.make_directory(&path).await.map_err(|error| replies::storage(&error))?;
    log_change(session, "directory made", &path);
    if let Some(umask) = session.umask {
        storage.set_mode(&path, 0o777 & !u32::from(umask)).await.map_err(|error| replies::storage(&error))?;
    }
    Ok(replies::created(&path, session.charset()))
}
