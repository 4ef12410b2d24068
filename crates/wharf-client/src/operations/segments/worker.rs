//! One session of a segmented download: it fetches one piece after the other.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wharf_net::dtp::{Progress, PumpError, Transfer};
use wharf_proto::Command;
use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;

use super::Segments;
use super::journal::{Identity, Journal};
use super::ranges::{Plan, Ranges};
use crate::attempt::Attempt;
use crate::data_connection::Request;
use crate::data_protection::EndOfData;
use crate::error::{ClientError, IncompleteReason};
use crate::observer::Observer;
use crate::operations::OVERLAP;
use crate::operations::download::settle;
use crate::options::pause_before_retry;
use crate::session::Session;
use crate::transfer::DataEnd;

/// Bytes of a piece after which they are written down in the journal.
const CHECKPOINT: u64 = 8 * 1024 * 1024;
/// Time after which they are.
const CHECKPOINT_TIME: Duration = Duration::from_secs(5);
/// How long the server's words are waited for when a piece ends before the file; what it has needed for others comes on top.
const SHORT_GRACE: Duration = Duration::from_millis(300);
/// Bytes that are taken and written in one go.
const BUFFER: usize = 256 * 1024;

/// What the sessions share.
pub(super) struct Shared {
    path: Pathname,
    identity: Identity,
    file: Arc<File>,
    state: Mutex<State>,
    progress: Arc<Progress>,
    segments: Segments,
    /// Where the part is, for errors.
    kept: Option<PathBuf>,
    /// Counts changes of the plan, for those who wait for a piece; true once everything is to stop.
    changes: watch::Sender<(u64, bool)>,
}

struct State {
    plan: Plan,
    there: Ranges,
    journal: Option<Journal>,
    /// Sessions that have not given up.
    living: usize,
    /// Why the last one gave up, or all have to.
    fatal: Option<ClientError>,
    notes: Vec<String>,
    attempt: Option<Attempt>,
}

impl Shared {
    #[allow(clippy::too_many_arguments, reason = "one download's parts, put together once")]
    pub(super) fn new(
        path: &Pathname,
        identity: Identity,
        file: Arc<File>,
        plan: Plan,
        there: Ranges,
        journal: Journal,
        progress: Arc<Progress>,
        living: usize,
        segments: &Segments,
        kept: Option<PathBuf>,
    ) -> Self {
        let state = State {
            plan,
            there,
            journal: Some(journal),
            living,
            fatal: None,
            notes: Vec::new(),
            attempt: None,
        };
        Self {
            path: path.clone(),
            identity,
            file,
            state: Mutex::new(state),
            progress,
            segments: segments.clone(),
            kept,
            changes: watch::Sender::new((0, false)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The observer of a further session.
    pub(super) fn observer(&self) -> Box<dyn Observer> {
        (self.segments.observers)()
    }

    /// What a person has to know of how it went.
    pub(super) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().notes)
    }

    /// How the first data connection was made.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        self.state().attempt.clone()
    }

    /// Why not everything is there.
    pub(super) fn outcome(&self) -> Result<(), ClientError> {
        let mut state = self.state();
        match state.fatal.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Everything is there: gives the part its length, and returns the journal, which is needed until it has its name.
    pub(super) fn finish(&self, size: u64) -> io::Result<Journal> {
        let mut state = self.state();
        let is_whole = state.there.missing(size).is_empty() && state.plan.is_done();
        match state.journal.take().filter(|_| is_whole) {
            Some(journal) => {
                self.file.set_len(size)?;
                Ok(journal)
            }
            None => Err(io::Error::other("not all of it is there; run the same again")),
        }
    }

    /// Whether not a byte has come.
    pub(super) fn is_untouched(&self) -> bool {
        self.state().there.bytes() == 0
    }

    /// Waits until there is nothing left to do, or to be done.
    pub(super) async fn until_over(&self) {
        let is_over = || {
            let state = self.state();
            state.fatal.is_some() || state.plan.is_done()
        };
        let mut changes = self.changes.subscribe();
        while !is_over() && changes.changed().await.is_ok() {}
    }

    /// A session gives up.
    pub(super) fn leave(&self, error: ClientError) {
        {
            let mut state = self.state();
            state.living -= 1;
            if state.living == 0 {
                state.fatal.get_or_insert(error);
            } else {
                state.notes.push(format!("went on with fewer sessions: {error}"));
            }
        }
        self.changed();
    }

    /// All have to give up.
    fn stop(&self, error: ClientError) {
        self.state().fatal.get_or_insert(error);
        self.changes.send_modify(|(_, is_over)| *is_over = true);
    }

    fn changed(&self) {
        self.changes.send_modify(|(count, _)| *count += 1);
    }

    fn give_back(&self, number: usize, position: u64) {
        self.state().plan.give_back(number, position);
        self.changed();
    }

    /// The next piece for the session `number`; waits while others fetch what it might have to take over. None at the end.
    async fn next(&self, number: usize) -> Option<Range<u64>> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.borrow_and_update();
            {
                let mut state = self.state();
                if state.fatal.is_some() || state.plan.is_done() {
                    return None;
                }
                if let Some(piece) = state.plan.take(number) {
                    return Some(piece);
                }
            }
            changes.changed().await.ok()?;
        }
    }

    /// Writes down that `range` is there.
    async fn record(self: &Arc<Self>, range: Range<u64>) -> Result<(), PumpError> {
        if range.is_empty() {
            return Ok(());
        }
        let shared = self.clone();
        on_thread(move || {
            let mut state = shared.state();
            state.there.add(range.clone());
            match &mut state.journal {
                Some(journal) => journal.add(&shared.file, &range),
                None => Ok(()),
            }
        })
        .await
    }
}

