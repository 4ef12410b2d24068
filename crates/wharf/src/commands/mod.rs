//! The commands.

pub(crate) mod serve;

use std::process::ExitCode;

use crate::args::{Arguments, Command};

/// Does what was asked for.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
    }
}
