//! Control connections that come in: who gets a session, and who is told why not.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wharf_net::control::ControlConnection;

use wharf_net::proxy_protocol::{Relayed, read_header};
use wharf_proto::Reply;
use wharf_proto::dialogue::{Side, canonical_endpoint};

use crate::advertised::is_in;
use crate::generation::{Common, Shared};
use crate::lent::spawn_session;
use crate::metrics::Refusal;
use crate::replies;
use crate::server::{ControlListener, ShutdownStage};
use crate::session::Session;

/// Pause after the descriptors ran out, so that sessions can end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it is dropped.
pub(crate) async fn accept_loop(
    listener: ControlListener,
    common: Arc<Common>,
    stage: watch::Receiver<ShutdownStage>,
    done: tokio::sync::mpsc::Sender<()>,
) {
    let mut spare = Spare::new();
    loop {
        match listener.socket.accept().await {
            Ok((stream, peer)) => {
                // Behind the end nobody is greeted.
                let Some(shared) = common.present() else { return };
                let accepted = Accepted {
                    number: common.next_session.fetch_add(1, Ordering::Relaxed),
                    stream,
                    peer: canonical_endpoint(peer),
                    implicit: listener.implicit,
                };
                start_session(accepted, shared, stage.clone(), done.clone());
            }
            Err(error) => {
                let is_out = matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE));
                if is_out && spare.turn_some_away(&listener) {
                    common.metrics.refused(Refusal::Descriptors);
                } else {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                // Nothing tells when a descriptor is free again.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A descriptor that is given up when there is no other, so that a client is told instead of kept waiting.
struct Spare {
    file: Option<File>,
    /// One line says it; whoever connects over and over must not fill the log.
    said_at: Option<Instant>,
}

impl Spare {
    /// Between two lines about it.
    const SILENCE: Duration = Duration::from_secs(60);
    /// Clients that are told between two pauses.
    const AT_ONCE: u32 = 64;

    fn new() -> Self {
        Self { file: File::open("/dev/null").ok(), said_at: None }
    }

    /// Accepts those who wait, one by one, and tells each. Whether there was anyone.
    fn turn_some_away(&mut self, listener: &ControlListener) -> bool {
        if self.said_at.is_none_or(|at| at.elapsed() >= Self::SILENCE) {
            tracing::error!(
                "no descriptor is left: connections are turned away; raise the limit of open files"
            );
            self.said_at = Some(Instant::now());
        }
        let mut any = false;
        // Not all at once, however many come: sessions run on this thread too.
        for _ in 0..Self::AT_ONCE {
            // Another thread may be faster in taking the descriptor; then the next try finds it, or the one behind.
            self.file = None;
            let accepted = accept_now(&listener.socket);
            if let Some(stream) = &accepted {
                tell(stream, &replies::no_descriptors(), listener.implicit);
                any = true;
            }
            let is_last = accepted.is_none();
            drop(accepted);
            self.file = File::open("/dev/null").ok();
            if is_last || self.file.is_none() {
                break;
            }
        }
        any
    }
}

/// One who waits to be accepted.
fn accept_now(listener: &TcpListener) -> Option<std::net::TcpStream> {
    let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
    rustix::net::accept_with(listener, flags).ok().map(std::net::TcpStream::from)
}

/// Says one line to a client that gets no session. Nothing waits for it to be taken: it fits into any socket.
fn tell(stream: impl std::os::fd::AsFd, reply: &Reply, is_implicit: bool) {
    // In clear it would be no TLS record; the close has to do.
    if !is_implicit {
        let mut line = Vec::new();
        reply.encode(&mut line);
        let _ = rustix::net::send(stream, &line, rustix::net::SendFlags::NOSIGNAL);
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

/// The session of a connection; none where the client has gone meanwhile, or is told that it gets none.
fn session(
    accepted: Accepted,
    relayed: Option<Relayed>,
    shared: Arc<Shared>,
    stage: watch::Receiver<ShutdownStage>,
) -> Option<Box<Session>> {
    let Accepted { number, stream, implicit, peer } = accepted;
    let client = relayed.as_ref().map_or(peer.ip(), |relayed| canonical_endpoint(relayed.client).ip());
    let (common, config) = (shared.common.clone(), &shared.config);
    if common.bans.is_banned(client, &config.bans, Instant::now()) {
        tracing::debug!(session = number, %client, "turned away for wrong logins");
        common.metrics.refused(Refusal::Banned);
        tell(&stream, &replies::address_is_banned(), implicit);
        return None;
    }
    let seat = match common.occupancy.admit(client, &config.sessions) {
        Ok(seat) => seat,
        Err(full) => {
            let reply = replies::full(full);
            let cause = wharf_findings::Cause::SessionLimit.id();
            tracing::warn!(session = number, %client, %reply, cause, "a session too many was refused");
            common.metrics.refused(Refusal::Full);
            common.metrics.cause(wharf_findings::Cause::SessionLimit);
            tell(&stream, &reply, implicit);
            return None;
        }
    };
    match stream.into_std().and_then(|stream| ControlConnection::new(stream, Side::Server)) {
        Ok(control) => {
            let control = match relayed {
                Some(relayed) => control.relayed_for(relayed),
                None => control,
            };
            common.metrics.session_began();
            Some(Session::new(number, control, shared, stage, implicit, seat))
        }
        Err(error) => {
            tracing::debug!(session = number, %error, "the client was gone before it was greeted");
            None
        }
    }
}
