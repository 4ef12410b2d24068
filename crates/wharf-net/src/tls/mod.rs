//! TLS: the only place where a TLS library is set up. rustls, with aws-lc-rs as the provider that is named each time;
//! there is no process-wide one.
//!
//! | file | job |
//! |---|---|
//! | `certificate.rs` | certificates and keys: read, checked, made, chosen by name |
//! | `acceptor.rs` | how control and data connections are set up |
//! | `session.rs` | the tickets that bind data connections to their control connection |
//! | `channel.rs` | a TLS connection without its socket |
//! | `handshake.rs` | the handshake over a socket |
//! | `hello.rs` | whose data connection it is, read off the client's first message |

mod acceptor;
mod certificate;
mod channel;
mod handshake;
mod hello;
mod session;

pub use acceptor::{Acceptor, TlsSession};
pub use certificate::{CertificateError, CertificateSource, Certificates};
pub(crate) use channel::Channel;
pub use handshake::{HandshakeError, Secured};
pub(crate) use handshake::{Socket, flush, shake_hands};
pub(crate) use hello::await_client_hello;
pub use session::SessionMark;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246), the oldest that is safe.
    #[default]
    Tls12,
    /// 1.3 (RFC 8446).
    Tls13,
}

/// What does the cryptography.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}
