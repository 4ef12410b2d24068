//! What runs the sessions' futures.
//!
//! The one place that knows how sessions are spread over cores. A session is an ordinary future; it never names the
//! runtime, so that another driver can take its place: a task while it is idle, and on a thread of its own while its
//! transfers follow each other closely. docs/performance.md tells how this one was chosen.

use std::future::Future;
use std::io;
use std::time::Duration;

pub use crate::lending::{MOMENT, ask_for_thread, is_lent};

/// Longest wait, at the end, for work on blocking threads.
const END: Duration = Duration::from_secs(1);

/// The runtime that sessions are spawned on.
#[derive(Debug)]
pub struct Driver {
    runtime: tokio::runtime::Runtime,
}

impl Driver {
    /// A driver with a worker for each core.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn new() -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("wharf").build()?;
        Ok(Self { runtime })
    }

    /// Runs `main` to its end; what it spawns runs beside it, and is ended with it. A disk that hangs does not hold the
    /// end for longer than a second.
    pub fn run<F: Future>(self, main: F) -> F::Output {
        let output = self.runtime.block_on(main);
        self.runtime.shutdown_timeout(END);
        output
    }
}

/// Runs a session beside whatever else runs. The only way in which sessions get to run, so that where and how they
/// do is decided here.
pub fn spawn_session(session: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(crate::lending::run(Box::pin(session)));
}
