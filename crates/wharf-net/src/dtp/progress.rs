//! How far a transfer has come, and the threads that work for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Semaphore;

use super::pump::PumpError;

/// What a transfer shares with whoever watches it: the bytes of payload moved so far, and whether a thread is at work.
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    /// More than this is not taken.
    most: AtomicU64,
    /// The transfer's future was dropped: what still works for it stops.
    is_cut: AtomicBool,
    /// Held by the blocking thread that works for the transfer.
    at_work: Arc<Semaphore>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            is_cut: AtomicBool::new(false),
            at_work: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Progress {
    /// The count so far, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until no thread works for the transfer: after its future was dropped, until its file is left alone.
    pub async fn at_rest(&self) {
        // Never closed, so this is no error.
        let _ = self.at_work.acquire().await;
    }

    pub(super) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// From here on, no more than `most` bytes are taken in all, nearly: the piece that goes beyond ends the transfer.
    pub fn allow(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Counts bytes that were taken.
    pub(super) fn take(&self, bytes: u64) -> Result<(), PumpError> {
        self.add(bytes);
        let most = self.most.load(Ordering::Relaxed);
        if self.bytes() <= most {
            return Ok(());
        }
        Err(PumpError::Network(std::io::Error::other(format!(
            "more than the {most} bytes came that were told"
        ))))
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// Does `work` on a blocking thread. Where this future is dropped, the work is told to stop at its next step.
pub(super) async fn on_thread<T: Send + 'static>(
    progress: &Arc<Progress>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PumpError> {
    struct CutWhenDropped<'a>(&'a Progress, bool);
    impl Drop for CutWhenDropped<'_> {
        fn drop(&mut self) {
            if !self.1 {
                self.0.is_cut.store(true, Ordering::Relaxed);
            }
        }
    }
    let local = |error| PumpError::Local(io::Error::other(error));
    let permit = progress.at_work.clone().acquire_owned().await.map_err(|error| local(error.to_string()))?;
    let mut guard = CutWhenDropped(progress, false);
    let result = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await;
    guard.1 = true;
    result.map_err(|error| local(error.to_string()))
}
