//! The client's end: how TLS is set up for a control connection and its data connections.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::ClientConfig;
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;

use super::certificate::{CertificateError, certified, read_chain};
use super::channel::Channel;
use super::handshake::{HandshakeError, Secured, Socket, shake_hands, shake_hands_blocking};
use super::tickets::Tickets;
use super::verifier::{Authorities, Verifier};
use super::{TlsVersion, provider};

/// How a client speaks TLS with whichever server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorOptions {
    /// Files in PEM with certificates that are trusted beside the machine's own.
    pub authorities: Vec<PathBuf>,
    /// The client's own certificate and its key, in PEM; may be the same file.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The newest version that is offered, where that is not the newest of all.
    pub newest: Option<TlsVersion>,
}

/// Whether a server has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// One whose certificate proves nothing is not talked to.
    Required,
    /// It is talked to, and what is wrong with its certificate is told.
    Attempted,
}

/// Begins TLS with servers.
#[derive(Debug)]
pub struct Connector {
    options: ConnectorOptions,
    given: Vec<CertificateDer<'static>>,
    identity: Option<Arc<SingleCertAndKey>>,
    /// Read when somebody has to be verified.
    authorities: OnceLock<Arc<Authorities>>,
}

impl Connector {
    /// Reads the files that the options name.
    ///
    /// # Errors
    /// When one cannot be read, or is not what it should be.
    pub fn new(options: ConnectorOptions) -> Result<Self, CertificateError> {
        let mut given = Vec::new();
        for file in &options.authorities {
            given.extend(read_chain(file)?);
        }
        let identity = match &options.identity {
            Some((certificate, key)) => Some(Arc::new(SingleCertAndKey::from(certified(certificate, key)?))),
            None => None,
        };
        Ok(Self { options, given, identity, authorities: OnceLock::new() })
    }

    /// Begins the TLS of a control connection to `host`, a name or an address, at `peer`, in `newest` or an older version.
    /// Its data connections will resume its session.
    ///
    /// # Errors
    /// When nobody can have a certificate for the host, or the TLS library cannot work like that.
    pub fn begin_session(
        &self,
        host: &str,
        peer: IpAddr,
        verification: Verification,
        newest: TlsVersion,
    ) -> Result<ClientTls, HandshakeError> {
        let is_required = verification == Verification::Required;
        let host = host.split('%').next().unwrap_or(host); // the zone of a link-local address is in no certificate
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(_) if is_required => {
                let reason = format!(
                    "no certificate can be for the name {host}; write it in letters of ASCII (xn--…)"
                );
                return Err(HandshakeError::CertificateRejected { reason });
            }
            Err(_) => ServerName::from(peer),
        };
        let authorities =
            self.authorities.get_or_init(|| Arc::new(Authorities::load(self.given.clone()))).clone();
        let verifier = Arc::new(Verifier::new(authorities, is_required));
        let tickets = Arc::<Tickets>::default();
        let versions = match self.options.newest.map_or(newest, |most| most.min(newest)) {
            TlsVersion::Tls12 => &[&rustls::version::TLS12][..],
            TlsVersion::Tls13 => rustls::ALL_VERSIONS,
        };
        // tidy: allow(tls): the client's end, beside the server's in acceptor.rs; both have the one provider of mod.rs
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|error| HandshakeError::Failed(error.to_string()))?
            .dangerous() // the verifier tells what it lets pass
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match &self.identity {
            Some(identity) => config.with_client_cert_resolver(identity.clone()),
            None => config.with_no_client_auth(),
        };
        config.resumption = Resumption::store(tickets.clone());
        Ok(ClientTls { config: Arc::new(config), name, verifier, tickets, unanswered: Mutex::new(None) })
    }
}

/// The TLS session of one control connection, and of the data connections that resume it.
#[derive(Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    verifier: Arc<Verifier>,
    tickets: Arc<Tickets>,
    /// The beginning of a handshake that no server has seen. Its ticket would be lost with it.
    unanswered: Mutex<Option<Begun>>,
}

/// A handshake that has begun.
#[derive(Debug)]
struct Begun {
    channel: Box<Channel>,
    /// The ClientHello.
    hello: Vec<u8>,
}

impl ClientTls {
    /// What is wrong with the certificate that the server showed last; none where it proved who the server is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.verifier.problem()
    }

    /// Whether the next data connection cannot resume although the server gave tickets: all of them are used up.
    #[must_use]
    pub fn is_out_of_tickets(&self) -> bool {
        self.tickets.were_given() && !self.tickets.has_any() && self.spare().is_none()
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Option<Begun>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shakes hands within `limit`.
    pub(crate) async fn shake_hands(
        &self,
        socket: &mut impl Socket,
        limit: std::time::Duration,
    ) -> Result<(Box<Channel>, Secured), HandshakeError> {
        let mut trying = Trying { session: self, begun: Some(self.begin()?) };
        let Some(begun) = &mut trying.begun else { return Err(HandshakeError::Closed) };
        let secured = shake_hands(&mut begun.channel, socket, limit).await?;
        trying.done(secured)
    }

    /// As [`shake_hands`](Self::shake_hands), over a socket that blocks, and knows itself how long.
    pub(crate) fn shake_hands_blocking(
        &self,
        socket: &mut impl Socket,
    ) -> Result<(Box<Channel>, Secured), HandshakeError> {
        let mut trying = Trying { session: self, begun: Some(self.begin()?) };
        let Some(begun) = &mut trying.begun else { return Err(HandshakeError::Closed) };
        let secured = shake_hands_blocking(&mut begun.channel, socket)?;
        trying.done(secured)
    }

    fn begin(&self) -> Result<Begun, HandshakeError> {
        if let Some(mut begun) = self.spare().take() {
            begun.channel.say_again(&begun.hello);
            return Ok(begun);
        }
        let fails = |error: rustls::Error| HandshakeError::Failed(error.to_string());
        let connection =
            UnbufferedClientConnection::new(self.config.clone(), self.name.clone()).map_err(fails)?;
        let mut channel = Box::new(Channel::of_client(connection));
        channel.process().map_err(fails)?;
        let hello = channel.unsent().to_vec();
        Ok(Begun { channel, hello })
    }
}

/// A handshake under way. One that is given up before a byte came back is kept for the next connection: servers that
/// refuse a transfer never look at what was said on its data connection.
struct Trying<'a> {
    session: &'a ClientTls,
    begun: Option<Begun>,
}

impl Trying<'_> {
    fn done(mut self, secured: Secured) -> Result<(Box<Channel>, Secured), HandshakeError> {
        let channel = self.begun.take().map(|begun| begun.channel).ok_or(HandshakeError::Closed)?;
        Ok((channel, Secured { is_verified: self.session.verifier.is_satisfied(), ..secured }))
    }
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take()
            && !begun.channel.has_received()
        {
            *self.session.spare() = Some(begun);
        }
    }
}
