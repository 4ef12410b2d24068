//! What passes this machine's wire, where the system lets us look (CAP_NET_RAW): the time to live of resets, and
//! connection attempts that a firewall of this machine does not let in.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

/// Every protocol above Ethernet (packet(7), linux/if_ether.h).
const ALL_PROTOCOLS: u16 = 3;
/// Enough of a packet for the headers of IPv6 and TCP; the rest is cut off.
const HEADERS: usize = 128;
/// How often the thread looks whether it is to end.
const TURN: Duration = Duration::from_millis(100);
/// Most endpoints of a kind that are remembered.
const MOST: usize = 4096;
/// The protocol number of TCP.
const TCP: u8 = 6;
/// Bits in the flags of TCP.
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A look at the wire, which ends with this.
#[derive(Debug)]
pub(super) struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and whoever asks have in common. Packets are taken from the socket only by who has `seen`, so that nobody
/// asks while one is on its way into it.
#[derive(Debug)]
struct Shared {
    socket: Socket,
    seen: Mutex<Seen>,
    is_over: AtomicBool,
}

#[derive(Debug, Default)]
struct Seen {
    /// The time to live of the last packet that was no reset, by the endpoint from which it came.
    time_to_live: HashMap<SocketAddr, u8>,
    /// The same of resets.
    resets: HashMap<SocketAddr, u8>,
    /// From where each endpoint was last asked for a connection.
    attempts: HashMap<SocketAddr, SocketAddr>,
}

impl Wire {
    /// Begins to look; none where that is not allowed.
    pub(super) fn start() -> Option<Self> {
        let protocol = Protocol::from(i32::from(ALL_PROTOCOLS.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM.cloexec(), Some(protocol)).ok()?;
        socket.set_read_timeout(Some(TURN)).ok()?;
        let shared = Arc::new(Shared { socket, seen: Mutex::default(), is_over: AtomicBool::new(false) });
        let theirs = shared.clone();
        let thread = thread::Builder::new().name("wire".to_owned()).spawn(move || theirs.watch()).ok()?;
        Some(Self { shared, thread: Some(thread) })
    }

    /// The time to live, in hops, of the last reset from `endpoint`.
    pub(super) fn reset_from(&self, endpoint: SocketAddr) -> Option<u8> {
        self.shared.up_to_now().resets.get(&plain(endpoint)).copied()
    }

    /// The time to live of what else came from `endpoint`.
    pub(super) fn time_to_live(&self, endpoint: SocketAddr) -> Option<u8> {
        self.shared.up_to_now().time_to_live.get(&plain(endpoint)).copied()
    }

    /// From where somebody tried to connect to `endpoint`, which is this machine's.
    pub(super) fn attempt_at(&self, endpoint: SocketAddr) -> Option<SocketAddr> {
        self.shared.up_to_now().attempts.get(&plain(endpoint)).copied()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Notes what passes until that is over, so that the socket's buffer does not overflow.
    fn watch(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            let mut unread = [MaybeUninit::uninit()];
            let noted = self.socket.peek(&mut unread).and_then(|_| self.note_one(&mut self.seen()));
            match noted {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                // The interface is gone: nothing more is seen.
                Err(_) => return,
            }
        }
    }

    /// With all that has passed by now: a busy machine may not have let the thread get to it yet.
    fn up_to_now(&self) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen();
        if self.socket.set_nonblocking(true).is_ok() {
            // On a busy wire there is always one more.
            let mut pending = (0..MOST).map(|_| self.note_one(&mut seen));
            while pending.next().is_some_and(|noted| noted.is_ok()) {}
            drop(pending);
            if let Err(error) = self.socket.set_nonblocking(false) {
                tracing::debug!(%error, "the look at the wire does not wait any more");
            }
        }
        seen
    }

