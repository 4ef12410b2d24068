//! A file of the tree from server to server.

use std::time::Instant;

use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use super::queue::FileJob;
use super::side::{RemoteTree, Sessions};
use super::tree::{join, split};
use super::worker::{Finished, Shared};
use crate::error::{ClientError, WayOn};
use crate::operations::third_party::{self, Moved};
use crate::operations::upload::check_size;
use crate::session::Session;

impl Shared {
    /// Moves a file. It takes its name when it is whole, where the destination lets anybody rename; else a part of it can
    /// stand there under its name, and is said to.
    pub(super) async fn send_across(
        &self,
        sessions: &mut Sessions,
        source: &RemoteTree,
        destination: &RemoteTree,
        job: &FileJob,
    ) -> Result<Finished, ClientError> {
        let started = Instant::now();
        let (from, to) = (source.name(&job.path)?, destination.name(&job.path)?);
        let part = destination.name(&join(split(&job.path).0, &job.part))?;
        let Some((source, destination)) = sessions.both() else {
            return Err(ClientError::Usage("there are no two servers".to_owned()));
        };
        let expected = match job.source.size {
            Some(size) => Some(size),
            None => source.size(&from).await?,
        };
        let has_part = self.acquaintance.keeps_renames();
        let written = if has_part { &part } else { &to };
        let (mut bytes, mut moved) =
            self.move_to(source, destination, &from, written, expected, &part).await?;
        if has_part && !self.takes_name(destination, &part, &to).await? {
            (bytes, moved) = self.move_to(source, destination, &from, &to, expected, &part).await?;
        }
        if destination.sets_times() {
            let time = match job.source.exact_time() {
                Some(time) => Some(time),
                None => source.modified(&from).await?,
            };
            if let Some(time) = time {
                set_time(destination, &to, time).await?;
            }
        }
        let Moved { route, through } = moved;
        let attempt = through.map(|(_, attempt)| attempt);
        Ok(Finished { bytes, attempt, route: Some(route), took: started.elapsed() })
    }

    /// Moves the bytes to `written` and compares their number. What is left of a `part` that failed is removed.
    async fn move_to(
        &self,
        source: &mut Session,
        destination: &mut Session,
        from: &Pathname,
        written: &Pathname,
        expected: Option<u64>,
        part: &Pathname,
    ) -> Result<(u64, Moved), ClientError> {
        let acquaintance = &self.acquaintance;
        let note = |text: &str| self.note(text);
        let moved =
            third_party::transfer(source, destination, from, written, expected, acquaintance, note).await;
        let outcome = match moved {
            Ok(moved) => compared(destination, written, expected, moved).await,
            Err(error) => Err(error),
        };
        if outcome.is_err() && written == part && destination.is_usable() {
            // Where nothing of it is left, or it cannot be removed, the next run writes over it.
            let _ = destination.delete(part).await;
        }
        outcome
    }

    /// Gives a whole part its name; false where the server does not let that happen, and it has to be sent again.
    async fn takes_name(
        &self,
        destination: &mut Session,
        part: &Pathname,
        to: &Pathname,
    ) -> Result<bool, ClientError> {
        match destination.rename(part, to).await {
            // Some rename to nothing that is there.
            Err(ClientError::Refused { command, .. }) if command.starts_with("RNTO") => {
                let _ = destination.execute(&Command::Dele(to.clone())).await?;
            }
            Err(ClientError::Refused { .. }) => {}
            other => return other.map(|()| true),
        }
        match destination.rename(part, to).await {
            Err(ClientError::Refused { .. }) => {
                self.acquaintance.refuses_renames();
                let _ = destination.execute(&Command::Dele(part.clone())).await?;
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }
}

/// The number of bytes, if it is what the source has.
async fn compared(
    destination: &mut Session,
    written: &Pathname,
    expected: Option<u64>,
    moved: Moved,
) -> Result<(u64, Moved), ClientError> {
    let there = destination.size(written).await?;
    let sent = expected.or(moved.through.as_ref().map(|(bytes, _)| *bytes));
    if let (Some(sent), Some(there)) = (sent, there) {
        check_size(written, sent, there, WayOn::Again)?;
    }
    Ok((sent.or(there).unwrap_or(0), moved))
}

async fn set_time(
    destination: &mut Session,
    to: &Pathname,
    time: jiff::Timestamp,
) -> Result<(), ClientError> {
    if let Some(command) = destination.setting_time(to, time) {
        let reply = destination.execute(&command).await?;
        destination.note_time(to, &reply);
    }
    Ok(())
}
