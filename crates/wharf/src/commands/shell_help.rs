//! `wharf completions` and `wharf man`: made from the same definitions as the flags themselves.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;

use crate::args::Arguments;
use crate::args::shell_help::{CompletionsArguments, ManArguments};
use crate::output::{self, standard_output};

const PROGRAM: &str = "wharf";
/// The exit code where something could not be written here.
const LOCAL: u8 = 9;

pub(crate) fn completions(arguments: CompletionsArguments) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), PROGRAM, &mut text);
    finish(standard_output().and_then(|mut out| out.write_all(&text)), "standard output")
}

pub(crate) fn manual(arguments: ManArguments) -> ExitCode {
    match &arguments.directory {
        Some(directory) => {
            let written = clap_mangen::generate_to(Arguments::command(), directory);
            finish(written, &directory.display().to_string())
        }
        None => {
            let mut text = Vec::new();
            let page = clap_mangen::Man::new(Arguments::command()).render(&mut text);
            let written = page.and_then(|()| standard_output()?.write_all(&text));
            finish(written, "standard output")
        }
    }
}

fn finish(outcome: io::Result<()>, place: &str) -> ExitCode {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            output::error(&format!("{place}: {error}"));
            LOCAL.into()
        }
        _ => ExitCode::SUCCESS,
    }
}
