//! The wharf binary: arguments → settings → commands.

mod args;
mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::run(args::Arguments::parse())
}
