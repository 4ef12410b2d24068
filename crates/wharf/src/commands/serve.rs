//! `wharf serve`.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use wharf_net::driver::Driver;
use wharf_server::transfer_log::TransferLog;
use wharf_server::{CertificateReload, Server};
use wharf_storage::LocalStorage;

use crate::args::serve::ServeArguments;
use crate::config::values::{LogForm, LogLevel, Mode};
use crate::config::{self, Configuration};

/// Runs the server until it is told to stop.
pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A file may have more than one thing wrong with it: a line each.
            for line in format!("{error:#}").lines() {
                anstream::eprintln!("wharf: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<()> {
    if arguments.configuration_reference {
        return print(&config::reference());
    }
    let configuration = config::effective(arguments)?;
    if arguments.print_config {
        return print(&configuration.printed()?);
    }
    start_log(&configuration);
    warn_of_what_changes_nothing(arguments, &configuration);
    warn_of_readable_passwords(arguments, &configuration);
    let directory = configuration.root.clone().unwrap_or_default();
    let storage = LocalStorage::open(&directory)?;
    let is_default_listen = arguments.config.is_none() && arguments.listen.is_empty();
    let config = config::server_config(&configuration, is_default_listen)?;
    let transfer_log = match &configuration.log.xferlog {
        Some(path) => Some(
            TransferLog::open(path)
                .with_context(|| format!("cannot write the transfer log {}", path.display()))?,
        ),
        None => None,
    };
    raise_descriptor_limit();
    let shown = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let driver = Driver::new().context("cannot start threads")?;
    driver.run(async move {
        let server = Server::bind(config, Arc::new(storage), transfer_log).map_err(explain_start)?;
        if arguments.check {
            server.names_looked_up().await;
            // As with the ready lines: whoever does not listen has the exit code.
            let _ = std::io::stdout().write_all(b"wharf: the configuration is good\n");
            return Ok(());
        }
        // Watched before anyone is told that we are ready: a SIGTERM right behind that must not kill.
        let signals = Signals::watch().context("cannot watch signals")?;
        let mut ready = format!("wharf: serving {}\n", shown.display());
        for address in server.addresses() {
            ready.push_str(&format!("wharf: control {address}\n"));
        }
        ready.push_str("wharf: ready\n");
        // Whoever started us may have closed standard output; the server runs all the same.
        let _ = std::io::stdout().write_all(ready.as_bytes()).and_then(|()| std::io::stdout().flush());
        let reload =
            Reload { transfer_log: server.transfer_log(), certificates: server.certificate_reload() };
        tokio::spawn(handle_signals(signals, server.shutdown_handle(), reload));
        server.run().await;
        Ok(())
    })
}

/// Prints to standard output; whoever closed it does not want to read.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// What is about a mode that is not on offer changes nothing, which is hardly what was meant.
fn warn_of_what_changes_nothing(arguments: &ServeArguments, configuration: &Configuration) {
    let usual = Configuration::default();
    let Configuration { passive, active, modes, .. } = configuration;
    let unused = [
        (Mode::Passive, "--passive-ports", "passive.ports", passive.ports != usual.passive.ports),
        (Mode::Passive, "--advertise", "passive.advertise", passive.advertise != usual.passive.advertise),
        (
            Mode::Active,
            "--active-source-port",
            "active.source_port",
            active.source_port != usual.active.source_port,
        ),
    ];
    let given = [
        arguments.passive_ports.is_some(),
        arguments.advertise.is_some(),
        arguments.active_source_port.is_some(),
    ];
    let by = if arguments.modes.is_empty() { "`modes`" } else { "--modes" };
    for ((mode, flag, key, is_set), is_given) in unused.into_iter().zip(given) {
        if (is_set || is_given) && !modes.contains(&mode) {
            let name = if is_given { flag } else { key };
            tracing::warn!("{name} changes nothing: {by} does not offer {mode} mode");
        }
    }
}

/// Passwords in a file are for those who may read it.
fn warn_of_readable_passwords(arguments: &ServeArguments, configuration: &Configuration) {
    use std::os::unix::fs::PermissionsExt;

    let in_wharf_toml = arguments.config.iter().filter(|_| {
        arguments.user.is_empty()
            && configuration.users.accounts.iter().any(|account| account.password.is_some())
    });
    let of_their_own =
        configuration.users.accounts.iter().filter_map(|account| account.password_file.as_ref());
    for file in in_wharf_toml.chain(of_their_own) {
        let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            let file = file.display();
            tracing::warn!(
                "{file} holds a password, and others than its owner may read it: chmod 600 {file}"
            );
        }
    }
}

fn start_log(configuration: &Configuration) {
    let level = match configuration.log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    // What the resolver comes to is ours to tell; its own steps say nothing to who runs an FTP server.
    let filter = format!("{level},hickory_resolver=off,hickory_net=off,hickory_proto=off");
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(false);
    match configuration.log.form {
        LogForm::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}

/// Each session takes a descriptor or two: the soft limit is for programs that use select(2), which this is not.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}

fn explain_start(error: wharf_server::StartError) -> anyhow::Error {
    match error {
        wharf_server::StartError::Bind(error) => explain_bind(&error),
        other => other.into(),
    }
}

fn explain_bind(error: &wharf_server::BindError) -> anyhow::Error {
    let hint = match error.source.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another server runs there; stop it, or choose a port with --listen"
        }
        std::io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a port with --listen"
        }
        std::io::ErrorKind::AddrNotAvailable => ": this machine has no such address",
        _ => "",
    };
    anyhow::anyhow!("{error}{hint}")
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

/// What SIGHUP reads or opens anew.
#[derive(Clone)]
struct Reload {
    transfer_log: Option<TransferLog>,
    certificates: Option<CertificateReload>,
}

impl Reload {
    /// Whatever cannot be had anew stays as it is, and that is said.
    fn run(&self) {
        if let Some(Err(error)) = self.transfer_log.as_ref().map(TransferLog::reopen) {
            tracing::error!(%error, "the transfer log cannot be opened anew");
        }
        match self.certificates.as_ref().map(CertificateReload::reload) {
            Some(Ok(())) => tracing::info!("the certificates were read anew"),
            Some(Err(error)) => tracing::error!(%error, "the old certificates stay in use"),
            None => {}
        }
    }
}

/// SIGTERM and Ctrl-C stop, SIGHUP reads certificates and opens logs anew.
async fn handle_signals(mut signals: Signals, shutdown: wharf_server::ShutdownHandle, reload: Reload) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => shutdown.advance(),
            _ = signals.interrupt.recv() => shutdown.advance(),
            _ = signals.hangup.recv() => {
                let reload = reload.clone();
                // Files are read: not here, where sessions run.
                let _ = tokio::task::spawn_blocking(move || reload.run()).await;
            }
        }
    }
}
