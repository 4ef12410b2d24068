//! The wharf binary: arguments → settings → commands.

mod args;
mod closed_output;
mod commands;
mod config;
mod hosts;
mod import;
mod language;
mod output;
mod prompt;
mod rules;
mod service;
mod settings;
mod shell;
mod state;
mod users_file;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match args::Arguments::try_parse() {
        Ok(arguments) => commands::run(arguments),
        Err(error) => not_understood(&error),
    }
}

/// Says what clap says, without the passwords in what was typed. Help and the version are told this way too.
fn not_understood(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        error.exit();
    }
    let typed = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let text = output::masked_usage(&error.render().ansi().to_string(), typed);
    anstream::eprint!("{text}");
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}
