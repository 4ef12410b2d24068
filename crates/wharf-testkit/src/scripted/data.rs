//! The data connections of a scripted peer.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::control::{Conversation, reset};

impl Conversation {
    /// Listens for a data connection at the control connection's local address. A line with an address does that by
    /// itself.
    #[track_caller]
    pub fn listen_data(&mut self) -> &mut Self {
        let address = SocketAddr::new(self.local_address().ip(), 0);
        self.listen_data_on(address)
    }

    /// Listens for a data connection at `address`; a port of 0 stands for any.
    #[track_caller]
    pub fn listen_data_on(&mut self, address: SocketAddr) -> &mut Self {
        match TcpListener::bind(address) {
            Ok(listener) => self.listener = Some((listener, false)),
            Err(error) => self.fail(&format!("cannot listen on {address}: {error}")),
        }
        self
    }

    /// Where data connections are waited for, to be told to the peer.
    #[track_caller]
    pub(super) fn listening_address(&mut self) -> SocketAddr {
        if self.listener.as_ref().is_none_or(|(_, told)| *told) {
            self.listen_data();
        }
        let Some((listener, told)) = &mut self.listener else { unreachable!("it was just opened") };
        *told = true;
        listener.local_addr().unwrap()
    }

    /// The address that the peer named last in a `{six}`, `{eprt}` or `{port}`.
    #[must_use]
    pub fn data_target(&self) -> Option<SocketAddr> {
        self.target
    }

    /// Opens the data connection that was agreed on last: accepts where we listen, connects where the peer does.
    #[track_caller]
    pub fn open_data(&mut self) -> &mut Self {
        if self.listener.is_some() {
            return self.accept_data();
        }
        match self.target {
            Some(target) => self.connect_data_to(target, None),
            None => self.fail("neither side has said where it listens for data"),
        }
    }

    /// Waits for the peer's data connection, and stops listening.
    #[track_caller]
    pub fn accept_data(&mut self) -> &mut Self {
        let Some((listener, _)) = self.listener.take() else { self.fail("nothing listens for data") };
        match accept_within(&listener, self.limit) {
            Some(stream) => self.take_data(stream),
            None => self.fail("no data connection came"),
        }
    }

    /// Makes sure that no data connection comes for this long, and goes on listening.
    #[track_caller]
    pub fn expect_no_data_connection(&mut self, time: Duration) -> &mut Self {
        let Some((listener, _)) = &self.listener else { self.fail("nothing listens for data") };
        if let Some(stream) = accept_within(listener, time) {
            self.fail(&format!("a data connection came from {:?}", stream.peer_addr()));
        }
        self
    }

    /// Connects to `target`, from the address `local` if one is given (its port may be 0).
    #[track_caller]
    pub fn connect_data_to(&mut self, target: SocketAddr, local: Option<SocketAddr>) -> &mut Self {
        match connect_within(local, target, self.limit) {
            Ok(stream) => self.take_data(stream),
            Err(error) => self.fail(&format!("no data connection to {target}: {error}")),
        }
    }

    /// Connects to where the peer listens, from the address `local`.
    #[track_caller]
    pub fn connect_data_from(&mut self, local: IpAddr) -> &mut Self {
        let Some(target) = self.target else { self.fail("the peer has not said where it listens for data") };
        self.connect_data_to(target, Some(SocketAddr::new(local, 0)))
    }

    /// Sends bytes on the data connection.
    #[track_caller]
    pub fn send_data(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.note_bytes("data out,", bytes.as_ref());
        let outcome = self.data_stream().write_all(bytes.as_ref());
        self.check(outcome, "cannot send data")
    }

