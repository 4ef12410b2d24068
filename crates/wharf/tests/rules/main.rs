//! `wharf rules`: what it prints, and what a kernel makes of it.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod loaded;
mod told;

use std::process::Command;

/// Our program.
fn wharf() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.env("XDG_STATE_HOME", "/dev/null");
    command
}
