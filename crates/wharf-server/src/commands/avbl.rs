//! AVBL (draft-peterson-streamlined-ftp-command-extensions §4): how many bytes may still be stored in a directory.

use wharf_proto::{Pathname, Reply};

use super::{Carried, resolve};
use crate::policy::may_look;
use crate::replies;
use crate::session::Session;
use crate::uploads;

/// 213 with the number, as the file system and the user's quota tell it.
pub(crate) async fn run(session: &mut Session, path: Option<&Pathname>) -> Carried<Reply> {
    let directory = match path {
        Some(path) => resolve(session, path)?,
        None => session.directory.clone(),
    };
    may_look(session, &directory)?;
    let free = session.storage().free_space(&directory).await.map_err(|error| replies::storage(&error))?;
    let own = uploads::left(session).await?;
    Ok(replies::fact(free.min(own).to_string()))
}
