//! A data connection's socket, registered with the runtime only when it has to wait.
//!
//! Most data connections of small files never wait: they are accepted, written and closed at once. Registering each
//! with epoll costs more than the transfer itself.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::registration::watch;

/// Calls that succeed at once, after which the task does something else for a moment.
const CALLS_WITHOUT_WAIT: u32 = 16;

/// A data connection that is up. Non-blocking.
#[derive(Debug)]
pub struct DataStream {
    /// Shared, so that a blocking piece of work can hold on to the socket while the session lives on.
    socket: Arc<OwnedFd>,
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
    local: SocketAddr,
    peer: SocketAddr,
    stall: Duration,
    /// Calls since there was a wait.
    calls: u32,
}

impl DataStream {
    /// Takes over a connected, non-blocking socket. `stall` is the longest wait without progress.
    ///
    /// # Errors
    /// When the socket is no longer connected.
    pub fn new(socket: StdStream, stall: Duration) -> io::Result<Self> {
        let (local, peer) = (socket.local_addr()?, socket.peer_addr()?);
        Ok(Self { socket: Arc::new(socket.into()), registered: None, local, peer, stall, calls: 0 })
    }

    /// This end.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, for work on a blocking thread.
    pub(super) fn shared(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }

    fn register(&mut self) -> io::Result<&AsyncFd<Arc<OwnedFd>>> {
        let registered = match self.registered.take() {
            Some(registered) => registered,
            None => watch(self.socket.clone(), Interest::READABLE | Interest::WRITABLE)?,
        };
        Ok(self.registered.insert(registered))
    }

    /// Waits until the socket may be ready.
    ///
    /// # Errors
    /// `TimedOut` after the stall time.
    pub(super) async fn ready(&mut self, interest: Interest) -> io::Result<()> {
        self.calls = 0;
        let stall = self.stall;
        let registered = self.register()?;
        match tokio::time::timeout(stall, registered.ready(interest)).await {
            Ok(Ok(mut guard)) => {
                // Whoever called us saw EAGAIN a moment ago; what became ready since then shows on the next try.
                guard.clear_ready();
                Ok(())
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
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
        // A peer that never lets us wait would keep our task from the control connection.
        if self.calls >= CALLS_WITHOUT_WAIT {
            self.calls = 0;
            tokio::task::yield_now().await;
        }
        loop {
            match operation(self.socket.as_fd()) {
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
    /// When the connection is broken, or stalls.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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
        received.await.map(|(count, _)| count == 0)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the connection is broken, or stalls.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
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

    /// Ends in order: FIN behind the last byte.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn finish(&self) -> io::Result<()> {
        SockRef::from(&self.socket).shutdown(Shutdown::Write)
    }

    /// Ends out of order as soon as this is dropped: RST, so that nobody takes what arrived for the whole.
    pub fn cut(&self) {
        // Fails only where the connection is gone already.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }
}
