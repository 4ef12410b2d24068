//! A client's connections on a thread that blocks, for load generators.
//!
//! Where one program makes tens of thousands of transfers a second, what a reactor costs for each of them is what is
//! measured in the end. Here a step is one system call. Everything else of Wharf waits with the runtime.

mod discard;
mod records;

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use tokio::io::Interest;
use wharf_proto::dialogue::Endpoints;

use crate::tls::{Channel, ClientTls, HandshakeError, Secured, Socket};
use records::Records;

/// Longest piece that is read from a control connection at once, in bytes.
const REPLY_PIECE: usize = 4096;
/// Most payload that is encrypted in one go, in bytes.
const ENCRYPT: usize = 256 * 1024;
/// Most that is read at once where it is looked at, in bytes.
const READ: usize = 256 * 1024;

/// A control or data connection that blocks, in clear or under TLS. No step takes longer than the time it was made with.
#[derive(Debug)]
pub struct BlockingStream {
    socket: TcpStream,
    tls: Option<Box<Channel>>,
    /// What is under TLS and not decrypted any more.
    records: Option<Records>,
}

impl BlockingStream {
    /// Connects to `target`.
    ///
    /// # Errors
    /// When it is refused, or takes longer than `limit`.
    pub fn connect(target: SocketAddr, limit: Duration) -> io::Result<Self> {
        let socket =
            RawSocket::new(Domain::for_address(target), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
        // It limits the connect as well.
        socket.set_write_timeout(Some(limit))?;
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            other => other?,
        }
        socket.set_read_timeout(Some(limit))?;
        Ok(Self { socket: socket.into(), tls: None, records: None })
    }

    /// Takes over a connection that was accepted.
    ///
    /// # Errors
    /// When it is gone.
    pub fn accepted(socket: TcpStream, limit: Duration) -> io::Result<Self> {
        socket.set_write_timeout(Some(limit))?;
        socket.set_read_timeout(Some(limit))?;
        Ok(Self { socket, tls: None, records: None })
    }

