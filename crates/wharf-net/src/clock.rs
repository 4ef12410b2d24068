//! Time for the core.

use std::time::{Duration, Instant};

use wharf_proto::Timestamp;

/// A wait that nobody lives to see the end of.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Turns the machine's monotonic clock into the core's timestamps and back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose start is now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_start(self.start.elapsed())
    }

    /// The moment of `at` for tokio's timers; one that no clock can show is far away.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        self.start.checked_add(at.since_start()).unwrap_or(self.start + FAR).into()
    }
}
