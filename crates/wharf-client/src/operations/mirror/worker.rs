//! One session of a mirror: it logs in when there is work for it, and does one job after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use wharf_proto::Command;
use wharf_proto::dialogue::{DataMode, NegotiationCommand, is_private};
use wharf_proto::pathname::Pathname;

use super::event::{MirrorEvent, MirrorObserver, Totals};
use super::fetch::{self, fetch};
use super::options::MirrorOptions;
use super::queue::{FileJob, Job, Queue};
use super::record;
use super::send::{self, send};
use super::side::{End, RemoteTree, Sessions, Side};
use super::tree::{Kind, TreePath, split};
use crate::ahead::Upcoming;
use crate::attempt::Attempt;
use crate::error::{ClientError, ControlFailure, WayOn};
use crate::known_server::KnownServer;
use crate::operations::third_party::{Acquaintance, Route};
use crate::options::{ModeChoice, pause_before_retry};
use crate::session::Session;
use crate::strategy::WorkingMode;

/// Most entries of a listing by which a server is tried.
const LONGEST_TRIAL: u64 = 5_000;
/// A round trip from which on a server is far.
const FAR: Duration = Duration::from_millis(10);
/// So many waiting files are worth a try of active mode.
const MANY: usize = 16;

/// What the sessions of a mirror share.
pub(super) struct Shared {
    pub(super) source: Side,
    pub(super) destination: Side,
    pub(super) options: MirrorOptions,
    pub(super) observer: Arc<dyn MirrorObserver>,
    /// What two servers are known to do together.
    pub(super) acquaintance: Acquaintance,
    pub(super) queue: Queue,
    pub(super) totals: Mutex<Totals>,
    /// What the destination has and the source does not.
    pub(super) extras: Mutex<Vec<(TreePath, Kind)>>,
    /// Entries of all listings so far.
    pub(super) seen: AtomicU64,
    /// Whether commands may be sent before their turn: from when the server was seen to keep their order, until something
    /// looks as if it did not take them.
    pipelines: AtomicBool,
    /// What the first session has seen of the only server, where there is just one.
    known: OnceLock<Arc<KnownServer>>,
    /// Whether the server was tried in active mode.
    has_tried_active: AtomicBool,
    /// The active mode that is better than the passive one: far away it takes one round trip for a file, where the passive
    /// one takes two.
    prefers_active: AtomicBool,
    /// Sessions that have not given up.
    living: AtomicUsize,
    /// Sessions that are logged in.
    logged_in: AtomicUsize,
    /// Why nothing more can be done.
    pub(super) fatal: Mutex<Option<ClientError>>,
}

/// A file that was transferred.
pub(super) struct Done {
    pub(super) bytes: u64,
    pub(super) attempt: Attempt,
    pub(super) took: Duration,
}

/// The same, whichever way it went.
pub(super) struct Finished {
    pub(super) bytes: u64,
    /// None where no data connection was ours.
    pub(super) attempt: Option<Attempt>,
    /// Of a file from server to server.
    pub(super) route: Option<Route>,
    pub(super) took: Duration,
}

impl From<Done> for Finished {
    fn from(done: Done) -> Self {
        Self { bytes: done.bytes, attempt: Some(done.attempt), route: None, took: done.took }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        source: Side,
        destination: Side,
        options: MirrorOptions,
        observer: Arc<dyn MirrorObserver>,
    ) -> Self {
        Self {
            source,
            destination,
            acquaintance: Acquaintance::new(options.third_party),
            options,
            observer,
            queue: Queue::default(),
            totals: Mutex::default(),
            extras: Mutex::default(),
            seen: AtomicU64::new(0),
            pipelines: AtomicBool::new(false),
            known: OnceLock::new(),
            has_tried_active: AtomicBool::new(false),
            prefers_active: AtomicBool::new(false),
            living: AtomicUsize::new(0),
            logged_in: AtomicUsize::new(0),
            fatal: Mutex::new(None),
        }
    }

    /// The tree of that side.
    pub(super) fn side(&self, end: End) -> &Side {
        match end {
            End::Source => &self.source,
            End::Destination => &self.destination,
        }
    }

    /// The path at its server of what lies at `path` below the root of that side.
    ///
    /// # Errors
    /// When it cannot be sent, or the side is none of a server.
    pub(super) fn remote_name(&self, end: End, path: &[u8]) -> Result<Pathname, ClientError> {
        let none = || ClientError::Usage("there is no server at this side".to_owned());
        self.side(end).remote().ok_or_else(none)?.name(path)
    }

