//! Listening, accepting, and stopping in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wharf_findings::Cause;
use wharf_net::Clock;
use wharf_net::control::ControlConnection;
use wharf_net::driver::spawn_session;
use wharf_net::dtp::PassivePool;
use wharf_net::proxy_protocol::{Relayed, read_header};
use wharf_proto::dialogue::{Side, canonical_endpoint};
use wharf_storage::Storage;

use crate::advertised::{Advertiser, is_in};
use crate::config::ServerConfig;
use crate::session::Session;
use crate::tls::{CertificateReload, ServerTls, TlsSetupError};
use crate::transfer_log::TransferLog;
use crate::uploads;
use crate::warnings;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;
/// Pause after the descriptors ran out, so that sessions can end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
}

impl BindError {
    /// Whether the machine has no such address, or none of its family.
    fn is_missing_address(&self) -> bool {
        matches!(Errno::from_io_error(&self.source), Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT))
    }
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: ServerConfig,
    pub storage: Arc<dyn Storage>,
    pub clock: Clock,
    pub passive_pool: Arc<PassivePool>,
    /// As the policy for third-party transfers has them.
    pub fxp_networks: Arc<[IpNet]>,
    pub advertiser: Advertiser,
    pub transfer_log: Option<TransferLog>,
    pub tls: Option<Arc<ServerTls>>,
    /// How many checksums are computed at once.
    pub checksums: Semaphore,
    pub next_session: AtomicU64,
    /// Whether it was said that the source port of RFC 959 may not be bound.
    pub source_port_denied: AtomicBool,
}

