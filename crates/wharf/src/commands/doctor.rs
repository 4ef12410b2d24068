//! `wharf doctor`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use wharf_client::netrc::Netrc;
use wharf_client::options::{ActiveOptions, Options};
use wharf_client::{ClientError, Login, ServerAddress};
use wharf_diagnose::probe::{self, Plan};
use wharf_net::passive_ports::PassivePorts;

use super::{client, event_loop};
use crate::args::doctor::DoctorArguments;
use crate::language;
use crate::output;
use crate::settings::{family, parse_url, tls};

pub(crate) fn run(arguments: DoctorArguments) -> ExitCode {
    let plan = match plan(&arguments) {
        Ok(plan) => plan,
        Err(error) => {
            output::error(&error);
            return error.exit_code().into();
        }
    };
    let runtime = match event_loop::start() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let mut steps = Steps { are_shown: !arguments.quiet && io::stderr().is_terminal() };
    let examined = runtime.block_on(probe::examine(&plan, &mut steps));
    steps.clear();
    // A thread that still waits for an answer must not keep the program from ending.
    runtime.shutdown_background();
    let language = language::chosen(arguments.lang);
    let printed = if arguments.json {
        serde_json::to_value(examined.in_json(language))
            .map_err(io::Error::other)
            .and_then(|json| output::json(&json))
    } else {
        output::text(&examined.in_words(language).to_string())
    };
    match printed {
        Ok(()) => examined.exit_code.into(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => examined.exit_code.into(),
        Err(error) => {
            output::error(&client::standard_output(error));
            ExitCode::FAILURE
        }
    }
}

fn plan(arguments: &DoctorArguments) -> Result<Plan, ClientError> {
    let url = parse_url(&arguments.url)?;
    let mut login = Login::for_url(&url, &Netrc::of_user());
    if login.password.is_none() {
        login.password = client::ask_password(&login, &url)?;
    }
    let options = Options {
        active: ActiveOptions {
            told: arguments.active_address,
            ports: arguments.ports.clone().map_or(PassivePorts::Any, PassivePorts::Range),
        },
        family: family(&arguments.reach),
        tls: tls(&arguments.reach),
        ..Options::default()
    };
    Ok(Plan {
        server: ServerAddress::from(&url),
        login,
        directory: url.path().cloned(),
        options,
        patience: arguments.timeout,
        exposed: arguments.exposed_ports.clone(),
        write: arguments.write,
        deep: arguments.deep.then_some(arguments.idle),
    })
}

/// The step that is under way, on one line of a terminal.
struct Steps {
    are_shown: bool,
}

/// Clears the line of a terminal.
const CLEAR: &str = "\r\x1b[K";

impl Steps {
    fn clear(&self) {
        if self.are_shown {
            let _ = write!(io::stderr().lock(), "{CLEAR}");
        }
    }
}

impl probe::Progress for Steps {
    fn step(&mut self, words: &str) {
        if self.are_shown {
            // If nobody reads it, nobody misses it.
            let _ = write!(io::stderr().lock(), "{CLEAR}wharf: {words} …");
        }
    }
}
