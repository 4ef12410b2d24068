//! RNFR and RNTO (RFC 959 §4.1.3): the core lets RNTO through only right behind RNFR.

use wharf_proto::pathname::escaped;
use wharf_proto::{Pathname, Reply};

use super::{Carried, resolve};
use crate::policy::{may_rename, may_replace};
use crate::replies;
use crate::session::Session;
use crate::uploads::Freed;

/// Notes what will be renamed, if it is there.
pub(crate) async fn from(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let path = resolve(session, path)?;
    may_rename(session, &path, &path).await?;
    session.storage().stat(&path).await.map_err(|error| replies::storage(&error))?;
    session.rename_from = Some(path);
    Ok(replies::rename_from_accepted())
}

/// Renames it.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Reply> {
    let to = resolve(session, path)?;
    let Some(from) = session.rename_from.take() else {
        return Err(wharf_proto::dialogue::Refusal::RenameFromFirst.reply());
    };
    may_rename(session, &from, &to).await?;
    may_replace(session, &to).await?;
    let freed = Freed::of(session, &to).await;
    session.storage().rename(&from, &to).await.map_err(|error| replies::storage(&error))?;
    freed.note(session);
    tracing::info!(
        session = session.number, user = %session.who(),
        from = %escaped(from.as_bytes()), to = %escaped(to.as_bytes()), "renamed"
    );
    Ok(replies::renamed())
}
