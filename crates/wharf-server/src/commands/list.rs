//! LIST, NLST (RFC 959 §4.1.3) and MLSD (RFC 3659 §7).

use wharf_proto::command::ListArgument;
use wharf_proto::{Pathname, Verb};

use super::{Carried, Outcome, resolve};
use crate::listing::{ListingStyle, ListingWriter, Selection};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;
use crate::transfer::Payload;

/// LIST and NLST: a directory, one file, or the names that fit a pattern.
pub(crate) async fn run(session: &mut Session, verb: Verb, argument: ListArgument) -> Carried<Outcome> {
    let style = if verb == Verb::List { ListingStyle::Unix } else { ListingStyle::Names };
    let selection = select(session, &argument).await?;
    begin(session, verb, selection, style, &replies::listed(argument.path.as_ref())).await
}

/// What an argument of LIST, NLST or STAT selects, if the user may list it.
pub(crate) async fn select(session: &mut Session, argument: &ListArgument) -> Carried<Selection> {
    let selection = Selection::find(
        session.storage(),
        &session.directory,
        argument.path.as_ref(),
        argument.shows_hidden(),
        session.charset(),
    )
    .await;
    match selection {
        Ok(selection) => {
            may(session, Right::List, selection.path())?;
            Ok(selection)
        }
        Err(refusal) => {
            // Where nothing may be listed, nobody learns what is there and what is not.
            if let Some(path) = &argument.path {
                may(session, Right::List, &resolve(session, path)?)?;
            }
            Err(refusal)
        }
    }
}

/// MLSD: a directory only (RFC 3659 §7.2.1: 501 for a file).
pub(crate) async fn mlsd(session: &mut Session, path: Option<Pathname>) -> Carried<Outcome> {
    let directory = match &path {
        Some(path) => resolve(session, path)?,
        None => session.directory.clone(),
    };
    may(session, Right::List, &directory)?;
    let metadata = session.storage().stat(&directory).await.map_err(|error| replies::storage(&error))?;
    if !metadata.is_directory() {
        return Err(replies::mlsd_wants_a_directory());
    }
    let selection = Selection::directory(directory, true);
    begin(session, Verb::Mlsd, selection, ListingStyle::Facts(session.facts), &replies::listed(path.as_ref()))
        .await
}

async fn begin(
    session: &mut Session,
    verb: Verb,
    selection: Selection,
    style: ListingStyle,
    what: &[u8],
) -> Carried<Outcome> {
    let path = selection.path().clone();
    let view = session.view(path.clone());
    let writer = ListingWriter::open(&**session.storage(), selection, style, view).await?;
    let announcement = replies::opening(what, true, None);
    let task = session.task(verb, path)?;
    Ok(Outcome::Begin { announcement, running: task.start(Payload::Listing(writer)) })
}
