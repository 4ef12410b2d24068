//! Uploads: what the storage is asked for, when they are complete, and what becomes of those that are not.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wharf_net::control::PeerWatch;
use wharf_net::dtp::Destination;
use wharf_storage::{Budget, FileUpload, Storage, UploadRequest, WriteMode};

use crate::auth::{Identity, storage_of};
use crate::commands::Carried;
use crate::config::Publish;
use crate::generation::{Common, Shared};
use crate::quota::Purse;
use crate::replies;
use crate::session::Session;
use crate::tls::Protection;

/// Rest between two steps of a sweep, so that it takes little of a disk's time.
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// Longest and shortest time from the end of a sweep to the next one.
const SWEEP_EVERY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// What the storage is asked for.
///
/// # Errors
/// The reply, where nobody can tell how much of the user's quota is left.
pub(crate) async fn request(session: &mut Session, mode: WriteMode) -> Carried<UploadRequest> {
    let budget: Option<Arc<dyn Budget>> = match purse(session).await? {
        Some(purse) => Some(purse),
        None => None,
    };
    let policy = &session.shared.config.uploads;
    Ok(UploadRequest {
        budget,
        method: policy.method,
        append: policy.append,
        durability: policy.durability,
        permissions: session.umask.map(|umask| 0o666 & !u32::from(umask)),
        ..UploadRequest::new(mode, owner(session))
    })
}

/// Bytes that the user may still store, as far as its quota goes.
///
/// # Errors
/// As [`request`].
pub(crate) async fn left(session: &mut Session) -> Carried<u64> {
    Ok(purse(session).await?.map_or(u64::MAX, |purse| purse.left()))
}

/// What the user may still store, where there is a limit.
async fn purse(session: &mut Session) -> Carried<Option<Arc<Purse>>> {
    let Some(purse) = session.login.as_ref().and_then(|login| login.purse.clone()) else { return Ok(None) };
    purse.count(&**session.storage()).await.map_err(|error| {
        tracing::error!(session = session.number, user = %session.who(), %error, "what lies under a root cannot be counted");
        replies::storage(&error)
    })?;
    Ok(Some(purse))
}

/// Who may go on with an upload that was cut. Anonymous users are told apart by their addresses.
pub(crate) fn owner(session: &Session) -> Vec<u8> {
    match session.login.as_ref().map(|login| &login.identity) {
        Some(Identity::User(name)) => [b"user ", name.as_slice()].concat(),
        _ => format!("anonymous {}", session.client()).into_bytes(),
    }
}

/// The part of an upload's time that we wait behind its end for the end of the control connection.
///
/// A process that is killed closes both, and the data connection may well be first: by microseconds on one machine, by
/// milliseconds on a busy one or where networks lie between. A client that is done waits for its 226 instead. So the wait
/// costs 3 % of a long upload, and nothing of one that is over before anybody could cut it.
const GRACE_PART: u32 = 32;
/// Shortest and longest such wait.
const GRACE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));
/// Uploads that take no longer are not waited behind.
const SHORT_UPLOAD: Duration = Duration::from_millis(20);

/// Notes that a file of so many bytes is gone, which a user with a quota gets back.
pub(crate) fn note_removed(session: &Session, bytes: u64) {
    if let Some(purse) = session.login.as_ref().and_then(|login| login.purse.as_ref()) {
        purse.removed(bytes);
    }
}

/// What an upload has to pass when its data have come to their end in order.
#[derive(Debug)]
pub(crate) struct Completion {
    /// When the data connection was up.
    pub begun: Instant,
    /// Whether the end of the data proves itself, by close_notify.
    pub has_proof: bool,
    /// The size that ALLO told, in bytes; 0 where it told none.
    pub announced: u64,
    /// Where the data began.
    pub offset: u64,
    pub protection: Option<Protection>,
    /// The client's end of the control connection, where that has to be open still.
    pub control: Option<Arc<PeerWatch>>,
}

/// Why data that came to their end in order are not taken for a complete file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Withheld {
    /// The client is gone: it may have been killed, which ends its data like any other end (threat 18).
    #[error("the control connection was gone when the data ended")]
    ClientGone,
    /// ALLO told more; with it, whether close_notify may be what is missing.
    #[error(
        "the data connection ended {}after {received} bytes, and ALLO announced {announced}",
        if *is_plain { "without close_notify " } else { "" }
    )]
    Shorter { announced: u64, received: u64, is_plain: bool },
}

impl Completion {
    /// How long to wait for the end of the control connection before [`judge`](Self::judge)ing.
    pub(crate) fn grace(&self, received: u64) -> Duration {
        let is_proven = self.has_proof || (self.announced > 0 && received == self.announced);
        let time = self.begun.elapsed();
        if is_proven || self.control.is_none() || time < SHORT_UPLOAD {
            return Duration::ZERO;
        }
        (time / GRACE_PART).clamp(GRACE.0, GRACE.1)
    }

