//! The one list of root causes.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalogue::{Entry, active, addresses, commands, peers, time_and_policy, tls};
use crate::{EvidenceKind, Fix, Language};

/// Makes the enum, its list and the way to its entry from one table, so that none of them can miss a cause.
macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident => $section:ident :: $entry:ident,)*) => {
        /// Why a data connection, or the session around it, fails.
        ///
        /// Each cause has an id that scripts rely on, a summary, what each side can change, and the kinds of
        /// evidence that decide it. In JSON a cause is its id.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[$doc])* $variant,)*
        }

        impl Cause {
            /// Every cause, in the catalogue's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub(crate) const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &$section::$entry,)*
                }
            }
        }
    };
}

causes! {
    // Addresses and ports
    /// The PASV reply carries a private address.
    PasvPrivateAddress => addresses::PASV_PRIVATE_ADDRESS,
    /// The PASV reply carries a wrong public address.
    PasvWrongAddress => addresses::PASV_WRONG_ADDRESS,
    /// The server's outside address cannot be used from the server's own network.
    Hairpin => addresses::HAIRPIN,
    /// A firewall drops the passive port.
    PassivePortFiltered => addresses::PASSIVE_PORT_FILTERED,
    /// Nothing listens on the passive port, or a firewall rejects it.
    PassivePortRefused => addresses::PASSIVE_PORT_REFUSED,
    /// A device maps ports to other numbers than those in the reply.
    PortRenumbered => addresses::PORT_RENUMBERED,
    /// An application-level gateway (ALG) changes the address or port in the text.
    AlgRewrite => addresses::ALG_REWRITE,
    /// TLS hides PORT and PASV from the NAT.
    TlsBlindsAlg => addresses::TLS_BLINDS_ALG,
    /// A NAT has no FTP helper on this connection.
    AlgNotAttached => addresses::ALG_NOT_ATTACHED,
    /// The ALG drops the segment with the command.
    AlgDrops => addresses::ALG_DROPS,
    /// The port number wakes the ALG of another protocol.
    PortTakenByOtherAlg => addresses::PORT_TAKEN_BY_OTHER_ALG,

    // Active mode
    /// PORT names an address that the server cannot reach.
    PortUnroutable => active::PORT_UNROUTABLE,
    /// The client's firewall or NAT drops the server's connection.
    ClientRefusesInbound => active::CLIENT_REFUSES_INBOUND,
    /// The server may not connect out.
    ServerEgressBlocked => active::SERVER_EGRESS_BLOCKED,
    /// A filter wants source port 20, or the server cannot have it.
    SourcePortFiltered => active::SOURCE_PORT_FILTERED,
    /// The server offers one mode only.
    ModeDisabled => active::MODE_DISABLED,

    // Commands
    /// EPSV or EPRT is unknown, or filtered on the way.
    ExtendedUnsupported => commands::EXTENDED_UNSUPPORTED,
    /// A box in between understands only the 227 reply.
    EpsvOnlyText => commands::EPSV_ONLY_TEXT,
    /// EPSV ALL is in effect (RFC 2428 §4).
    EpsvAll => commands::EPSV_ALL,
    /// A 227 or 229 that cannot be read.
    MalformedReply => commands::MALFORMED_REPLY,
    /// PASV on IPv6, or EPRT of the other address family.
    FamilyMismatch => commands::FAMILY_MISMATCH,
    /// An IPv6 client reaches an IPv4 server through NAT64 (RFC 6384).
    Nat64 => commands::NAT64,
    /// A transfer without a fresh PORT or PASV.
    NoNegotiation => commands::NO_NEGOTIATION,

    // Who is connecting
    /// The data connection comes from another address than the control connection.
    DataPeerMismatch => peers::DATA_PEER_MISMATCH,
    /// A balancer sends the data connection to another node.
    WrongBackend => peers::WRONG_BACKEND,
    /// A stranger takes the passive accept.
    StolenAccept => peers::STOLEN_ACCEPT,
    /// No passive port is free.
    RangeExhausted => peers::RANGE_EXHAUSTED,
    /// A container or Service does not publish the range.
    PortsUnpublished => peers::PORTS_UNPUBLISHED,
    /// PORT to another host or to a port below 1024 was refused (RFC 2577).
    BounceRefused => peers::BOUNCE_REFUSED,

    // TLS
    /// The server wants the control connection's TLS session resumed on the data connection.
    TlsResumptionRequired => tls::TLS_RESUMPTION_REQUIRED,
    /// One side is in clear, the other speaks TLS.
    ProtMismatch => tls::PROT_MISMATCH,
    /// Data under TLS ended without close_notify.
    MissingCloseNotify => tls::MISSING_CLOSE_NOTIFY,
    /// Each side waits for the other's first move.
    TlsOrderDeadlock => tls::TLS_ORDER_DEADLOCK,
    /// No TLS version or cipher in common.
    TlsNoCommonVersion => tls::TLS_NO_COMMON_VERSION,
    /// The certificate is expired, for another name or from an unknown issuer.
    CertificateInvalid => tls::CERTIFICATE_INVALID,
    /// The server's policy wants TLS first.
    TlsRequired => tls::TLS_REQUIRED,

    // Time, size, policy
    /// A NAT forgot the idle control connection.
    ControlCutIdle => time_and_policy::CONTROL_CUT_IDLE,
    /// The server is long in finishing.
    SlowCompletion => time_and_policy::SLOW_COMPLETION,
    /// There are too many sessions.
    SessionLimit => time_and_policy::SESSION_LIMIT,
    /// Big segments vanish.
    MtuBlackHole => time_and_policy::MTU_BLACK_HOLE,
    /// Loss or a reset in the middle of a transfer.
    TransferCut => time_and_policy::TRANSFER_CUT,
    /// The server says that it is misconfigured.
    ServerMisconfigured => time_and_policy::SERVER_MISCONFIGURED,
    /// There is no control connection.
    ControlUnreachable => time_and_policy::CONTROL_UNREACHABLE,
    /// A binary file went through TYPE A.
    AsciiDamaged => time_and_policy::ASCII_DAMAGED,
    /// The network is fine: permission, quota or a missing file.
    NotNetwork => time_and_policy::NOT_NETWORK,
}

/// A text that is not the id of a [`Cause`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no root cause is called \"{}\"", wharf_proto::pathname::escaped(.0.as_bytes()))]
pub struct UnknownCause(
    /// The text as it was given.
    pub String,
);

impl Cause {
    /// The id that scripts, logs and documents use, such as `pasv-private-address`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.entry().id
    }

    /// The cause with this id, spelt exactly.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.id() == id)
    }

    /// What goes wrong, in a sentence or two.
    #[must_use]
    pub fn summary(self, language: Language) -> &'static str {
        self.entry().summary.in_language(language)
    }

    /// What each side can change.
    #[must_use]
    pub const fn fix(self) -> &'static Fix {
        &self.entry().fix
    }

    /// The kinds of evidence that decide this cause: one of them is enough to name it with any [`Confidence`].
    ///
    /// [`Confidence`]: crate::Confidence
    #[must_use]
    pub const fn decided_by(self) -> &'static [EvidenceKind] {
        self.entry().decided_by
    }

    /// The kinds of evidence that only point to this cause: alone they allow [`Confidence::Possible`] and no more.
    ///
    /// [`Confidence::Possible`]: crate::Confidence::Possible
    #[must_use]
    pub const fn hinted_by(self) -> &'static [EvidenceKind] {
        self.entry().hinted_by
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(id: &str) -> Result<Self, UnknownCause> {
        Self::from_id(id).ok_or_else(|| UnknownCause(id.to_owned()))
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
