//! The event loop on which a command of the client runs.

use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::output;

/// One of this thread alone.
///
/// # Errors
/// The exit code where there can be none, which has been said.
pub(crate) fn start() -> Result<Runtime, ExitCode> {
    Builder::new_current_thread().enable_all().build().map_err(|error| {
        output::error(&format!("no event loop: {error}"));
        ExitCode::FAILURE
    })
}
