//! The event loop on which a command of the client runs.

use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use crate::output;

/// One of this thread alone.
///
/// # Errors
/// The exit code where there can be none, which has been said.
pub(crate) fn start() -> Result<Runtime, ExitCode> {
    built(Builder::new_current_thread())
}

/// One for many sessions at once, with a thread for each core: small files keep more than one busy.
///
/// # Errors
/// As [`start`].
pub(crate) fn start_on_each_core() -> Result<Runtime, ExitCode> {
    built(Builder::new_multi_thread())
}

fn built(mut builder: Builder) -> Result<Runtime, ExitCode> {
    builder.enable_all().build().map_err(|error| {
        output::error(&format!("no event loop: {error}"));
        ExitCode::FAILURE
    })
}
