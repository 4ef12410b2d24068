//! TLS as the server has it: its certificates, and what each session may and must do.

use std::sync::Arc;

use wharf_findings::Cause;
use wharf_net::dtp::{DataStream, ExpectedSession};
use wharf_net::tls::{Acceptor, CertificateError, Certificates, HandshakeError, Secured, TlsSession};
use wharf_proto::Reply;
use wharf_proto::command::ProtectionLevel;
use wharf_proto::dialogue::Refusal;

use crate::config::{CloseNotify, ResumptionPolicy, TlsPolicy, TlsSettings};
use crate::session::Session;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// A certificate or key is missing or wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The TLS library refuses.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct ServerTls {
    pub settings: TlsSettings,
    pub acceptor: Arc<Acceptor>,
}

impl ServerTls {
    /// `before` is what the server had before a reload. Connections that are up stay as they are; where the same may be
    /// resumed as before, so do their tickets.
    pub(crate) fn new(settings: TlsSettings, before: Option<&Self>) -> Result<Self, TlsSetupError> {
        let certificates = Certificates::load(&settings.certificates)?;
        let resumes = |settings: &TlsSettings| settings.resumption.policy != ResumptionPolicy::Off;
        let same = before.filter(|before| {
            before.settings.minimum_version == settings.minimum_version
                && resumes(&before.settings) == resumes(&settings)
        });
        let acceptor = match same {
            Some(before) => {
                before
                    .acceptor
                    .replace(certificates)
                    .map_err(|error| TlsSetupError::Library(error.to_string()))?;
                before.acceptor.clone()
            }
            None => {
                let acceptor = Acceptor::new(certificates, settings.minimum_version, resumes(&settings));
                Arc::new(acceptor.map_err(|error| TlsSetupError::Library(error.to_string()))?)
            }
        };
        Ok(Self { settings, acceptor })
    }

    /// Whether AUTH is on offer.
    pub(crate) fn offers_auth(&self) -> bool {
        self.settings.control != TlsPolicy::Off
            || self
                .settings
                .users
                .iter()
                .any(|user| user.control.is_some_and(|policy| policy != TlsPolicy::Off))
    }
}

/// How a data connection is protected.
#[derive(Clone, Debug)]
pub(crate) struct Protection {
    session: Arc<TlsSession>,
    resumption: ResumptionPolicy,
    upload_close_notify: CloseNotify,
    handshake_time: std::time::Duration,
}

/// Why a data connection could not be protected.
#[derive(Debug)]
pub(crate) enum TlsFailure {
    /// The handshake failed.
    Handshake(HandshakeError),
    /// It did not resume the control connection's session, and has to.
    NotResumed,
}

impl TlsFailure {
    /// The cause, as far as this end can tell.
    pub(crate) fn cause(&self) -> Option<Cause> {
        match self {
            Self::Handshake(error) => handshake_cause(error, true),
            Self::NotResumed => Some(Cause::TlsResumptionRequired),
        }
    }
}

/// What a failed handshake comes from.
pub(crate) fn handshake_cause(error: &HandshakeError, on_data: bool) -> Option<Cause> {
    match error {
        HandshakeError::Silent { .. } if on_data => Some(Cause::TlsOrderDeadlock),
        HandshakeError::InClear if on_data => Some(Cause::ProtMismatch),
        HandshakeError::NothingInCommon(_) | HandshakeError::Alert { is_about_version: true, .. } => {
            Some(Cause::TlsNoCommonVersion)
        }
        HandshakeError::Alert { is_about_certificate: true, .. } => Some(Cause::CertificateInvalid),
        _ => None,
    }
}

/// The TLS session that the next data connection of `session` has to resume; none where it need not.
pub(crate) fn expected_session(session: &Session) -> Option<ExpectedSession> {
    if session.pi.dialogue().state().protection != ProtectionLevel::Private {
        return None;
    }
    let (tls, user) = (session.tls()?, session.user()?.as_bytes());
    let policy = tls.settings.resumption.policy_for(user, session.client());
    let mark = session.secured.as_ref()?.mark().filter(|_| policy == ResumptionPolicy::Require)?;
    Some(ExpectedSession { mark, user: user.into() })
}

impl Protection {
    /// What `session` has agreed on for its data connections; none where they go in clear.
    ///
    /// # Errors
    /// When TLS was agreed on and there is none: nothing goes in clear then.
    pub(crate) fn of(session: &Session) -> Result<Option<Self>, Reply> {
        if session.pi.dialogue().state().protection != ProtectionLevel::Private {
            return Ok(None);
        }
        let (Some(tls), Some(secured)) = (session.tls(), &session.secured) else {
            return Err(Refusal::AuthenticateFirst.reply());
        };
        let user = session.user().map_or(&[][..], |user| user.as_bytes());
        Ok(Some(Self {
            session: secured.clone(),
            resumption: tls.settings.resumption.policy_for(user, session.client()),
            upload_close_notify: tls.settings.upload_close_notify,
            handshake_time: session.shared.config.times.tls_handshake,
        }))
    }

    /// Shakes hands on a data connection that has just come up, and sees to it that it belongs to the control
    /// connection.
    pub(crate) async fn secure(&self, stream: &mut DataStream) -> Result<Secured, TlsFailure> {
        let secured =
            stream.accept_tls(&self.session, self.handshake_time).await.map_err(TlsFailure::Handshake)?;
        if self.resumption == ResumptionPolicy::Require && !secured.is_resumed {
            // In order, so that the client comes to read the reply that tells why; nothing was sent.
            let _ = stream.finish().await;
            return Err(TlsFailure::NotResumed);
        }
        if self.upload_close_notify == CloseNotify::Tolerate {
            stream.tolerate_plain_end();
        }
        Ok(secured)
    }

    /// Whether close_notify may be missing, so that the size that ALLO told is all there is to go by.
    pub(crate) fn tolerates_plain_end(&self) -> bool {
        self.upload_close_notify == CloseNotify::Tolerate
    }
}
