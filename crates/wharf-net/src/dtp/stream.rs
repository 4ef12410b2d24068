//! A data connection's socket, registered with the runtime only when it has to wait.
//!
//! Most data connections of small files never wait: they are accepted, written and closed at once. Registering each
//! with epoll costs more than the transfer itself.
//!
//! Under TLS the same holds; what is encrypted and decrypted goes through the stream's [`Channel`].

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::Interest;

use crate::lending::is_lent;
use crate::tls::{Channel, ClientTls, HandshakeError, Secured, Socket, TlsSession, flush, shake_hands};
use crate::watched::Watched;

/// Calls that succeed at once, after which the task does something else for a moment.
const CALLS_WITHOUT_WAIT: u32 = 16;

/// A data connection that is up. Non-blocking.
#[derive(Debug)]
pub struct DataStream {
    watched: Watched,
    local: SocketAddr,
    peer: SocketAddr,
    stall: Duration,
    /// Calls since there was a wait.
    calls: u32,
    /// What broke it before the first byte. The kernel tells a reset once, and an end in order from then on.
    broken: Option<Errno>,
    tls: Option<Box<Channel>>,
    /// Under TLS from now on: while the channel is away, or was lost with work that was cut, nothing goes in clear.
    is_secured: bool,
    tolerates_plain_end: bool,
}

/// Most payload that is encrypted in one go, in bytes.
pub(super) const ENCRYPT: usize = 256 * 1024;
/// Bytes behind a connection's end that are read, so that closing it does not destroy what the peer has still to read.
const BEHIND_THE_END: usize = 64 * 1024;

impl DataStream {
    /// Takes over a connected, non-blocking socket. `stall` is the longest wait without progress.
    ///
    /// # Errors
    /// When the socket is no longer connected.
    pub fn new(socket: StdStream, stall: Duration) -> io::Result<Self> {
        let (local, peer) = (socket.local_addr()?, socket.peer_addr()?);
        Ok(Self::between(local, peer, socket.into(), stall))
    }

    /// As [`new`](Self::new), for whoever knows the two ends already.
    pub(super) fn between(local: SocketAddr, peer: SocketAddr, socket: OwnedFd, stall: Duration) -> Self {
        Self {
            watched: Watched::new(socket),
            local,
            peer,
            stall,
            calls: 0,
            broken: None,
            tls: None,
            is_secured: false,
            tolerates_plain_end: false,
        }
    }

    /// Says for whom a balancer made the connection.
    pub(super) fn relayed_for(mut self, client: SocketAddr) -> Self {
        self.peer = client;
        self
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The other end; behind a balancer the client's.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Waits for the client's TLS handshake, at most `limit`: the server is TLS's server in both modes (RFC 4217 §7).
    /// From then on everything that is read and written goes through TLS.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn accept_tls(
        &mut self,
        session: &TlsSession,
        limit: Duration,
    ) -> Result<Secured, HandshakeError> {
        let channel = session.data_channel().map_err(|error| HandshakeError::Failed(error.to_string()))?;
        let mut channel = Box::new(channel);
        self.send_at_once()?;
        let shaken = shake_hands(&mut channel, self, limit).await;
        self.secure(shaken.map(|secured| (channel, secured)))
    }

