//! `cargo xtask fuzz`: each fuzz target for a while.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::run;

/// What to fuzz, and for how long.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Seconds for each target
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u32,
    /// The targets (all of fuzz/ if none is named)
    pub(crate) targets: Vec<String>,
}

/// Runs the targets in turn and goes on after one that failed, so that one run shows all there is to see.
///
/// # Errors
/// When the tools or the targets are not there.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = run::root().join("fuzz");
    if !folder.join("Cargo.toml").is_file() {
        bail!("there is no fuzz/Cargo.toml");
    }
    // rustup, not `cargo +nightly`: the cargo that started us is a toolchain's own and knows no `+`.
    if run::output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"])).is_none() {
        bail!("fuzzing needs a nightly toolchain: `rustup toolchain install nightly`");
    }
    if run::output(Command::new("cargo-fuzz").arg("--version")).is_none() {
        bail!("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`");
    }
    let all = run::output(cargo_fuzz("list").current_dir(run::root())).unwrap_or_default();
    let known: Vec<&str> = all.split_whitespace().collect();
    let targets = if options.targets.is_empty() {
        known
    } else {
        if let Some(unknown) = options.targets.iter().find(|target| !known.contains(&target.as_str())) {
            bail!("there is no fuzz target {unknown}; there are: {}", known.join(", "));
        }
        options.targets.iter().map(String::as_str).collect()
    };
    if targets.is_empty() {
        bail!("fuzz/ holds no target");
    }
    let mut failed = Vec::new();
    for target in &targets {
        let mut command = cargo_fuzz("run");
        // What fuzzing finds goes into the corpus; the seeds stay as they are.
        let (corpus, seeds) = (folder.join("corpus").join(target), folder.join("seeds").join(target));
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        command.current_dir(run::root()).arg(target).args([&corpus, &seeds]).arg("--");
        command.arg(format!("-max_total_time={}", options.seconds)).arg("-print_final_stats=1");
        if !run::status(&mut command)?.success() {
            failed.push(*target);
        }
    }
    if failed.is_empty() {
        println!("{} fuzz targets ran {} s each and found nothing", targets.len(), options.seconds);
        return Ok(ExitCode::SUCCESS);
    }
    println!("failed: {} (the inputs are in fuzz/artifacts)", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

fn cargo_fuzz(verb: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", verb]);
    command
}
