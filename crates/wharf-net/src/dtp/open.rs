//! Opening a data connection in either direction, and knowing who is at the other end.

mod pool;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;
use wharf_proto::dialogue::canonical_endpoint;

use super::stream::DataStream;
use crate::registration::watch;

pub use pool::{ExpectedPeer, ExpectedSession, PassivePool, PooledListener, ThirdParties};

/// Longest time in which a source port that is still taken by an older connection to the same client is tried again.
const SOURCE_PORT_RETRY: Duration = Duration::from_secs(2);
/// Pause between such tries. The kernel tells nobody when a pair of ports becomes free.
const SOURCE_PORT_PAUSE: Duration = Duration::from_millis(50);

/// That the far end of a data connection is the one that the control connection belongs to.
///
/// Only this module and its own ones make one, and no transfer can be opened without it.
#[derive(Clone, Copy, Debug)]
pub struct PeerVerified(());

/// The port that active data connections come from (RFC 959 §3.2: the control port less one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePort {
    /// Whatever the kernel gives.
    Any,
    /// This one.
    Fixed(u16),
}

/// Where an active data connection goes.
#[derive(Clone, Copy, Debug)]
pub struct ActiveTarget {
    /// The control connection's own address, port 0, with its scope.
    pub local: SocketAddr,
    /// The port to come from.
    pub source_port: SourcePort,
    /// Where the client listens.
    pub target: SocketAddr,
    /// Longest wait.
    pub deadline: Duration,
    /// Longest stall of the connection afterwards.
    pub stall: Duration,
}

/// Why a data connection did not come up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody connected to the listener.
    #[error("nothing connected to {listener} in {} s", .waited.as_secs_f32())]
    NothingConnected {
        /// Where it listened.
        listener: SocketAddr,
        /// How long.
        waited: Duration,
        /// How many others connected and were dropped.
        strangers: u32,
    },
    /// The far end, or a box before it, refused.
    #[error("{target} refused the connection: {source}")]
    Refused {
        /// Where to.
        target: SocketAddr,
        /// What the kernel says: RST or ICMP.
        source: io::Error,
    },
    /// No answer came.
    #[error("{target} did not answer in {} s", .waited.as_secs_f32())]
    Unanswered {
        /// Where to.
        target: SocketAddr,
        /// How long.
        waited: Duration,
    },
    /// The source port may not be used.
    #[error("cannot connect from port {port}: {source}")]
    SourcePort {
        /// Which.
        port: u16,
        /// Why: no right to it, or someone listens there.
        source: io::Error,
    },
    /// The client used its port again while the last connection from the same source port is remembered.
    #[error(
        "the connection from port {port} to {target} is still remembered by the kernel: use another port"
    )]
    PairInUse {
        /// The source port.
        port: u16,
        /// Where to.
        target: SocketAddr,
    },
    /// Anything else.
    #[error("no data connection: {0}")]
    Kernel(#[from] io::Error),
}

/// Someone else who connected to a data listener, and was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Where from.
    pub from: SocketAddr,
}

/// A listener that waits for one rightful data connection.
#[derive(Debug)]
pub struct DataListener {
    socket: TcpListener,
    address: SocketAddr,
}

