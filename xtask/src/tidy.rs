//! `cargo xtask tidy`: the invariants of ARCHITECTURE.md that can be read off the files. No network, no build.
//!
//! A line that breaks a rule for a good reason says `tidy: allow(the rule): the reason` in a comment, on itself or on
//! the line above.

mod crates;
mod dependencies;
mod documents;
mod lexer;
mod repository;
mod sources;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::run;
use repository::Repository;

/// What is wrong, where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// From the workspace's folder.
    file: PathBuf,
    /// From 1; 0 for a file as a whole.
    line: usize,
    rule: &'static str,
    /// What is wrong; then, after a semicolon, what to do.
    text: String,
    is_warning: bool,
}

/// Collects findings.
#[derive(Debug, Default)]
struct Report {
    findings: BTreeSet<Finding>,
}

impl Report {
    fn error(&mut self, rule: &'static str, file: impl Into<PathBuf>, line: usize, text: impl Into<String>) {
        let (file, text) = (file.into(), text.into());
        self.findings.insert(Finding { file, line, rule, text, is_warning: false });
    }

    fn warning(
        &mut self,
        rule: &'static str,
        file: impl Into<PathBuf>,
        line: usize,
        text: impl Into<String>,
    ) {
        let (file, text) = (file.into(), text.into());
        self.findings.insert(Finding { file, line, rule, text, is_warning: true });
    }

    /// Prints the findings and returns how many are errors.
    fn print(&self) -> usize {
        for Finding { file, line, rule, text, is_warning } in &self.findings {
            let level = if *is_warning { "warning" } else { "error" };
            let place = if *line == 0 { String::new() } else { format!(":{line}") };
            println!("{}{place}: {level}({rule}): {text}", file.display());
        }
        self.findings.iter().filter(|finding| !finding.is_warning).count()
    }
}

/// Checks everything and prints what is wrong.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn run() -> Result<ExitCode> {
    let metadata = metadata()?;
    let repository = Repository::read(run::root())?;
    let mut report = Report::default();
    crates::check(&metadata, &mut report);
    dependencies::check(&repository, &metadata, &mut report)?;
    sources::check(&repository, &mut report);
    documents::check(&repository, &mut report);
    let errors = report.print();
    let warnings = report.findings.len() - errors;
    if errors == 0 {
        println!("tidy: {} files are as they should be ({warnings} warnings)", repository.files.len());
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {errors} errors, {warnings} warnings");
    Ok(ExitCode::FAILURE)
}

/// All packages, those of other people too. Offline: what a build needs is there, and tidy is no time to fetch more.
fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    // For this platform only: the packages of others may never have been fetched.
    let triple = run::output(Command::new("rustc").args(["--print", "host-tuple"]));
    let mut options = vec!["--offline".to_owned()];
    if let Some(triple) = triple {
        options.extend(["--filter-platform".to_owned(), triple.trim().to_owned()]);
    }
    command.current_dir(run::root()).other_options(options);
    command
        .exec()
        .context("`cargo metadata --offline` failed; build the workspace once before `cargo xtask tidy`")
}
