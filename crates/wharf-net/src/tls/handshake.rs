//! The handshake over a socket, and what can go wrong with it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustls::Error;
use tokio::io::Interest;

use super::TlsVersion;
use super::channel::Channel;
use super::verifier;

/// Bytes that are read at once in a handshake: more than a hello has.
const PIECE: usize = 4096;

/// A socket that does not block.
pub(crate) trait Socket {
    /// Reads what is there; `WouldBlock` where nothing is.
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes what fits; `WouldBlock` where nothing does.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Acknowledges at once what has come. Many clients send their last flight in two pieces, and with Nagle's algorithm
    /// the second waits for the acknowledgement of the first, which the kernel would hold back for 40 ms.
    fn acknowledge(&self);
    /// Waits until one of them may work.
    fn wait(&mut self, interest: Interest) -> impl Future<Output = io::Result<()>> + Send;
}

/// What a handshake agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secured {
    /// The version that is spoken.
    pub version: TlsVersion,
    /// Whether a session of before was resumed.
    pub is_resumed: bool,
    /// Whether the other end's certificate was verified, now or in the session that was resumed. A server asks for none.
    pub is_verified: bool,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Not a byte came.
    #[error("no TLS handshake came in {} s", .waited.as_secs_f32())]
    Silent {
        /// How long it was waited for.
        waited: Duration,
    },
    /// It began, and did not come to its end.
    #[error("the TLS handshake was not complete in {} s", .waited.as_secs_f32())]
    Slow {
        /// How long it was waited for.
        waited: Duration,
    },
    /// What came is no TLS.
    #[error("clear bytes came where the TLS handshake was expected")]
    InClear,
    /// The other end closed.
    #[error("the connection was closed during the TLS handshake")]
    Closed,
    /// The other end sent a fatal alert.
    #[error("the other side ended the TLS handshake with the alert {alert}")]
    Alert {
        /// Its name, as `unknown_ca`.
        alert: String,
        /// Whether it is about our certificate.
        is_about_certificate: bool,
        /// Whether it is about versions and ciphers.
        is_about_version: bool,
    },
    /// There is no version or cipher that both know.
    #[error("no TLS version or cipher is known to both sides ({0})")]
    NothingInCommon(String),
    /// The client wants another protocol than FTP (ALPN).
    #[error("the client wants another protocol than ftp inside TLS (ALPN)")]
    OtherProtocol,
    /// The other end's certificate does not prove who it is.
    #[error("the certificate does not prove who the server is: {reason}")]
    CertificateRejected {
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else that TLS does not allow.
    #[error("the TLS handshake failed: {0}")]
    Failed(String),
    /// The connection broke.
    #[error("the connection broke during the TLS handshake: {0}")]
    Network(String),
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Network(error.to_string())
    }
}

/// Shakes hands within `limit`. Where that fails, an alert has told the other end why.
pub(crate) async fn shake_hands(
    channel: &mut Channel,
    socket: &mut impl Socket,
    limit: Duration,
) -> Result<Secured, HandshakeError> {
    match tokio::time::timeout(limit, exchange(channel, socket)).await {
        Ok(Ok(())) => Ok(secured(channel)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(unanswered(channel, limit)),
    }
}

fn unanswered(channel: &Channel, waited: Duration) -> HandshakeError {
    if channel.has_received() { HandshakeError::Slow { waited } } else { HandshakeError::Silent { waited } }
}

/// Shakes hands over a socket that blocks, and knows itself how long.
pub(crate) fn shake_hands_blocking(
    channel: &mut Channel,
    socket: &mut impl Socket,
) -> Result<Secured, HandshakeError> {
    let exchanged = {
        let exchange = pin!(exchange(channel, socket));
        exchange.poll(&mut Context::from_waker(Waker::noop()))
    };
    match exchanged {
        Poll::Ready(Ok(())) => Ok(secured(channel)),
        Poll::Ready(Err(error)) => Err(error),
        // Whatever it waits for, such a socket waits itself.
        Poll::Pending => Err(HandshakeError::Network(io::ErrorKind::WouldBlock.to_string())),
    }
}

fn secured(channel: &Channel) -> Secured {
    Secured { version: channel.version(), is_resumed: channel.is_resumed(), is_verified: false }
}

async fn exchange(channel: &mut Channel, socket: &mut impl Socket) -> Result<(), HandshakeError> {
    let started = Instant::now();
    // A client has begun already.
    flush(channel, socket).await?;
    while channel.is_handshaking() {
        match channel.receive(PIECE, |buffer| socket.try_read(buffer)) {
            Ok(0) => return Err(HandshakeError::Closed),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.acknowledge();
                match socket.wait(Interest::READABLE).await {
                    Ok(()) => continue,
                    // Its patience with a peer that does not move is shorter than that with a handshake.
                    Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                        let tenths = (started.elapsed().as_secs_f32() * 10.0).round();
                        return Err(unanswered(channel, Duration::from_secs_f32(tenths / 10.0)));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = channel.process() {
            let in_clear = channel.began_in_clear();
            // The alert is small; a socket that has no room for it has nobody who reads.
            let _ = socket.try_write(channel.unsent());
            return Err(if in_clear { HandshakeError::InClear } else { explain(error) });
        }
        // Under TLS 1.3 all that a server says behind the client's last word is tickets. They are sent with what we say next:
        // on an upload that is our close_notify, when the client has sent everything. A client that closes without
        // reading them would otherwise send RST instead of its last bytes.
        if channel.is_client() || channel.is_handshaking() || channel.version() < TlsVersion::Tls13 {
            flush(channel, socket).await?;
        }
    }
    Ok(())
}

/// Sends everything that is to be sent.
pub(crate) async fn flush(channel: &mut Channel, socket: &mut impl Socket) -> io::Result<()> {
    while !channel.unsent().is_empty() {
        match socket.try_write(channel.unsent()) {
            Ok(count) => channel.sent(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                socket.wait(Interest::WRITABLE).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn explain(error: Error) -> HandshakeError {
    use rustls::AlertDescription as Alert;
    match error {
        Error::AlertReceived(alert) => HandshakeError::Alert {
            alert: snake_case(&format!("{alert:?}")),
            is_about_certificate: matches!(
                alert,
                Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
            ),
            is_about_version: matches!(
                alert,
                Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity
            ),
        },
        Error::PeerIncompatible(reason) => HandshakeError::NothingInCommon(format!("{reason:?}")),
        Error::InvalidCertificate(invalid) => {
            HandshakeError::CertificateRejected { reason: verifier::reason(&invalid) }
        }
        Error::NoApplicationProtocol => HandshakeError::OtherProtocol,
        other => HandshakeError::Failed(other.to_string()),
    }
}

/// A name of rustls as RFC 8446 §6 spells it: `UnknownCA` is `unknown_ca`.
fn snake_case(name: &str) -> String {
    let mut spelt = String::new();
    let mut before_was_upper = true;
    for letter in name.chars() {
        if letter.is_uppercase() && !before_was_upper {
            spelt.push('_');
        }
        before_was_upper = letter.is_uppercase();
        spelt.extend(letter.to_lowercase());
    }
    spelt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_spelt_as_the_rfc_spells_them() {
        assert_eq!(snake_case("UnknownCA"), "unknown_ca");
        assert_eq!(snake_case("HandshakeFailure"), "handshake_failure");
        assert_eq!(snake_case("ProtocolVersion"), "protocol_version");
    }
}
