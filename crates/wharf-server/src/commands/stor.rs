//! STOR, APPE and STOU (RFC 959 §4.1.3; RFC 1123 §4.1.2.9 for STOU's replies).

use wharf_proto::{Pathname, Verb};
use wharf_storage::{StorageError, StoragePath, Upload, WriteMode};

use super::{Carried, Outcome, resolve, resolve_bytes};
use crate::policy::{Right, has, may};
use crate::replies;
use crate::session::Session;
use crate::takeover::Place;
use crate::transfer::{Payload, Task};
use crate::uploads;

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
        let file = resolve_bytes(session, &name)?;
        may(session, Right::Write, &file)?;
        let request = uploads::request(session, WriteMode::New).await?;
        match session.storage().begin_upload(&file, request).await {
            Ok(upload) => {
                let announcement = replies::opening_unique(&name);
                return begin(session, Verb::Stou, file, upload, announcement);
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
    let mut request = uploads::request(session, mode).await?;
    request.may_replace = has(session, Right::Overwrite, &file);
    let may_replace = request.may_replace;
    let mut upload = session.storage().begin_upload(&file, request.clone()).await;
    if matches!(upload, Err(StorageError::Busy))
        && let Some(place) = Place::of(session, &file)
        && session.shared.common.uploading.take_over(&place).await
    {
        upload = session.storage().begin_upload(&file, request).await;
    }
    let upload = upload.map_err(|error| match error {
        StorageError::Exists if !may_replace => replies::denied(Right::Overwrite),
        error => replies::storage(&error),
    })?;
    let announcement = replies::opening(path.as_bytes(), session.converts_ascii(), None);
    begin(session, verb, file, upload, announcement)
}

fn begin(
    session: &mut Session,
    verb: Verb,
    file: StoragePath,
    upload: Upload,
    announcement: wharf_proto::Reply,
) -> Carried<Outcome> {
    let place = Place::of(session, &file);
    let task = Task { place, ..session.task(verb, file)? };
    Ok(Outcome::Begin { announcement, running: task.start(Payload::Upload(upload)) })
}
