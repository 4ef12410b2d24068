//! The project's own commands: `cargo xtask test | tidy | lab | bench | size | fuzz | soak`.
//!
//! Everything that CI does can be done by hand with these, on a clean machine too.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to a person")]

mod bench;
mod fuzz;
mod lab;
mod program;
mod run;
mod soak;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs what the tests need (as root), runs all of them and closes with one plain line of counts
    Test(test::Options),
    /// Checks the invariants of ARCHITECTURE.md, licences and documents; needs no network
    Tidy,
    /// Sets up a network with a firewall, a NAT or another fault in it, with servers, and leaves a shell there (root)
    Lab(lab::Options),
    /// Compares Wharf with other servers and clients, and writes the tables (root)
    Bench(bench::Options),
    /// Builds what users are given, and fails when it is too large or starts too slowly
    Size,
    /// Fuzzes each target for a while (needs cargo-fuzz and a nightly toolchain)
    Fuzz(fuzz::Options),
    /// Runs the long forms of the heavy tests, then fuzzes
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Tidy => tidy::run(),
        Task::Lab(options) => lab::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Size => program::check(),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Soak(options) => soak::run(&options),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
