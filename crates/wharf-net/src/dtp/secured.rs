//! Files through TLS: read, encrypted and sent, or received and decrypted, in large pieces.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, pread, read, retry_on_intr};
use rustix::net::{SendFlags, send};

use super::pump::{BUFFER, PumpError};
use super::stream::ENCRYPT;
use crate::tls::Channel;

/// A download's way through TLS.
pub(super) struct Encrypting {
    channel: Box<Channel>,
    buffer: Vec<u8>,
    /// Payload of what is encrypted and not sent yet, in bytes.
    under_way: usize,
}

impl Encrypting {
    /// For a file of which `left` bytes are to be sent, at most `most` in a piece.
    pub(super) fn new(channel: Box<Channel>, left: u64, most: usize) -> Self {
        let most = most.clamp(1, ENCRYPT);
        let size = usize::try_from(left).map_or(most, |left| left.clamp(1, most));
        Self { channel, buffer: vec![0; size], under_way: 0 }
    }

    /// Sends what comes next of the `left` bytes of `file` and moves `offset` on. Returns the bytes of payload that were sent; 0 at the end,
    /// when all of it was. May be called again after any error that passes, `AGAIN` for one.
    pub(super) fn send_from(
        &mut self,
        file: &File,
        offset: &mut u64,
        left: usize,
        socket: &OwnedFd,
    ) -> Result<usize, Errno> {
        if self.under_way == 0 {
            let most = left.min(self.buffer.len());
            self.under_way = pread(file, &mut self.buffer[..most], *offset)?;
            // Behind the tickets, so that one call sends both.
            self.channel.encrypt(&self.buffer[..self.under_way]).map_err(|_| Errno::IO)?;
            *offset += self.under_way as u64;
        }
        while !self.channel.unsent().is_empty() {
            let count = send(socket, self.channel.unsent(), SendFlags::NOSIGNAL)?;
            self.channel.sent(count);
        }
        Ok(std::mem::take(&mut self.under_way))
    }

    /// The channel, for the end.
    pub(super) fn into_channel(self) -> Box<Channel> {
        self.channel
    }
}

/// What one read of an upload brought.
pub(super) enum Decrypted {
    /// The client's end.
    End,
    /// [`Channel::plain`] has something.
    Payload,
    /// Nothing is there now.
    Nothing,
}

/// Reads and decrypts what is there. `tolerant`: FIN alone is an end as good as close_notify.
pub(super) fn decrypt(
    channel: &mut Channel,
    socket: &OwnedFd,
    tolerant: bool,
) -> Result<Decrypted, PumpError> {
    loop {
        if !channel.plain().is_empty() {
            return Ok(Decrypted::Payload);
        }
        if channel.peer_has_closed() {
            return Ok(Decrypted::End);
        }
        match channel.receive(BUFFER, |room| Ok(retry_on_intr(|| read(socket, &mut *room))?)) {
            Ok(0) if tolerant => channel.take_for_closed(),
            Ok(0) => return Err(PumpError::CloseNotifyMissing),
            Ok(_) => {
                channel.process().map_err(|error| PumpError::Network(std::io::Error::other(error)))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(Decrypted::Nothing),
            Err(error) => return Err(PumpError::Network(error)),
        }
    }
}
