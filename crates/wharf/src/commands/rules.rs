//! `wharf rules`.

use std::process::ExitCode;

use crate::args::rules::RulesArguments;
use crate::config;
use crate::output;
use crate::rules::{self, Plan};

/// The exit code for what cannot be expressed, as for wrong usage.
const USAGE: u8 = 2;

pub(crate) fn run(arguments: RulesArguments) -> ExitCode {
    let configuration = match config::effective(&arguments.serve) {
        Ok(configuration) => configuration,
        Err(error) => {
            output::error(&format!("{error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let told = Plan::new(&configuration, &arguments).and_then(|plan| rules::told(&plan, arguments.firewall));
    match told {
        Ok(text) => match output::text(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                output::error(&super::client::standard_output(error));
                ExitCode::FAILURE
            }
        },
        Err(problem) => {
            output::error(&problem);
            USAGE.into()
        }
    }
}