    /// The only tree of a server, where there is just one.
    fn only_remote(&self) -> Option<(End, &RemoteTree)> {
        match (self.source.remote(), self.destination.remote()) {
            (Some(tree), None) => Some((End::Source, tree)),
            (None, Some(tree)) => Some((End::Destination, tree)),
            _ => None,
        }
    }

    /// Tells of something, and counts it.
    pub(super) fn tell(&self, event: &MirrorEvent<'_>) {
        {
            let mut totals = lock(&self.totals);
            match event {
                MirrorEvent::Transferred { bytes, .. } => {
                    totals.transferred += 1;
                    totals.bytes += bytes;
                }
                MirrorEvent::MadeDirectory { .. } => totals.directories += 1,
                MirrorEvent::Linked { .. } => totals.links += 1,
                MirrorEvent::Deleted { .. } => totals.deleted += 1,
                MirrorEvent::Skipped { .. } => totals.skipped += 1,
                MirrorEvent::Failed { error, .. } => {
                    totals.failed += 1;
                    totals.first_failure.get_or_insert(error.exit_code());
                }
                MirrorEvent::Note { .. } => {}
            }
        }
        self.observer.event(event);
    }

    pub(super) fn failed(&self, path: &[u8], error: &ClientError) {
        self.tell(&MirrorEvent::Failed { path, error });
    }

    pub(super) fn note(&self, text: &str) {
        self.tell(&MirrorEvent::Note { text });
    }

    /// A session with each side that is a server's, logged in. What may pass is tried again.
    pub(super) async fn connect(&self) -> Result<Sessions, ClientError> {
        let source = self.connect_to(&self.source).await?;
        let destination = match self.connect_to(&self.destination).await {
            Ok(session) => session,
            Err(error) => {
                if let Some(session) = source {
                    session.quit().await;
                }
                return Err(error);
            }
        };
        let now = self.logged_in.fetch_add(1, Ordering::Relaxed) + 1;
        let mut totals = lock(&self.totals);
        totals.sessions = totals.sessions.max(now);
        Ok(Sessions { source, destination })
    }

