//! Why the control connection is not under TLS although it has to be.

use core::fmt;

use wharf_findings::{Cause, Confidence, Evidence, Finding, Side};
use wharf_net::tls::HandshakeError;
use wharf_proto::Reply;

/// No TLS on the control connection: nothing secret was sent.
#[derive(Debug)]
pub struct TlsFailure {
    /// The server, as it was asked for.
    pub host: String,
    /// What happened.
    pub problem: TlsProblem,
    /// The root causes that it proves or points to.
    pub findings: Vec<Finding>,
}

/// What happened in place of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsProblem {
    /// The server does not take AUTH TLS (RFC 4217 §4).
    #[error(
        "it answered AUTH TLS with \"{0}\"; use an ftp:// URL with --tls auto or off to go on without encryption"
    )]
    NotOffered(Reply),
    /// The server says that we are logged in before we have said who we are, as somebody does who wants TLS left out.
    #[error("it greeted with \"{0}\" before any login, as one would who wants TLS left out")]
    LoginBeforeTls(Reply),
    /// Bytes in clear behind 234: somebody put words into the server's mouth.
    #[error("{count} bytes in clear came behind its 234, as if to be taken for its words under TLS")]
    ClearBehindAuth {
        /// How many.
        count: usize,
    },
    /// The handshake failed.
    #[error("{0}")]
    Handshake(HandshakeError),
    /// TLS was to be ended by CCC, and was not in order.
    #[error("it did not end TLS in order after CCC ({0}); leave --ccc out")]
    NotEnded(String),
}

impl TlsFailure {
    pub(crate) fn new(host: &str, problem: TlsProblem) -> Self {
        let findings = match &problem {
            TlsProblem::Handshake(error) => finding(error).into_iter().collect(),
            _ => Vec::new(),
        };
        Self { host: host.to_owned(), problem, findings }
    }
}

impl std::error::Error for TlsFailure {}

/// One sentence, and the root causes with who must change what.
impl fmt::Display for TlsFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no TLS with {}: {}", self.host, self.problem)?;
        match &self.problem {
            TlsProblem::NotEnded(_) => {}
            _ => f.write_str("; no password was sent")?,
        }
        match &self.problem {
            TlsProblem::Handshake(HandshakeError::InClear) => {
                f.write_str(
                    "; TLS from the first byte on (ftps://) may not be what it speaks: try ftpes://",
                )?;
            }
            TlsProblem::Handshake(HandshakeError::CertificateRejected { .. }) => {
                f.write_str("; --insecure goes on without knowing who the server is")?;
            }
            TlsProblem::Handshake(_) => f.write_str("; an ftp:// URL with --tls off goes on in clear")?,
            _ => {}
        }
        self.findings.iter().try_for_each(|finding| write!(f, "\n{finding}"))
    }
}

/// The root cause of a failed handshake, where it alone tells one.
pub(crate) fn finding(error: &HandshakeError) -> Option<Finding> {
    let (cause, confidence, evidence) = match error {
        HandshakeError::CertificateRejected { reason } => {
            let evidence = Evidence::CertificateRejected { reason: reason.clone() };
            (Cause::CertificateInvalid, Confidence::Certain, evidence)
        }
        HandshakeError::NothingInCommon(reason) => {
            let evidence = Evidence::TlsAlert { by: Side::Client, alert: reason.clone() };
            (Cause::TlsNoCommonVersion, Confidence::Certain, evidence)
        }
        HandshakeError::Alert { alert, is_about_version: true, .. } => {
            let evidence = Evidence::TlsAlert { by: Side::Server, alert: alert.clone() };
            (Cause::TlsNoCommonVersion, Confidence::Likely, evidence)
        }
        _ => return None,
    };
    Finding::new(cause, confidence, vec![evidence]).ok()
}
