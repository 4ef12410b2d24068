//! The PROXY protocol, versions 1 and 2: a balancer says before the first byte for whom it connects.
//!
//! Whoever may write such a header may claim any address: it is read from listed peers only, and has to come first, whole
//! and soon.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ppp::{HeaderResult, v1, v2};
use tokio::net::TcpStream;
use wharf_proto::dialogue::canonical_endpoint;
use wharf_proto::limits;

/// The twelve bytes that begin version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What stands before the rest of a header of version 2, its length at the end.
const FIXED: usize = 16;
/// Longest header of version 1, with its line end (specification, section 2.1).
const LINE: usize = 107;

/// For whom a balancer connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The client's end of its connection to the balancer.
    pub client: SocketAddr,
    /// The balancer's end: what the client takes for the server.
    pub destination: SocketAddr,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Something else came.
    #[error(
        "no PROXY header came first, or a broken one: the balancer has to send one (send-proxy, send-proxy-v2)"
    )]
    NoHeader,
    /// More than a header may hold.
    #[error("the PROXY header is longer than {} bytes", limits::PROXY_HEADER)]
    TooLong,
    /// It did not come in time.
    #[error("the PROXY header did not come within {} s", .0.as_secs())]
    TooLate(Duration),
    /// The connection broke or ended before.
    #[error("the connection ended within the PROXY header: {0}")]
    Network(#[from] io::Error),
}

/// Reads the header, and not a byte behind it. None for a connection of the balancer's own, such as a health check.
///
/// # Errors
/// When there is none, or it is too long, or too late.
pub async fn read_header(stream: &TcpStream) -> Result<Option<Relayed>, ProxyError> {
    let time = limits::PROXY_HEADER_TIME;
    match tokio::time::timeout(time, read(stream)).await {
        Ok(result) => result,
        Err(_) => Err(ProxyError::TooLate(time)),
    }
}

async fn read(stream: &TcpStream) -> Result<Option<Relayed>, ProxyError> {
    let mut header = vec![0; SIGNATURE.len()];
    fill(stream, &mut header).await?;
    if header == SIGNATURE {
        header.resize(FIXED, 0);
        fill(stream, &mut header[SIGNATURE.len()..]).await?;
        let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
        if FIXED + rest > limits::PROXY_HEADER {
            return Err(ProxyError::TooLong);
        }
        header.resize(FIXED + rest, 0);
        fill(stream, &mut header[FIXED..]).await?;
    } else if header.starts_with(b"PROXY ") {
        // A byte at a time: what stands behind the line is the client's.
        while !header.ends_with(b"\n") {
            if header.len() == LINE {
                return Err(ProxyError::TooLong);
            }
            let mut byte = [0];
            fill(stream, &mut byte).await?;
            header.push(byte[0]);
        }
    } else {
        return Err(ProxyError::NoHeader);
    }
    parse(&header)
}

async fn fill(stream: &TcpStream, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => buffer = &mut buffer[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn parse(header: &[u8]) -> Result<Option<Relayed>, ProxyError> {
    let ends: Option<(SocketAddr, SocketAddr)> = match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => match header.addresses {
            v1::Addresses::Unknown => None,
            v1::Addresses::Tcp4(ends) => Some((
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
            v1::Addresses::Tcp6(ends) => Some((
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
        },
        HeaderResult::V2(Ok(header)) if header.command == v2::Command::Local => None,
        HeaderResult::V2(Ok(header)) => match header.addresses {
            v2::Addresses::IPv4(ends) => Some((
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
            v2::Addresses::IPv6(ends) => Some((
                (ends.source_address, ends.source_port).into(),
                (ends.destination_address, ends.destination_port).into(),
            )),
            v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        },
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => return Err(ProxyError::NoHeader),
    };
    Ok(ends.map(|(client, destination)| Relayed {
        client: canonical_endpoint(client),
        destination: canonical_endpoint(destination),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    /// What comes of these bytes, and how many of them are left behind it.
    fn read_from(bytes: &[u8]) -> (Result<Option<Relayed>, ProxyError>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            client.write_all(bytes).unwrap();
            drop(client);
            accepted.set_nonblocking(true).unwrap();
            let stream = TcpStream::from_std(accepted).unwrap();
            let result = read_header(&stream).await;
            let mut left = Vec::new();
            let mut stream = stream;
            tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut left).await.unwrap();
            (result, left.len())
        })
    }

    fn version_2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([0x20 | command, family]);
        header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
        header.extend(addresses);
        header
    }

    #[test]
    fn both_versions_are_read_to_their_end_and_no_further() {
        let relayed = Relayed {
            client: "203.0.113.9:4711".parse().unwrap(),
            destination: "198.51.100.2:21".parse().unwrap(),
        };
        let addresses = [203, 0, 113, 9, 198, 51, 100, 2, 0x12, 0x67, 0, 21];
        let with_extension = [&addresses[..], &[4, 0, 2, 1, 2]].concat();
        let line = b"PROXY TCP4 203.0.113.9 198.51.100.2 4711 21\r\n".to_vec();
        for header in [line, version_2(1, 0x11, &addresses), version_2(1, 0x11, &with_extension)] {
            let (result, left) = read_from(&[&header[..], b"USER x\r\n"].concat());
            assert_eq!((result.unwrap(), left), (Some(relayed), 8), "{header:?}");
        }
        let (result, _) = read_from(b"PROXY TCP6 2001:db8::9 ::ffff:198.51.100.2 4711 21\r\n");
        let relayed = result.unwrap().unwrap();
        assert_eq!(relayed.client, "[2001:db8::9]:4711".parse().unwrap());
        assert_eq!(relayed.destination, "198.51.100.2:21".parse().unwrap());
    }

    #[test]
    fn a_balancers_own_connections_are_its_own() {
        for header in [b"PROXY UNKNOWN\r\n".to_vec(), version_2(0, 0, &[]), version_2(1, 0, &[])] {
            assert_eq!(read_from(&header).0.unwrap(), None, "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in [
            b"USER anonymous\r\nPASS x\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 198.51.100.2 4711\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.999 198.51.100.2 4711 21\r\n".to_vec(),
            version_2(1, 0x11, &[1, 2, 3]),
            version_2(7, 0x11, &[0; 12]),
        ] {
            assert!(matches!(read_from(&bytes).0, Err(ProxyError::NoHeader)), "{bytes:?}");
        }
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 200]].concat();
        for bytes in [long, version_2(1, 0x11, &vec![0; limits::PROXY_HEADER])] {
            assert!(matches!(read_from(&bytes).0, Err(ProxyError::TooLong)), "{bytes:?}");
        }
        assert!(matches!(read_from(b"PROXY TCP4 203.0").0, Err(ProxyError::Network(_))));
    }
}
