//! What a server is told to do.

mod names;
mod tls;
mod uploads;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use wharf_net::dtp::SourcePort;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::DataMode;
use wharf_proto::limits;

pub use crate::bans::BanSettings;
pub use crate::occupancy::SessionLimits;
pub use names::CharsetPolicy;
pub use uploads::{Publish, UploadPolicy};

pub use tls::{CloseNotify, Resumption, ResumptionPolicy, TlsPolicy, TlsSettings, UserTlsPolicy};

use crate::admin::AdminSettings;
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
    /// Sessions at once.
    pub sessions: SessionLimits,
    /// When somebody is turned away for wrong logins.
    pub bans: BanSettings,
    /// How they are stored.
    pub uploads: UploadPolicy,
    /// The character sets of names on the wire.
    pub charset: CharsetPolicy,
    /// The modes on offer.
    pub modes: Modes,
    /// The balancers, from whom every connection has to begin with a PROXY header. From others none is taken.
    pub proxies: Vec<IpNet>,
    /// How passive data connections come about.
    pub passive: PassivePolicy,
    /// How active data connections come about.
    pub active: ActivePolicy,
    /// Who may exchange files with a third host.
    pub fxp: FxpPolicy,
    /// What TYPE A does to files.
    pub ascii: AsciiPolicy,
    /// Whether SITE CANARY tells a client what arrived of its PORT and left of our 227.
    pub canary: bool,
    /// The times that are watched.
    pub times: Times,
    /// Where metrics and health are told; nowhere where nothing is set.
    pub admin: Option<AdminSettings>,
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

/// How passive data connections (PASV, EPSV) come about.
#[derive(Clone, Debug, PartialEq)]
pub struct PassivePolicy {
    /// Where they are awaited.
    pub ports: PassivePorts,
    /// How many sessions are expected at once; a range with fewer ports is a warning.
    pub expected_sessions: Option<u32>,
    /// What the 227 reply tells: the first rule that fits the client, the control connection's own address where none
    /// does.
    pub advertise: Vec<AdvertiseRule>,
    /// How a device before the server renumbers the ports: the first rule that fits the client and the port.
    pub port_map: Vec<PortMapRule>,
}

/// How active data connections (PORT, EPRT) come about.
#[derive(Clone, Debug)]
pub struct ActivePolicy {
    /// The port that they come from.
    pub source_port: ActiveSourcePort,
    /// What becomes of a PORT or EPRT with a private address that is not the client's.
    pub private_address: PrivateAddress,
}

/// What becomes of a PORT or EPRT with a private address that is not the client's: a NAT before the client did not rewrite
/// it (S10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddress {
    /// It is refused, as every other foreign address.
    #[default]
    Refuse,
    /// The data connection goes to the control connection's peer, to the port that was told.
    UseControlPeer,
}

/// Third-party transfers (FXP, S16): PORT and EPRT to another host than the client, and data connections from one. For
/// nobody unless somebody is named; ports below 1024 are refused all the same (RFC 2577 §3).
#[derive(Clone, Debug, Default)]
pub struct FxpPolicy {
    /// Third hosts with which everybody may.
    pub networks: Vec<IpNet>,
    /// Users who may with any host, as the client sends their names.
    pub users: Vec<Vec<u8>>,
}

/// Which clients are told which address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertiseRule {
    /// The networks of the clients.
    pub clients: Vec<IpNet>,
    /// What they are told.
    pub address: Advertise,
}

/// Which clients reach which ports under other numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapRule {
    /// The networks of the clients.
    pub clients: Vec<IpNet>,
    /// What they have to connect to.
    pub outside: RangeInclusive<u16>,
    /// What is listened on then: as many ports.
    pub inside: RangeInclusive<u16>,
}

/// The address told in the 227 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertise {
    /// The control connection's own.
    Local,
    /// What a balancer's PROXY header names as the address that the client reached; for clients without one the rule does not
    /// count.
    Proxy,
    /// This one.
    Address(Ipv4Addr),
    /// The one that the name has at the time, as its DNS TTL says.
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