impl DataListener {
    /// Takes over a non-blocking listener.
    ///
    /// # Errors
    /// When the kernel does not know its address.
    pub fn new(socket: TcpListener) -> io::Result<Self> {
        let address = canonical_endpoint(socket.local_addr()?);
        Ok(Self { socket, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for a connection from `expected`. Others are dropped, told to `on_stranger`, and the wait goes on
    /// (threat 4: the rightful client still gets its data).
    ///
    /// # Errors
    /// When the rightful peer has not connected within `deadline`.
    pub async fn accept(
        self,
        expected: IpAddr,
        deadline: Duration,
        stall: Duration,
        mut on_stranger: impl FnMut(Stranger),
    ) -> Result<(DataStream, PeerVerified), ConnectError> {
        let mut strangers = 0;
        // Most clients have connected before they send the transfer command: no need to wait then.
        let address = self.address;
        let rightful =
            |(accepted, from)| (DataStream::between(address, from, accepted, stall), PeerVerified(()));
        if let Some(accepted) = take_rightful(&self.socket, expected, &mut strangers, &mut on_stranger)? {
            return Ok(rightful(accepted));
        }
        let until = Instant::now() + deadline;
        let listener = watch(self.socket, Interest::READABLE)?;
        loop {
            match tokio::time::timeout_at(until, listener.readable()).await {
                Ok(guard) => guard?.clear_ready(),
                Err(_) => {
                    return Err(ConnectError::NothingConnected {
                        listener: address,
                        waited: deadline,
                        strangers,
                    });
                }
            }
            if let Some(accepted) =
                take_rightful(listener.get_ref(), expected, &mut strangers, &mut on_stranger)?
            {
                return Ok(rightful(accepted));
            }
        }
    }
}

/// Accepts what is there until the rightful peer is among it.
fn take_rightful(
    listener: &TcpListener,
    expected: IpAddr,
    strangers: &mut u32,
    on_stranger: &mut impl FnMut(Stranger),
) -> io::Result<Option<(OwnedFd, SocketAddr)>> {
    while let Some((accepted, from)) = accept_one(listener)? {
        if from.ip() == expected {
            return Ok(Some((accepted, from)));
        }
        *strangers = strangers.saturating_add(1);
        on_stranger(Stranger { from });
    }
    Ok(None)
}

/// Accepts a connection that is there, and tells where it comes from.
fn accept_one(listener: &impl AsFd) -> io::Result<Option<(OwnedFd, SocketAddr)>> {
    loop {
        let (accepted, from) = match rustix::net::acceptfrom_with(
            listener,
            rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC,
        ) {
            Ok(accepted) => accepted,
            Err(Errno::AGAIN) => return Ok(None),
            // The peer was gone before it was accepted: as if it had never come.
            Err(Errno::INTR | Errno::CONNABORTED) => continue,
            Err(error) => return Err(error.into()),
        };
        if let Some(Ok(from)) = from.map(SocketAddr::try_from) {
            return Ok(Some((accepted, canonical_endpoint(from))));
        }
    }
}

/// The server's active open (PORT, EPRT): from its source port to where the client listens.
///
/// # Errors
/// When it is refused, not answered, or the source port cannot be used.
pub async fn connect_active(target: ActiveTarget) -> Result<(DataStream, PeerVerified), ConnectError> {
    let until = Instant::now() + target.deadline;
    let retry_until = Instant::now() + SOURCE_PORT_RETRY.min(target.deadline);
    loop {
        match start_connect(target.local, target.source_port, target.target, None) {
            Ok(socket) => {
                let socket = finish_connect(socket, target.target, until, target.deadline).await?;
                let stream = match target.source_port {
                    SourcePort::Fixed(port) if target.local.is_ipv4() == target.target.is_ipv4() => {
                        let local = SocketAddr::new(target.local.ip(), port);
                        DataStream::between(local, target.target, socket.into(), target.stall)
                    }
                    _ => DataStream::new(socket.into(), target.stall)?,
                };
                // Who answers where the client said it listens is the client: PORT was checked before (threat 3).
                return Ok((stream, PeerVerified(())));
            }
            Err(ConnectError::PairInUse { .. }) if Instant::now() < retry_until => {
                tokio::time::sleep(SOURCE_PORT_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The client's passive open (PASV, EPSV): from the control connection's own address to where the server listens.
///
/// # Errors
/// When it is refused or not answered.
pub async fn connect_passive(
    local: SocketAddr,
    server: SocketAddr,
    deadline: Duration,
    stall: Duration,
) -> Result<(DataStream, PeerVerified), ConnectError> {
    connect_passive_with(local, server, deadline, stall, None).await
}

/// As [`connect_passive`], with segments of at most `largest_segment` bytes in either direction (the MSS option of TCP).
///
/// # Errors
/// As there.
pub async fn connect_passive_with(
    local: SocketAddr,
    server: SocketAddr,
    deadline: Duration,
    stall: Duration,
    largest_segment: Option<u32>,
) -> Result<(DataStream, PeerVerified), ConnectError> {
    let until = Instant::now() + deadline;
    let socket = start_connect(local, SourcePort::Any, server, largest_segment)?;
    let socket = finish_connect(socket, server, until, deadline).await?;
    Ok((DataStream::new(socket.into(), stall)?, PeerVerified(())))
}

/// Takes over the connection that `dial` makes, by whoever stands between us and `server`, a proxy. That it leads to the host of
/// the control connection is the word of who dials: the socket's other end is the proxy's.
///
/// # Errors
/// As [`connect_passive`].
pub async fn connect_through(
    dial: impl Future<Output = io::Result<TcpStream>>,
    server: SocketAddr,
    deadline: Duration,
    stall: Duration,
) -> Result<(DataStream, PeerVerified), ConnectError> {
    let stream = match tokio::time::timeout(deadline, dial).await {
        Ok(Ok(stream)) => stream.into_std()?,
        Ok(Err(source)) => return Err(ConnectError::Refused { target: server, source }),
        Err(_) => return Err(ConnectError::Unanswered { target: server, waited: deadline }),
    };
    Ok((DataStream::new(stream, stall)?, PeerVerified(())))
}

/// Binds and sends the SYN.
fn start_connect(
    mut local: SocketAddr,
    source: SourcePort,
    target: SocketAddr,
    largest_segment: Option<u32>,
) -> Result<Socket, ConnectError> {
    let socket =
        Socket::new(Domain::for_address(target), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    if let Some(bytes) = largest_segment {
        socket.set_tcp_mss(bytes)?;
    }
    // Two families cannot meet; the kernel chooses the address then and says what is wrong.
    if local.is_ipv4() == target.is_ipv4() {
        if let SourcePort::Fixed(port) = source {
            // Many data connections leave from one port at once: only the pair of ends has to differ.
            socket.set_reuse_address(true)?;
            local.set_port(port);
            socket.bind(&local.into()).map_err(|source| ConnectError::SourcePort { port, source })?;
        } else {
            local.set_port(0);
            socket.bind(&local.into())?;
        }
    }
    match socket.connect(&target.into()) {
        Ok(()) => Ok(socket),
        Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => Ok(socket),
        Err(error) => Err(connect_error(error, source, target)),
    }
}

fn connect_error(error: io::Error, source: SourcePort, target: SocketAddr) -> ConnectError {
    match (error.kind(), source) {
        (io::ErrorKind::AddrNotAvailable, SourcePort::Fixed(port)) => {
            ConnectError::PairInUse { port, target }
        }
        (
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied,
            _,
        ) => ConnectError::Refused { target, source: error },
        (io::ErrorKind::TimedOut, _) => ConnectError::Unanswered { target, waited: Duration::ZERO },
        _ => ConnectError::Kernel(error),
    }
}

/// Waits until the connection is up or has failed.
async fn finish_connect(
    socket: Socket,
    target: SocketAddr,
    until: Instant,
    deadline: Duration,
) -> Result<Socket, ConnectError> {
    if is_connected(&socket, target, deadline)? {
        return Ok(socket);
    }
    let waiting = watch(socket, Interest::WRITABLE)?;
    loop {
        match tokio::time::timeout_at(until, waiting.writable()).await {
            Ok(guard) => guard?.clear_ready(),
            Err(_) => return Err(ConnectError::Unanswered { target, waited: deadline }),
        }
        if is_connected(waiting.get_ref(), target, deadline)? {
            return Ok(waiting.into_inner());
        }
    }
}

/// Whether a connect that was begun has come to its end, without waiting: connect(2) says so when it is called again.
fn is_connected(socket: &Socket, target: SocketAddr, deadline: Duration) -> Result<bool, ConnectError> {
    let Err(error) = socket.connect(&target.into()) else { return Ok(true) };
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ISCONN) => Ok(true),
        Some(Errno::ALREADY | Errno::INPROGRESS | Errno::INTR) => Ok(false),
        _ => Err(match connect_error(error, SourcePort::Any, target) {
            ConnectError::Unanswered { target, .. } => ConnectError::Unanswered { target, waited: deadline },
            other => other,
        }),
    }
}
