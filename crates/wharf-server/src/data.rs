//! What was negotiated for the next data connection, and how it is opened.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

use wharf_findings::Cause;
use wharf_net::dtp::{
    ActiveTarget, ConnectError, DataStream, PeerVerified, PooledListener, SourcePort, connect_active,
};

use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::{DataMode, Side, is_of_container, is_private};

use crate::config::ActiveSourcePort;
use crate::generation::Shared;

/// What the last negotiation left.
#[derive(Debug, Default)]
pub(crate) enum Negotiated {
    /// Nothing, or it is used up.
    #[default]
    Nothing,
    /// PASV, EPSV: a listener waits.
    Passive(Box<Awaited>),
    /// PORT, EPRT: the client listens there. The address was checked. Apart, since a session owns no room for it.
    Active(Box<SocketAddr>),
}

/// A passive data connection that is awaited.
#[derive(Debug)]
pub(crate) struct Awaited {
    pub listener: PooledListener,
    /// Where the client was told to connect to.
    pub told: SocketAddr,
    /// Whether it was told the address (227), and not the port alone (229).
    pub names_address: bool,
}

/// Everything that opening a data connection needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub session: u64,
    /// The control connection's own address, port 0.
    pub local: SocketAddr,
    pub control_port: u16,
    pub client: IpAddr,
}

impl Negotiated {
    /// Who opens the data connection.
    pub(crate) fn opener(&self) -> Side {
        match self {
            Self::Passive(_) => Side::Client,
            Self::Active(_) | Self::Nothing => Side::Server,
        }
    }

    /// The mode of the data connection.
    pub(crate) fn mode(&self) -> DataMode {
        match self {
            Self::Passive(_) => DataMode::Passive,
            Self::Active(_) | Self::Nothing => DataMode::Active,
        }
    }

    /// Where the data connection is expected, and what probably keeps it away when it does not come.
    pub(crate) fn expected(&self) -> Option<(SocketAddr, Cause)> {
        match self {
            Self::Passive(awaited) => Some((awaited.told, Cause::PassivePortFiltered)),
            Self::Active(target) => Some((**target, Cause::ClientRefusesInbound)),
            Self::Nothing => None,
        }
    }

    /// Opens the data connection that was negotiated and verifies its far end.
    pub(crate) async fn open(
        self,
        opening: Opening,
        shared: &Shared,
    ) -> Result<(DataStream, PeerVerified), NotConnected> {
        let (told, names_address) = match &self {
            Self::Passive(awaited) => (Some(awaited.told), awaited.names_address),
            Self::Active(_) | Self::Nothing => (None, false),
        };
        let range = match &shared.config.passive.ports {
            PassivePorts::Any => None,
            PassivePorts::Range(range) => Some(range.clone()),
        };
        self.connect(opening, shared).await.map_err(|error| NotConnected {
            error,
            told,
            names_address,
            client: opening.client,
            range,
        })
    }

    async fn connect(
        self,
        opening: Opening,
        shared: &Shared,
    ) -> Result<(DataStream, PeerVerified), ConnectError> {
        let times = &shared.config.times;
        match self {
            Self::Passive(awaited) => {
                let listener = awaited.listener;
                let address = listener.address();
                // One line says it; a scanner must not fill the log.
                let mut said = false;
                listener
                    .accept(times.data_connection, times.data_stall, |stranger| {
                        if std::mem::replace(&mut said, true) {
                            return;
                        }
                        tracing::warn!(
                            session = opening.session,
                            listener = %address,
                            from = %stranger.from,
                            client = %opening.client,
                            cause = Cause::StolenAccept.id(),
                            "a stranger connected to the data port and was dropped"
                        );
                    })
                    .await
            }
            Self::Active(target) => {
                let source_port = shared.config.active.source_port;
                let mut active = ActiveTarget {
                    local: opening.local,
                    source_port: source_port.for_control_port(opening.control_port),
                    target: *target,
                    deadline: times.data_connection,
                    stall: times.data_stall,
                };
                match connect_active(active).await {
                    Err(ConnectError::SourcePort { port, source })
                        if source_port == ActiveSourcePort::ControlMinusOne =>
                    {
                        if !shared.common.source_port_denied.swap(true, Ordering::Relaxed) {
                            tracing::warn!(
                                port, error = %source,
                                "active data connections come from any port, since this one cannot be used"
                            );
                        }
                        active.source_port = SourcePort::Any;
                        connect_active(active).await
                    }
                    other => other,
                }
            }
            // The protocol core lets no transfer begin without a negotiation.
            Self::Nothing => Err(ConnectError::Kernel(std::io::ErrorKind::NotConnected.into())),
        }
    }
}

/// A data connection that did not come up, with all that this end knows about it. The log and the client are told the
/// same sentence, which [`cannot_connect`](crate::replies::cannot_connect) makes of it.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub error: ConnectError,
    /// Where a passive one was told to go.
    pub told: Option<SocketAddr>,
    /// Whether its address was told too.
    pub names_address: bool,
    pub client: IpAddr,
    /// The passive range.
    pub range: Option<RangeInclusive<u16>>,
}

impl NotConnected {
    /// What probably keeps it away, as far as this end alone can tell.
    pub(crate) fn possible_cause(&self) -> Option<Cause> {
        match &self.error {
            ConnectError::NothingConnected { strangers: 1.., .. } => Some(Cause::DataPeerMismatch),
            ConnectError::NothingConnected { .. } if self.is_private_told_outside() => {
                Some(Cause::PasvPrivateAddress)
            }
            ConnectError::NothingConnected { listener, .. } if is_of_container(listener.ip()) => {
                Some(Cause::PortsUnpublished)
            }
            ConnectError::NothingConnected { .. } => Some(Cause::PassivePortFiltered),
            ConnectError::Refused { source, .. } => Some(match source.kind() {
                io::ErrorKind::PermissionDenied => Cause::ServerEgressBlocked,
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Cause::PortUnroutable,
                _ => Cause::ClientRefusesInbound,
            }),
            ConnectError::Unanswered { .. } => Some(Cause::ClientRefusesInbound),
            ConnectError::SourcePort { .. } => Some(Cause::SourcePortFiltered),
            ConnectError::PairInUse { .. } | ConnectError::Kernel(_) => None,
        }
    }

    /// Whether a client from outside was told an address of the inside.
    pub(crate) fn is_private_told_outside(&self) -> bool {
        self.names_address && self.told.is_some_and(|told| is_private(told.ip())) && !is_private(self.client)
    }

    /// The other end, as far as it is known.
    pub(crate) fn endpoint(&self) -> Option<SocketAddr> {
        match self.error {
            ConnectError::NothingConnected { listener, .. } => Some(self.told.unwrap_or(listener)),
            ConnectError::Refused { target, .. }
            | ConnectError::Unanswered { target, .. }
            | ConnectError::PairInUse { target, .. } => Some(target),
            ConnectError::SourcePort { .. } | ConnectError::Kernel(_) => None,
        }
    }
}