    /// Whether the data are taken for a complete file; may wait for `grace`.
    pub(crate) fn judge(&self, received: u64, grace: Duration) -> Result<(), Withheld> {
        // Of an upload that goes on with a part, clients tell the size of the rest or of the whole.
        let is_whole = self.offset.saturating_add(received) == self.announced;
        if received < self.announced && !is_whole {
            let announced = self.announced;
            let is_plain = self.protection.as_ref().is_some_and(Protection::tolerates_plain_end);
            return Err(Withheld::Shorter { announced, received, is_plain });
        }
        match &self.control {
            Some(control) if !control.stays(grace) => Err(Withheld::ClientGone),
            _ => Ok(()),
        }
    }
}

/// An upload into a file, as the pump wants it.
pub(crate) struct Target {
    pub upload: Box<dyn FileUpload>,
    pub completion: Completion,
}

impl Destination for Target {
    fn prepare(&mut self, is_cut: &dyn Fn() -> bool) -> io::Result<()> {
        Ok(self.upload.prepare(is_cut)?)
    }

    fn takes_long(&self) -> bool {
        self.upload.takes_long()
    }

    fn admit(&mut self, bytes: u64) -> io::Result<()> {
        Ok(self.upload.admit(bytes)?)
    }

    fn file(&mut self) -> &mut File {
        self.upload.file()
    }

    fn complete(&mut self, received: u64, is_cut: &dyn Fn() -> bool) -> io::Result<()> {
        let grace = self.completion.grace(received);
        self.completion.judge(received, grace).map_err(io::Error::other)?;
        if is_cut() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(self.upload.publish()?)
    }

    fn failed(&mut self, error: &io::Error) {
        // The room is worth more than what came.
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            self.upload.discard();
        }
    }
}

/// Whether an upload goes on when its control connection is gone.
pub(crate) fn outlives_control(session: &Session) -> bool {
    session.shared.config.uploads.publish == Publish::OnEof
        && session.running().is_some_and(|running| running.verb.role() == wharf_proto::verb::Role::Upload)
}

/// Removes, again and again, the parts that nobody went on with for so long; first at the start, for those that an earlier
/// process left.
///
/// Roots of users that the server does not know by name (an external program does) are swept while somebody uses them.
pub(crate) async fn sweep_regularly(common: Arc<Common>) {
    loop {
        let Some(shared) = common.present() else { return };
        let unused_for = shared.config.uploads.keep_parts;
        let pause = (unused_for / 4).clamp(SWEEP_EVERY.0, SWEEP_EVERY.1);
        let removed =
            if shared.config.accounts.may_write() { sweep_all(&common, shared, unused_for).await } else { 0 };
        if removed > 0 {
            tracing::info!(removed, "parts of uploads that nobody went on with were removed");
        }
        tokio::time::sleep(pause).await;
    }
}

/// Removes the old parts under the roots of all users that may write, under those that are in use, and under the server's own.
/// Tells how many they were.
async fn sweep_all(common: &Common, shared: Arc<Shared>, unused_for: Duration) -> u64 {
    let roots = &common.roots;
    let usual = shared.storage.clone();
    let accounts = shared.config.accounts.clone();
    drop(shared);
    let mut swept: HashSet<PathBuf> = HashSet::new();
    let mut removed = 0;
    let mut sweep_once = async |storage: Arc<dyn Storage>| {
        let place = roots.place_of(&storage).unwrap_or_default();
        if swept.insert(place.clone()) {
            removed += sweep(common, &storage, &place, unused_for).await;
        }
    };
    // What lies in a user's root counts for the quota there, also where that lies within the server's own, which comes last.
    for (name, settings) in accounts.writers().filter(|(_, settings)| settings.root.is_some()) {
        // A root that is not there yet holds nothing either.
        if let Ok(storage) = storage_of(roots, settings, name, &usual).await {
            sweep_once(storage).await;
        }
    }
    for storage in roots.in_use().into_iter().filter(|storage| !Arc::ptr_eq(storage, &usual)) {
        sweep_once(storage).await;
    }
    sweep_once(usual).await;
    removed
}

/// Removes the old parts of one storage, and notes that they count for nobody's quota any more.
async fn sweep(common: &Common, storage: &Arc<dyn Storage>, place: &Path, unused_for: Duration) -> u64 {
    let mut sweep = storage.sweep(unused_for);
    let mut removed = 0;
    while let Some(more) = sweep.step().await {
        if more.files > 0 {
            common.ledgers.removed(place, more);
            removed += more.files;
        }
        tokio::time::sleep(SWEEP_PAUSE).await;
    }
    removed
}
