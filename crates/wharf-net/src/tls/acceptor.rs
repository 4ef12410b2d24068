//! The server's end: how TLS is set up for control and data connections.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::certificate::Certificates;
use super::channel::Channel;
use super::session::{Member, Registry, SessionMark};
use super::{TlsVersion, provider};

/// The protocol that is spoken inside (ALPN, RFC 7301). A client that wants another one is refused, so that nobody can
/// pass our certificate off for a web server's (threat 9). Most FTP clients name none.
const PROTOCOL: &[u8] = b"ftp";
/// Tickets that a control connection gives. Clients that use each ticket once need one for a data connection, and each
/// of those gives new ones. A client that throws those away, or whose transfers are cut, lives on these; more than 8 are
/// kept by few clients.
const CONTROL_TICKETS: usize = 8;
/// Tickets that a data connection gives.
const DATA_TICKETS: usize = 2;
/// Most tickets that a client may ask for (RFC 9149).
const MOST_TICKETS: usize = 8;

static ONLY_TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

impl TlsVersion {
    /// This version and all newer ones.
    fn and_newer(self) -> &'static [&'static SupportedProtocolVersion] {
        match self {
            Self::Tls12 => rustls::ALL_VERSIONS,
            Self::Tls13 => ONLY_TLS13,
        }
    }
}

/// Accepts TLS.
#[derive(Debug)]
pub struct Acceptor {
    settings: RwLock<Arc<ServerConfig>>,
    minimum: TlsVersion,
    /// None where nothing can be resumed.
    registry: Option<Arc<Registry>>,
}

impl Acceptor {
    /// Shows `certificates`, speaks `minimum` and newer versions, and gives tickets where data connections may `resume`.
    ///
    /// # Errors
    /// When the TLS library cannot work like that.
    pub fn new(certificates: Certificates, minimum: TlsVersion, resume: bool) -> Result<Self, rustls::Error> {
        let settings = RwLock::new(settings(certificates, minimum)?);
        Ok(Self { settings, minimum, registry: resume.then(Arc::default) })
    }

    /// Shows `certificates` from now on. Connections that are up, and their tickets, are not touched.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the old ones are then kept.
    pub fn replace(&self, certificates: Certificates) -> Result<(), rustls::Error> {
        let settings = settings(certificates, self.minimum)?;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// Begins the TLS of a control connection, to which its data connections will belong.
    #[must_use]
    pub fn begin_session(self: &Arc<Self>) -> TlsSession {
        TlsSession { acceptor: self.clone(), member: self.registry.as_ref().and_then(Member::join) }
    }

    fn settings(&self) -> ServerConfig {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner);
        ServerConfig::clone(&settings)
    }
}

fn settings(certificates: Certificates, minimum: TlsVersion) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut settings = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(minimum.and_newer())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    settings.alpn_protocols = vec![PROTOCOL.to_vec()];
    settings.session_storage = Arc::new(NoServerSessionStorage {});
    settings.send_tls13_tickets = 0;
    Ok(Arc::new(settings))
}

/// The TLS session of one control connection, and of the data connections that belong to it.
#[derive(Debug)]
pub struct TlsSession {
    acceptor: Arc<Acceptor>,
    member: Option<Member>,
}

impl TlsSession {
    /// Somebody logged in over this control connection, or is no longer: those of the same user at the same address
    /// may use each other's tickets.
    pub fn set_owner(&self, owner: Option<(&[u8], IpAddr)>) {
        if let Some(member) = &self.member {
            member.set_owner(owner);
        }
    }

    /// By what its data connections are known before their handshakes; none where nothing is resumed.
    #[must_use]
    pub fn mark(&self) -> Option<SessionMark> {
        self.member.as_ref().map(Member::mark)
    }

    /// For the control connection itself.
    pub(crate) fn control_channel(&self) -> Result<Channel, rustls::Error> {
        self.channel(CONTROL_TICKETS, false)
    }

    /// For one of its data connections.
    pub(crate) fn data_channel(&self) -> Result<Channel, rustls::Error> {
        self.channel(DATA_TICKETS, true)
    }

    fn channel(&self, tickets: usize, taking: bool) -> Result<Channel, rustls::Error> {
        let mut settings = self.acceptor.settings();
        if let Some(member) = &self.member {
            let giver = member.tickets(taking);
            settings.ticketer = giver.clone();
            settings.session_storage = giver;
            settings.send_tls13_tickets = tickets;
            settings.max_tls13_tickets = MOST_TICKETS;
        }
        UnbufferedServerConnection::new(Arc::new(settings)).map(Channel::of_server)
    }
}
