//! MLST (RFC 3659 §7.2): the facts of one file, over the control connection.

use wharf_proto::{Pathname, Reply, ReplyCode};

use super::{Carried, resolve};
use crate::listing::facts_of;
use crate::policy::may_look;
use crate::replies;
use crate::session::Session;

/// 250 with one line of facts, which begins with a space.
pub(crate) async fn run(session: &mut Session, path: Option<&Pathname>) -> Carried<Reply> {
    let path = match path {
        Some(path) => resolve(session, path)?,
        None => session.directory.clone(),
    };
    may_look(session, &path)?;
    let metadata = session.storage().stat(&path).await.map_err(|error| replies::storage(&error))?;
    let rights = session.policy().rights_at(&path);
    let facts = facts_of(&path, &metadata, session.facts, rights, session.charset())
        .ok_or_else(replies::unlistable)?;
    Ok(Reply::indented(ReplyCode::FILE_ACTION_OKAY, "Facts:", [facts], "End."))
}
