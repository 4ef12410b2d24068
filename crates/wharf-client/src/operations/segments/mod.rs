//! A large file in pieces, over several sessions at once, into one file.
//!
//! Each session fetches a piece from its beginning by REST (RFC 3659 §5) and closes the data connection at its end; whoever is
//! free takes half of the largest rest. What has arrived is written down in a journal beside `name.part`, so that an interrupted
//! download is gone on with and can never be taken for a complete one.
//!
//! | file | job |
//! |---|---|
//! | `ranges` | which bytes are there, and who fetches which of the rest |
//! | `journal` | the same on the disk, with which file it is |
//! | `part` | the file that is written: begun, or gone on with |
//! | `worker` | a session that fetches one piece after the other |

mod journal;
mod part;
mod ranges;
mod worker;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::task::JoinSet;
use wharf_net::dtp::Progress;
use wharf_proto::Command;
use wharf_proto::command::ByteCount;
use wharf_proto::pathname::Pathname;

pub(crate) use journal::{
    Identity, beginning as journal_beginning, path_of as journal_of, remove as remove_journal,
};
use part::Part;
use ranges::{LEAST, Plan};
use worker::{Shared, work};

use super::download::{DownloadOptions, Downloaded, file_name, keeping};
use crate::error::{ClientError, WayOn};
use crate::local_target::LocalTarget;
use crate::observer::{Observer, Silent, TransferStarted};
use crate::session::Session;

/// Makes the observer of a session.
pub type NewObserver = dyn Fn() -> Box<dyn Observer> + Send + Sync;

/// How a file is fetched in pieces.
#[derive(Clone)]
pub struct Segments {
    /// Most sessions at once, the one that is asked included; a server that lets in fewer is served with fewer.
    pub count: usize,
    /// How often each session tries again after what may pass.
    pub retries: u32,
    /// Observers of the further sessions, which move pieces; the whole is told to the observer of the session that is asked.
    pub observers: Arc<NewObserver>,
}

impl Segments {
    /// One session: to go on with what several have begun.
    #[must_use]
    pub fn one() -> Self {
        Self { count: 1, retries: 0, observers: Arc::new(|| Box::new(Silent)) }
    }
}