    /// Begins TLS as a client, which takes at most `limit`: the client of FTP is TLS's client in both modes (RFC 4217 §7).
    /// From then on everything that is read and written goes through TLS, which resumes the session of the control
    /// connection if it can.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn connect_tls(
        &mut self,
        session: &ClientTls,
        limit: Duration,
    ) -> Result<Secured, HandshakeError> {
        self.send_at_once()?;
        let shaken = session.shake_hands(self, limit).await;
        self.secure(shaken)
    }

    /// Each of the handshake's flights, and close_notify, would wait for an acknowledgement of what went before.
    fn send_at_once(&self) -> io::Result<()> {
        SockRef::from(self.socket()).set_tcp_nodelay(true)
    }

    fn secure(
        &mut self,
        shaken: Result<(Box<Channel>, Secured), HandshakeError>,
    ) -> Result<Secured, HandshakeError> {
        match shaken {
            Ok((channel, secured)) => {
                self.tls = Some(channel);
                self.is_secured = true;
                Ok(secured)
            }
            Err(error) => {
                // So that the alert is not destroyed by what came and will never be read.
                let _ = SockRef::from(self.socket()).shutdown(Shutdown::Write);
                self.drain();
                Err(error)
            }
        }
    }

    /// Takes the end of the TCP connection for the end of the payload, as clients have it that never say close_notify.
    pub fn tolerate_plain_end(&mut self) {
        self.tolerates_plain_end = true;
    }

    /// Whether what the peer sent has come to its end without close_notify. Never in clear, where there is none.
    pub(super) fn ended_plainly(&self) -> bool {
        self.tls.as_ref().is_some_and(|channel| channel.ended_plainly())
    }

    /// Whether it is under TLS.
    pub(super) fn is_secured(&self) -> bool {
        self.is_secured
    }

    pub(super) fn tolerates_plain_end(&self) -> bool {
        self.tolerates_plain_end
    }

    /// What encrypts and decrypts, for as long as something is done with it; to be put back with
    /// [`set_channel`](Self::set_channel). `None` in clear.
    ///
    /// # Errors
    /// When it was taken and never put back.
    pub(super) fn take_channel(&mut self) -> io::Result<Option<Box<Channel>>> {
        match self.tls.take() {
            None if self.is_secured => Err(io::ErrorKind::BrokenPipe.into()),
            channel => Ok(channel),
        }
    }

    pub(super) fn set_channel(&mut self, channel: Option<Box<Channel>>) {
        self.tls = channel;
    }

    /// The socket, for work on a blocking thread.
    pub(super) fn shared(&self) -> Arc<OwnedFd> {
        self.socket().clone()
    }

    fn socket(&self) -> &Arc<OwnedFd> {
        self.watched.socket()
    }

    /// Waits until the socket may be ready.
    ///
    /// # Errors
    /// `TimedOut` after the stall time.
    pub(super) async fn ready(&mut self, interest: Interest) -> io::Result<()> {
        self.calls = 0;
        let mut deadline = pin!(None);
        poll_fn(|context| {
            if let Poll::Ready(result) = self.watched.poll_ready(context, interest) {
                return Poll::Ready(result);
            }
            // A lent thread waits for a moment only: the time counts from when the session is a task again.
            if is_lent() {
                return Poll::Pending;
            }
            if deadline.is_none() {
                deadline.set(Some(tokio::time::sleep(self.stall)));
            }
            match deadline.as_mut().as_pin_mut().map(|deadline| deadline.poll(context)) {
                Some(Poll::Ready(())) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Calls `operation` until it does not say `WouldBlock`, waiting in between.
    ///
    /// # Errors
    /// What the operation says, or `TimedOut` after the stall time.
    pub(super) async fn attempt<T>(
        &mut self,
        interest: Interest,
        mut operation: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> io::Result<T> {
        if let Some(error) = self.broken {
            return Err(error.into());
        }
        // A peer that never lets us wait would keep our task from the control connection.
        if self.calls >= CALLS_WITHOUT_WAIT {
            self.calls = 0;
            tokio::task::yield_now().await;
        }
        loop {
            match operation(self.socket().as_fd()) {
                Ok(value) => {
                    self.calls += 1;
                    return Ok(value);
                }
                Err(Errno::AGAIN) => self.ready(interest).await?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads what is there, waiting for the first byte; 0 at the end.
    ///
    /// # Errors
    /// When the connection is broken, or stalls; `UnexpectedEof` where TLS ended without close_notify.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut channel) = self.take_channel()? else { return self.read_raw(buffer).await };
        let result = self.read_secured(&mut channel, buffer).await;
        self.tls = Some(channel);
        result
    }

    async fn read_secured(&mut self, channel: &mut Channel, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let plain = channel.plain();
            if !plain.is_empty() {
                let count = plain.len().min(buffer.len());
                buffer[..count].copy_from_slice(&plain[..count]);
                channel.plain_taken(count);
                return Ok(count);
            }
            if channel.peer_has_closed() {
                return Ok(0);
            }
            let most = buffer.len();
            let received = self
                .attempt(Interest::READABLE, |socket| {
                    channel
                        .receive(most, |room| Ok(rustix::io::read(socket, room)?))
                        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
                })
                .await?;
            if received == 0 {
                if !self.tolerates_plain_end {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                channel.take_for_closed();
            }
            channel.process().map_err(io::Error::other)?;
        }
    }

    async fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.attempt(Interest::READABLE, |socket| rustix::io::read(socket, &mut *buffer)).await
    }

    /// Waits for the first byte, which stays where it is, or the end. Tells whether it is the end.
    ///
    /// # Errors
    /// When the connection is broken, or stalls.
    pub async fn is_at_end(&mut self) -> io::Result<bool> {
        let mut byte = [0; 1];
        let peek = rustix::net::RecvFlags::PEEK;
        let received =
            self.attempt(Interest::READABLE, |socket| rustix::net::recv(socket, &mut byte[..], peek));
        let received = received.await;
        self.broken = received.as_ref().err().and_then(Errno::from_io_error);
        received.map(|(count, _)| count == 0)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the connection is broken, or stalls.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(mut channel) = self.take_channel()? else { return self.write_raw(bytes).await };
        let result = async {
            for piece in bytes.chunks(ENCRYPT) {
                channel.encrypt(piece).map_err(io::Error::other)?;
                flush(&mut channel, self).await?;
            }
            Ok(())
        }
        .await;
        self.tls = Some(channel);
        result
    }

    async fn write_raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = self
                .attempt(Interest::WRITABLE, |socket| {
                    rustix::net::send(socket, bytes, rustix::net::SendFlags::NOSIGNAL)
                })
                .await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Ends in order: close_notify under TLS, and FIN behind the last byte.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish(&mut self) -> io::Result<()> {
        let Some(mut channel) = self.take_channel()? else {
            return SockRef::from(self.socket()).shutdown(Shutdown::Write);
        };
        let closed = match channel.close() {
            Ok(()) => flush(&mut channel, self).await,
            Err(error) => Err(io::Error::other(error)),
        };
        let closed = closed.and_then(|()| SockRef::from(self.socket()).shutdown(Shutdown::Write));
        self.drain();
        // Who has sent everything may be gone without waiting for our close_notify.
        if channel.peer_has_closed() { Ok(()) } else { closed }
    }

    /// As [`finish`](Self::finish), and under TLS waits for the peer to end, too: what it sends may be tickets, and then
    /// close_notify. One that does not is waited for at most `limit`.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish_both(&mut self, limit: Duration) -> io::Result<()> {
        let Some(mut channel) = self.take_channel()? else { return self.finish().await };
        channel.close().map_err(io::Error::other)?;
        flush(&mut channel, self).await?;
        self.tls = Some(channel);
        SockRef::from(self.socket()).shutdown(Shutdown::Write)?;
        let mut nothing = [0; 1024];
        // However it ends, everything was sent; whether it arrived is for the reply to say.
        let _ =
            tokio::time::timeout(limit, async { while matches!(self.read(&mut nothing).await, Ok(1..)) {} })
                .await;
        self.drain();
        Ok(())
    }

    /// Reads what has come already: a close with unread input would send RST, and destroy what the peer has not read.
    fn drain(&self) {
        let mut buffer = [0; 4096];
        for _ in 0..BEHIND_THE_END / buffer.len() {
            if !matches!(rustix::io::read(self.socket(), &mut buffer), Ok(count) if count > 0) {
                return;
            }
        }
    }

    /// Ends out of order as soon as this is dropped: RST, so that nobody takes what arrived for the whole.
    pub fn cut(&self) {
        // Fails only where the connection is gone already.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }
}

impl Socket for DataStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| rustix::io::read(self.socket(), &mut *buffer))?)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let send = || rustix::net::send(self.socket(), bytes, rustix::net::SendFlags::NOSIGNAL);
        Ok(rustix::io::retry_on_intr(send)?)
    }

    fn acknowledge(&self) {
        // Without it the handshake is slower, and no more.
        let _ = SockRef::from(self.socket()).set_tcp_quickack(true);
    }

    async fn wait(&mut self, interest: Interest) -> io::Result<()> {
        self.ready(interest).await
    }
}
