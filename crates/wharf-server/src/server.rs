//! Listening, and stopping in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use wharf_findings::Cause;
use wharf_storage::Storage;

use crate::accept::accept_loop;
use crate::admin::{AdminError, AdminListener};
use crate::config::ServerConfig;
use crate::generation::{Common, ReloadHandle, Shared};
use crate::roots::Roots;
use crate::tls::TlsSetupError;
use crate::transfer_log::TransferLog;
use crate::uploads;
use crate::warnings;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// How far the end of the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownStage {
    /// It runs.
    Running,
    /// No new sessions; idle ones are told 421; transfers finish.
    Draining,
    /// Everything stops.
    Stopping,
}

/// Tells a server to stop.
#[derive(Clone, Debug)]
pub struct ShutdownHandle(Arc<watch::Sender<ShutdownStage>>);

impl ShutdownHandle {
    /// One step further: the first call drains, the second stops at once.
    pub fn advance(&self) {
        self.0.send_modify(|stage| {
            *stage = match stage {
                ShutdownStage::Running => ShutdownStage::Draining,
                _ => ShutdownStage::Stopping,
            }
        });
    }
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// It cannot speak TLS as it is told to.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// It cannot tell metrics and health as it is told to.
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl BindError {
    /// Whether the machine has no such address, or none of its family.
    fn is_missing_address(&self) -> bool {
        matches!(Errno::from_io_error(&self.source), Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
    }
}

/// Where control connections come in.
#[derive(Debug)]
pub(crate) struct ControlListener {
    pub socket: TcpListener,
    /// TLS begins with the connection.
    pub implicit: bool,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<ControlListener>,
    admin: Option<AdminListener>,
    addresses: Vec<SocketAddr>,
    stage: watch::Receiver<ShutdownStage>,
    shutdown: ShutdownHandle,
}

impl Server {
    /// Listens on all addresses of the configuration. Must be called inside a runtime.
    ///
    /// # Errors
    /// When one of them cannot be listened on; of missing ones, where those may be skipped, only when none is left. Or
    /// when a certificate cannot be used.
    pub fn bind(
        config: ServerConfig,
        storage: Arc<dyn Storage>,
        roots: Arc<Roots>,
        transfer_log: Option<TransferLog>,
    ) -> Result<Self, StartError> {
        Self::bind_with(config, storage, roots, transfer_log, Vec::new())
    }

    /// As [`bind`](Self::bind), with listeners that a service manager has opened already. Where there are any, nothing else
    /// is listened on for explicit FTPS and clear sessions.
    ///
    /// # Errors
    /// As there.
    pub fn bind_with(
        config: ServerConfig,
        storage: Arc<dyn Storage>,
        roots: Arc<Roots>,
        transfer_log: Option<TransferLog>,
        inherited: Vec<std::net::TcpListener>,
    ) -> Result<Self, StartError> {
        let common = Common::new(roots, transfer_log);
        let admin = config.admin.as_ref().map(AdminListener::bind).transpose()?;
        let (listeners, addresses) = listen(&config, inherited)?;
        let warnings = warnings::find(&config, &addresses);
        for warning in &warnings {
            tracing::warn!(possible_cause = warning.cause.id(), "{}", warning.text);
        }
        let denied = warnings.iter().any(|warning| warning.cause == Cause::SourcePortFiltered);
        common.source_port_denied.store(denied, Ordering::Relaxed);
        let (sender, stage) = watch::channel(ShutdownStage::Running);
        let shared = Arc::new(Shared::new(config, storage, common.clone(), None)?);
        common.set_present(Some(shared.clone()));
        Ok(Self { shared, listeners, admin, addresses, stage, shutdown: ShutdownHandle(Arc::new(sender)) })
    }

    /// Where it listens, with the real ports.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until it is known, and said, whether the advertised names have addresses. Serving does not wait for that.
    pub async fn names_looked_up(&self) {
        self.shared.advertiser.settled().await;
    }

    /// What stops it.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    /// The log of transfers, to be reopened on SIGHUP.
    #[must_use]
    pub fn transfer_log(&self) -> Option<TransferLog> {
        self.shared.common.transfer_log.clone()
    }

    /// What gives it another configuration, on SIGHUP.
    #[must_use]
    pub fn reload_handle(&self) -> ReloadHandle {
        ReloadHandle(self.shared.common.clone())
    }

    /// Where metrics and health are told, with the real port.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminListener::address)
    }

    /// What tells how many sessions there are.
    pub fn session_count(&self) -> impl Fn() -> u32 + Send + 'static {
        let occupancy = self.shared.common.occupancy.clone();
        move || occupancy.total()
    }

