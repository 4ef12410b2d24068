//! What PORT, PASV, EPRT and EPSV agree on.

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::command::{Command, ProtectionLevel};
use crate::verb::Verb;

/// The two ends of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who sends commands.
    Client,
    /// Who sends replies.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The words are the server's: active means that the server opens the data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataMode {
    /// The client listens, the server connects (PORT, EPRT).
    Active,
    /// The server listens, the client connects (PASV, EPSV).
    Passive,
}

impl fmt::Display for DataMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Passive => "passive",
        })
    }
}

/// The four ways to agree on a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NegotiationCommand {
    /// RFC 2428 §3
    Epsv,
    /// RFC 959 §4.1.2
    Pasv,
    /// RFC 2428 §2
    Eprt,
    /// RFC 959 §4.1.2
    Port,
}

impl NegotiationCommand {
    /// All of them, in the order of the ladder.
    pub const ALL: [Self; 4] = [Self::Epsv, Self::Pasv, Self::Eprt, Self::Port];

    /// The verb's negotiation, if it is one.
    #[must_use]
    pub fn from_verb(verb: Verb) -> Option<Self> {
        match verb {
            Verb::Epsv => Some(Self::Epsv),
            Verb::Pasv => Some(Self::Pasv),
            Verb::Eprt => Some(Self::Eprt),
            Verb::Port => Some(Self::Port),
            _ => None,
        }
    }

    /// The verb that is sent.
    #[must_use]
    pub fn verb(self) -> Verb {
        match self {
            Self::Epsv => Verb::Epsv,
            Self::Pasv => Verb::Pasv,
            Self::Eprt => Verb::Eprt,
            Self::Port => Verb::Port,
        }
    }

    /// Which mode it agrees on.
    #[must_use]
    pub fn mode(self) -> DataMode {
        match self {
            Self::Epsv | Self::Pasv => DataMode::Passive,
            Self::Eprt | Self::Port => DataMode::Active,
        }
    }

    /// Who listens.
    #[must_use]
    pub fn listener(self) -> Side {
        match self.mode() {
            DataMode::Passive => Side::Server,
            DataMode::Active => Side::Client,
        }
    }
}

impl fmt::Display for NegotiationCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verb().fmt(f)
    }
}

/// What a negotiation agreed on: good for one data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataConnectionPlan {
    /// How it was agreed on.
    pub command: NegotiationCommand,
    /// Where the listener listens, as it was told: PORT's and 227's own address, EPSV's port at the control peer.
    pub endpoint: SocketAddr,
    /// What PROT says at the time of the agreement.
    pub protection: ProtectionLevel,
}

impl DataConnectionPlan {
    /// Who listens; the other side connects.
    #[must_use]
    pub fn listener(&self) -> Side {
        self.command.listener()
    }
}

/// An address as it is compared and shown: IPv4-mapped IPv6 (::ffff:a.b.c.d) is IPv4.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// As [`canonical`], with the port; a link-local IPv6 address keeps its scope.
#[must_use]
pub fn canonical_endpoint(endpoint: SocketAddr) -> SocketAddr {
    match endpoint {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => endpoint,
        },
        SocketAddr::V4(_) => endpoint,
    }
}

/// Whether an address cannot be reached from the public internet: RFC 1918, RFC 6598, loopback, link-local, unique
/// local, unspecified.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (first == 100 && (64..128).contains(&second)) // RFC 6598 §7
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// Whether an address is one of those that are given to containers where nobody chose others: by Docker (172.17.0.0/16 and
/// those behind it), Podman (10.88.0.0/16), and to pods by flannel (10.244.0.0/16) and K3s (10.42.0.0/16). Others use them as
/// well, so it proves nothing. 172.31.0.0/16 is left out: it is the first network that a machine in Amazon's cloud is in.
#[must_use]
pub fn is_of_container(address: IpAddr) -> bool {
    let IpAddr::V4(v4) = canonical(address) else { return false };
    matches!(v4.octets(), [172, 17..=30, ..] | [10, 42 | 88 | 244, ..])
}

/// The endpoint that PORT or EPRT names.
pub(super) fn told_by_client(command: &Command) -> Option<SocketAddr> {
    match command {
        Command::Port(told) => Some(SocketAddr::new(told.address.into(), told.port)),
        Command::Eprt(told) => Some(SocketAddr::new(told.address, told.port)),
        _ => None,
    }
}
