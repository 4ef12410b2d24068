//! `cargo xtask lab`: a scenario of the network lab, set up, with a shell in it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use wharf_testkit::lab::path::CLIENT;
use wharf_testkit::lab::scenario::{Scenario, Standing};

use crate::run;

/// What to set up, and what to run in it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The scenario; --list tells which there are
    #[arg(required_unless_present = "list")]
    scenario: Option<String>,
    /// Lists the scenarios and what can work in each
    #[arg(long)]
    list: bool,
    /// The host that the shell, or the command, runs in: client, client-router, server-router or server
    #[arg(long, default_value = CLIENT)]
    host: String,
    /// Runs this in place of a shell, and removes the lab when it has ended
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

/// Lists the scenarios, or sets one up until its shell ends.
///
/// # Errors
/// When there is no such scenario, or it cannot be set up here.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let Some(name) = options.scenario.as_ref().filter(|_| !options.list) else {
        list();
        return Ok(ExitCode::SUCCESS);
    };
    let Some(scenario) = Scenario::named(name) else {
        bail!("there is no scenario {name}; `cargo xtask lab --list` tells which there are");
    };
    run::succeed(run::cargo().args(["build", "--quiet", "--package", "wharf"]))?;
    let programs = run::target_directory()?.join("debug");
    let standing = match scenario.set_up(&programs.join("wharf")) {
        Ok(standing) => standing,
        Err(reason) => bail!("the lab cannot be set up: {reason}"),
    };
    let host = standing.lab.hosts().find(|(name, _)| *name == options.host);
    let Some((_, host)) = host else { bail!("the lab has no host {}", options.host) };
    describe(&scenario, &standing);
    let mut command = match options.command.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => shell(&scenario, &options.host),
    };
    // Our client first, before one that may be installed.
    command.env("PATH", path_with(&programs));
    let status = host.adopt(&command).status().context("cannot start `ip netns exec`")?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn list() {
    for scenario in Scenario::catalogue() {
        let situation = scenario.situation.map(|id| format!(" ({id})")).unwrap_or_default();
        println!(
            "{}{situation}\n    {}\n    What can work: {}.\n",
            scenario.name, scenario.about, scenario.works
        );
    }
}

/// What a person needs to know who is about to try things.
fn describe(scenario: &Scenario, standing: &Standing) {
    eprintln!("\n{}: {}\nWhat can work: {}.\n", scenario.name, scenario.about, scenario.works);
    eprintln!("  client ──client-lan── client-router ──internet── server-router ──server-lan── server\n");
    for server in &standing.servers {
        eprintln!("  {:<10} {}", server.kind.to_string(), server.url(scenario.file));
    }
    for reason in &standing.missing {
        eprintln!("  not here: {reason}");
    }
    eprintln!("\nOther hosts, from any other terminal:");
    for (name, host) in standing.lab.hosts() {
        eprintln!("  {name:<14} ip netns exec {} bash", host.name());
    }
    eprintln!();
}

fn shell(scenario: &Scenario, host: &str) -> Command {
    let program = std::env::var_os("SHELL").unwrap_or_else(|| "sh".into());
    let mut command = Command::new(program);
    command.env("PS1", format!("{host} of {}$ ", scenario.name));
    eprintln!("A shell in {host}; the lab is removed when it ends.");
    command
}

fn path_with(folder: &Path) -> OsString {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&old));
    std::env::join_paths(folders).unwrap_or(old)
}
