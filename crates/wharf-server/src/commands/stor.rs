//! STOR, APPE and STOU (RFC 959 §4.1.3; RFC 1123 §4.1.2.9 for STOU's replies).

use wharf_proto::{Pathname, Verb};
use wharf_storage::{Sink, StorageError, StoragePath, WriteMode};

use super::{Carried, Outcome, resolve};
use crate::policy::{Right, may, may_replace};
use crate::replies;
use crate::session::Session;
use crate::transfer::Payload;

/// Names that STOU tries before it gives up.
const UNIQUE_TRIES: u32 = 100;

/// STOR: a new file, or the old one from the offset of REST on.
pub(crate) async fn run(session: &mut Session, path: &Pathname) -> Carried<Outcome> {
    let offset = session.pi.dialogue().state().restart_offset;
    if offset > 0 && session.converts_ascii() {
        return Err(replies::restart_in_ascii());
    }
    let mode = if offset > 0 { WriteMode::At(offset) } else { WriteMode::Replace };
    store(session, Verb::Stor, path, mode).await
}

/// APPE: behind what is there.
pub(crate) async fn append(session: &mut Session, path: &Pathname) -> Carried<Outcome> {
    store(session, Verb::Appe, path, WriteMode::Append).await
}

/// STOU: under a name that no file has; 150 tells it.
pub(crate) async fn unique(session: &mut Session, path: Option<&Pathname>) -> Carried<Outcome> {
    let wanted = path.map_or(b"wharf".as_slice(), Pathname::as_bytes);
    for attempt in 0..UNIQUE_TRIES {
        let mut name = wanted.to_vec();
        if attempt > 0 || path.is_none() {
            name.extend_from_slice(format!(".{:08x}", rand::random::<u32>()).as_bytes());
        }
        let file = session.directory.resolve(&name).map_err(|error| replies::bad_path(&error))?;
        may(session, Right::Write, &file)?;
        match session.storage().open_write(&file, WriteMode::New).await {
            Ok(sink) => {
                let announcement = replies::opening_unique(&name);
                apply_umask(session, &file).await?;
                return begin(session, Verb::Stou, file, sink, announcement);
            }
            Err(StorageError::Exists) => {}
            Err(error) => return Err(replies::storage(&error)),
        }
    }
    Err(replies::storage(&StorageError::Exists))
}

async fn store(session: &mut Session, verb: Verb, path: &Pathname, mode: WriteMode) -> Carried<Outcome> {
    let file = resolve(session, path)?;
    may(session, Right::Write, &file)?;
    may_replace(session, &file).await?;
    let is_new =
        session.umask.is_some() && matches!(session.storage().stat(&file).await, Err(StorageError::NotFound));
    let sink = session.storage().open_write(&file, mode).await.map_err(|error| replies::storage(&error))?;
    if is_new {
        apply_umask(session, &file).await?;
    }
    let announcement = replies::opening(path.as_bytes(), session.converts_ascii(), None);
    begin(session, verb, file, sink, announcement)
}

/// A umask that was set with SITE UMASK is about new files; those that are there keep their mode.
async fn apply_umask(session: &mut Session, file: &StoragePath) -> Carried<()> {
    let Some(umask) = session.umask else { return Ok(()) };
    let mode = 0o666 & !u32::from(umask);
    session.storage().set_mode(file, mode).await.map_err(|error| replies::storage(&error))
}

fn begin(
    session: &mut Session,
    verb: Verb,
    file: StoragePath,
    sink: Sink,
    announcement: wharf_proto::Reply,
) -> Carried<Outcome> {
    let task = session.task(verb, file)?;
    Ok(Outcome::Begin { announcement, running: task.start(Payload::Sink(sink)) })
}
