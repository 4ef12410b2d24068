//! `wharf serve`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use wharf_net::driver::Driver;
use wharf_server::transfer_log::TransferLog;
use wharf_server::{Roots, Server};
use wharf_storage::{LocalStorage, Storage};

use crate::args::serve::ServeArguments;
use crate::config::values::Mode;
use crate::config::{self, Configuration, Passwords};
use crate::service::reload::Reload;
use crate::service::sandbox::{self, Reach};
use crate::service::{log, manager, privileges};
use crate::state;

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
    privileges::become_user(&configuration)?;
    let log = log::start(&configuration)?;
    warn_of_what_changes_nothing(arguments, &configuration);
    warn_of_readable_passwords(arguments, &configuration);
    let directory = configuration.root.clone().unwrap_or_default();
    let roots = Arc::new(Roots::new(open_root));
    let storage = roots.open(&directory).map_err(anyhow::Error::msg)?;
    let is_default_listen = arguments.config.is_none() && arguments.listen.is_empty();
    let config = config::server_config(&configuration, is_default_listen, &Passwords::Asked)?;
    let transfer_log = match &configuration.log.xferlog {
        Some(path) => Some(
            TransferLog::open(path)
                .with_context(|| format!("cannot write the transfer log {}", path.display()))?,
        ),
        None => None,
    };
    raise_descriptor_limit();
    let inherited = manager::inherited_listeners()?;
    let shown = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    if configuration.tls.self_signed {
        state::make_directory().context("cannot make the directory for the self-signed certificate")?;
    }
    // Before there is another thread: each has its own.
    let reach = Reach::of(&configuration, &config, arguments.config.as_deref());
    privileges::drop_capabilities()?;
    let is_shut_in = sandbox::enter(configuration.sandbox, &reach)?;
    warn_of_a_root_that_cannot_be_written(&configuration, &shown);
    let driver = Driver::new().context("cannot start threads")?;
    driver.run(async move {
        let server = Server::bind_with(config, storage, roots.clone(), transfer_log, inherited);
        let server = server.map_err(explain_start)?;
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
        if let Some(address) = server.admin_address() {
            ready.push_str(&format!("wharf: admin {address}\n"));
        }
        ready.push_str("wharf: ready\n");
        // Whoever started us may have closed standard output; the server runs all the same.
        let _ = std::io::stdout().write_all(ready.as_bytes()).and_then(|()| std::io::stdout().flush());
        let reload = Reload {
            arguments: arguments.clone(),
            at_start: configuration,
            reach: is_shut_in.then_some(reach),
            handle: server.reload_handle(),
            roots,
            log,
            transfer_log: server.transfer_log(),
        };
        tokio::spawn(handle_signals(signals, server.shutdown_handle(), reload));
        tokio::spawn(manager::report(server.session_count()));
        manager::ready();
        server.run().await;
        Ok(())
    })
}

/// A directory as users see it.
fn open_root(path: &Path) -> Result<Arc<dyn Storage>, String> {
    match LocalStorage::open(path) {
        Ok(storage) => Ok(Arc::new(storage)),
        Err(error) => Err(format!("{:#}", anyhow::Error::new(error))),
    }
}

/// root without its capabilities is a user like others: what belongs to somebody else it cannot write.
fn warn_of_a_root_that_cannot_be_written(configuration: &Configuration, root: &Path) {
    use rustix::fs::{Access, access};

    if configuration.write && access(root, Access::WRITE_OK).is_err() {
        let root = root.display();
        let whose = if rustix::process::geteuid().is_root() {
            "the server gives up root's privileges: let it become the directory's owner with `user`"
        } else {
            "let the directory belong to the user that the server runs as"
        };
        tracing::warn!("uploads are allowed, and {root} cannot be written: {whose}");
    }
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
    let hashed = configuration.users.file.iter().chain(&configuration.admin.token_file);
    for file in in_wharf_toml.chain(of_their_own).chain(hashed) {
        let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            let file = file.display();
            tracing::warn!(
                "{file} holds a password, and others than its owner may read it: chmod 600 {file}"
            );
        }
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

/// SIGTERM and Ctrl-C stop, SIGHUP reads and opens everything anew.
async fn handle_signals(mut signals: Signals, shutdown: wharf_server::ShutdownHandle, reload: Reload) {
    let reload = Arc::new(reload);
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => stop(&shutdown),
            _ = signals.interrupt.recv() => stop(&shutdown),
            _ = signals.hangup.recv() => {
                // Files are read: not here, where sessions run.
                let reload = reload.clone();
                let _ = tokio::task::spawn_blocking(move || reload.run()).await;
            }
        }
    }
}

fn stop(shutdown: &wharf_server::ShutdownHandle) {
    manager::stopping();
    shutdown.advance();
}