    fn note_one(&self, seen: &mut Seen) -> std::io::Result<()> {
        let mut packet = [0; HEADERS];
        let length = (&self.socket).read(&mut packet)?;
        if let Some(segment) = Segment::read(&packet[..length]) {
            seen.note(&segment);
        }
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the scope of a link-local address, which no packet tells.
fn plain(endpoint: SocketAddr) -> SocketAddr {
    SocketAddr::new(endpoint.ip(), endpoint.port())
}

impl Seen {
    fn note(&mut self, segment: &Segment) {
        let Segment { from, to, flags, time_to_live } = *segment;
        if flags & RST != 0 {
            insert(&mut self.resets, from, time_to_live);
        } else {
            insert(&mut self.time_to_live, from, time_to_live);
        }
        if flags & (SYN | ACK) == SYN {
            insert(&mut self.attempts, to, from);
        }
    }
}

fn insert<T>(map: &mut HashMap<SocketAddr, T>, endpoint: SocketAddr, value: T) {
    if map.len() < MOST || map.contains_key(&endpoint) {
        map.insert(endpoint, value);
    }
}

/// What counts of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    from: SocketAddr,
    to: SocketAddr,
    flags: u8,
    time_to_live: u8,
}

impl Segment {
    /// Reads a packet from its IP header on (RFC 791 §3.1, RFC 8200 §3, RFC 9293 §3.1). IPv6 with extension headers, which
    /// TCP has none of in practice, is passed over.
    fn read(packet: &[u8]) -> Option<Self> {
        let (from, to, time_to_live, tcp): (IpAddr, IpAddr, u8, &[u8]) = match packet.first()? >> 4 {
            4 => {
                let is_first_fragment = (packet.get(6)? & 0x1f, *packet.get(7)?) == (0, 0);
                if packet.get(9) != Some(&TCP) || !is_first_fragment {
                    return None;
                }
                let header = usize::from(packet[0] & 0x0f) * 4;
                let address = |at| {
                    Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?)))
                };
                (address(12)?, address(16)?, packet[8], packet.get(header..)?)
            }
            6 => {
                if packet.get(6) != Some(&TCP) {
                    return None;
                }
                let address = |at| {
                    Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?)))
                };
                (address(8)?, address(24)?, packet[7], packet.get(40..)?)
            }
            _ => return None,
        };
        let port = |at: usize| Some(u16::from_be_bytes([*tcp.get(at)?, *tcp.get(at + 1)?]));
        let (from, to) = (SocketAddr::new(from, port(0)?), SocketAddr::new(to, port(2)?));
        Some(Self { from, to, flags: *tcp.get(13)?, time_to_live })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_from_its_ip_header_on() {
        let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 61, TCP, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend([0, 21, 0xc3, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, RST | ACK, 0, 0, 0, 0, 0, 0]);
        let segment = Segment::read(&packet).unwrap();
        assert_eq!(segment.from, "192.0.2.1:21".parse().unwrap());
        assert_eq!(segment.to, "192.0.2.2:50000".parse().unwrap());
        assert_eq!((segment.flags, segment.time_to_live), (RST | ACK, 61));
        for end in 0..34 {
            assert_eq!(Segment::read(&packet[..end]), None, "{end} bytes");
        }
        packet[7] = 1; // a later fragment has no TCP header
        assert_eq!(Segment::read(&packet), None);
        packet[0] = 0x65;
        assert_eq!(Segment::read(&packet), None);
    }

    #[test]
    fn resets_and_attempts_are_told_apart() {
        let mut seen = Seen::default();
        let (one, other) = ("192.0.2.1:21".parse().unwrap(), "192.0.2.2:50000".parse().unwrap());
        let mut note =
            |flags, time_to_live| seen.note(&Segment { from: one, to: other, flags, time_to_live });
        note(SYN, 60);
        note(SYN | ACK, 61);
        note(RST, 62);
        assert_eq!(seen.time_to_live[&one], 61);
        assert_eq!(seen.resets[&one], 62);
        assert_eq!(seen.attempts[&other], one);
    }
}
