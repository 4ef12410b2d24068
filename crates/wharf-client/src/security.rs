//! TLS on the control connection: when it is spoken, with whom, and what is never said without it (RFC 4217).

use std::sync::Arc;
use std::time::Duration;

use wharf_net::tls::{ClientTls, Connector, Secured, TlsVersion, Verification};
use wharf_proto::command::{ByteCount, ProtectionLevel, Text};
use wharf_proto::dialogue::SecurityState;
use wharf_proto::{Command, Reply, ReplyCode, limits};

use crate::error::{ClientError, ControlFailure};
use crate::login::ServerAddress;
use crate::options::{TlsMode, TlsOptions};
use crate::session::Session;
use crate::tls_failure::{TlsFailure, TlsProblem};
use crate::url::Scheme;

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// Never.
    Never,
    /// Behind AUTH, if the server takes it.
    IfOffered,
    /// Behind AUTH, which the server has to take.
    BehindAuth,
    /// With the first byte.
    AtOnce,
}

/// The TLS of a session.
#[derive(Debug)]
pub(crate) struct Security {
    begin: Begin,
    verification: Verification,
    is_insecure: bool,
    clear_control: bool,
    connector: Connector,
    /// Of the present control connection.
    session: Option<Arc<ClientTls>>,
    secured: Option<Secured>,
    /// The server refused AUTH: it is not asked again in this session.
    has_refused: bool,
    has_warned: bool,
    /// The newest version that is offered.
    newest: TlsVersion,
    /// Why data connections go in clear under a control connection with TLS.
    unprotected: Option<(Command, Reply)>,
    /// PBSZ and PROT were taken before the login.
    pub(crate) protects_first: bool,
    /// The first of what came in clear behind 234, in bytes.
    pub(crate) behind_auth: Option<usize>,
    /// The server ends its data connections with close_notify.
    pub(crate) says_close_notify: bool,
    /// The server took tickets of ours.
    pub(crate) resumes: bool,
}

impl Security {
    /// What the user's choice means for a server. Reads the files that it names.
    pub(crate) fn new(server: &ServerAddress, options: &TlsOptions) -> Result<Self, ClientError> {
        let begin = match (server.scheme, options.mode) {
            (Scheme::ImplicitTls | Scheme::ExplicitTls, TlsMode::Off) => {
                let scheme = if server.scheme == Scheme::ImplicitTls { "ftps://" } else { "ftpes://" };
                return Err(ClientError::Usage(format!(
                    "{scheme} asks for TLS, and --tls off forbids it; leave one out"
                )));
            }
            (Scheme::ImplicitTls, _) => Begin::AtOnce,
            (Scheme::ExplicitTls, _) | (Scheme::Ftp, TlsMode::Require) => Begin::BehindAuth,
            (Scheme::Ftp, TlsMode::Auto) => Begin::IfOffered,
            (Scheme::Ftp, TlsMode::Off) => Begin::Never,
        };
        let verification = match begin {
            Begin::BehindAuth | Begin::AtOnce if !options.insecure => Verification::Required,
            _ => Verification::Attempted,
        };
        Ok(Self {
            begin,
            verification,
            is_insecure: options.insecure,
            clear_control: options.clear_control,
            connector: Connector::new(options.connector.clone())?,
            session: None,
            secured: None,
            has_refused: false,
            has_warned: false,
            newest: TlsVersion::Tls13,
            unprotected: None,
            protects_first: false,
            behind_auth: None,
            says_close_notify: false,
            resumes: false,
        })
    }

    /// What the handshake of the control connection agreed on.
    pub(crate) fn secured(&self) -> Option<Secured> {
        self.secured
    }

    /// Why the server's certificate does not prove who it is.
    pub(crate) fn problem(&self) -> Option<String> {
        self.session.as_ref()?.problem().map(|problem| problem.to_string())
    }

    /// Whether the present control connection was put under TLS.
    pub(crate) fn is_secured_now(&self) -> bool {
        self.session.is_some()
    }

    /// Whether CCC is to be said.
    pub(crate) fn clears_control(&self) -> bool {
        self.clear_control
    }

