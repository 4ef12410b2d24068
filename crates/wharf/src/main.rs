//! The wharf binary: arguments → settings → commands.

mod args;
mod closed_output;
mod commands;
mod output;
mod prompt;
mod settings;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::run(args::Arguments::parse())
}
