//! `wharf explain`.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use wharf_diagnose::capture::{self, CaptureError, Explainer, Options, Reading};
use wharf_diagnose::report::{self, Style};
use wharf_findings::Language;

use crate::args::explain::ExplainArguments;
use crate::output::{self, standard_output};

/// The exit codes of interfaces.md.
const FOUND: u8 = 1;
const USAGE: u8 = 2;
const NOT_A_CAPTURE: u8 = 9;

/// What standard input is called.
const STANDARD_INPUT: &str = "-";

pub(crate) fn run(arguments: ExplainArguments) -> ExitCode {
    let is_stdin = |path: &Path| path.as_os_str() == STANDARD_INPUT;
    if arguments.other.as_deref().is_some_and(|other| is_stdin(other) && is_stdin(&arguments.file)) {
        output::error(&"only one of the two captures can be standard input");
        return USAGE.into();
    }
    match explain(&arguments) {
        Ok(true) => FOUND.into(),
        Ok(false) => ExitCode::SUCCESS,
        Err(Failure::Capture(name, error)) => {
            output::error(&format!("{name}: {error}"));
            NOT_A_CAPTURE.into()
        }
        Err(Failure::Output(_, error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Output(place, error)) => {
            output::error(&format!("{place}: {error}"));
            NOT_A_CAPTURE.into()
        }
    }
}

enum Failure {
    Capture(String, CaptureError),
    Output(String, io::Error),
}

/// Explains, and says whether anything is wrong.
fn explain(arguments: &ExplainArguments) -> Result<bool, Failure> {
    let language = Language::from(arguments.lang);
    let options = Options { ports: arguments.port.clone() };
    // What is drawn is drawn when all is known.
    let tells_live = !arguments.json && arguments.html.is_none() && arguments.svg.is_none();
    let reading = reading(&arguments.file, &options, language, tells_live && arguments.other.is_none())?;
    let style = style(language);
    let Some(other) = &arguments.other else {
        if arguments.json {
            print_json(&report::json::document(&reading, language))?;
        }
        if let Some(file) = &arguments.html {
            save(file, &report::html::page(&reading, language))?;
        }
        if let Some(file) = &arguments.svg {
            save(file, &report::svg::picture(&reading, language))?;
        }
        if tells_live {
            for part in report::text::parts(&reading, style) {
                print(&part)?;
            }
        }
        return Ok(reading.has_findings());
    };
    let second = self::reading(other, &options, language, false)?;
    let comparison = capture::compare(&reading, &second);
    if arguments.json {
        print_json(&report::json::comparison(&reading, &second, &comparison, language))?;
    }
    if let Some(file) = &arguments.html {
        save(file, &report::html::comparison(&reading, &second, &comparison, language))?;
    }
    if tells_live {
        print(&report::text::comparison(&reading, &second, &comparison, style))?;
    }
    Ok(reading.has_findings() || second.has_findings() || !comparison.findings.is_empty())
}

/// Reads a capture to its end; of one that comes in on standard input, tells each transfer as it ends.
fn reading(path: &Path, options: &Options, language: Language, tells_live: bool) -> Result<Reading, Failure> {
    let is_live = path.as_os_str() == STANDARD_INPUT;
    let name = if is_live { "standard input".to_owned() } else { path.display().to_string() };
    let input: Box<dyn Read + Send> = if is_live {
        let input = io::stdin();
        if input.is_terminal() {
            let error =
                io::Error::other("a capture is expected here, as from `tcpdump -U -w - | wharf explain -`");
            return Err(Failure::Capture(name, error.into()));
        }
        end_with_the_other_program();
        Box::new(input)
    } else {
        Box::new(File::open(path).map_err(|error| Failure::Capture(name.clone(), error.into()))?)
    };
    let mut explainer = Explainer::new(options.clone());
    let mut failure = None;
    let read = capture::read(input, &mut |packet| {
        explainer.packet(packet);
        while let Some(ended) = explainer.poll_ended() {
            if is_live && tells_live {
                let (conversation, transfer) = explainer.conversation(ended);
                if let Err(error) = print(&report::text::ended(conversation, transfer, language)) {
                    failure = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    });
    match (failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Ok(())) => Ok(explainer.finish()),
        (None, Err(error)) if error.is_at_end() => {
            // What was there before is worth telling.
            output::note(&format!("wharf: {name}: {error}"));
            Ok(explainer.finish())
        }
        (None, Err(error)) => Err(Failure::Capture(name, error)),
    }
}

/// Ctrl-C goes to both programs of a pipe: tcpdump ends, and what it had written is still to be told.
fn end_with_the_other_program() {
    std::thread::spawn(|| {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let _ = tokio::signal::ctrl_c().await;
            // Whoever asks twice means it.
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(INTERRUPTED);
        });
    });
}

/// 128 and the number of SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// As wide as the terminal, but not wider than can be read.
pub(crate) fn style(language: Language) -> Style {
    const NARROW: usize = 60;
    const WIDE: usize = 120;
    let mut style = Style { language, ..Style::default() };
    let out = io::stdout();
    if out.is_terminal() {
        style.colours = anstream::AutoStream::choice(&out) != anstream::ColorChoice::Never;
        if let Ok(size) = rustix::termios::tcgetwinsize(&out) {
            style.width = usize::from(size.ws_col).clamp(NARROW, WIDE);
        }
    }
    style
}

fn print(text: &str) -> Result<(), Failure> {
    let write = || {
        let mut out = standard_output()?;
        out.write_all(text.as_bytes())?;
        out.flush()
    };
    write().map_err(|error| Failure::Output("standard output".to_owned(), error))
}

fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Output("standard output".to_owned(), io::Error::other(error)))?;
    print(&(text + "\n"))
}

fn save(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::Output(file.display().to_string(), error))
}
