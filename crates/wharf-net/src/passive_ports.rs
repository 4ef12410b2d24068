//! Ports to listen on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;

use rand::seq::SliceRandom;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted: strangers among them must not keep the rightful peer out.
const BACKLOG: i32 = 128;
/// Ports tried at random before the whole range is walked through.
const RANDOM_TRIES: usize = 8;

/// Where data listeners may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassivePorts {
    /// Any port that the kernel gives.
    Any,
    /// This range only, its first and last port included.
    Range(RangeInclusive<u16>),
}

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Every port of the range is taken.
    #[error("all {} passive ports {}-{} are in use", .0.len(), .0.start(), .0.end())]
    AllInUse(RangeInclusive<u16>),
    /// The kernel refused.
    #[error("cannot listen on {address}: {source}")]
    Kernel {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl PassivePorts {
    /// Listens on `address` (its port does not count), on a port that nobody can foresee (threat 5).
    ///
    /// # Errors
    /// When the range is full, or the kernel refuses for another reason. Never listens outside the range.
    pub fn listen(&self, mut address: SocketAddr) -> Result<TcpListener, ListenError> {
        let range = match self {
            Self::Any => {
                address.set_port(0);
                return listen_on(address).map_err(|source| ListenError::Kernel { address, source });
            }
            Self::Range(range) => range,
        };
        let mut attempt = |port| {
            address.set_port(port);
            match listen_on(address) {
                Ok(listener) => Some(Ok(listener)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => None,
                Err(source) => Some(Err(ListenError::Kernel { address, source })),
            }
        };
        // While the range is mostly free, a few draws find a port; else each port gets its turn, in random order.
        for _ in 0..RANDOM_TRIES.min(range.len()) {
            if let Some(result) = attempt(rand::random_range(range.clone())) {
                return result;
            }
        }
        let mut ports: Vec<u16> = range.clone().collect();
        ports.shuffle(&mut rand::rng());
        ports.into_iter().find_map(attempt).unwrap_or_else(|| Err(ListenError::AllInUse(range.clone())))
    }
}

/// A non-blocking listener that is not registered with any runtime.
pub(crate) fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    // A port whose last data connection still rests in TIME_WAIT can be listened on again.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn loopback() -> SocketAddr {
        ([127, 0, 0, 1], 0).into()
    }

    /// A range of `count` ports that were free a moment ago.
    fn free_range(count: u16) -> RangeInclusive<u16> {
        'search: loop {
            let first = rand::random_range(20_000..30_000);
            for port in first..first + count {
                if TcpListener::bind(("127.0.0.1", port)).is_err() {
                    continue 'search;
                }
            }
            return first..=first + count - 1;
        }
    }

    #[test]
    fn every_port_of_a_range_is_used_and_none_outside_it() {
        let range = free_range(8);
        let ports = PassivePorts::Range(range.clone());
        let listeners: Vec<_> = (0..8).map(|_| ports.listen(loopback()).unwrap()).collect();
        let used: HashSet<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_eq!(used, range.clone().collect());
        let error = ports.listen(loopback()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("all 8 passive ports {}-{} are in use", range.start(), range.end())
        );
    }

    #[test]
    fn a_range_of_one_port_works_again_and_again() {
        let range = free_range(1);
        let ports = PassivePorts::Range(range.clone());
        for _ in 0..3 {
            let listener = ports.listen(loopback()).unwrap();
            assert_eq!(listener.local_addr().unwrap().port(), *range.start());
        }
    }

    #[test]
    fn ports_follow_each_other_without_a_constant_step() {
        let ports = PassivePorts::Range(free_range(1000));
        let drawn: Vec<i32> = (0..12)
            .map(|_| i32::from(ports.listen(loopback()).unwrap().local_addr().unwrap().port()))
            .collect();
        let steps: HashSet<i32> = drawn.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(steps.len() > 3, "{drawn:?}");
    }
}
