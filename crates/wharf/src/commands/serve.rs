//! `wharf serve`.

mod tls;

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use wharf_net::driver::Driver;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::command::Password;
use wharf_proto::pathname::escaped;
use wharf_server::auth::{Accounts, VirtualUser, is_anonymous};
use wharf_server::config::{ActiveSourcePort, Advertise, AsciiPolicy, Modes, Times};
use wharf_server::transfer_log::TransferLog;
use wharf_server::{CertificateReload, Server, ServerConfig};
use wharf_storage::LocalStorage;

use crate::args::serve::{Advertised, Ascii, LogForm, Mode, ServeArguments, SourcePort};
use crate::prompt;

/// The port of a server that is only tried out: no rights are needed for it.
const TRY_PORT: u16 = 2121;
/// Where a password is read from when none stands behind the user's name.
const PASSWORD_VARIABLE: &str = "WHARF_PASSWORD";

/// Runs the server until it is told to stop.
pub(crate) fn run(arguments: ServeArguments) -> ExitCode {
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("wharf: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<()> {
    start_log(arguments);
    warn_of_unused_flags(arguments);
    let directory = &arguments.directory;
    let storage = LocalStorage::open(directory)?;
    let config = config(arguments)?;
    let transfer_log = match &arguments.xferlog {
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

/// What is about a mode that is not on offer changes nothing, which is hardly what was meant.
fn warn_of_unused_flags(arguments: &ServeArguments) {
    let offers = |mode| arguments.modes.contains(&mode);
    let unused = [
        ("--passive-ports", arguments.passive_ports.is_some() && !offers(Mode::Passive), "passive"),
        ("--advertise", arguments.advertise.is_some() && !offers(Mode::Passive), "passive"),
        ("--active-source-port", arguments.active_source_port.is_some() && !offers(Mode::Active), "active"),
    ];
    for (flag, is_unused, mode) in unused {
        if is_unused {
            tracing::warn!("{flag} changes nothing: --modes does not offer {mode} mode");
        }
    }
}

fn config(arguments: &ServeArguments) -> Result<ServerConfig> {
    let listen = if arguments.listen.is_empty() {
        vec![
            SocketAddr::from((Ipv4Addr::LOCALHOST, TRY_PORT)),
            SocketAddr::from((Ipv6Addr::LOCALHOST, TRY_PORT)),
        ]
    } else {
        arguments.listen.clone()
    };
    let users = virtual_users(arguments)?;
    Ok(ServerConfig {
        tls: tls::settings(&arguments.tls, &listen)?,
        listen,
        // A machine without IPv6 has no [::1]; what was asked for by name has to be there.
        skip_missing_addresses: arguments.listen.is_empty(),
        accounts: Accounts { anonymous: arguments.anonymous || users.is_empty(), users },
        write: arguments.write,
        modes: Modes {
            active: arguments.modes.contains(&Mode::Active),
            passive: arguments.modes.contains(&Mode::Passive),
        },
        passive_ports: arguments.passive_ports.clone().map_or(PassivePorts::Any, PassivePorts::Range),
        advertise: arguments.advertise.clone().map(|advertised| match advertised {
            Advertised::Address(address) => Advertise::Address(address),
            Advertised::Name(name) => Advertise::Name(name),
        }),
        active_source_port: match arguments.active_source_port {
            None => ActiveSourcePort::ControlMinusOne,
            Some(SourcePort::Any) => ActiveSourcePort::Any,
            Some(SourcePort::Fixed(port)) => ActiveSourcePort::Fixed(port),
        },
        ascii: match arguments.ascii {
            Ascii::Convert => AsciiPolicy::Convert,
            Ascii::Binary => AsciiPolicy::Binary,
        },
        times: Times::default(),
    })
}

fn virtual_users(arguments: &ServeArguments) -> Result<Vec<VirtualUser>> {
    let mut users: Vec<VirtualUser> = Vec::new();
    for text in &arguments.user {
        let user = virtual_user(text)?;
        if users.iter().any(|other| other.name == user.name) {
            bail!("--user {} is given twice: a user has one password", escaped(&user.name));
        }
        if arguments.anonymous && is_anonymous(&user.name) {
            let name = escaped(&user.name);
            bail!("--user {name} and --anonymous contradict each other: any password would do for {name}");
        }
        users.push(user);
    }
    Ok(users)
}

fn virtual_user(text: &str) -> Result<VirtualUser> {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, password.to_owned()),
        None => (text, password_of(text)?),
    };
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
        bail!("--user {name:?}: a user's name is not empty and holds no control characters");
    }
    if password.is_empty() {
        bail!("the password of user {name} is empty: anyone could log in; --anonymous is for that");
    }
    let password = Password::new(&password).with_context(|| format!("the password of user {name}"))?;
    Ok(VirtualUser { name: name.as_bytes().to_vec(), password })
}

fn password_of(name: &str) -> Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        bail!("user {name} has no password: give --user {name}:PASSWORD, or set {PASSWORD_VARIABLE}");
    }
    prompt::password(&format!("Password for {name}: ")).context("cannot read the password")
}

fn start_log(arguments: &ServeArguments) {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    match arguments.log {
        LogForm::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}

/// Each session takes a descriptor or two: the soft limit is for programs that use select(2), which this is not.
fn raise_descriptor_limit() {
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
