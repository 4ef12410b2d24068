//! What all commands of the client share: one session a server, another try, interruption, the exit code.

mod kept;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use wharf_client::attempt::Attempt;
use wharf_client::digest::Sum;
use wharf_client::error::{STANDARD_OUTPUT, WayOn};
use wharf_client::memory::Remembered;
use wharf_client::netrc::Netrc;
use wharf_client::observer::TransferStarted;
use wharf_client::operations::Verification;
use wharf_client::options::pause_before_retry;
use wharf_client::{ClientError, FtpUrl, Login, ServerAddress, Session};
use wharf_net::tls::Secured;
use wharf_proto::command::Password;
use wharf_proto::dialogue::DataMode;
use wharf_proto::pathname::Pathname;

use super::event_loop;
use crate::args::connection::ConnectionArguments;
use crate::args::transfer::TransferArguments;
use crate::hosts::{self, Hosts};
use crate::output;
use crate::output::dialogue::UnderWay;
use crate::prompt;
use crate::settings::{ClientSettings, Talk};

/// The exit code of a program that was interrupted in a transfer.
pub(crate) const INTERRUPTED: u8 = 8;
/// The exit code for wrong usage, as clap has it.
const USAGE: u8 = 2;
/// How long work on a blocking thread may still take when all is over.
pub(crate) const LAST_WORK: Duration = Duration::from_millis(300);

/// One run of the client.
pub(crate) struct Client {
    /// What was asked for.
    pub(crate) settings: ClientSettings,
    netrc: Netrc,
    session: Option<(FtpUrl, Session)>,
    /// What is remembered of that session's server.
    known: Vec<Remembered>,
    under_way: UnderWay,
    /// Beside somebody who types, whom progress bars would disturb.
    is_in_background: bool,
    /// The exit code of the first failure.
    failure: Option<u8>,
    closed_pipe: bool,
}

/// Runs a command to its end or to the user's, and tells the exit code.
pub(crate) fn run(
    connection: &ConnectionArguments,
    json: bool,
    work: impl AsyncFnOnce(&mut Client) -> Result<(), ClientError>,
) -> ExitCode {
    run_on(event_loop::start, connection, json, work)
}

/// As [`run`], with an event loop that `start` makes.
pub(crate) fn run_on(
    start: fn() -> Result<Runtime, ExitCode>,
    connection: &ConnectionArguments,
    json: bool,
    work: impl AsyncFnOnce(&mut Client) -> Result<(), ClientError>,
) -> ExitCode {
    run_owned(start, connection, json, async |mut client| {
        let outcome = tokio::select! {
            outcome = work(&mut client) => Some(outcome),
            () = interruption() => None,
        };
        match outcome {
            Some(Ok(())) => {}
            Some(Err(error)) => client.failed(None, &error),
            None => {
                client.interrupted();
                return INTERRUPTED;
            }
        }
        client.close().await;
        // A closed pipe is no failure, nor does it hide one.
        client.failure.unwrap_or(0)
    })
}

/// Runs what deals with interruptions by itself, and tells its exit code.
pub(crate) fn run_owned(
    start: fn() -> Result<Runtime, ExitCode>,
    connection: &ConnectionArguments,
    json: bool,
    work: impl AsyncFnOnce(Client) -> u8,
) -> ExitCode {
    let settings = match ClientSettings::resolve(connection, json) {
        Ok(settings) => settings,
        Err(error) => {
            output::error(&error);
            return error.exit_code().into();
        }
    };
    let runtime = match start() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let work = work(Client {
        settings,
        netrc: Netrc::of_user(),
        session: None,
        known: Vec::new(),
        under_way: UnderWay::default(),
        is_in_background: false,
        failure: None,
        closed_pipe: false,
    });
    // Without its type, so that the event loop is not compiled for each command anew.
    let work: Pin<Box<dyn Future<Output = u8> + '_>> = Box::pin(work);
    let code = runtime.block_on(work);
    // A FIFO without a reader must not keep the program from ending.
    runtime.shutdown_timeout(LAST_WORK);
    code.into()
}

impl Client {
    /// Runs `work` with a session for `url`: the one that is there, if it leads to the same server. What may pass is
    /// tried again as often as the settings say, if `again` agrees; `work` is told whether this is another try.
    pub(crate) async fn with_session<T>(
        &mut self,
        url: &FtpUrl,
        again: impl Fn(&ClientError) -> bool,
        mut work: impl AsyncFnMut(&mut Session, bool) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut tries = 0;
        loop {
            let outcome = match self.session(url).await {
                Ok(session) => work(session, tries > 0).await,
                Err(error) => Err(error),
            };
            match outcome {
                Err(error) if tries < self.settings.retries && error.may_pass() && again(&error) => {
                    tries += 1;
                    self.session = None;
                    let pause = pause_before_retry(tries);
                    if self.settings.talk != Talk::Quiet {
                        output::note(&format!(
                            "wharf: {error}; try {} of {} in {} s",
                            tries + 1,
                            self.settings.retries + 1,
                            pause.as_secs_f32()
                        ));
                    }
                    tokio::time::sleep(pause).await;
                }
                other => {
                    self.remember(url);
                    return other;
                }
            }
        }
    }