impl std::fmt::Debug for Segments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments")
            .field("count", &self.count)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// As [`download`](Self::download), in pieces over several sessions. What an interrupted one has left is gone on with,
    /// whether `options` say so or not, as long as it is the same file by size and time. A file that cannot be fetched so, or
    /// that is too small for it, comes in one stream.
    ///
    /// # Errors
    /// As [`download`](Self::download), when the last session had to give up.
    pub async fn download_in_segments(
        &mut self,
        path: &Pathname,
        options: &DownloadOptions,
        segments: &Segments,
    ) -> Result<Downloaded, ClientError> {
        let mut options = options.clone();
        // Begun anew once where what was here, or what came, is not of one file.
        for _ in 0..2 {
            let (outcome, adopted) = match self.ready_for_segments(path, &options, segments).await? {
                Ok((part, identity)) => {
                    let adopted = part.adopted.is_some();
                    (self.fetch_segments(path, part, identity, segments).await, adopted)
                }
                Err(reason) => {
                    self.observer.note(&format!("{path} comes in one stream: {reason}"));
                    if LocalTarget::is_in_segments(&options.destination, file_name(path)) {
                        // It has gaps, which one stream would not see.
                        Part::discard(&options.destination, file_name(path)).await?;
                    }
                    break;
                }
            };
            match outcome {
                // A part of a file that was never ours is the user's to remove.
                Err(ClientError::CannotResume(reason)) if adopted => {
                    return Err(ClientError::CannotResume(format!(
                        "{reason}; move it away, or leave --continue out"
                    )));
                }
                Err(ClientError::CannotResume(reason)) => {
                    self.observer.warning(&format!("{reason}; beginning anew"));
                    Part::discard(&options.destination, file_name(path)).await?;
                    options.resume = false;
                }
                other => return other,
            }
        }
        self.download_whole(path, &options).await
    }

    /// The part to be filled; or why the file has to come in one stream, of which nothing is in the way then.
    async fn ready_for_segments(
        &mut self,
        path: &Pathname,
        options: &DownloadOptions,
        segments: &Segments,
    ) -> Result<Result<(Part, Identity), &'static str>, ClientError> {
        if options.ascii {
            return Ok(Err("a text has another length here than there"));
        }
        let Some(size) = self.size(path).await? else { return Ok(Err("the server does not tell its size")) };
        let target = LocalTarget::open(&options.destination, file_name(path), options.resume).await?;
        if !target.is_part() {
            return Ok(Err("it does not go to a name.part"));
        }
        let modified = self.time_if_told(path).await?.and_then(whole_second);
        let identity = Identity { size, modified };
        let local = ClientError::local(target.written().display().to_string());
        let opened = Part::open(target, identity, options.resume).map_err(local)?;
        if let Some(reason) = opened.changed {
            self.observer.warning(&format!("{path} {reason}; beginning anew"));
        }
        let part = opened.part;
        if !part.is_begun() && (segments.count < 2 || size < 2 * LEAST) {
            return Ok(Err("it is small"));
        }
        if !self.restarts().await? {
            return Ok(Err("the server cannot begin in the middle of a file"));
        }
        Ok(Ok((part, identity)))
    }

    /// Whether the server takes REST. One that does not say so is tried.
    async fn restarts(&mut self) -> Result<bool, ClientError> {
        if self.features().restarts() {
            return Ok(true);
        }
        let (Some(one), Some(none)) = (ByteCount::new(1), ByteCount::new(0)) else { return Ok(false) };
        let takes = !self.execute(&Command::Rest(one)).await?.code().is_negative();
        if takes {
            self.execute(&Command::Rest(none)).await?;
        }
        Ok(takes)
    }

    async fn fetch_segments(
        &mut self,
        path: &Pathname,
        part: Part,
        identity: Identity,
        segments: &Segments,
    ) -> Result<Downloaded, ClientError> {
        let started = Instant::now();
        let Identity { size, .. } = identity;
        let shown = part.target.written().display().to_string();
        let there = part.there.bytes();
        let journal = part.begin(identity).map_err(ClientError::local(shown.clone()))?;
        let (mut target, file) = (part.target, part.file);
        let missing = part.there.missing(size);
        let count = segments.count.clamp(1, usize::try_from((size - there) / LEAST).unwrap_or(1).max(1));
        let progress = Arc::<Progress>::default();
        self.observer.transfer_started(&TransferStarted {
            name: file_name(path).to_vec(),
            to_standard_output: false,
            kept: target.may_keep(),
            way_on: WayOn::Download,
            offset: there,
            total: Some(size),
            progress: progress.clone(),
        });
        let plan = Plan::new(missing, count);
        let shared = Shared::new(
            path,
            identity,
            file,
            plan,
            part.there,
            journal,
            progress,
            count,
            segments,
            target.kept(),
        );
        let shared = Arc::new(shared);
        let outcome = Aside::set(self, segments).session.work_together(&shared, count).await;
        self.observer.transfer_ended();
        for note in shared.notes() {
            self.observer.warning(&note);
        }
        if outcome.is_err() && shared.is_untouched() {
            target.clear().map_err(ClientError::local(shown.clone()))?;
        }
        if let (Err(ClientError::CannotResume(_)), Some(length)) = (&outcome, part.adopted) {
            Part::disown(&target, length).map_err(ClientError::local(shown.clone()))?;
        }
        outcome?;
        let attempt = shared.attempt();
        let now = Identity {
            size: self.size(path).await?.unwrap_or(size),
            modified: self.time_if_told(path).await?.and_then(whole_second),
        };
        if now != identity {
            return Err(ClientError::CannotResume(format!(
                "{path} changed at the server while it was fetched"
            )));
        }
        let journal = shared.finish(size).map_err(ClientError::local(shown.clone()))?;
        let time = identity.modified.filter(|_| self.options.transfers.keep_times);
        let verified = match self.verify(path, target.written_file(), size).await {
            Err(error @ ClientError::SumsDiffer(_)) => {
                // Nothing of it can be gone on with.
                journal.remove().map_err(ClientError::local(shown))?;
                return Err(keeping(error, target.kept()));
            }
            other => other?,
        };
        target.finish(time).map_err(ClientError::local(shown.clone()))?;
        journal.remove().map_err(ClientError::local(shown))?;
        let file = target.name().to_owned();
        Ok(Downloaded { file, bytes: size, offset: there, attempt, verified, took: started.elapsed() })
    }

    /// Works with further sessions until nothing is missing, or nobody is left.
    async fn work_together(&mut self, shared: &Arc<Shared>, count: usize) -> Result<(), ClientError> {
        let mut others = JoinSet::new();
        // Whether the server answers in order what comes together was not tried here.
        let known = Arc::new(self.known_server(false));
        for number in 1..count {
            let (shared, server, login) = (shared.clone(), self.server.clone(), self.login.clone());
            let (options, known) = (self.options.clone(), known.clone());
            others.spawn(async move {
                let connecting =
                    Session::connect_to_known(server, login, options, shared.observer(), Some(known));
                let connected = tokio::select! {
                    connected = connecting => connected,
                    // The others were faster.
                    () = shared.until_over() => return None,
                };
                match connected {
                    Ok(mut session) => {
                        work(&shared, &mut session, number).await;
                        Some(session)
                    }
                    Err(error) => {
                        shared.leave(error);
                        None
                    }
                }
            });
        }
        work(shared, self, 0).await;
        let mut leaving = JoinSet::new();
        while let Some(ended) = others.join_next().await {
            match ended {
                Ok(Some(session)) => _ = leaving.spawn(session.quit()),
                Ok(None) => {}
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
        leaving.join_all().await;
        shared.outcome()
    }
}

/// The observer of a session is set aside: it is told of the whole, and not of pieces. It is back when this is dropped, with
/// the future too: whoever interrupts a download wants to know what it knows.
struct Aside<'a> {
    session: &'a mut Session,
    observer: Option<Box<dyn Observer>>,
}

impl<'a> Aside<'a> {
    fn set(session: &'a mut Session, segments: &Segments) -> Self {
        let observer = std::mem::replace(&mut session.observer, (segments.observers)());
        Self { session, observer: Some(observer) }
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer.take() {
            self.session.observer = observer;
        }
    }
}

/// Servers tell fractions in one answer and not in the next.
pub(crate) fn whole_second(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
}
