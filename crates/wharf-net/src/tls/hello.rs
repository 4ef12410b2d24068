//! Whose tickets a ClientHello brings, before anything is answered: sessions of one address that share a passive port are
//! told apart by them.

use super::session::TicketName;

/// Longest ClientHello that is looked at, in bytes with the headers of its records.
pub(crate) const LONGEST: usize = 16 * 1024;

/// The content type of handshake records, and the handshake message ClientHello (RFC 8446 §5.1, §4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// The extensions that carry tickets, of TLS 1.2 (RFC 5077 §3.2) and 1.3 (RFC 8446 §4.2.11).
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Hello {
    /// A part of a ClientHello.
    Unfinished,
    /// A whole one, with tickets of these control connections; none of it is proven yet.
    Tickets(Vec<TicketName>),
    /// Something else.
    Other,
}

/// Reads the first bytes of a connection.
pub(crate) fn read(bytes: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut records = Reader(bytes);
    loop {
        if let [kind, length @ ..] = &message[..]
            && let [high, middle, low, body @ ..] = length
        {
            let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
            if *kind != CLIENT_HELLO || length > LONGEST {
                return Hello::Other;
            }
            if let Some(body) = body.get(..length) {
                return tickets(body).map_or(Hello::Other, Hello::Tickets);
            }
        }
        match records.byte() {
            Some(HANDSHAKE) => {}
            Some(_) => return Hello::Other,
            None => return Hello::Unfinished,
        }
        let Some(fragment) = records.take(2).and_then(|_| records.vector(2)) else {
            return Hello::Unfinished;
        };
        if fragment.is_empty() {
            return Hello::Other; // RFC 8446 §5.1: no such record is sent
        }
        message.extend_from_slice(fragment);
    }
}

/// The names in the tickets of a ClientHello's body.
fn tickets(body: &[u8]) -> Option<Vec<TicketName>> {
    let mut hello = Reader(body);
    hello.take(2 + 32)?; // version, random
    hello.vector(1)?; // session id
    hello.vector(2)?; // cipher suites
    hello.vector(1)?; // compression methods
    let mut names = Vec::new();
    let mut extensions = Reader(hello.vector(2).unwrap_or_default());
    while let Some(kind) = extensions.number(2) {
        let mut extension = Reader(extensions.vector(2)?);
        match u16::try_from(kind).ok()? {
            SESSION_TICKET => names.extend(name(extension.0)),
            PRE_SHARED_KEY => {
                let mut identities = Reader(extension.vector(2)?);
                while let Some(identity) = identities.vector(2) {
                    names.extend(name(identity));
                    identities.take(4)?; // its age
                }
            }
            _ => {}
        }
    }
    Some(names)
}

fn name(ticket: &[u8]) -> Option<TicketName> {
    ticket.first_chunk().copied().map(TicketName)
}

/// Takes bytes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    /// A number of so many bytes.
    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.take(width)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Bytes behind their length, which is so many bytes wide.
    fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A length of `width` bytes, and `content`.
    fn vector(width: usize, content: &[u8]) -> Vec<u8> {
        let length = content.len().to_be_bytes();
        [&length[length.len() - width..], content].concat()
    }

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &vector(2, content)].concat()
    }

    fn message(extensions: &[u8]) -> Vec<u8> {
        let body = [&[3, 3][..], &[7; 32], &vector(1, &[9; 32]), &vector(2, &[0x13, 1]), &vector(1, &[0])];
        let body = [body.concat(), vector(2, extensions)].concat();
        [vec![CLIENT_HELLO], vector(3, &body)].concat()
    }

    fn records(message: &[u8], size: usize) -> Vec<u8> {
        message.chunks(size).flat_map(|part| [&[HANDSHAKE, 3, 1][..], &vector(2, part)].concat()).collect()
    }

    fn sample() -> (Vec<u8>, Hello) {
        let identity = |byte: u8| [vector(2, &[byte; 60]), vec![0; 4]].concat();
        let offered = vector(2, &[identity(2), identity(3), vector(2, b"short"), vec![0; 4]].concat());
        let extensions = [
            extension(0, b"\0\0\0\0\x09localhost"),
            extension(SESSION_TICKET, &[1; 60]),
            extension(PRE_SHARED_KEY, &[offered, vector(2, &[5; 33])].concat()),
        ];
        (message(&extensions.concat()), Hello::Tickets([1, 2, 3].map(|byte| TicketName([byte; 16])).into()))
    }

    #[test]
    fn the_tickets_of_both_versions_are_found_however_the_hello_is_cut() {
        let (message, expected) = sample();
        for size in [1, 2, 7, 100, 16_000] {
            let bytes = records(&message, size);
            assert_eq!(read(&bytes), expected);
            assert_eq!(read(&[&bytes[..], b"more"].concat()), expected);
            for end in 0..bytes.len() {
                assert_eq!(read(&bytes[..end]), Hello::Unfinished, "{end} of {size}");
            }
        }
    }

    #[test]
    fn a_hello_without_tickets_has_none_and_what_is_none_is_known_at_once() {
        assert_eq!(read(&records(&message(&[]), 100)), Hello::Tickets(Vec::new()));
        assert_eq!(read(b"USER"), Hello::Other);
        assert_eq!(read(&[HANDSHAKE, 3, 1, 0, 0]), Hello::Other);
        assert_eq!(read(&records(&[2, 0, 0, 1, 0], 100)), Hello::Other);
        assert_eq!(read(&records(&[CLIENT_HELLO, 1, 0, 0, 0], 100)), Hello::Other, "too long");
    }

    #[test]
    fn lengths_that_lie_lead_nowhere() {
        let (message, _) = sample();
        let bytes = records(&message, 16_000);
        for index in 0..bytes.len() {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut changed = bytes.clone();
                changed[index] = value;
                let _ = read(&changed); // anything but a panic
            }
        }
    }
}