    /// Keeps the mode that works for the next time, unless that is known, or there is no network in between.
    fn remember(&mut self, url: &FtpUrl) {
        let Some((_, session)) = &self.session else { return };
        let Some(mode) = session.working_mode() else { return };
        let network = session.network();
        let worked = Remembered { network, mode };
        if session.is_proxied() || network.addr().is_loopback() || self.known.contains(&worked) {
            return;
        }
        self.known.retain(|known| known.network != network);
        self.known.push(worked);
        let server = ServerAddress::from(url);
        let learnt = hosts::learn(hosts::Entry {
            name: server.host,
            port: server.port,
            network,
            mode: mode.command.to_string(),
            advertised: mode.advertised,
            features: session.features().lines().to_vec(),
            learnt: Timestamp::now(),
        });
        if let Err(error) = learnt {
            tracing::debug!(%error, "what was learnt about the server cannot be kept");
        }
    }

    async fn session(&mut self, url: &FtpUrl) -> Result<&mut Session, ClientError> {
        let kept = match self.session.take() {
            Some((last, session)) if last.shares_session_with(url) => Some(session),
            Some((_, session)) => {
                session.quit().await;
                None
            }
            None => None,
        };
        let session = match kept {
            Some(session) => session,
            None => {
                let login = self.login(url)?;
                let shown = self.shown();
                let server = ServerAddress::from(url);
                let mut options = self.settings.options_for(url)?;
                self.known = Hosts::load().remembered(&server.host, server.port);
                options.remembered = self.known.clone();
                Session::connect(server, login, options, shown).await?
            }
        };
        let (_, session) = self.session.insert((url.clone(), session));
        Ok(session)
    }

    /// What the TLS handshake of the present control connection agreed on.
    pub(crate) fn control_secured(&self) -> Option<Secured> {
        self.session.as_ref().and_then(|(_, session)| session.secured())
    }

    /// Who logs in for `url`; somebody who is there to answer is asked for a password that is missing.
    ///
    /// # Errors
    /// When what was typed is no password.
    pub(crate) fn login(&self, url: &FtpUrl) -> Result<Login, ClientError> {
        let mut login = Login::for_url(url, &self.netrc);
        if login.password.is_none() {
            login.password = ask_password(&login, url)?;
        }
        Ok(login)
    }

    /// Does beside moving the bytes what the flags ask for.
    pub(crate) fn take_care(&mut self, arguments: TransferArguments) {
        self.settings.options.transfers.keep_times = !arguments.no_times;
        self.verify(arguments.verify);
    }

    /// Compares checksums from now on, if `wanted`.
    pub(crate) fn verify(&mut self, wanted: bool) {
        self.settings.options.transfers.verification = wanted.then(Verification::default);
    }

    /// Notes the exit code of a failure that was told already.
    pub(crate) fn note_failure(&mut self, exit_code: u8) {
        self.failure.get_or_insert(exit_code);
    }

    /// Notes a failure and tells it: the exit code is that of the first.
    pub(crate) fn failed(&mut self, url: Option<&FtpUrl>, error: &ClientError) {
        if error.is_closed_pipe() {
            self.closed_pipe = true;
            return;
        }
        self.failure.get_or_insert(error.exit_code());
        output::error(error);
        // Of trouble with standard output, nothing can be told there.
        if !matches!(error, ClientError::Local { what, .. } if what == STANDARD_OUTPUT) {
            self.event(&failure_event(url, error));
        }
    }

    /// The user does not want to wait any longer: closes the connections, and says what stays of the transfer.
    fn interrupted(&mut self) {
        let under_way = self.take_under_way();
        // Takes the progress bar away.
        self.session = None;
        self.tell_interrupted(under_way);
    }

    fn take_under_way(&self) -> Option<TransferStarted> {
        self.under_way.lock().ok().and_then(|mut under_way| under_way.take())
    }

