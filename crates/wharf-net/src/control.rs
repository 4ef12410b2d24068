//! The control connection's socket, in clear or under TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;
use wharf_proto::dialogue::{Endpoints, Side};

use crate::proxy_protocol::Relayed;
use crate::tls::{Channel, ClientTls, HandshakeError, Secured, Socket, TlsSession, flush, shake_hands};

/// Longest piece that is read from a control connection at once, in bytes. It lies on the stack, so that an idle
/// session owns no buffer.
const READ_PIECE: usize = 4096;

/// Longest piece that is encrypted at once, in bytes: one record.
const WRITE_PIECE: usize = 16 * 1024;

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
    /// Apart, since few sessions have it and all of them are meant to be small.
    relayed: Option<Box<Relayed>>,
    tls: Option<Box<Channel>>,
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
        Ok(Self { stream, endpoints, relayed: None, tls: None })
    }

    /// Says that a balancer made the connection, and for whom: that is the client from here on.
    #[must_use]
    pub fn relayed_for(mut self, relayed: Relayed) -> Self {
        self.endpoints = Endpoints::new(relayed.client, self.endpoints.server);
        self.relayed = Some(Box::new(relayed));
        self
    }

    /// Says that a proxy made the connection: it leads to `server`, whoever is at the socket's other end.
    #[must_use]
    pub fn led_to(mut self, server: SocketAddr) -> Self {
        self.endpoints = Endpoints::new(self.endpoints.client, server);
        self
    }

    /// What a balancer said about the connection.
    #[must_use]
    pub fn relayed(&self) -> Option<&Relayed> {
        self.relayed.as_deref()
    }

    /// Both ends, canonical. Behind a balancer the client's is not the socket's.
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
    pub async fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<Received> {
        loop {
            self.readable().await?;
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
    pub fn try_receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<Received> {
        match &mut self.tls {
            Some(channel) => receive_secured(channel, &self.stream, take),
            None => {
                let mut piece = [0; READ_PIECE];
                match self.stream.try_read(&mut piece)? {
                    0 => Ok(Received::End),
                    count => {
                        take(&piece[..count]);
                        Ok(Received::Bytes)
                    }
                }
            }
        }
    }

    /// Waits until something may have come.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn readable(&self) -> io::Result<()> {
        if self.tls.as_ref().is_some_and(|channel| !channel.plain().is_empty()) {
            return Ok(());
        }
        self.stream.readable().await
    }

    /// Sends from `output` what the socket takes now, at least one byte, and tells how many it were.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, output: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_send(output) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                other => return other,
            }
        }
    }

    /// As [`send`](Self::send), but does not wait. Under TLS the last of it may be encrypted and still unsent:
    /// [`has_unsent`](Self::has_unsent).
    ///
    /// # Errors
    /// `WouldBlock` where the socket takes nothing now, or when the connection is broken.
    pub fn try_send(&mut self, output: &[u8]) -> io::Result<usize> {
        let Some(channel) = &mut self.tls else { return self.stream.try_write(output) };
        // What was encrypted stays so: nothing more is, until all of it has been sent.
        send_unsent(channel, &self.stream)?;
        let piece = &output[..output.len().min(WRITE_PIECE)];
        channel.encrypt(piece).map_err(io::Error::other)?;
        match send_unsent(channel, &self.stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(piece.len()),
        }
    }

    /// Whether something is encrypted that the socket has not taken.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|channel| !channel.unsent().is_empty())
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

    /// Tells the peer that nothing more will come: close_notify under TLS, and FIN.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(channel) = &mut self.tls {
            // Everything else was sent, so that there is room; where there is none, nobody listens.
            let _ = channel.close();
            let _ = send_unsent(channel, &self.stream);
        }
        match SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()), // the peer has gone before us
            other => other,
        }
    }

    /// Waits for the client's TLS handshake, at most `limit`, and speaks TLS from then on. Whatever is still to be sent
    /// in clear must have been sent.
    ///
    /// # Errors
    /// When the handshake fails: then the connection is good for nothing any more.
    pub async fn accept_tls(
        &mut self,
        session: &TlsSession,
        limit: Duration,
    ) -> Result<Secured, HandshakeError> {
        let channel = session.control_channel().map_err(|error| HandshakeError::Failed(error.to_string()))?;
        let mut channel = Box::new(channel);
        let secured = shake_hands(&mut channel, self, limit).await?;
        channel.rest();
        self.tls = Some(channel);
        Ok(secured)
    }

    /// Begins TLS as a client, which takes at most `limit`, and speaks it from then on. Whatever is to be sent in clear
    /// must have been sent.
    ///
    /// # Errors
    /// When the handshake fails: then the connection is good for nothing any more.
    pub async fn connect_tls(
        &mut self,
        session: &ClientTls,
        limit: Duration,
    ) -> Result<Secured, HandshakeError> {
        let (mut channel, secured) = session.shake_hands(self, limit).await?;
        channel.rest();
        self.tls = Some(channel);
        Ok(secured)
    }

    /// Ends TLS and goes on in clear (CCC, RFC 2228 §3, and REIN, RFC 4217 §11), when both sides have said close_notify.
    /// What came behind the other side's in clear is handed to `take`.
    ///
    /// The client's turn comes first: lftp takes a close_notify that it has not asked for for the end of everything. One
    /// that waits for ours gets it after half of `limit`.
    ///
    /// # Errors
    /// When the other side does not end its own within `limit`.
    pub async fn end_tls(&mut self, limit: Duration, take: impl FnOnce(&[u8])) -> io::Result<()> {
        let Some(mut channel) = self.tls.take() else { return Ok(()) };
        if channel.is_client() {
            channel.close().map_err(io::Error::other)?;
            flush(&mut channel, self).await?;
            let ended = tokio::time::timeout(limit, self.await_close_notify(&mut channel)).await;
            ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            take(&channel.clear_rest());
            return Ok(());
        }
        let half = limit / 2;
        let mut ended = tokio::time::timeout(half, self.await_close_notify(&mut channel)).await;
        channel.close().map_err(io::Error::other)?;
        flush(&mut channel, self).await?;
        if ended.is_err() {
            ended = tokio::time::timeout(half, self.await_close_notify(&mut channel)).await;
        }
        ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        take(&channel.clear_rest());
        Ok(())
    }

    async fn await_close_notify(&self, channel: &mut Channel) -> io::Result<()> {
        while !channel.peer_has_closed() {
            match channel.receive(READ_PIECE, |buffer| self.stream.try_read(buffer)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => channel.process().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable().await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

impl Socket for ControlConnection {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.try_write(bytes)
    }

    fn acknowledge(&self) {
        // Without it the handshake is slower, and no more.
        let _ = SockRef::from(&self.stream).set_tcp_quickack(true);
    }

    async fn wait(&mut self, interest: Interest) -> io::Result<()> {
        self.stream.ready(interest).await.map(|_| ())
    }
}

/// Takes what has come under TLS.
fn receive_secured(
    channel: &mut Channel,
    stream: &TcpStream,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Received> {
    // The other side may have said something right behind its own of the handshake.
    if channel.plain().is_empty() {
        if channel.peer_has_closed() {
            return Ok(Received::End);
        }
        let count = channel.receive(READ_PIECE, |buffer| stream.try_read(buffer));
        match count {
            // Commands come in whole lines: an end without close_notify cuts none in two that would be carried out.
            Ok(0) => return Ok(Received::End),
            Ok(_) => channel.process().map_err(io::Error::other)?,
            Err(error) => {
                channel.rest();
                return Err(error);
            }
        }
    }
    let received = match channel.plain() {
        [] if channel.peer_has_closed() => Ok(Received::End),
        [] => Err(io::ErrorKind::WouldBlock.into()),
        plain => {
            take(plain);
            Ok(Received::Bytes)
        }
    };
    channel.plain_taken(channel.plain().len());
    channel.rest();
    received
}

/// Sends what is encrypted.
fn send_unsent(channel: &mut Channel, stream: &TcpStream) -> io::Result<()> {
    while !channel.unsent().is_empty() {
        let count = stream.try_write(channel.unsent())?;
        channel.sent(count);
    }
    channel.rest();
    Ok(())
}
