//! `cargo xtask test`: what the tests need, the tests, and one plain line of counts.

mod install;
mod peers;
mod tally;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::run;
use tally::Tally;

/// How to test.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only tests whose name holds this text (the doc tests are then left out)
    #[arg(long)]
    filter: Option<String>,
    /// Installs and looks for nothing: the machine is as it should be
    #[arg(long)]
    no_install: bool,
    /// Installs what the tests need and stops
    #[arg(long, conflicts_with = "no_install")]
    install_only: bool,
}

/// Does all of it. Standard output gets the closing line and nothing else.
///
/// # Errors
/// When cargo cannot be started at all.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !options.no_install {
        install::everything();
        if options.install_only {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let skipped_log = SkippedLog::new()?;
    let mut tally = Tally::default();
    suite(options, &skipped_log, &mut tally)?;
    if options.filter.is_none() {
        documentation(&skipped_log, &mut tally)?;
    }
    let skipped = skipped_log.read();
    for test in &skipped {
        eprintln!("xtask: skipped {test}");
    }
    tally.move_to_skipped(skipped.len());
    println!("{tally}");
    Ok(if tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Unit and integration tests: by nextest, which runs each in a process of its own, where it is installed.
fn suite(options: &Options, skipped_log: &SkippedLog, tally: &mut Tally) -> Result<()> {
    let mut command = run::cargo();
    if run::output(run::cargo().args(["nextest", "--version"])).is_some() {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast", "--color", "never"]);
        command.args(["--status-level", "slow", "--final-status-level", "fail"]);
        if let Some(filter) = &options.filter {
            command.arg(filter);
        }
    } else {
        command.args([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--no-fail-fast",
            "--color",
            "never",
        ]);
        if let Some(filter) = &options.filter {
            command.args(["--", filter]);
        }
    }
    counted(command, skipped_log, tally)
}

fn documentation(skipped_log: &SkippedLog, tally: &mut Tally) -> Result<()> {
    let mut command = run::cargo();
    command.args(["test", "--doc", "--workspace", "--quiet", "--no-fail-fast", "--color", "never"]);
    counted(command, skipped_log, tally)
}

fn counted(mut command: Command, skipped_log: &SkippedLog, tally: &mut Tally) -> Result<()> {
    command.env("WHARF_SKIPPED_LOG", &skipped_log.file).env("WHARF_PEERS", peers::cache());
    // The shims of the tools in the administrators' folders are run by tests as they are: by name.
    command.env("PATH", run::with_path("PATH", "/usr/sbin"));
    let (status, lines) = run::watch(&mut command)?;
    tally.add_run(status.success(), &lines);
    Ok(())
}

/// The file to which a test that cannot run here adds a line with its name and the reason.
struct SkippedLog {
    file: PathBuf,
}

impl SkippedLog {
    fn new() -> Result<Self> {
        let file = std::env::temp_dir().join(format!("wharf-skipped-{}.log", std::process::id()));
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { file })
    }

    /// One line for each test, however often it said so.
    fn read(&self) -> Vec<String> {
        one_for_each_test(&fs::read_to_string(&self.file).unwrap_or_default())
    }
}

impl Drop for SkippedLog {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Lines are `name of the test: reason`; the first of each test counts.
fn one_for_each_test(log: &str) -> Vec<String> {
    let mut tests: Vec<(&str, &str)> = Vec::new();
    for line in log.lines() {
        let (name, reason) = line.split_once(": ").unwrap_or((line, "no reason given"));
        if !tests.iter().any(|(known, _)| *known == name) {
            tests.push((name, reason));
        }
    }
    tests.sort_unstable();
    tests.into_iter().map(|(name, reason)| format!("{name}: {reason}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_says_twice_why_it_is_skipped_counts_once() {
        let log = "b::two: no vsftpd\na::one: not root\nb::two: no proftpd\n";
        assert_eq!(one_for_each_test(log), ["a::one: not root", "b::two: no vsftpd"]);
    }
}
