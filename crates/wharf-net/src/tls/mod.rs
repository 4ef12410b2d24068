//! TLS: the only place where a TLS library is set up. rustls, with aws-lc-rs as the provider that is named each time;
//! there is no process-wide one.
//!
//! | file | job |
//! |---|---|
//! | `certificate.rs` | certificates and keys: read, checked, made, chosen by name |

mod certificate;

pub use certificate::{CertificateError, CertificateSource, Certificates};

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
