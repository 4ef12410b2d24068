//! A file of the tree from this machine to the server.

use std::time::Instant;

use wharf_proto::Command;
use wharf_proto::command::TimeAndPath;
use wharf_proto::pathname::Pathname;

use super::local_tree::LocalDirectory;
use super::queue::FileJob;
use super::tree::split;
use super::worker::Done;
use crate::error::{ClientError, WayOn};
use crate::operations::status::size_of;
use crate::operations::upload::check_size;
use crate::session::Session;

/// Whether the server can set the time of a file.
pub(super) fn keeps_times(session: &Session) -> bool {
    session.features().has("MFMT")
}

/// Uploads a file of `directory` to `remote`, with its time where the server can keep that. With `resume` it goes on with
/// what the server has of it.
pub(super) async fn send(
    session: &mut Session,
    remote: &Pathname,
    directory: &LocalDirectory,
    job: &FileJob,
    shown: &str,
    resume: bool,
) -> Result<Done, ClientError> {
    let started = Instant::now();
    let (_, name) = split(&job.path);
    let (file, length) = directory.open_file(name).map_err(ClientError::local(shown))?;
    let mut offset = 0;
    if resume {
        let there = session.size(remote).await?.filter(|there| (1..=length).contains(there));
        if let Some(there) = there
            && session.server_has_our_beginning(&file, remote, there, shown).await?
        {
            offset = there;
        }
    }
    session.ask_afterwards(afterwards(session, job, remote));
    let (bytes, attempt) = session.send_whole(file, shown, remote, offset, Some(length), false).await?;
    let mut replies = session.follow_up().await?.into_iter();
    if let Some(size) = replies.next().map(size_of).transpose()?.flatten() {
        check_size(remote, bytes, size, WayOn::Again)?;
    }
    if let Some(reply) = replies.next()
        && reply.code().is_negative()
    {
        session.observer.note(&format!("the server did not take the time of {remote}: \"{reply}\""));
    }
    Ok(Done { bytes, attempt, took: started.elapsed() })
}

/// What is to be asked after the transfer: how long the file is there, and that it takes its time.
pub(super) fn afterwards(session: &Session, job: &FileJob, remote: &Pathname) -> Vec<Command> {
    let mut commands = vec![Command::Size(remote.clone())];
    // Last: what comes after the data must not change the time again.
    if let Some(time) = job.source.exact_time().filter(|_| keeps_times(session)) {
        commands.push(Command::Mfmt(TimeAndPath { time: whole_seconds(time), path: remote.clone() }));
    }
    commands
}

/// Some servers refuse fractions, and none needs them.
pub(super) fn whole_seconds(time: jiff::Timestamp) -> jiff::Timestamp {
    let second = time.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok()).unwrap_or(time)
}