    fn tell_interrupted(&mut self, under_way: Option<TransferStarted>) {
        let (kept, way_on) =
            under_way.map_or((None, WayOn::Again), |transfer| (transfer.kept, transfer.way_on));
        let has_content = |part: &PathBuf| part.metadata().is_ok_and(|metadata| metadata.len() > 0);
        let message = match (kept.filter(has_content), way_on) {
            (Some(part), WayOn::Download) => {
                format!("interrupted; what arrived is kept as {}: go on with --continue", part.display())
            }
            (Some(part), _) => format!("interrupted; what arrived is kept as {}", part.display()),
            (None, WayOn::Upload) => {
                "interrupted; a part of the file may be at the server: go on with --continue".to_owned()
            }
            (None, _) => "interrupted".to_owned(),
        };
        output::error(&message);
        self.event(&json!({ "event": "error", "url": null, "exit": INTERRUPTED, "message": message }));
    }

    /// Whether whoever reads standard output is gone, so that going on is of no use.
    pub(crate) fn is_over(&self) -> bool {
        self.closed_pipe
    }

    /// Prints an event, if the results are JSON.
    pub(crate) fn event(&mut self, event: &Value) {
        if self.settings.json
            && let Err(error) = output::json(event)
        {
            self.printing_failed(error);
        }
    }

    /// Standard output took no more.
    pub(crate) fn printing_failed(&mut self, error: io::Error) {
        self.failed(None, &standard_output(error));
    }

    /// Says a line for a person, on a terminal only.
    pub(crate) fn summary(&self, line: &str) {
        if self.settings.talk != Talk::Quiet && !self.settings.json && io::stderr().is_terminal() {
            output::note(&line);
        }
    }
}

/// Trouble with standard output.
pub(crate) fn standard_output(source: io::Error) -> ClientError {
    ClientError::Local { what: STANDARD_OUTPUT.to_owned(), source }
}

/// The path of a URL, for commands that need one.
///
/// # Errors
/// When there is none.
pub(crate) fn path_of(url: &FtpUrl) -> Result<&Pathname, ClientError> {
    url.path().ok_or_else(|| ClientError::Usage(format!("{url} has no path; say which file is meant")))
}

/// The checksum that both sides have, as fields of an event.
pub(crate) fn set_verified(event: &mut Value, verified: Option<&Sum>) {
    if let Some(Sum { algorithm, digits }) = verified {
        event["verified"] = algorithm.name().into();
        event["hash"] = digits.as_str().into();
    }
}

/// How both connections were made, as fields of an event.
pub(crate) fn describe(event: &mut Value, attempt: Option<&Attempt>, control: Option<Secured>) {
    set_tls(&mut event["control"], control);
    describe_data(event, attempt);
}

/// How a data connection was made, as fields of an event.
pub(crate) fn describe_data(event: &mut Value, attempt: Option<&Attempt>) {
    if let Some(attempt) = attempt {
        event["mode"] = attempt.command.to_string().into();
        event["endpoint"] = attempt.endpoint.map(|endpoint| endpoint.to_string()).into();
        event["opened_by"] = match attempt.mode() {
            DataMode::Passive => "client".into(),
            DataMode::Active => "server".into(),
        };
        set_tls(event, attempt.secured);
    }
}

/// What protects a connection, as fields of an object.
fn set_tls(object: &mut Value, secured: Option<Secured>) {
    object["tls"] = secured.is_some().into();
    object["resumed"] = secured.is_some_and(|secured| secured.is_resumed).into();
    if let Some(secured) = secured {
        object["tls_version"] = secured.version.to_string().into();
        object["verified"] = secured.is_verified.into();
    }
}

fn failure_event(url: Option<&FtpUrl>, error: &ClientError) -> Value {
    let mut event = json!({
        "event": "error",
        "url": url.map(ToString::to_string),
        "exit": error.exit_code(),
        "message": error.to_string(),
    });
    if let ClientError::NoDataConnection(failure) = error {
        let attempts: Vec<_> = failure.attempts.iter().map(ToString::to_string).collect();
        event["attempts"] = attempts.into();
    }
    if matches!(error, ClientError::NoDataConnection(_)) || !error.findings().is_empty() {
        event["findings"] = serde_json::to_value(error.findings()).unwrap_or_default();
    }
    event
}

/// Asks for the password of a user that is named without one, if somebody is there to answer.
///
/// # Errors
/// When what was typed is no password.
pub(crate) fn ask_password(login: &Login, url: &FtpUrl) -> Result<Option<Password>, ClientError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    let typed = prompt::password(&format!("Password of {} at {}: ", login.user, url.host()));
    let typed = typed.map_err(|source| ClientError::Local { what: "the password".to_owned(), source })?;
    let password = Password::new(typed);
    password.map(Some).map_err(|error| ClientError::Usage(format!("the password cannot be sent: {error}")))
}

/// Ctrl-C, or the signal by which a shell or service manager ends a program.
pub(crate) async fn interruption() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The exit code for wrong usage that clap cannot see.
pub(crate) fn usage(message: &str) -> ExitCode {
    output::error(&message);
    USAGE.into()
}
