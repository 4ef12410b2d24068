//! `cargo xtask soak`: the long forms of what `cargo xtask test` runs in short.

use std::process::ExitCode;

use anyhow::Result;

use crate::{fuzz, run};

/// How long to soak.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only the items whose name holds this text
    #[arg(long)]
    filter: Option<String>,
    /// Seconds for each fuzz target afterwards; 0 leaves fuzzing out
    #[arg(long, default_value_t = 600)]
    fuzz_seconds: u32,
}

/// One long test: a test of the suite that reads `WHARF_SOAK_ROUNDS` (its short form is what it does without).
struct Item {
    name: &'static str,
    /// The package that holds it.
    package: &'static str,
    /// The test's name, as a filter for the runner; empty for all of the package.
    test: &'static str,
    /// How many rounds make the long form.
    rounds: u64,
    /// The figure of the threat list that it stands for.
    shows: &'static str,
}

/// Add a line for each heavy test. A test asks `wharf_testkit::soak_rounds(short)` how often to go round.
const ITEMS: &[Item] = &[
    Item {
        name: "escape",
        package: "wharf-storage",
        test: "soak_escape",
        rounds: 400_000,
        shows: "no open escapes while a symlink is swapped",
    },
    Item {
        name: "uploads",
        package: "wharf",
        test: "soak_killed_uploads",
        rounds: 1_000,
        shows: "under the final name the old file or the new one, whenever the server is killed",
    },
    Item {
        name: "sessions",
        package: "wharf",
        test: "soak_sessions",
        rounds: 10_000,
        shows: "10,000 sessions held without an error",
    },
    Item {
        name: "operations",
        package: "wharf",
        test: "soak_operations",
        rounds: 10_000_000,
        shows: "no memory or descriptor is left over",
    },
    Item {
        name: "names",
        package: "wharf",
        test: "soak_names_cannot_be_told_by_the_clock",
        rounds: 200,
        shows: "a wrong login takes as long for a known name as for an unknown one",
    },
    Item {
        name: "reloads",
        package: "wharf",
        test: "soak_reloads_cut_no_transfer",
        rounds: 1_000,
        shows: "1,000 reloads under load, and no transfer cut",
    },
    Item {
        name: "mirror",
        package: "wharf",
        test: "soak_mirror_far",
        rounds: 1_000,
        shows: "1,000 small files of a far server, beside lftp, rclone and wget",
    },
    Item {
        name: "segments",
        package: "wharf",
        test: "soak_segments",
        rounds: 1024,
        shows: "1 GiB in four segments is identical, in clear and under TLS",
    },
    Item {
        name: "properties",
        package: "wharf-proto",
        test: "",
        rounds: 100_000,
        shows: "encoders and decoders agree",
    },
];

/// Runs the items one after the other, each with the whole machine to itself, then fuzzes.
///
/// # Errors
/// When cargo cannot be started, or fuzzing is asked for and its tools are missing.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut failed = Vec::new();
    let wanted = |item: &&Item| options.filter.as_deref().is_none_or(|text| item.name.contains(text));
    for item in ITEMS.iter().filter(wanted) {
        eprintln!("xtask: soak {}: {} ({} rounds)", item.name, item.shows, item.rounds);
        let mut command = run::cargo();
        command.args(["test", "--release", "--package", item.package, "--tests", "--no-fail-fast"]);
        command.args(["--", "--test-threads", "1", "--nocapture", item.test]);
        command.env("WHARF_SOAK", "1").env("WHARF_SOAK_ROUNDS", item.rounds.to_string());
        command.env("PROPTEST_CASES", item.rounds.min(1_000_000).to_string());
        if !run::status(&mut command)?.success() {
            failed.push(item.name);
        }
    }
    if !failed.is_empty() {
        println!("soak failed: {}", failed.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    if options.fuzz_seconds > 0 && options.filter.is_none() {
        return fuzz::run(&fuzz::Options { seconds: options.fuzz_seconds, targets: Vec::new() });
    }
    Ok(ExitCode::SUCCESS)
}
