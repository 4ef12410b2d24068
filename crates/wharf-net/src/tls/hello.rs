//! What a client says first in TLS, read before anybody answers: it names the session that a data connection resumes, and
//! thereby the control connection that it belongs to.

use std::io;

use tokio::net::TcpStream;
use wharf_proto::limits;

/// Pause before a ClientHello that has come in part is looked at again: it stays in the socket, of which the reactor tells
/// only that something is there.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(5);
/// The content type of a handshake record, and the type of the first message in it (RFC 8446 §5.1, §4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Extensions that carry tickets: of TLS 1.2 (RFC 5077 §3.2) and of TLS 1.3 (RFC 8446 §4.2.11).
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;

/// What a ClientHello says about the session that it resumes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// The session's id (RFC 5246 §7.4.1.2); empty, or made up, where there is none.
    pub(super) session_id: Vec<u8>,
    /// The first ticket.
    pub(super) ticket: Vec<u8>,
}

/// Waits for a ClientHello, and leaves it where it is. None where something else comes.
///
/// # Errors
/// When the connection breaks.
pub(crate) async fn await_client_hello(stream: &TcpStream) -> io::Result<Option<ClientHello>> {
    let mut bytes = vec![0; limits::CLIENT_HELLO];
    loop {
        let count = stream.peek(&mut bytes).await?;
        match read(&bytes[..count]) {
            Said::Hello(hello) => return Ok(Some(hello)),
            Said::Part if count > 0 && count < bytes.len() => tokio::time::sleep(PAUSE).await,
            Said::Part | Said::SomethingElse => return Ok(None),
        }
    }
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Hello(ClientHello),
    Part,
    SomethingElse,
}

/// Puts the message together from its records.
fn read(bytes: &[u8]) -> Said {
    let mut records = Bytes(bytes);
    let mut message = Vec::new();
    loop {
        if let Some((&kind, rest)) = message.split_first()
            && kind == CLIENT_HELLO
            && let Some(body) = Bytes(rest).sized(3)
        {
            return hello(body).map_or(Said::SomethingElse, Said::Hello);
        }
        let is_other = |bytes: &[u8], kind| bytes.first().is_some_and(|first| *first != kind);
        if is_other(&message, CLIENT_HELLO) || is_other(records.0, HANDSHAKE) {
            return Said::SomethingElse;
        }
        // Type and version.
        let record = records.take(3).and_then(|_| records.sized(2));
        match record {
            Some(record) => message.extend_from_slice(record.0),
            None => return Said::Part,
        }
    }
}

/// RFC 8446 §4.1.2: version, random, session id, cipher suites, compression methods, extensions.
fn hello(mut body: Bytes<'_>) -> Option<ClientHello> {
    body.take(2 + 32)?;
    let session_id = body.sized(1)?.0.to_vec();
    body.sized(2)?;
    body.sized(1)?;
    let mut found = ClientHello { session_id, ticket: Vec::new() };
    // A client of TLS 1.2 may have none.
    let Some(mut extensions) = body.sized(2) else { return Some(found) };
    while !extensions.0.is_empty() {
        let kind = u16::from_be_bytes(extensions.take(2)?.try_into().ok()?);
        let mut extension = extensions.sized(2)?;
        match kind {
            SESSION_TICKET if found.ticket.is_empty() => found.ticket = extension.0.to_vec(),
            PRE_SHARED_KEY => found.ticket = extension.sized(2)?.sized(2)?.0.to_vec(),
            _ => {}
        }
    }
    Some(found)
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// As many as a number of `width` bytes before them says.
    fn sized(&mut self, width: usize) -> Option<Self> {
        let size = self.take(width)?.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        self.take(size).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(width: usize, content: &[u8]) -> Vec<u8> {
        [&content.len().to_be_bytes()[8 - width..], content].concat()
    }

    /// A ClientHello in records of at most `record` bytes.
    fn client_hello(extensions: &[(u16, Vec<u8>)], record: usize) -> Vec<u8> {
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, content)| [kind.to_be_bytes().to_vec(), sized(2, content)].concat())
            .collect();
        let body =
            [vec![3; 34], sized(1, b"the id"), sized(2, &[1, 2]), sized(1, &[0]), sized(2, &extensions)]
                .concat();
        let message = [vec![CLIENT_HELLO], sized(3, &body)].concat();
        message.chunks(record).flat_map(|chunk| [vec![HANDSHAKE, 3, 1], sized(2, chunk)].concat()).collect()
    }

    fn found(ticket: &[u8]) -> Said {
        Said::Hello(ClientHello { session_id: b"the id".to_vec(), ticket: ticket.to_vec() })
    }

    #[test]
    fn tickets_of_both_versions_are_found_however_the_message_is_cut() {
        let old = (SESSION_TICKET, b"old".to_vec());
        let identity = [sized(2, b"new"), vec![0; 4]].concat();
        let new = (PRE_SHARED_KEY, [sized(2, &identity), sized(2, &[9; 33])].concat());
        for record in [1, 7, 4000] {
            assert_eq!(read(&client_hello(&[(0, vec![1; 20]), old.clone()], record)), found(b"old"));
            assert_eq!(read(&client_hello(&[old.clone(), (10, vec![]), new.clone()], record)), found(b"new"));
            assert_eq!(read(&client_hello(&[], record)), found(b""));
            let whole = client_hello(&[old.clone(), new.clone()], record);
            for length in 0..whole.len() {
                assert_eq!(read(&whole[..length]), Said::Part, "{length} of {record}");
            }
        }
    }

    #[test]
    fn what_is_no_client_hello_is_told_at_once() {
        let mut server_hello = client_hello(&[], 4000);
        server_hello[5] = 2;
        for bytes in [
            &b"GET / HTTP/1.0\r\n"[..],
            &[21, 3, 3, 0, 2, 2, 40],
            &server_hello,
            &[HANDSHAKE, 3, 1, 0, 5, 1, 0, 0, 1, 3],
        ] {
            assert_eq!(read(bytes), Said::SomethingElse, "{bytes:?}");
        }
        // Sizes that lead out of it.
        let whole = client_hello(&[(SESSION_TICKET, vec![7; 40])], 4000);
        for index in 9..whole.len() {
            let mut changed = whole.clone();
            changed[index] = 0xFF;
            let _ = read(&changed);
        }
    }
}
