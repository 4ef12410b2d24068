//! Uploads that run, by who runs them and where: their own user can take a name over.
//!
//! A device whose network died connects anew and sends its file again, while the upload that it was at still waits for data and
//! holds the name. Nobody else gets that name before the old upload is given up; its own user gets it at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wharf_net::dtp::Progress;
use wharf_storage::StoragePath;

use crate::auth::Identity;
use crate::session::Session;
use crate::uploads::owner;

/// Longest wait until an upload that is cut has let its file go.
const LET_GO: Duration = Duration::from_secs(5);

/// A name, and who writes there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Which storage, by where it lies in memory: whoever writes there keeps it.
    storage: usize,
    path: StoragePath,
    owner: Vec<u8>,
}

impl Place {
    /// Where this session would write `path`. Anonymous users are none that could be told apart well enough.
    pub(crate) fn of(session: &Session, path: &StoragePath) -> Option<Self> {
        let is_user = matches!(session.login.as_ref()?.identity, Identity::User(_));
        let storage = Arc::as_ptr(session.storage()).cast::<()>() as usize;
        is_user.then(|| Self { storage, path: path.clone(), owner: owner(session) })
    }
}

/// What runs at present.
#[derive(Debug, Default)]
pub(crate) struct Uploading(Mutex<HashMap<Place, Arc<Entry>>>);

#[derive(Debug)]
struct Entry {
    /// Tells that somebody takes over. Whoever listens is at work.
    is_taken: watch::Sender<bool>,
    progress: Arc<Progress>,
}

impl Uploading {
    /// Notes an upload.
    pub(crate) fn note(self: &Arc<Self>, place: Place, progress: Arc<Progress>) -> Claim {
        let (is_taken, taken) = watch::channel(false);
        let entry = Arc::new(Entry { is_taken, progress });
        self.entries().insert(place.clone(), entry.clone());
        Claim { uploading: self.clone(), place, entry, taken }
    }

    /// Cuts the upload at `place`, and waits until it has let its file go. Tells whether the name may be free now.
    pub(crate) async fn take_over(&self, place: &Place) -> bool {
        let Some(entry) = self.entries().get(place).cloned() else { return false };
        entry.is_taken.send_replace(true);
        let let_go = async {
            entry.is_taken.closed().await;
            entry.progress.at_rest().await;
        };
        tokio::time::timeout(LET_GO, let_go).await.is_ok()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Place, Arc<Entry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An upload's own entry, which lives as long as the upload.
#[derive(Debug)]
pub(crate) struct Claim {
    uploading: Arc<Uploading>,
    place: Place,
    entry: Arc<Entry>,
    taken: watch::Receiver<bool>,
}

impl Claim {
    /// Waits until somebody takes over.
    pub(crate) async fn is_taken(&mut self) {
        if self.taken.wait_for(|is_taken| *is_taken).await.is_err() {
            std::future::pending::<()>().await; // the entry is ours: nobody drops it before
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = self.uploading.entries();
        if entries.get(&self.place).is_some_and(|entry| Arc::ptr_eq(entry, &self.entry)) {
            entries.remove(&self.place);
        }
    }
}
