//! A TLS connection without its socket: what came goes in, what is to be sent comes out.
//!
//! It owns buffers only while something is in them. A session that idles under TLS owns the keys and little else.

use std::io;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, HandshakeKind, ProtocolVersion};

use super::TlsVersion;

/// Longest record with its header (RFC 8446 §5.2, RFC 5246 §6.2.3), in bytes.
const RECORD: usize = 5 + (1 << 14) + 2048;
/// Payload of a record.
const FRAGMENT: usize = 1 << 14;
/// What encryption adds to a record, and then some.
const OVERHEAD: usize = 64;
/// The first byte of each record of a handshake, and of one that refuses it (RFC 8446 §5.1).
const HANDSHAKE_RECORD: u8 = 22;
const ALERT_RECORD: u8 = 21;

/// One end of a TLS connection.
///
/// * input: [`receive`](Self::receive), then [`process`](Self::process); [`encrypt`](Self::encrypt),
///   [`close`](Self::close)
/// * output: [`unsent`](Self::unsent) with [`sent`](Self::sent); [`plain`](Self::plain) with
///   [`plain_taken`](Self::plain_taken)
pub(crate) struct Channel {
    connection: Connection,
    incoming: Buffer,
    outgoing: Buffer,
    plain: Buffer,
    /// The first byte that ever came.
    first: Option<u8>,
    peer_has_closed: bool,
    /// What counts as the peer's close_notify was the end of the TCP connection.
    ended_plainly: bool,
    /// What went wrong: then nothing more is understood or said.
    failed: Option<Error>,
}

/// Which end it is.
enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// Calls the same of either end.
macro_rules! either {
    ($connection:expr, $end:ident => $call:expr) => {
        match $connection {
            Connection::Server($end) => $call,
            Connection::Client($end) => $call,
        }
    };
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("peer_has_closed", &self.peer_has_closed).finish_non_exhaustive()
    }
}

/// What is to be said when the connection is ready for it.
enum Say<'a> {
    Nothing,
    Payload(&'a [u8]),
    CloseNotify,
}

impl Channel {
    pub(super) fn of_server(connection: UnbufferedServerConnection) -> Self {
        Self::new(Connection::Server(connection))
    }

    pub(super) fn of_client(connection: UnbufferedClientConnection) -> Self {
        Self::new(Connection::Client(connection))
    }

    fn new(connection: Connection) -> Self {
        Self {
            connection,
            incoming: Buffer::default(),
            outgoing: Buffer::default(),
            plain: Buffer::default(),
            first: None,
            peer_has_closed: false,
            ended_plainly: false,
            failed: None,
        }
    }

    // Getters.

    pub(crate) fn is_handshaking(&self) -> bool {
        either!(&self.connection, end => end.is_handshaking())
    }

    /// Whether this is the client's end, which begins and ends first.
    pub(crate) fn is_client(&self) -> bool {
        matches!(self.connection, Connection::Client(_))
    }

    /// Whether what the peer sends has come to its end: close_notify, or what counts as that.
    pub(crate) fn peer_has_closed(&self) -> bool {
        self.peer_has_closed
    }

    /// Whether that was the end of the TCP connection, without close_notify.
    pub(crate) fn ended_plainly(&self) -> bool {
        self.ended_plainly
    }

    /// Whether anything came at all.
    pub(crate) fn has_received(&self) -> bool {
        self.first.is_some()
    }

    /// Whether what came first is no TLS.
    pub(crate) fn began_in_clear(&self) -> bool {
        self.first.is_some_and(|byte| !matches!(byte, HANDSHAKE_RECORD | ALERT_RECORD))
    }

    /// What was agreed on, once the handshake is over.
    pub(crate) fn version(&self) -> TlsVersion {
        match either!(&self.connection, end => end.protocol_version()) {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
            _ => TlsVersion::Tls12,
        }
    }

    /// Whether an earlier session was resumed.
    pub(crate) fn is_resumed(&self) -> bool {
        either!(&self.connection, end => end.handshake_kind()) == Some(HandshakeKind::Resumed)
    }

    // Input.

    /// Lets `read` put what the socket has, at most `most` bytes, behind what came before. 0 is the end.
    pub(crate) fn receive(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let count = read(self.incoming.room(most))?;
        self.incoming.filled(count);
        if self.first.is_none() {
            self.first = self.incoming.content().first().copied();
        }
        Ok(count)
    }

    /// Understands what came.
    pub(crate) fn process(&mut self) -> Result<(), Error> {
        self.drive(Say::Nothing)
    }

    /// The end of the TCP connection came, and is to count as the peer's close_notify.
    pub(crate) fn take_for_closed(&mut self) {
        self.peer_has_closed = true;
        self.ended_plainly = true;
    }

    /// Says `hello` once more, the client's first message that nobody has answered.
    pub(super) fn say_again(&mut self, hello: &[u8]) {
        self.outgoing = Buffer::default();
        self.outgoing.append(hello);
    }

    /// Encrypts `payload` behind what is to be sent.
    pub(crate) fn encrypt(&mut self, payload: &[u8]) -> Result<(), Error> {
        if payload.is_empty() { Ok(()) } else { self.drive(Say::Payload(payload)) }
    }

    /// Says close_notify behind what is to be sent.
    pub(crate) fn close(&mut self) -> Result<(), Error> {
        self.drive(Say::CloseNotify)
    }

    // Output.

