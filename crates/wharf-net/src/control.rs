//! The control connection's socket, in clear or under TLS.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, recv};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use wharf_proto::dialogue::{Endpoints, Side};

use crate::lending::{MOMENT, is_lent};
use crate::proxy_protocol::Relayed;
use crate::tls::{Channel, ClientTls, HandshakeError, Secured, Socket, TlsSession, flush, shake_hands};
use crate::watched::{Watched, let_reads_wait};

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
    socket: Watched,
    /// The last read took all that had come: the next has to wait for the socket to say that there is more.
    is_drained: bool,
    /// How the next read waits, on a lent thread.
    patience: Patience,
    /// As a client: something came that the kernel may not have acknowledged. Some servers (vsftpd) say 150 and 226 in two
    /// pieces with Nagle's algorithm, and the second would wait for the acknowledgement of the first, which the kernel holds
    /// back for 40 ms while nothing is sent.
    owes_acknowledgement: bool,
    is_client: bool,
    endpoints: Endpoints,
    /// Apart, since few sessions have it and all of them are meant to be small.
    relayed: Option<Box<Relayed>>,
    tls: Option<Box<Channel>>,
}

/// Whether a read may wait for a moment by itself. That costs one call, where poll(2) and a read are two; but nothing else can
/// be waited for meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Patience {
    /// The socket is set up for it.
    is_prepared: bool,
    /// The next read is to wait.
    is_asked: bool,
    /// The last one waited in vain.
    is_exhausted: bool,
}

/// What a control connection is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Something may have come.
    ToRead,
    /// It may take something.
    ToWrite,
}

/// Tells whether the peer of a control connection still has its end open.
#[derive(Debug)]
pub struct PeerWatch {
    socket: Arc<OwnedFd>,
    may_go: AtomicBool,
}

impl PeerWatch {
    /// The peer has said that it goes: from now on it counts as there.
    pub fn let_go(&self) {
        self.may_go.store(true, Ordering::Relaxed);
    }

    /// Whether neither FIN nor RST has come, nor comes within `grace`, also behind bytes that nobody has read yet. May wait for
    /// so long.
    #[must_use]
    pub fn stays(&self, grace: Duration) -> bool {
        if self.may_go.load(Ordering::Relaxed) {
            return true;
        }
        let mut descriptors = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let grace = Timespec::try_from(grace).unwrap_or_default();
        match poll(&mut descriptors, Some(&grace)) {
            Ok(_) if descriptors[0].revents().intersects(gone) => {
                self.may_go.load(Ordering::Relaxed) || self.says_quit()
            }
            // A wait that a signal ended is no sign of anything.
            Ok(_) | Err(Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// Whether a QUIT is the last that came and was not read yet; under TLS nobody can tell.
    fn says_quit(&self) -> bool {
        let mut unread = [0; 512];
        match recv(&self.socket, &mut unread, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((_, count)) => unread[..count].trim_ascii().to_ascii_uppercase().ends_with(b"QUIT"),
            Err(_) => false,
        }
    }
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
    /// Takes over a connected, non-blocking socket; `we_are` tells which end of the conversation this is.
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
        let socket = Watched::new(stream.into());
        Ok(Self {
            socket,
            is_drained: false,
            patience: Patience::default(),
            owes_acknowledgement: false,
            is_client: we_are == Side::Client,
            endpoints,
            relayed: None,
            tls: None,
        })
    }

    /// Says nothing while there is nothing to say, as most clients do.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn without_keepalive(&self) -> io::Result<()> {
        SockRef::from(self.socket.socket()).set_keepalive(false)
    }

    /// Says that a balancer made the connection, and for whom: that is the client from here on.
    #[must_use]
    pub fn relayed_for(mut self, relayed: Relayed) -> Self {
        self.endpoints = Endpoints::new(relayed.client, self.endpoints.server);
        self.relayed = Some(Box::new(relayed));
        self
    }

    /// What tells, from any thread, whether the peer still has its end open.
    #[must_use]
    pub fn watch_peer(&self) -> PeerWatch {
        PeerWatch { socket: self.socket.socket().clone(), may_go: AtomicBool::new(false) }
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
    pub fn try_receive(&mut self, take: impl FnMut(&[u8])) -> io::Result<Received> {
        let flags = self.flags_of_read();
        let received = self.receive_what_comes(flags, take);
        let is_silent = received.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.patience.is_exhausted = is_silent;
        self.owes_acknowledgement |= self.is_client && received.is_ok();
        received
    }

    fn receive_what_comes(&mut self, flags: RecvFlags, mut take: impl FnMut(&[u8])) -> io::Result<Received> {
        match &mut self.tls {
            Some(channel) => receive_secured(channel, &self.socket, flags, &mut self.is_drained, take),
            None => {
                let mut piece = [0; READ_PIECE];
                match read(&self.socket, flags, &mut self.is_drained, &mut piece)? {
                    0 => Ok(Received::End),
                    count => {
                        take(&piece[..count]);
                        Ok(Received::Bytes)
                    }
                }
            }
        }
    }

    /// Whether [`try_receive`](Self::try_receive) may be called at once and wait itself, for a moment: on a lent thread, when the
    /// caller waits for nothing else. If so, it will.
    pub fn waits_itself(&mut self) -> bool {
        let may = is_lent() && !self.patience.is_exhausted && (self.patience.is_prepared || self.prepare());
        self.patience.is_asked = may;
        may
    }

    /// Lets reads wait that do not say otherwise.
    fn prepare(&mut self) -> bool {
        self.patience.is_prepared = let_reads_wait(self.socket.socket(), MOMENT).is_ok();
        self.patience.is_prepared
    }

    fn flags_of_read(&mut self) -> RecvFlags {
        if std::mem::take(&mut self.patience.is_asked) { RecvFlags::empty() } else { RecvFlags::DONTWAIT }
    }

    /// Waits until something may have come.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn readable(&mut self) -> io::Result<()> {
        self.ready(true, false).await.map(|_| ())
    }

    /// Waits until something may have come, where `reading`, or the socket may take something, where `writing`. Tells
    /// which.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn ready(&mut self, reading: bool, writing: bool) -> io::Result<Ready> {
        poll_fn(|context| {
            if reading && let Poll::Ready(result) = self.poll_readable(context) {
                return Poll::Ready(result.map(|()| Ready::ToRead));
            }
            if writing && let Poll::Ready(result) = self.socket.poll_ready(context, Interest::WRITABLE) {
                return Poll::Ready(result.map(|()| Ready::ToWrite));
            }
            Poll::Pending
        })
        .await
    }

    fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let has_plain = self.tls.as_ref().is_some_and(|channel| !channel.plain().is_empty());
        if has_plain || !self.is_drained {
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut self.owes_acknowledgement) {
            self.acknowledge();
        }
        self.socket.poll_ready(context, Interest::READABLE)
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
        let Some(channel) = &mut self.tls else { return write(&self.socket, output) };
        // What was encrypted stays so: nothing more is, until all of it has been sent.
        send_unsent(channel, &self.socket)?;
        let piece = &output[..output.len().min(WRITE_PIECE)];
        channel.encrypt(piece).map_err(io::Error::other)?;
        match send_unsent(channel, &self.socket) {
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
    pub async fn writable(&mut self) -> io::Result<()> {
        self.ready(false, true).await.map(|_| ())
    }

    /// Tells the peer that nothing more will come: close_notify under TLS, and FIN.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn finish(&mut self) -> io::Result<()> {
        if let Some(channel) = &mut self.tls {
            // Everything else was sent, so that there is room; where there is none, nobody listens.
            let _ = channel.close();
            let _ = send_unsent(channel, &self.socket);
        }
        match SockRef::from(self.socket.socket()).shutdown(std::net::Shutdown::Write) {
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

    async fn await_close_notify(&mut self, channel: &mut Channel) -> io::Result<()> {
        while !channel.peer_has_closed() {
            match channel.receive(READ_PIECE, |buffer| self.try_read(buffer)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => channel.process().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(Interest::READABLE).await?;
                }
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
        let received = retry_on_intr(|| recv(self.socket.socket(), &mut *buffer, RecvFlags::DONTWAIT));
        Ok(received?.0)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        write(&self.socket, bytes)
    }

    fn acknowledge(&self) {
        // Without it the other side may be slower, and no more.
        let _ = SockRef::from(self.socket.socket()).set_tcp_quickack(true);
    }

    async fn wait(&mut self, interest: Interest) -> io::Result<()> {
        poll_fn(|context| self.socket.poll_ready(context, interest)).await
    }
}

/// Reads what is there, or comes while it waits; notes in `is_drained` whether that was all.
fn read(socket: &Watched, flags: RecvFlags, is_drained: &mut bool, buffer: &mut [u8]) -> io::Result<usize> {
    let result = retry_on_intr(|| recv(socket.socket(), &mut *buffer, flags)).map(|(count, _)| count);
    *is_drained = match result {
        // Fewer bytes than there is room for are most likely all there were. Where they are not, since a read stops at Telnet's
        // urgent byte, poll(2) tells of the rest; the reactor, which tells of what is new, would not.
        Ok(count) => is_lent() && 0 < count && count < buffer.len(),
        Err(error) => error == Errno::AGAIN,
    };
    Ok(result?)
}

fn write(socket: &Watched, bytes: &[u8]) -> io::Result<usize> {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(retry_on_intr(|| rustix::net::send(socket.socket(), bytes, flags))?)
}

/// Takes what has come under TLS.
fn receive_secured(
    channel: &mut Channel,
    socket: &Watched,
    flags: RecvFlags,
    is_drained: &mut bool,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Received> {
    // The other side may have said something right behind its own of the handshake.
    if channel.plain().is_empty() {
        if channel.peer_has_closed() {
            return Ok(Received::End);
        }
        let count = channel.receive(READ_PIECE, |buffer| read(socket, flags, is_drained, buffer));
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
fn send_unsent(channel: &mut Channel, socket: &Watched) -> io::Result<()> {
    while !channel.unsent().is_empty() {
        let count = write(socket, channel.unsent())?;
        channel.sent(count);
    }
    channel.rest();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_waits_for_more_has_acknowledged_what_came() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for we_are in [Side::Client, Side::Server] {
            let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut theirs, _) = listener.accept().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut control = ControlConnection::new(ours, we_are).unwrap();
            let acknowledges_at_once =
                |control: &ControlConnection| SockRef::from(control.socket.socket()).tcp_quickack().unwrap();
            for _ in 0..3 {
                theirs.write_all(b"150 here it comes\r\n").unwrap();
                control.receive(|_| {}).await.unwrap();
                // As behind each command that was sent: the kernel waits for something that takes the acknowledgement along.
                SockRef::from(control.socket.socket()).set_tcp_quickack(false).unwrap();
                assert!(!acknowledges_at_once(&control));
                let more = tokio::time::timeout(Duration::ZERO, control.receive(|_| {})).await;
                assert!(more.is_err(), "nothing more was said");
                assert_eq!(acknowledges_at_once(&control), we_are == Side::Client);
            }
        }
    }
}
