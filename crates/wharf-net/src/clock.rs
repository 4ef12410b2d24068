//! Time for the core.

use std::time::Instant;

use wharf_proto::Timestamp;

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

    /// The moment of `at` for tokio's timers.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        (self.start + at.since_start()).into()
    }
}
