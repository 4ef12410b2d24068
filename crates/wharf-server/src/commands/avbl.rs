//! AVBL (draft-peterson-streamlined-ftp-command-extensions §4): how many bytes may still be stored in a directory.

use wharf_proto::{Pathname, Reply};

use super::{Carried, resolve};
use crate::replies;
use crate::session::Session;

/// 213 with the number, as the file system tells it.
pub(crate) async fn run(session: &mut Session, path: Option<&Pathname>) -> Carried<Reply> {
    let directory = match path {
        Some(path) => resolve(session, path)?,
        None => session.directory.clone(),
    };
    let free = session.shared.storage.free_space(&directory).await;
    Ok(replies::fact(free.map_err(|error| replies::storage(&error))?.to_string()))
}