    /// What has to be sent, from its beginning.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.outgoing.content()
    }

    /// So much of it was sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.outgoing.taken(count);
    }

    /// What the peer said, decrypted, from its beginning.
    pub(crate) fn plain(&self) -> &[u8] {
        self.plain.content()
    }

    /// So much of it was used.
    pub(crate) fn plain_taken(&mut self, count: usize) {
        self.plain.taken(count);
    }

    /// What came behind the peer's close_notify: it is no TLS any more.
    pub(crate) fn clear_rest(&mut self) -> Vec<u8> {
        let rest = self.incoming.content().to_vec();
        self.incoming.taken(rest.len());
        rest
    }

    /// Gives back the buffers that hold nothing.
    pub(crate) fn rest(&mut self) {
        for buffer in [&mut self.incoming, &mut self.outgoing, &mut self.plain] {
            buffer.give_back();
        }
    }

    /// Goes on as far as what came allows, and says `say` when nothing stands before it any more.
    fn drive(&mut self, mut say: Say<'_>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        loop {
            let incoming = self.incoming.content_mut();
            let step = Step {
                say: &mut say,
                plain: &mut self.plain,
                outgoing: &mut self.outgoing,
                peer_has_closed: &mut self.peer_has_closed,
            };
            let (discard, goes_on) =
                either!(&mut self.connection, end => step.take(end.process_tls_records(incoming)))?;
            let goes_on = match goes_on {
                Ok(goes_on) => goes_on,
                Err(error) => {
                    self.failed = Some(error.clone());
                    self.take_alert()?;
                    return Err(error);
                }
            };
            self.incoming.taken(discard);
            if !goes_on {
                break;
            }
        }
        if matches!(say, Say::Payload(_)) { Err(Error::HandshakeNotComplete) } else { Ok(()) }
    }

    /// The alert that says what went wrong. Asked for only where there is one: what failed must not be looked at again.
    fn take_alert(&mut self) -> Result<(), Error> {
        either!(&mut self.connection, end => {
            while end.wants_write() {
                match end.process_tls_records(&mut []).state {
                    Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing)?,
                    _ => break,
                }
            }
        });
        Ok(())
    }
}

/// What one step of a connection works on.
struct Step<'a, 'b> {
    say: &'a mut Say<'b>,
    plain: &'a mut Buffer,
    outgoing: &'a mut Buffer,
    peer_has_closed: &'a mut bool,
}

impl Step<'_, '_> {
    /// Tells how many bytes of what came were used, and whether there may be more to do: or why there never will be.
    fn take<Data>(
        self,
        status: UnbufferedStatus<'_, '_, Data>,
    ) -> Result<(usize, Result<bool, Error>), Error> {
        let UnbufferedStatus { mut discard, state, .. } = status;
        let goes_on = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    self.plain.append(record.payload);
                }
                true
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, self.outgoing)?;
                true
            }
            // It stands in its place among what is to be sent.
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                true
            }
            Ok(ConnectionState::PeerClosed) => {
                *self.peer_has_closed = true;
                true
            }
            Ok(ConnectionState::WriteTraffic(traffic)) => {
                speak(traffic, std::mem::replace(self.say, Say::Nothing), self.outgoing)?;
                false
            }
            Ok(_) => false,
            Err(error) => return Ok((discard, Err(error))),
        };
        Ok((discard, Ok(goes_on)))
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Buffer) -> Result<(), Error> {
    let mut wanted = RECORD;
    loop {
        match data.encode(outgoing.room(wanted)) {
            Ok(count) => {
                outgoing.filled(count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(error)) => wanted = error.required_size,
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
}

fn speak<Data>(
    mut traffic: WriteTraffic<'_, Data>,
    say: Say<'_>,
    outgoing: &mut Buffer,
) -> Result<(), Error> {
    let mut wanted = match say {
        Say::Nothing => return Ok(()),
        Say::Payload(payload) => payload.len() + (payload.len() / FRAGMENT + 1) * OVERHEAD,
        Say::CloseNotify => OVERHEAD,
    };
    loop {
        let room = outgoing.room(wanted);
        let said = match say {
            Say::Payload(payload) => traffic.encrypt(payload, room),
            _ => traffic.queue_close_notify(room),
        };
        match said {
            Ok(count) => {
                outgoing.filled(count);
                return Ok(());
            }
            Err(EncryptError::InsufficientSize(error)) => wanted = error.required_size,
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
    }
}

/// Bytes that come in at the end and go out at the front. Its memory is kept until it is given back.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    fn content_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Room for `count` bytes behind the content.
    fn room(&mut self, count: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < count {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.bytes.len() - self.end < count {
                self.bytes.resize(self.end + count, 0);
            }
        }
        &mut self.bytes[self.end..self.end + count]
    }

    /// So many bytes of the room were used.
    fn filled(&mut self, count: usize) {
        self.end += count;
    }

    fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    fn taken(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    fn give_back(&mut self) {
        if self.start == self.end {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_keeps_what_is_in_it_in_order() {
        let mut buffer = Buffer::default();
        buffer.append(b"abcdef");
        buffer.taken(4);
        buffer.append(b"gh");
        assert_eq!(buffer.content(), b"efgh");
        buffer.give_back();
        assert_eq!(buffer.content(), b"efgh");
        buffer.room(1000)[..2].copy_from_slice(b"ij");
        buffer.filled(2);
        assert_eq!(buffer.content(), b"efghij");
        buffer.taken(6);
        buffer.give_back();
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}
