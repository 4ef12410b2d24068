//! How far a transfer has come, and the threads that work for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::pump::PumpError;
use super::throttle::Throttle;
use crate::lending::is_lent;

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
    /// What keeps it from going faster.
    throttle: Option<Arc<Throttle>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            is_cut: AtomicBool::new(false),
            at_work: Arc::new(Semaphore::new(1)),
            throttle: None,
        }
    }
}

impl Progress {
    /// Of a transfer that shares a limit of speed with others.
    #[must_use]
    pub fn limited(throttle: Arc<Throttle>) -> Self {
        Self { throttle: Some(throttle), ..Self::default() }
    }

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

    /// Counts `bytes` more: for whoever adds up several transfers.
    pub fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(throttle) = &self.throttle {
            throttle.moved(bytes, Instant::now());
        }
    }

    /// How many of `wanted` bytes the next call may move.
    pub(super) fn most(&self, wanted: usize) -> usize {
        self.throttle.as_ref().map_or(wanted, |throttle| throttle.most(wanted))
    }

    /// How long nothing may move; none where something may.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.throttle.as_ref().and_then(|throttle| throttle.pause(Instant::now()))
    }

    /// Waits until something may move.
    pub(super) async fn may_move(&self) {
        while let Some(pause) = self.pause() {
            tokio::time::sleep(pause).await;
        }
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

    /// Drops `work`, which no thread has, where that may wait for a disk. The transfer is at rest behind that.
    pub(super) fn drop_on_thread(&self, work: impl Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if is_lent() {
            return;
        }
        let permit = self.at_work.clone().try_acquire_owned();
        drop(runtime.spawn_blocking(move || {
            drop(work);
            drop(permit);
        }));
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// Does `work` on a blocking thread, or here where this thread is lent and it does not take long. Where this future is dropped,
/// the work is told to stop at its next step.
pub(super) async fn on_thread<T: Send + 'static>(
    progress: &Arc<Progress>,
    takes_long: bool,
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
    if is_lent() && !takes_long {
        return Ok(work());
    }
    let local = |error| PumpError::Local(io::Error::other(error));
    let permit = progress.at_work.clone().acquire_owned().await.map_err(|error| local(error.to_string()))?;
    let mut guard = CutWhenDropped(progress, false);
    // The permit goes last, also where nobody waits for the result any more: dropping that may have files to tidy up.
    let done = tokio::task::spawn_blocking(move || (work(), permit)).await;
    guard.1 = true;
    let (result, _permit) = done.map_err(|error| local(error.to_string()))?;
    Ok(result)
}
