//! Sockets registered with the runtime's reactor: the crate's only unsafe code.
#![allow(unsafe_code)]

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Types that own one descriptor, never change it, and close it only when they are dropped.
pub(crate) trait OwnsDescriptor: AsRawFd {}
impl OwnsDescriptor for Arc<OwnedFd> {}
impl OwnsDescriptor for Socket {}
impl OwnsDescriptor for TcpListener {}

/// Lets the runtime watch `socket` until the result is dropped.
///
/// # Errors
/// When the kernel does not take another descriptor to watch.
pub(crate) fn watch<T: OwnsDescriptor>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: the descriptor must stay open and the same for as long as the `AsyncFd` lives. It is owned by `socket`,
    // which the `AsyncFd` owns, and `OwnsDescriptor` names only types that keep theirs until they are dropped.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(|error| error.into_parts().1)
}