    async fn connect_to(&self, side: &Side) -> Result<Option<Session>, ClientError> {
        let Some(tree) = side.remote() else { return Ok(None) };
        let mut tries = 0;
        loop {
            let (server, login) = (tree.server.clone(), tree.login.clone());
            let options = tree.options.clone();
            let (observer, known) = (self.observer.session(), self.known.get().cloned());
            match Session::connect_to_known(server, login, options, observer, known).await {
                Ok(session) => return Ok(Some(session)),
                // The server has enough of us: one more try would only be one more refusal.
                Err(error) if self.logged_in.load(Ordering::Relaxed) > 0 && is_refusal(&error) => {
                    return Err(error);
                }
                Err(error) if tries < self.options.retries && error.may_pass() => {
                    tries += 1;
                    self.pause(&error, tries).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&self, error: &ClientError, tries: u32) {
        let pause = pause_before_retry(tries);
        self.note(&format!(
            "{error}; try {} of {} in {} s",
            tries + 1,
            self.options.retries + 1,
            pause.as_secs_f32()
        ));
        tokio::time::sleep(pause).await;
    }

    /// So many sessions begin to work.
    pub(super) fn begin(&self, sessions: usize) {
        self.living.store(sessions, Ordering::Relaxed);
    }

    /// A session gives up for `error`: whether others go on.
    fn leave(&self, error: ClientError) -> bool {
        if self.living.fetch_sub(1, Ordering::Relaxed) > 1 {
            self.note(&format!("going on with fewer sessions: {error}"));
            return true;
        }
        lock(&self.fatal).get_or_insert(error);
        self.queue.close();
        false
    }
}

/// Works until nothing is left to do, and returns the session for what comes after.
pub(super) async fn work(shared: Arc<Shared>, mut session: Option<Sessions>) -> Option<Sessions> {
    let mut reserved = None;
    loop {
        let job = match reserved.take() {
            Some(file) => Job::Transfer(file),
            None => match shared.queue.next().await {
                Some(job) => job,
                None => return session,
            },
        };
        let mut ready = match session.take() {
            Some(session) => session,
            None => match shared.connect().await {
                Ok(session) => session,
                Err(error) => {
                    give_up(&shared, job, error);
                    return None;
                }
            },
        };
        let outcome = match &job {
            Job::Visit(directory) => shared.visit(&mut ready, directory).await,
            Job::Transfer(file) => {
                reserved = shared.look_ahead(&mut ready).await;
                shared.transfer(&mut ready, file).await
            }
        };
        match outcome {
            Err(error) if is_without_session(&error) => {
                shared.logged_in.fetch_sub(1, Ordering::Relaxed);
                give_up(&shared, job, error);
                if let Some(file) = reserved {
                    shared.queue.give_back(Job::Transfer(file));
                }
                return None;
            }
            Err(error) => {
                shared.failed(job.path(), &error);
            }
            Ok(()) => {}
        }
        session = Some(ready);
        shared.queue.done();
    }
}

fn give_up(shared: &Shared, job: Job, error: ClientError) {
    // First, so that the last one closes a queue that still has it.
    shared.leave(error);
    shared.queue.give_back(job);
}

impl Shared {
    /// Before a transfer: the file that this session does next, where that can be asked for already.
    async fn look_ahead(&self, sessions: &mut Sessions) -> Option<FileJob> {
        if self.options.dry_run || !self.is_pipelining() {
            return None;
        }
        let (end, tree) = self.only_remote()?;
        let session = sessions.only()?;
        if self.may_try_active(tree, session) {
            let keeps = session.keeps_order(tree.root.as_ref(), Some(NegotiationCommand::Eprt)).await;
            self.prefers_active.store(keeps.unwrap_or(false), Ordering::Relaxed);
        }
        if self.prefers_active.load(Ordering::Relaxed) {
            session.working = Some(WorkingMode { command: NegotiationCommand::Eprt, advertised: false });
        }
        if session.working.is_none_or(|working| working.command.mode() == DataMode::Passive) {
            return None;
        }
        let next = self.queue.reserve_file()?;
        // A name that cannot be sent fails in its turn.
        let dials = end == End::Destination || !record::is_recorded(&next.source);
        // A file with a part may begin in its middle, which shows in its turn.
        session.ahead.upcoming = tree.name(&next.path).ok().filter(|_| dials).map(|remote| match end {
            End::Source => {
                Upcoming { followers: fetch::afterwards(&next, &remote), transfer: Command::Retr(remote) }
            }
            End::Destination => Upcoming {
                followers: send::afterwards(session, &next, &remote),
                transfer: Command::Stor(remote),
            },
        });
        Some(next)
    }

    /// Whether it is worth a try to have the server come to us: once, far away, with many files waiting, and where both
    /// sides are in one kind of network, so that no NAT of ours stands in between.
    fn may_try_active(&self, tree: &RemoteTree, session: &Session) -> bool {
        let endpoints = session.control.endpoints();
        session.quickest_reply.is_some_and(|quickest| quickest >= FAR)
            && self.queue.files() >= MANY
            && tree.options.mode == ModeChoice::Auto
            && tree.options.proxy.is_none()
            // Under TLS no gain over passive mode was measured.
            && session.secured().is_none()
            && is_private(endpoints.client.ip()) == is_private(endpoints.server.ip())
            && !self.has_tried_active.swap(true, Ordering::Relaxed)
    }

    async fn transfer(&self, sessions: &mut Sessions, job: &FileJob) -> Result<(), ClientError> {
        if self.options.dry_run {
            let bytes = job.source.size.unwrap_or(0);
            self.tell(&MirrorEvent::Transferred {
                path: &job.path,
                bytes,
                attempt: None,
                route: None,
                took: Duration::ZERO,
            });
            return Ok(());
        }
        let mut retry = Retry::default();
        let done = loop {
            sessions.prepare(self.is_pipelining());
            match self.transfer_once(sessions, job, retry.resumes).await {
                Ok(done) => break done,
                Err(error) => retry.after(self, sessions, error).await?,
            }
        };
        let Finished { bytes, attempt, route, took } = done;
        let attempt = attempt.as_ref();
        self.tell(&MirrorEvent::Transferred { path: &job.path, bytes, attempt, route, took });
        Ok(())
    }

    async fn transfer_once(
        &self,
        sessions: &mut Sessions,
        job: &FileJob,
        resume: bool,
    ) -> Result<Finished, ClientError> {
        let (parent, _) = split(&job.path);
        sessions.expect_more(self.queue.has_files());
        let done = match (self.source.remote(), self.destination.remote()) {
            (Some(source), Some(destination)) => self.send_across(sessions, source, destination, job).await,
            (Some(source), None) => {
                let (remote, directory) = (source.name(&job.path)?, self.destination.directory(parent)?);
                let shown = self.destination.shown(&job.path);
                let session = sessions.at(End::Source)?;
                fetch(session, &remote, &directory, job, &shown, resume).await.map(Finished::from)
            }
            (None, _) => {
                let remote = self.remote_name(End::Destination, &job.path)?;
                let directory = self.source.directory(parent)?;
                let shown = self.source.shown(&job.path);
                let session = sessions.at(End::Destination)?;
                send(session, &remote, &directory, job, &shown, resume).await.map(Finished::from)
            }
        };
        done.map_err(|error| match error {
            // What is gone on with, and when, is the mirror's business and not the user's.
            ClientError::Incomplete(mut incomplete) => {
                incomplete.way_on = WayOn::Again;
                ClientError::Incomplete(incomplete)
            }
            other => other,
        })
    }

    /// Tries whether the server keeps the order of commands behind a transfer. Between two servers nothing is sent ahead.
    pub(super) async fn try_pipelining(&self, sessions: &mut Sessions) -> Result<(), ClientError> {
        let Some(((_, tree), session)) = self.only_remote().zip(sessions.only()) else { return Ok(()) };
        // The listing by which it is tried goes over once more: not a long one.
        if self.seen.load(Ordering::Relaxed) > LONGEST_TRIAL || !self.queue.has_work() {
            return Ok(());
        }
        if session.working.is_none() {
            // Nothing was listed yet: the root has just been made. This finds the mode that works.
            session.list(tree.root.as_ref(), |_| {}).await?;
        }
        let keeps = session.keeps_order(tree.root.as_ref(), None).await?;
        self.pipelines.store(keeps, Ordering::Relaxed);
        let known = self.known.get_or_init(|| Arc::new(session.known_server(keeps)));
        session.known = Some(known.clone());
        Ok(())
    }

    pub(super) fn is_pipelining(&self) -> bool {
        self.pipelines.load(Ordering::Relaxed)
    }
}

/// The tries of one job.
#[derive(Debug, Default)]
pub(super) struct Retry {
    tries: u32,
    /// Whether the next try can go on where the last one was.
    resumes: bool,
    /// Whether what was there turned out to be of another file.
    begins_anew: bool,
}

impl Retry {
    /// Makes another try possible, or returns the error: what may pass is tried again as often as the options say.
    pub(super) async fn after(
        &mut self,
        shared: &Shared,
        session: &mut Sessions,
        error: ClientError,
    ) -> Result<(), ClientError> {
        if session.is_pipelining() && may_come_of_pipelining(&error) {
            // It may be the network's fault, or the server takes nothing before its turn. Without, either shows.
            if shared.pipelines.swap(false, Ordering::Relaxed) {
                shared.note(&format!("sending commands one at a time from now on: {error}"));
            }
            session.abandon();
        } else if !self.begins_anew && matches!(error, ClientError::CannotResume(_)) {
            // Of the last try, or of an earlier run's.
            (self.resumes, self.begins_anew) = (false, true);
        } else if self.tries < shared.options.retries && error.may_pass() {
            self.tries += 1;
            shared.pause(&error, self.tries).await;
            session.abandon();
            self.resumes = true;
        } else {
            return Err(error);
        }
        Ok(())
    }
}

/// Whether the server does not let anybody (more) in.
fn is_refusal(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::LoginRefused { .. }
            | ClientError::NotGreeted { failure: ControlFailure::Dismissed(_), .. }
    )
}

/// Whether there is no session with which another job could be done.
fn is_without_session(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::NotConnected { .. }
            | ClientError::Proxy { .. }
            | ClientError::NameNotFound { .. }
            | ClientError::NotGreeted { .. }
            | ClientError::LoginRefused { .. }
    )
}

/// Whether a server that does not take commands before their turn could have caused this.
fn may_come_of_pipelining(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { reply, .. } => {
            let code = reply.code().get();
            (400..=504).contains(&code)
        }
        ClientError::ControlLost(_)
        | ClientError::Incomplete(_)
        | ClientError::Unconfirmed { .. }
        | ClientError::NoDataConnection(_) => true,
        _ => false,
    }
}