    /// PBSZ and PROT were taken.
    pub(crate) fn is_protected(&mut self) {
        self.unprotected = None;
    }

    fn is_required(&self) -> bool {
        // What was under TLS once does not come back in clear.
        matches!(self.begin, Begin::BehindAuth | Begin::AtOnce) || self.secured.is_some()
    }
}

impl Session {
    /// Speaks TLS before anything else, where that is how the server is spoken to.
    pub(crate) async fn secure_at_once(&mut self) -> Result<(), ClientError> {
        self.security.session = None;
        if self.security.begin == Begin::AtOnce {
            self.shake_hands().await?;
            self.pi.tls_from_the_start(self.clock.now());
        }
        Ok(())
    }

    /// AUTH TLS, if that is wanted. Until it is over nothing else is said.
    ///
    /// # Errors
    /// When TLS is required and not offered, or when it fails.
    pub(crate) async fn secure_behind_auth(&mut self, greeting: &Reply) -> Result<(), ClientError> {
        let is_required = self.security.is_required();
        match self.security.begin {
            Begin::AtOnce => return Ok(()),
            Begin::IfOffered | Begin::BehindAuth if !self.security.has_refused => {}
            _ => {
                self.observer.control_secured(None);
                return Ok(());
            }
        }
        if is_required && greeting.code() == ReplyCode::LOGGED_IN {
            return Err(self.tls_failed(TlsProblem::LoginBeforeTls(greeting.clone()))); // threat 29
        }
        let Ok(mechanism) = Text::new("TLS") else { return Ok(()) };
        let reply = self.exchange(&Command::Auth(mechanism)).await?;
        if self.pi.dialogue().state().security != SecurityState::Handshake {
            if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
                return Err(ControlFailure::Dismissed(reply).into());
            }
            if is_required || !reply.code().is_negative() {
                return Err(self.tls_failed(TlsProblem::NotOffered(reply)));
            }
            self.security.has_refused = true;
            self.observer.control_secured(None);
            return Ok(());
        }
        if let Some(count) = self.security.behind_auth.take() {
            return Err(self.tls_failed(TlsProblem::ClearBehindAuth { count })); // threat 29
        }
        self.shake_hands().await?;
        self.pi.tls_established(self.clock.now());
        Ok(())
    }

    async fn shake_hands(&mut self) -> Result<(), ClientError> {
        let limit = self.handshake_limit();
        let peer = self.peer().ip();
        let Security { connector, verification, newest, .. } = &self.security;
        let begun = connector.begin_session(&self.server.host, peer, *verification, *newest);
        let shaken = match begun {
            Ok(session) => self.control.connect_tls(&session, limit).await.map(|secured| (session, secured)),
            Err(error) => Err(error),
        };
        let (session, secured) = match shaken {
            Ok(shaken) => shaken,
            Err(error) => return Err(self.tls_failed(TlsProblem::Handshake(error))),
        };
        self.observer.control_secured(Some(&secured));
        if let Some(problem) = session.problem()
            && !self.security.is_insecure
            && !std::mem::replace(&mut self.security.has_warned, true)
        {
            self.observer.warning(&format!(
                "the certificate of {} does not prove who it is ({problem}): everything is encrypted, but anybody on \
                 the way may read along; ftpes:// or --tls require would refuse it, --ca FILE would verify it",
                self.server.host
            ));
        }
        self.security.secured = Some(secured);
        self.security.session = Some(Arc::new(session));
        Ok(())
    }

    /// Sees to it that the next data connection can resume the control connection's TLS session.
    ///
    /// A ticket of TLS 1.3 is used once, and some servers give no new ones with uploads (ProFTPD). A session of TLS 1.2 is
    /// resumed as often as one likes: so a new control connection speaks that, if the server lets it.
    pub(crate) async fn provide_tickets(&mut self) -> Result<(), ClientError> {
        let tls = self.data_tls()?.filter(|_| self.security.resumes);
        if !tls.is_some_and(|tls| tls.is_out_of_tickets()) {
            return Ok(());
        }
        self.observer.note(
            "the server gave no more tickets to resume TLS with; they come with a new control connection",
        );
        self.abandon();
        if std::mem::replace(&mut self.security.newest, TlsVersion::Tls12) == TlsVersion::Tls12 {
            return self.revive().await;
        }
        match self.revive().await {
            Err(ClientError::Tls(_)) => {
                self.security.newest = TlsVersion::Tls13;
                self.revive().await
            }
            other => other,
        }
    }

    /// The longest that a handshake may take.
    pub(crate) fn handshake_limit(&self) -> Duration {
        self.options.times.reply.min(limits::TLS_HANDSHAKE_TIME)
    }

    fn tls_failed(&mut self, problem: TlsProblem) -> ClientError {
        self.abandon();
        ClientError::Tls(Box::new(TlsFailure::new(&self.server.host, problem)))
    }

    /// PBSZ 0 and PROT P (RFC 4217 §8 and §9): data connections under TLS. Before the login, and behind it once more
    /// where the server wants that first.
    pub(crate) async fn protect_data(&mut self, is_logged_in: bool) -> Result<(), ClientError> {
        if self.security.session.is_none() {
            return Ok(());
        }
        if !is_logged_in {
            self.security.unprotected = None;
        } else if self.security.unprotected.is_none() {
            return Ok(());
        }
        self.security.unprotected = self.ask_for_protection().await?;
        self.security.protects_first = !is_logged_in && self.security.unprotected.is_none();
        let Some((command, reply)) = &self.security.unprotected else { return Ok(()) };
        let is_unknown = matches!(reply.code(), ReplyCode::SYNTAX_ERROR | ReplyCode::NOT_IMPLEMENTED);
        if self.security.begin == Begin::AtOnce && is_unknown {
            // Implicit FTPS is older than both commands: data connections are under TLS as well.
            self.security.unprotected = None;
        } else if is_logged_in && self.security.begin == Begin::IfOffered {
            let warning = format!(
                "files and listings go in clear: the server refused {command} with \"{reply}\"; --tls require would not let them"
            );
            self.observer.warning(&warning);
        }
        Ok(())
    }

    async fn ask_for_protection(&mut self) -> Result<Option<(Command, Reply)>, ClientError> {
        let Some(no_buffer) = ByteCount::new(0) else { return Ok(None) };
        for command in [Command::Pbsz(no_buffer), Command::Prot(ProtectionLevel::Private)] {
            let reply = self.exchange(&command).await?;
            if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
                return Err(ControlFailure::Dismissed(reply).into());
            }
            if reply.code().is_negative() {
                return Ok(Some((command, reply)));
            }
        }
        Ok(None)
    }

    /// CCC (RFC 2228 §3), where it was asked for: the control connection goes on in clear.
    pub(crate) async fn clear_control(&mut self) -> Result<(), ClientError> {
        if !self.security.clear_control || self.security.session.is_none() {
            return Ok(());
        }
        let reply = self.exchange(&Command::Ccc).await?;
        if reply.code().is_negative() {
            let warning =
                format!("the control connection stays under TLS: the server refused CCC with \"{reply}\"");
            self.observer.warning(&warning);
            return Ok(());
        }
        let (pi, clock) = (&mut self.pi, self.clock);
        let ended = self.control.end_tls(limits::TLS_END_TIME, |rest| {
            // What is no FTP is found again with the next reply.
            let _ = pi.handle_input(clock.now(), rest);
        });
        match ended.await {
            Ok(()) => {
                self.observer.note("the control connection goes on in clear (CCC)");
                Ok(())
            }
            Err(error) => Err(self.tls_failed(TlsProblem::NotEnded(error.to_string()))),
        }
    }

    /// With which TLS data connections are made; none where they go in clear.
    ///
    /// # Errors
    /// When they would go in clear, and must not.
    pub(crate) fn data_tls(&self) -> Result<Option<Arc<ClientTls>>, ClientError> {
        match &self.security.unprotected {
            None => Ok(self.security.session.clone()),
            Some(_) if self.security.begin == Begin::IfOffered => Ok(None),
            Some((command, reply)) => Err(crate::diagnosis::unprotected(command, reply)),
        }
    }
}