    /// Serves until it is told to stop and the transfers have ended, or their time is over.
    pub async fn run(self) {
        let mut accepting = JoinSet::new();
        let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
        let common = self.shared.common.clone();
        for listener in self.listeners {
            accepting.spawn(accept_loop(listener, common.clone(), self.stage.clone(), done.clone()));
        }
        drop(done);
        // Its task ends with the runtime: whoever watches the drain wants to see its end.
        let admin = self.admin.map(|admin| tokio::spawn(admin.serve(common.clone(), self.stage.clone())));
        accepting.spawn(uploads::sweep_regularly(common.clone()));
        let mut stage = self.stage.clone();
        // The sender lives in `self.shutdown`, so this ends only by the stage.
        let _ = stage.wait_for(|stage| *stage >= ShutdownStage::Draining).await;
        accepting.shutdown().await;
        // Each session holds one sender, and those of the listeners are gone.
        tracing::info!(
            sessions = all_done.sender_strong_count(),
            "told to stop: running transfers are waited for"
        );
        // As a reload may have set it.
        let time =
            common.present().map_or(self.shared.config.times.drain, |shared| shared.config.times.drain);
        let drain = tokio::time::sleep(time);
        let ended = || {
            common.set_present(None);
            if let Some(admin) = admin {
                admin.abort();
            }
        };
        tokio::select! {
            // Each session holds a sender: the channel closes with the last of them.
            _ = all_done.recv() => return ended(),
            () = drain => tracing::warn!("transfers still run after the drain time: they are cut"),
            _ = stage.wait_for(|stage| *stage == ShutdownStage::Stopping) => {}
        }
        self.shutdown.0.send_replace(ShutdownStage::Stopping);
        let _ = tokio::time::timeout(Duration::from_secs(1), all_done.recv()).await;
        ended();
    }
}

/// Listens on all addresses of the configuration, or takes what was opened already.
fn listen(
    config: &ServerConfig,
    inherited: Vec<std::net::TcpListener>,
) -> Result<(Vec<ControlListener>, Vec<SocketAddr>), BindError> {
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    let has_inherited = !inherited.is_empty();
    for listener in inherited {
        let address = listener.local_addr().unwrap_or(([0, 0, 0, 0], 0).into());
        let failed = |source| BindError { address, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let socket = TcpListener::from_std(listener).map_err(failed)?;
        addresses.push(address);
        listeners.push(ControlListener { socket, implicit: false });
    }
    let explicit = if has_inherited { &[][..] } else { &config.listen };
    let implicit = config.tls.as_ref().map_or(&[][..], |tls| &tls.implicit_listen);
    let all: Vec<SocketAddr> = explicit.iter().chain(implicit).copied().collect();
    let mut missing = None;
    for (index, &address) in all.iter().enumerate() {
        let bound = listen_on(address, &all).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match bound.map_err(|source| BindError { address, source }) {
            Ok((local, listener)) => {
                addresses.push(local);
                listeners.push(ControlListener { socket: listener, implicit: index >= explicit.len() });
            }
            Err(error) if config.skip_missing_addresses && error.is_missing_address() => {
                tracing::info!(%address, error = %error.source, "this machine has no such address: skipped");
                missing = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok((listeners, addresses)),
    }
}

fn listen_on(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // [::] serves both families, unless IPv4 has a listener of its own on that port; a single IPv6 address only
        // its own.
        let shares_port = |other: &SocketAddr| other.is_ipv4() && other.port() == address.port();
        let is_split = address.port() != 0 && all.iter().any(shares_port);
        socket.set_only_v6(!address.ip().is_unspecified() || is_split)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
