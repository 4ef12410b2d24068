//! `cargo xtask bench`: the release binary against other servers, by the bench that lies beside this repository.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::run;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Arguments for the bench's run.sh, such as `--metric down,small --servers floor,wharf`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the release binary and hands it to the bench.
///
/// # Errors
/// When the bench is not there, or something does not build.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let script = run::root().join("../shared/bench/run.sh");
    if !script.is_file() {
        bail!("the bench is not there: {} is missing; it is no part of this repository", script.display());
    }
    run::succeed(run::cargo().args(["build", "--release", "--package", "wharf"]))?;
    let target = run::target_directory()?;
    let mut command = Command::new("bash");
    command.arg(script).args(&options.arguments).env("WHARF", target.join("release/wharf"));
    let status = run::status(&mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
