//! RETR (RFC 959 §4.1.3).

use wharf_proto::{Pathname, Verb};

use super::{Carried, Outcome, resolve};
use crate::policy::{Right, may};
use crate::replies;
use crate::session::Session;
use crate::transfer::Payload;

/// Opens the file first, so that 550 comes before any 150.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Outcome> {
    let file = resolve(session, path)?;
    may(session, Right::Read, &file)?;
    let offset = session.pi.dialogue().state().restart_offset;
    let ascii = session.converts_ascii();
    if ascii && offset > 0 {
        return Err(replies::restart_in_ascii());
    }
    let source =
        session.storage().open_read(&file, offset).await.map_err(|error| replies::storage(&error))?;
    let size = source.size.map(|size| size.saturating_sub(offset)).filter(|_| !ascii);
    let announcement = replies::opening(path.as_bytes(), ascii, size);
    let task = session.task(Verb::Retr, file)?;
    Ok(Outcome::Begin { announcement, running: task.start(Payload::Source(source)) })
}
