//! The control connection's socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use wharf_proto::dialogue::{Endpoints, Side};

/// Longest piece that is read from a control connection at once, in bytes. It lies on the stack, so that an idle
/// session owns no buffer.
const READ_PIECE: usize = 4096;

/// Silence after which the kernel asks whether the peer is still there, which reminds every NAT on the way of the control
/// connection while a long transfer leaves it silent (root cause control-cut-idle). A server has thousands of them.
const KEEPALIVE_OF_SERVER: Duration = Duration::from_secs(60);
/// The same of a client, which has one or a few: some NAT devices forget within half a minute.
const KEEPALIVE_OF_CLIENT: Duration = Duration::from_secs(10);

/// A control connection that is up.
#[derive(Debug)]
pub struct ControlConnection {
    stream: TcpStream,
    endpoints: Endpoints,
}

/// What a control connection gave when it was ready to be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes were handed on.
    Bytes,
    /// The peer has sent its last.
    End,
}

impl ControlConnection {
    /// Takes over a connected socket; `we_are` tells which end of the conversation this is.
    ///
    /// # Errors
    /// When the socket is no longer connected.
    pub fn new(stream: TcpStream, we_are: Side) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let (local, peer) = (stream.local_addr()?, stream.peer_addr()?);
        let endpoints = match we_are {
            Side::Server => Endpoints::new(peer, local),
            Side::Client => Endpoints::new(local, peer),
        };
        let socket = SockRef::from(&stream);
        // Telnet's urgent byte (RFC 959 §4.1.3, ABOR) stays in its place in the stream, where the decoder knows it.
        socket.set_out_of_band_inline(true)?;
        let keepalive = match we_are {
            Side::Server => KEEPALIVE_OF_SERVER,
            Side::Client => KEEPALIVE_OF_CLIENT,
        };
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(keepalive).with_interval(keepalive))?;
        Ok(Self { stream, endpoints })
    }

    /// Both ends, canonical.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints
    }

    /// Waits for bytes and hands them to `take`.
    ///
    /// Cancel safe: what was not handed on was not read.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn receive(&self, mut take: impl FnMut(&[u8])) -> io::Result<Received> {
        loop {
            self.stream.readable().await?;
            match self.try_receive(&mut take) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// As [`receive`](Self::receive), but does not wait: `WouldBlock` where nothing has come.
    ///
    /// # Errors
    /// `WouldBlock`, or when the connection is broken.
    pub fn try_receive(&self, mut take: impl FnMut(&[u8])) -> io::Result<Received> {
        let mut piece = [0; READ_PIECE];
        match self.stream.try_read(&mut piece)? {
            0 => Ok(Received::End),
            count => {
                take(&piece[..count]);
                Ok(Received::Bytes)
            }
        }
    }

    /// Sends from `output` what the socket takes now, at least one byte, and tells how many it were.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&self, output: &[u8]) -> io::Result<usize> {
        loop {
            match self.stream.try_write(output) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                other => return other,
            }
        }
    }

    /// As [`send`](Self::send), but does not wait.
    ///
    /// # Errors
    /// `WouldBlock` where the socket takes nothing now, or when the connection is broken.
    pub fn try_send(&self, output: &[u8]) -> io::Result<usize> {
        self.stream.try_write(output)
    }

    /// Waits until the socket may take something.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// Tells the peer that nothing more will come.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn finish(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)
    }

    /// The address to bind data sockets to: the control connection's own, with its scope, any port.
    #[must_use]
    pub fn data_address(&self, we_are: Side) -> SocketAddr {
        let mut address = match we_are {
            Side::Server => self.endpoints.server,
            Side::Client => self.endpoints.client,
        };
        address.set_port(0);
        address
    }
}