/// Where control connections come in.
#[derive(Debug)]
struct ControlListener {
    socket: TcpListener,
    /// TLS begins with the connection.
    implicit: bool,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    listeners: Vec<ControlListener>,
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
        transfer_log: Option<TransferLog>,
    ) -> Result<Self, StartError> {
        let tls = config.tls.clone().map(ServerTls::new).transpose()?.map(Arc::new);
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        let mut missing = None;
        let implicit = tls.as_ref().map_or(&[][..], |tls| &tls.settings.implicit_listen);
        let all: Vec<SocketAddr> = config.listen.iter().chain(implicit).copied().collect();
        for (index, &address) in all.iter().enumerate() {
            let bound = listen_on(address, &all).and_then(|listener| Ok((listener.local_addr()?, listener)));
            match bound.map_err(|source| BindError { address, source }) {
                Ok((local, listener)) => {
                    addresses.push(local);
                    let implicit = index >= config.listen.len();
                    listeners.push(ControlListener { socket: listener, implicit });
                }
                Err(error) if config.skip_missing_addresses && error.is_missing_address() => {
                    tracing::info!(%address, error = %error.source, "this machine has no such address: skipped");
                    missing = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(error) = missing.filter(|_| listeners.is_empty()) {
            return Err(error.into());
        }
        let warnings = warnings::find(&config, &addresses);
        for warning in &warnings {
            tracing::warn!(possible_cause = warning.cause.id(), "{}", warning.text);
        }
        let has_source_port = warnings.iter().all(|warning| warning.cause != Cause::SourcePortFiltered);
        let (sender, stage) = watch::channel(ShutdownStage::Running);
        let shared = Arc::new(Shared {
            passive_pool: PassivePool::new(config.passive.ports.clone(), config.proxies.clone()),
            fxp_networks: config.fxp.networks.as_slice().into(),
            advertiser: Advertiser::new(config.passive.clone()),
            config,
            storage,
            clock: Clock::start(),
            transfer_log,
            tls,
            checksums: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
            next_session: AtomicU64::new(1),
            source_port_denied: AtomicBool::new(!has_source_port),
        });
        Ok(Self { shared, listeners, addresses, stage, shutdown: ShutdownHandle(Arc::new(sender)) })
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
        self.shared.transfer_log.clone()
    }

    /// What reads the certificates anew, on SIGHUP.
    #[must_use]
    pub fn certificate_reload(&self) -> Option<CertificateReload> {
        self.shared.tls.clone().map(CertificateReload)
    }

    /// Serves until it is told to stop and the transfers have ended, or their time is over.
    pub async fn run(self) {
        let mut accepting = JoinSet::new();
        let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
        for listener in self.listeners {
            accepting.spawn(accept_loop(listener, self.shared.clone(), self.stage.clone(), done.clone()));
        }
        drop(done);
        if self.shared.config.write {
            let keep_parts = self.shared.config.uploads.keep_parts;
            accepting.spawn(uploads::sweep_regularly(self.shared.storage.clone(), keep_parts));
        }
        let mut stage = self.stage.clone();
        // The sender lives in `self.shutdown`, so this ends only by the stage.
        let _ = stage.wait_for(|stage| *stage >= ShutdownStage::Draining).await;
        accepting.shutdown().await;
        // Each session holds one sender, and those of the listeners are gone.
        tracing::info!(
            sessions = all_done.sender_strong_count(),
            "told to stop: running transfers are waited for"
        );
        let drain = tokio::time::sleep(self.shared.config.times.drain);
        tokio::select! {
            // Each session holds a sender: the channel closes with the last of them.
            _ = all_done.recv() => return,
            () = drain => tracing::warn!("transfers still run after the drain time: they are cut"),
            _ = stage.wait_for(|stage| *stage == ShutdownStage::Stopping) => {}
        }
        self.shutdown.0.send_replace(ShutdownStage::Stopping);
        let _ = tokio::time::timeout(Duration::from_secs(1), all_done.recv()).await;
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

async fn accept_loop(
    listener: ControlListener,
    shared: Arc<Shared>,
    stage: watch::Receiver<ShutdownStage>,
    done: tokio::sync::mpsc::Sender<()>,
) {
    loop {
        match listener.socket.accept().await {
            Ok((stream, peer)) => {
                let accepted = Accepted {
                    number: shared.next_session.fetch_add(1, Ordering::Relaxed),
                    stream,
                    peer: canonical_endpoint(peer),
                    implicit: listener.implicit,
                };
                start_session(accepted, shared.clone(), stage.clone(), done.clone());
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Descriptors ran out: nothing tells when one is free again.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A control connection that has just come in.
struct Accepted {
    /// The session's.
    number: u64,
    stream: TcpStream,
    peer: SocketAddr,
    /// TLS begins with it.
    implicit: bool,
}

fn start_session(
    accepted: Accepted,
    shared: Arc<Shared>,
    stage: watch::Receiver<ShutdownStage>,
    done: tokio::sync::mpsc::Sender<()>,
) {
    if is_in(&shared.config.proxies, accepted.peer.ip()) {
        spawn_session(async move {
            serve_relayed(accepted, shared, stage).await;
            drop(done);
        });
        return;
    }
    if let Some(session) = session(accepted, None, shared, stage) {
        spawn_session(async move {
            session.run().await;
            drop(done);
        });
    }
}

/// Serves whom a balancer names.
async fn serve_relayed(accepted: Accepted, shared: Arc<Shared>, stage: watch::Receiver<ShutdownStage>) {
    match read_header(&accepted.stream).await {
        Ok(relayed) => {
            if let Some(session) = session(accepted, relayed, shared, stage) {
                session.run().await;
            }
        }
        Err(error) => tracing::warn!(
            session = accepted.number, balancer = %accepted.peer, %error,
            "a connection from a balancer was refused"
        ),
    }
}

/// The session of a connection; none where the client has gone meanwhile.
fn session(
    accepted: Accepted,
    relayed: Option<Relayed>,
    shared: Arc<Shared>,
    stage: watch::Receiver<ShutdownStage>,
) -> Option<Box<Session>> {
    let Accepted { number, stream, implicit, .. } = accepted;
    match ControlConnection::new(stream, Side::Server) {
        Ok(control) => {
            let control = match relayed {
                Some(relayed) => control.relayed_for(relayed),
                None => control,
            };
            Some(Session::new(number, control, shared, stage, implicit))
        }
        Err(error) => {
            tracing::debug!(session = number, %error, "the client was gone before it was greeted");
            None
        }
    }
}