    /// Has small pieces sent at once, as a control connection and TLS want it.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send_at_once(&self) -> io::Result<()> {
        self.socket.set_nodelay(true)
    }

    /// Both ends; this one is the client's.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn endpoints(&self) -> io::Result<Endpoints> {
        Ok(Endpoints::new(self.socket.local_addr()?, self.socket.peer_addr()?))
    }

    /// The algorithm that the kernel paces it with: `reno`, `cubic`, `bbr`; none where the system does not tell.
    #[must_use]
    pub fn congestion_control(&self) -> Option<String> {
        discard::congestion_control(&self.socket)
    }

    /// Begins TLS; a data connection resumes the session of its control connection.
    ///
    /// # Errors
    /// When the handshake fails.
    pub fn connect_tls(&mut self, session: &ClientTls) -> Result<Secured, HandshakeError> {
        self.send_at_once()?;
        let (mut channel, secured) = session.shake_hands_blocking(&mut Blocking(&self.socket))?;
        channel.rest();
        self.tls = Some(channel);
        Ok(secured)
    }

    /// Waits for bytes and hands them to `take`. Tells whether any came: if not, the peer has sent its last.
    ///
    /// # Errors
    /// When the connection is broken, or nothing comes in time.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut piece = [0; REPLY_PIECE];
        let count = self.read(&mut piece)?;
        take(&piece[..count]);
        if let Some(channel) = &mut self.tls {
            channel.rest(); // thousands of idle sessions may follow
        }
        Ok(count > 0)
    }

    /// Reads what is there, waiting for the first byte; 0 at the end, with or without close_notify.
    ///
    /// # Errors
    /// When the connection is broken, or nothing comes in time.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(channel) = &mut self.tls else { return read(&self.socket, buffer) };
        await_plain(channel, &self.socket, buffer.len())?;
        let count = channel.plain().len().min(buffer.len());
        buffer[..count].copy_from_slice(&channel.plain()[..count]);
        channel.plain_taken(count);
        Ok(count)
    }

    /// Sends all of `bytes`.
    ///
    /// # Errors
    /// When the connection is broken, or the peer takes nothing in time.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(channel) = &mut self.tls else { return (&self.socket).write_all(bytes) };
        for piece in bytes.chunks(ENCRYPT) {
            channel.encrypt(piece).map_err(io::Error::other)?;
            send_unsent(channel, &self.socket)?;
        }
        Ok(())
    }

    /// Throws away what is there, waiting for the first byte, and tells how much payload it was; 0 at the end.
    ///
    /// In clear nothing is copied where the system can do so: `room` only says how much is taken at once. Under TLS `room`
    /// is where it is read to, and behind the first payload nothing is decrypted any more if `blindly`: then the count is that of
    /// the records' lengths, and nobody knows whether they could have been decrypted.
    ///
    /// # Errors
    /// When the connection is broken, or nothing comes in time.
    pub fn discard(&mut self, room: &mut [u8], blindly: bool) -> io::Result<usize> {
        if self.records.is_some() {
            return self.discard_records(room);
        }
        let Some(channel) = &mut self.tls else { return discard::discard(&self.socket, room) };
        await_plain(channel, &self.socket, READ)?;
        let count = channel.plain().len();
        channel.plain_taken(count);
        if blindly && count > 0 && !channel.peer_has_closed() {
            // By now the server's tickets have been taken, which the next data connections resume with.
            let mut records = Records::new(channel.version());
            let more = records.take(&channel.clear_rest())?;
            self.records = Some(records);
            return Ok(count + more);
        }
        Ok(count)
    }

    fn discard_records(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (Some(records), Some(channel)) = (&mut self.records, &mut self.tls) else { return Ok(0) };
        let length = room.len().min(READ);
        loop {
            if records.has_ended() {
                return Ok(0);
            }
            let count = read(&self.socket, &mut room[..length])?;
            if count == 0 {
                return Ok(0);
            }
            let payload = records.take(&room[..count])?;
            if records.has_ended() {
                // Some servers wait for ours before they say that the transfer is complete.
                let _ = channel.close().map(|()| send_unsent(channel, &self.socket));
            }
            if payload > 0 {
                return Ok(payload);
            }
        }
    }

    /// Sends at most `count` bytes of `file` from `offset`, which moves on, without copying where the system can do so. Not
    /// for TLS. Returns how many it were.
    ///
    /// # Errors
    /// When the connection is broken, the peer takes nothing in time, or the file ends there.
    pub fn send_file(&mut self, file: &File, offset: &mut u64, count: usize) -> io::Result<usize> {
        if self.tls.is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        match discard::send_file(&self.socket, file, offset, count)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            sent => Ok(sent),
        }
    }

    /// Whether it is under TLS.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Ends an upload in order: close_notify and FIN; then waits for the server's end: many give the tickets only then that the
    /// next data connection resumes with.
    ///
    /// # Errors
    /// When the connection is broken already.
    pub fn finish(mut self) -> io::Result<()> {
        let Some(channel) = &mut self.tls else { return self.socket.shutdown(Shutdown::Write) };
        channel.close().map_err(io::Error::other)?;
        send_unsent(channel, &self.socket)?;
        self.socket.shutdown(Shutdown::Write)?;
        while !channel.peer_has_closed() {
            // Whether everything arrived is for the reply to say; here it is only about the tickets.
            let received = channel.receive(REPLY_PIECE, |room| read(&self.socket, room));
            if !matches!(received, Ok(1..)) || channel.process().is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A socket that waits itself, for the handshake.
struct Blocking<'a>(&'a TcpStream);

impl Socket for Blocking<'_> {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        read(self.0, buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.0;
        socket.write(bytes)
    }

    fn acknowledge(&self) {
        // Without it the handshake is slower, and no more.
        let _ = SockRef::from(self.0).set_tcp_quickack(true);
    }

    async fn wait(&mut self, _: Interest) -> io::Result<()> {
        // It said `WouldBlock` when its time was over.
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// Reads once, however often a signal comes in between.
fn read(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Reads, at most so many bytes at once, and decrypts until there is payload, or the end.
fn await_plain(channel: &mut Channel, socket: &TcpStream, most: usize) -> io::Result<()> {
    while channel.plain().is_empty() && !channel.peer_has_closed() {
        if channel.receive(most, |room| read(socket, room))? == 0 {
            channel.take_for_closed();
        }
        channel.process().map_err(io::Error::other)?;
    }
    Ok(())
}

fn send_unsent(channel: &mut Channel, mut socket: &TcpStream) -> io::Result<()> {
    while !channel.unsent().is_empty() {
        let count = socket.write(channel.unsent())?;
        channel.sent(count);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
