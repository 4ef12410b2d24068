//! A socket that can be waited for.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::ioctl_fionbio;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::lending::poll_lent;
use crate::registration::watch;

/// Makes a non-blocking socket block, its reads for at most `longest`: the cheapest wait there is, where nothing else is waited
/// for. What is not to wait has to say so (`MSG_DONTWAIT`), or to switch blocking off again.
pub(crate) fn let_reads_wait(socket: &OwnedFd, longest: Duration) -> rustix::io::Result<()> {
    set_socket_timeout(socket, Timeout::Recv, Some(longest))?;
    ioctl_fionbio(socket, false)
}

/// A non-blocking socket, which the reactor watches only while somebody waits for it with the reactor.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Shared, so that a blocking piece of work can hold on to the socket while the session lives on.
    socket: Arc<OwnedFd>,
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Watched {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket: Arc::new(socket), registered: None }
    }

    /// The socket itself.
    pub(crate) fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// Whether the socket may be ready for `interest`, either of [`Interest::READABLE`] and [`Interest::WRITABLE`]. Whoever
    /// asks has seen `WouldBlock` before: what has become ready since then shows at the next try.
    pub(crate) fn poll_ready(
        &mut self,
        context: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<()>> {
        let is_for_reading = interest.is_readable();
        let flags = if is_for_reading { PollFlags::IN } else { PollFlags::OUT };
        if let Some(polled) = poll_lent(&self.socket, flags) {
            // The reactor would only wake others meanwhile.
            self.registered = None;
            return polled.map(Ok);
        }
        let registered = match self.registered.take() {
            Some(registered) => registered,
            None => watch(self.socket.clone(), Interest::READABLE | Interest::WRITABLE)?,
        };
        let registered = self.registered.insert(registered);
        let guard = if is_for_reading {
            registered.poll_read_ready(context)
        } else {
            registered.poll_write_ready(context)
        };
        ready!(guard)?.clear_ready();
        Poll::Ready(Ok(()))
    }
}
