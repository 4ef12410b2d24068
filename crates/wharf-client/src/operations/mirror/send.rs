//! A file of the tree from this machine to the server.

use std::time::Instant;

use wharf_proto::Command;
use wharf_proto::pathname::Pathname;

use super::local_tree::LocalDirectory;
use super::queue::FileJob;
use super::tree::split;
use super::worker::Done;
use crate::error::{ClientError, WayOn};
use crate::operations::status::size_of;
use crate::operations::upload::check_size;
use crate::session::Session;

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
    let copy = file.try_clone().ok();
    let (bytes, attempt) = session.send_whole(file, shown, remote, offset, Some(length), false).await?;
    let mut replies = session.follow_up().await?.into_iter();
    if let Some(size) = replies.next().map(size_of).transpose()?.flatten() {
        check_size(remote, bytes, size, WayOn::Again)?;
    }
    if let Some(reply) = replies.next() {
        session.note_time(remote, &reply);
    }
    session.verify(remote, copy, bytes).await?;
    Ok(Done { bytes, attempt, took: started.elapsed() })
}

/// What is to be asked after the transfer: how long the file is there, and that it takes its time.
pub(super) fn afterwards(session: &Session, job: &FileJob, remote: &Pathname) -> Vec<Command> {
    let mut commands = vec![Command::Size(remote.clone())];
    // Last: what comes after the data must not change the time again.
    commands.extend(job.source.exact_time().and_then(|time| session.setting_time(remote, time)));
    commands
}
