//! Whether a server's certificate proves who it is.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError as Invalid, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::provider;

/// Most names of a certificate that are told.
const TOLD_NAMES: usize = 4;
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Who is trusted.
#[derive(Debug)]
pub(super) struct Authorities {
    /// Named by the user. One of them may be the server's own.
    given: Vec<CertificateDer<'static>>,
    /// None where nobody at all is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
}

impl Authorities {
    /// The machine's authorities, and those that are `given`.
    ///
    /// The machine's are read here. It goes on without those that cannot be.
    pub(super) fn load(given: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::debug!(%error, "some of the machine's certificates are left out");
        }
        roots.add_parsable_certificates(native.certs);
        roots.add_parsable_certificates(given.iter().cloned());
        // It fails only where there are no roots.
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok();
        Self { given, chains }
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(chains) = &self.chains else { return Err(Invalid::UnknownIssuer.into()) };
        match chains.verify_server_cert(certificate, intermediates, name, &[], now) {
            // A server's certificate that signs itself, as openssl makes it: the user named this very one.
            Err(Error::InvalidCertificate(Invalid::Other(OtherError(_))))
                if self.given.contains(certificate) =>
            {
                // What is wrong is found behind the dates, which are right, and before the name.
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
            }
            other => other.map(|_| ()),
        }
    }
}

/// Judges the certificates that are shown on one control connection and its data connections.
#[derive(Debug)]
pub(super) struct Verifier {
    authorities: Arc<Authorities>,
    /// One that proves nothing is refused.
    is_required: bool,
    algorithms: WebPkiSupportedAlgorithms,
    /// What was wrong with the last one that was shown. None before.
    verdict: Mutex<Option<Result<(), String>>>,
}

impl Verifier {
    pub(super) fn new(authorities: Arc<Authorities>, is_required: bool) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { authorities, is_required, algorithms, verdict: Mutex::new(None) }
    }

    /// Whether a certificate was shown, and proved who the server is.
    pub(super) fn is_satisfied(&self) -> bool {
        matches!(*self.verdict.lock().unwrap_or_else(PoisonError::into_inner), Some(Ok(())))
    }

    /// What is wrong with the certificate.
    pub(super) fn problem(&self) -> Option<String> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner).clone()?.err()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.authorities.judge(certificate, intermediates, name, now);
        let verdict = judged.as_ref().copied().map_err(|error| match error {
            Error::InvalidCertificate(invalid) => reason(invalid),
            other => other.to_string(),
        });
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        match judged {
            Err(error) if self.is_required => Err(error),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, for whoever has to do something about it.
pub(super) fn reason(invalid: &Invalid) -> String {
    match invalid {
        Invalid::Expired => "it has expired".to_owned(),
        Invalid::ExpiredContext { time, not_after } => {
            format!("it expired {}", days(time.as_secs().saturating_sub(not_after.as_secs()), "ago"))
        }
        Invalid::NotValidYet => "it is not valid yet".to_owned(),
        Invalid::NotValidYetContext { time, not_before } => format!(
            "it is not valid yet, but {} (is the clock right?)",
            days(not_before.as_secs().saturating_sub(time.as_secs()), "from now on")
        ),
        Invalid::UnknownIssuer => "its issuer is not known on this machine".to_owned(),
        Invalid::NotValidForName => "it is for another name".to_owned(),
        Invalid::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().take(TOLD_NAMES).map(|name| bare(name)).collect();
            let more = if presented.len() > TOLD_NAMES { ", …" } else { "" };
            format!("it is for {}{more}, and not for {}", names.join(", "), expected.to_str())
        }
        Invalid::Revoked => "it was revoked".to_owned(),
        Invalid::Other(OtherError(error)) => match error.to_string().as_str() {
            // As openssl makes them: an authority's, which signs itself.
            "CaUsedAsEndEntity" => "it signs itself, and is not known on this machine".to_owned(),
            other => other.to_owned(),
        },
        other => other.to_string(),
    }
}

fn days(seconds: u64, direction: &str) -> String {
    match seconds / DAY {
        0 => format!("less than a day {direction}"),
        1 => format!("a day {direction}"),
        days => format!("{days} days {direction}"),
    }
}

/// `x` of rustls' `DnsName("x")` and `IpAddress(x)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_without_their_wrapping() {
        assert_eq!(bare("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare("plain"), "plain");
    }
}
