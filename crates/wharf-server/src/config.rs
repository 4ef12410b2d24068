//! What a server is told to do.

mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use wharf_net::dtp::SourcePort;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::DataMode;
use wharf_proto::limits;

pub use tls::{CloseNotify, Resumption, ResumptionPolicy, TlsPolicy, TlsSettings, UserTlsPolicy};

use crate::auth::Accounts;

/// Everything that a server is told. Made by the binary from flags and files, checked there.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen for control connections.
    pub listen: Vec<SocketAddr>,
    /// Whether an address that this machine does not have is left out, as long as another one is there.
    pub skip_missing_addresses: bool,
    /// Who may log in.
    pub accounts: Accounts,
    /// Whether files may be stored, changed and deleted.
    pub write: bool,
    /// The modes on offer.
    pub modes: Modes,
    /// Where passive data connections are awaited.
    pub passive_ports: PassivePorts,
    /// The address told in the 227 reply; the control connection's own where nothing is set.
    pub advertise: Option<Advertise>,
    /// The port that active data connections come from.
    pub active_source_port: ActiveSourcePort,
    /// What TYPE A does to files.
    pub ascii: AsciiPolicy,
    /// The times that are watched.
    pub times: Times,
    /// FTPS; none where nothing is set.
    pub tls: Option<TlsSettings>,
}

/// The modes on offer (S5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modes {
    /// PORT and EPRT.
    pub active: bool,
    /// PASV and EPSV.
    pub passive: bool,
}

impl Modes {
    /// Both.
    pub const BOTH: Self = Self { active: true, passive: true };

    /// Whether `mode` is on offer.
    #[must_use]
    pub fn offers(self, mode: DataMode) -> bool {
        match mode {
            DataMode::Active => self.active,
            DataMode::Passive => self.passive,
        }
    }
}

/// The address told in the 227 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertise {
    /// This one.
    Address(Ipv4Addr),
    /// The one that the name has at the time.
    Name(String),
}

/// The port that active data connections come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveSourcePort {
    /// The control port less one (RFC 959 §3.2), any where the process may not bind it.
    ControlMinusOne,
    /// Any port.
    Any,
    /// This one, or no data connection.
    Fixed(u16),
}

impl ActiveSourcePort {
    /// What it means for a control connection to `control_port`.
    #[must_use]
    pub fn for_control_port(self, control_port: u16) -> SourcePort {
        match self {
            Self::ControlMinusOne if control_port > 1 => SourcePort::Fixed(control_port - 1),
            Self::ControlMinusOne | Self::Any => SourcePort::Any,
            Self::Fixed(port) => SourcePort::Fixed(port),
        }
    }
}

/// What TYPE A, which is also the type of a client that never sends TYPE, does to files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsciiPolicy {
    /// Line ends are converted, as RFC 959 §3.1.1.1 says.
    #[default]
    Convert,
    /// Files go over as they are: for devices that never send TYPE I.
    Binary,
}

/// The times that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Until the login is complete.
    pub login: Duration,
    /// Silence between commands.
    pub idle: Duration,
    /// Until a TLS handshake is complete.
    pub tls_handshake: Duration,
    /// Until a data connection is up.
    pub data_connection: Duration,
    /// Without progress on a data connection.
    pub data_stall: Duration,
    /// For running transfers after the first SIGTERM.
    pub drain: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            login: limits::LOGIN_TIME,
            idle: limits::IDLE_TIME,
            tls_handshake: limits::TLS_HANDSHAKE_TIME,
            data_connection: limits::DATA_CONNECTION_TIME,
            data_stall: limits::DATA_STALL_TIME,
            drain: Duration::from_secs(30),
        }
    }
}