/// Fetches pieces until there are none, or this session has to give up.
pub(super) async fn work(shared: &Arc<Shared>, session: &mut Session, number: usize) {
    let mut tries = 0;
    while let Some(piece) = shared.next(number).await {
        let mut fetching = Fetching { position: piece.start, saved: piece.start, ended: Ended::Broken };
        let outcome = shared.fetch(session, number, piece, &mut fetching).await;
        shared.give_back(number, fetching.saved);
        match outcome {
            Ok(()) => {}
            Err(error) if concerns_all(&error) => {
                shared.stop(error);
                return;
            }
            Err(error) if tries < shared.segments.retries && error.may_pass() => {
                tries += 1;
                let pause = pause_before_retry(tries);
                session.observer.note(&format!("{error}; another try in {} s", pause.as_secs_f32()));
                tokio::time::sleep(pause).await;
                session.abandon();
            }
            Err(error) => {
                shared.leave(error);
                return;
            }
        }
    }
}

/// Whether no other session would fare better.
fn concerns_all(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Local { .. } | ClientError::CannotResume(_) | ClientError::Unconfirmed { .. }
    )
}

/// How far a piece has come.
struct Fetching {
    /// The next byte.
    position: u64,
    /// Up to here it is written down.
    saved: u64,
    ended: Ended,
}

/// How the data of a piece ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Before its time.
    Broken,
    /// We closed it, since the rest is not ours.
    Enough,
    /// With the file.
    AtEnd,
    /// What is here is not what the server has.
    Differs,
    /// There is more of it than the file has.
    TooLong,
    /// We were told to stop.
    Stopped,
}

impl Shared {
    async fn fetch(
        self: &Arc<Self>,
        session: &mut Session,
        number: usize,
        piece: Range<u64>,
        fetching: &mut Fetching,
    ) -> Result<(), ClientError> {
        let size = self.identity.size;
        let tail = self.tail(piece.start).await?;
        let offset = piece.start - tail.len() as u64;
        let request = Request {
            command: Command::Retr(self.path.clone()),
            representation: Representation::Image,
            offset,
            expected: Some(size),
        };
        let mut running = match session.begin(&request).await {
            Err(ClientError::Refused { command, reply }) if command.starts_with("REST") => {
                let reason =
                    format!("the server refused to begin in the middle of {}: \"{reply}\"", self.path);
                return Err(ClientError::CannotResume(reason));
            }
            other => other?,
        };
        self.state().attempt.get_or_insert_with(|| running.attempt.clone());
        let mut tls_end = session.end_of_data(Some(size - offset), false);
        let taking = Taking { number, offset, tail };
        let work = self.take(running.transfer, taking, fetching, &mut tls_end);
        // Pure-FTPd has no final reply for a connection that the client has closed: it is not waited for as long as elsewhere.
        let grace = SHORT_GRACE + 2 * session.slowest_reply;
        let (end, said) = session.attend_for(work, running.said.take(), grace).await;
        session.note_end(&tls_end);
        let local = |source| ClientError::Local { what: self.path.to_string(), source };
        let arrived = fetching.saved..fetching.position;
        // The last bytes count only when the server has confirmed that they are the last.
        if fetching.ended != Ended::AtEnd && fetching.ended != Ended::TooLong {
            self.record(arrived.clone()).await.map_err(|error| local(io::Error::other(error)))?;
            fetching.saved = fetching.position;
        }
        match fetching.ended {
            // Whatever the server says of a connection that we closed: 426, 226, 551, or that the session is over.
            Ended::Enough | Ended::Stopped => return Ok(()),
            Ended::Differs => {
                let reason = format!("{} is not the file at the server of which a part is here", self.path);
                return Err(ClientError::CannotResume(reason));
            }
            Ended::TooLong => {
                let reason =
                    format!("the server sent more of {} than the {size} bytes that it has", self.path);
                return Err(ClientError::CannotResume(reason));
            }
            Ended::Broken | Ended::AtEnd => {}
        }
        if let Some(error) = session.rejected(&running.attempt, &said, fetching.position - piece.start) {
            return Err(error);
        }
        let cut = tls_end.finding(fetching.position).map(IncompleteReason::CloseNotifyMissing);
        let nothing_came = fetching.position == piece.start;
        let bytes = fetching.position;
        settle(&self.path, self.kept.clone(), &end, said, bytes, Some(size), nothing_came, false, cut)?;
        if let DataEnd::Local(source) = end {
            return Err(local(source));
        }
        self.record(arrived).await.map_err(|error| local(io::Error::other(error)))?;
        fetching.saved = fetching.position;
        Ok(())
    }