    /// Waits for exactly these bytes on the data connection; more may follow.
    #[track_caller]
    pub fn expect_data(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let expected = bytes.as_ref();
        let mut got = vec![0; expected.len()];
        let deadline = Instant::now() + self.limit;
        let mut length = 0;
        while length < got.len() {
            match read_data(self.data_stream(), &mut got[length..], deadline) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) => self.fail(&format!("after {length} of {} data bytes: {error}", expected.len())),
            }
        }
        got.truncate(length);
        self.note_bytes("data in,", &got);
        if got != expected {
            let place = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(length);
            let lengths = format!("{length} of {} bytes came", expected.len());
            self.fail(&format!(
                "the data is not what was expected: {lengths}, the first difference is at {place}"
            ));
        }
        self.received.extend_from_slice(&got);
        self
    }

    /// Waits for the end of the data connection; no more bytes may come before.
    #[track_caller]
    pub fn expect_data_end(&mut self) -> &mut Self {
        let rest = self.receive_data();
        if !rest.is_empty() {
            self.fail(&format!("{} more bytes of data before the end", rest.len()));
        }
        self
    }

    /// Takes all bytes up to the end of the data connection, and closes it.
    #[track_caller]
    pub fn receive_data(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 * 1024];
        // Each chunk has the whole limit: a long transfer is no hang.
        loop {
            let deadline = Instant::now() + self.limit;
            match read_data(self.data_stream(), &mut chunk, deadline) {
                Ok(0) => break,
                Ok(count) => bytes.extend_from_slice(&chunk[..count]),
                Err(error) => self.fail(&format!("after {} data bytes: {error}", bytes.len())),
            }
        }
        self.note_bytes("data in, to the end,", &bytes);
        self.received.extend_from_slice(&bytes);
        self.data = None;
        bytes
    }

    /// Waits until the peer resets the data connection.
    #[track_caller]
    pub fn expect_data_reset(&mut self) -> &mut Self {
        let deadline = Instant::now() + self.limit;
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match read_data(self.data_stream(), &mut chunk, deadline) {
                Ok(0) => self.fail("the data connection ended in order; a reset was expected"),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => self.fail(&format!("expected a reset of the data connection: {error}")),
            }
        }
        self.note("-- data connection reset by the peer");
        self.data = None;
        self
    }

    /// Makes sure that nothing comes on the data connection for this long, its end included.
    #[track_caller]
    pub fn expect_data_silence(&mut self, time: Duration) -> &mut Self {
        let mut byte = [0];
        match read_data(self.data_stream(), &mut byte, Instant::now() + time) {
            Err(error) if error.kind() == ErrorKind::TimedOut => self,
            other => self.fail(&format!("expected silence on the data connection, got {other:?}")),
        }
    }

    /// Closes the data connection in order.
    pub fn close_data(&mut self) -> &mut Self {
        self.note("-- close data");
        self.data = None;
        self
    }

    /// Says that no more data will be sent, and keeps the connection.
    #[track_caller]
    pub fn half_close_data(&mut self) -> &mut Self {
        self.note("-- half-close data");
        let outcome = self.data_stream().shutdown(Shutdown::Write);
        self.check(outcome, "cannot half-close the data connection")
    }

    /// Ends the data connection with a reset.
    #[track_caller]
    pub fn reset_data(&mut self) -> &mut Self {
        self.note("-- reset data");
        reset(self.data_stream());
        self.data = None;
        self
    }

    /// Stops listening: a connect will be refused.
    pub fn stop_listening(&mut self) -> &mut Self {
        self.listener = None;
        self
    }

    /// The peer's addresses of all data connections so far.
    #[must_use]
    pub fn data_peers(&self) -> &[SocketAddr] {
        &self.data_peers
    }

    /// All data received so far, of all data connections.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// The open data connection, for what has no step of its own.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn data_stream(&mut self) -> &mut TcpStream {
        if self.data.is_none() {
            self.fail("there is no data connection");
        }
        self.data.as_mut().unwrap()
    }

    fn take_data(&mut self, stream: TcpStream) -> &mut Self {
        stream.set_write_timeout(Some(self.limit)).unwrap();
        if let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) {
            self.note(format!("-- data connection: {local} to {peer}"));
            self.data_peers.push(peer);
        }
        // An address serves once.
        self.target = None;
        self.data = Some(stream);
        self
    }
}

/// Reads from a data connection; too late is an error of the kind `TimedOut`.
fn read_data(stream: &mut TcpStream, chunk: &mut [u8], deadline: Instant) -> std::io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left))?;
        match stream.read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(std::io::Error::new(ErrorKind::TimedOut, "nothing came in time"));
            }
            other => return other,
        }
    }
}

/// Waits for a connection.
pub(crate) fn accept_within(listener: &TcpListener, limit: Duration) -> Option<TcpStream> {
    let deadline = Instant::now() + limit;
    listener.set_nonblocking(true).unwrap();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return Some(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            // A connection that was gone before it was accepted.
            Err(_) => {}
        }
    }
}

/// Connects, from a given address if there is one. That address may have been in use a moment ago (SO_REUSEADDR).
pub(super) fn connect_within(
    local: Option<SocketAddr>,
    target: SocketAddr,
    limit: Duration,
) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, None)?;
    if let Some(local) = local {
        socket.set_reuse_address(true)?;
        socket.bind(&local.into())?;
    }
    socket.connect_timeout(&target.into(), limit)?;
    Ok(socket.into())
}
