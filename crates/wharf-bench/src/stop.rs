//! The wish to stop early, and the wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Tells a run to stop: shared by whoever wants it and whoever waits.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    finished: usize,
}

impl Stop {
    /// Has the run stop.
    pub fn request(&self) {
        self.state().is_wanted = true;
        self.0.changed.notify_all();
    }

    /// Whether that was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.state().is_wanted
    }

    /// One session has done all that it was to do.
    pub(crate) fn one_finished(&self) {
        self.state().finished += 1;
        self.0.changed.notify_all();
    }

    /// Waits for `time`, for the wish to stop, or until `sessions` have finished.
    pub(crate) fn wait(&self, time: Duration, sessions: usize) {
        let until = Instant::now() + time;
        let mut state = self.state();
        while !state.is_wanted && state.finished < sessions {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
