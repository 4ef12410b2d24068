//! What a session does to its control connection itself: TLS begins and ends there, and so do the last words.

use std::sync::Arc;
use std::time::Duration;

use wharf_findings::Cause;
use wharf_net::control::Received;
use wharf_proto::limits;

use super::Session;
use crate::data::Negotiated;
use crate::server::ShutdownStage;
use crate::tls::handshake_cause;

/// Longest wait for a client to take the last replies.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Longest wait for a client to close behind them.
const FAREWELL: Duration = Duration::from_secs(2);

/// What has to be done to the control connection before anything else goes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecurityDue {
    /// The TLS handshake, with the connection (implicit FTPS).
    HandshakeFirst,
    /// The TLS handshake, behind 234.
    Handshake,
    /// The end of TLS, behind CCC or REIN; with it, whether data connections stay protected.
    Clear { keeps_data: bool },
}

impl Session {
    /// Begins or ends TLS on the control connection, when the reply that announces it has been sent.
    pub(super) async fn change_security(&mut self, due: SecurityDue) -> std::io::Result<()> {
        self.say_all().await?;
        match due {
            SecurityDue::HandshakeFirst => {
                self.begin_tls().await?;
                self.pi.tls_from_the_start(self.now());
            }
            SecurityDue::Handshake => {
                self.begin_tls().await?;
                self.pi.tls_established(self.now());
            }
            SecurityDue::Clear { keeps_data } => {
                let pi = &mut self.pi;
                self.control.end_tls(limits::TLS_END_TIME, |bytes| pi.handle_input(bytes)).await?;
                if !keeps_data {
                    self.secured = None;
                }
                tracing::debug!(session = self.number, "the control connection goes on in clear");
            }
        }
        Ok(())
    }

    /// The handshake of the control connection. A client that fails is told by an alert, and the session is over.
    async fn begin_tls(&mut self) -> std::io::Result<()> {
        let Some(tls) = &self.shared.tls else { return Err(std::io::ErrorKind::Unsupported.into()) };
        let session = Arc::new(tls.acceptor.begin_session());
        let limit = self.shared.config.times.tls_handshake;
        let stops = self.stage.wait_for(|stage| *stage >= ShutdownStage::Draining);
        let result = tokio::select! {
            result = self.control.accept_tls(&session, limit) => result,
            _ = stops => return Err(std::io::ErrorKind::ConnectionAborted.into()),
        };
        match result {
            Ok(secured) => {
                tracing::debug!(session = self.number, tls = %secured.version, "the control connection is under TLS");
                self.secured = Some(session);
                Ok(())
            }
            Err(error) => {
                match handshake_cause(&error, false).map(Cause::id) {
                    Some(possible_cause) => tracing::warn!(
                        session = self.number, client = %self.client(), %error, possible_cause,
                        "no TLS on the control connection"
                    ),
                    // Whoever scans ports must not fill the log.
                    None => tracing::info!(
                        session = self.number, client = %self.client(), %error, "no TLS on the control connection"
                    ),
                }
                self.hang_up().await?;
                Err(std::io::Error::other(error))
            }
        }
    }

    /// Says the last words and closes without destroying them: a close with unread input would send RST.
    pub(super) async fn farewell(&mut self) -> std::io::Result<()> {
        // A client that is slow to close holds no passive port (S11).
        self.negotiated = Negotiated::Nothing;
        self.say_all().await?;
        self.hang_up().await
    }

    /// Sends all replies, as long as the client takes them.
    async fn say_all(&mut self) -> std::io::Result<()> {
        let said = async {
            loop {
                self.send_what_fits()?;
                if self.pi.output().is_empty() && !self.control.has_unsent() {
                    return Ok::<_, std::io::Error>(());
                }
                self.control.writable().await?;
            }
        };
        tokio::time::timeout(LAST_WORDS, said)
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }

    /// Ends our side, and reads what still comes until the client has closed, or its time is over.
    async fn hang_up(&mut self) -> std::io::Result<()> {
        self.control.finish()?;
        let drained = async { while let Ok(Received::Bytes) = self.control.receive(|_| {}).await {} };
        let _ = tokio::time::timeout(FAREWELL, drained).await;
        Ok(())
    }
}