    /// What is there right before `start`, to be compared with the server's (threat 30).
    async fn tail(&self, start: u64) -> Result<Vec<u8>, ClientError> {
        let count = OVERLAP.min(self.state().there.before(start));
        let mut tail = vec![0; count as usize];
        let read = self.file.read_exact_at(&mut tail, start - count);
        read.map_err(ClientError::local(self.path.to_string()))?;
        Ok(tail)
    }
}

/// What is taken, and how.
struct Taking {
    number: usize,
    /// Where the data begin, in the file.
    offset: u64,
    /// What has to come first.
    tail: Vec<u8>,
}

impl Shared {
    /// Takes the data of a piece, as far as it is ours.
    async fn take(
        self: &Arc<Self>,
        mut transfer: Transfer,
        taking: Taking,
        fetching: &mut Fetching,
        tls_end: &mut EndOfData,
    ) -> Result<(), PumpError> {
        let size = self.identity.size;
        let mut buffer = vec![0; BUFFER];
        let mut changes = self.changes.subscribe();
        let mut compared = 0;
        let mut recorded = Instant::now();
        loop {
            let end = self.state().plan.advance(taking.number, fetching.position);
            if fetching.position >= end && end < size {
                fetching.ended = Ended::Enough;
                transfer.cut();
                return Err(given_up());
            }
            let left = taking.tail.len() - compared;
            // At the end of the file one byte more is asked for, which must not come.
            let wanted =
                if left > 0 { left as u64 } else { end + u64::from(end == size) - fetching.position };
            let most = usize::try_from(wanted).unwrap_or(BUFFER).min(buffer.len());
            let received = tokio::select! {
                biased;
                _ = changes.wait_for(|(_, is_over)| *is_over) => {
                    fetching.ended = Ended::Stopped;
                    return Err(given_up());
                }
                received = transfer.receive(&mut buffer[..most]) => received,
            };
            let count = received?;
            if count == 0 {
                break;
            }
            if left > 0 {
                if buffer[..count] != taking.tail[compared..compared + count] {
                    fetching.ended = Ended::Differs;
                    return Err(given_up());
                }
                compared += count;
                continue;
            }
            if fetching.position + count as u64 > size {
                fetching.ended = Ended::TooLong;
                return Err(given_up());
            }
            let (file, position) = (self.file.clone(), fetching.position);
            buffer =
                on_thread(move || file.write_all_at(&buffer[..count], position).map(|()| buffer)).await?;
            fetching.position += count as u64;
            self.progress.add(count as u64);
            if fetching.position < size
                && (fetching.position - fetching.saved >= CHECKPOINT || recorded.elapsed() >= CHECKPOINT_TIME)
            {
                self.record(fetching.saved..fetching.position).await?;
                (fetching.saved, recorded) = (fetching.position, Instant::now());
            }
        }
        if fetching.position < size {
            return Err(PumpError::Network(io::ErrorKind::UnexpectedEof.into()));
        }
        fetching.ended = Ended::AtEnd;
        tls_end.judge(&transfer, size - taking.offset)?;
        // The sender has ended in order already; whether our end of it still reaches him changes nothing.
        let _ = transfer.finish().await;
        Ok(())
    }
}

/// Nobody is told of it: who ended the data is written down.
fn given_up() -> PumpError {
    PumpError::Network(io::ErrorKind::ConnectionAborted.into())
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PumpError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(PumpError::Local),
        Err(error) => Err(PumpError::Local(io::Error::other(error))),
    }
}
