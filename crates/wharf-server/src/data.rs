//! What was negotiated for the next data connection, and how it is opened.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use wharf_findings::Cause;
use wharf_net::dtp::{
    ActiveTarget, ConnectError, DataStream, PeerVerified, PooledListener, SourcePort, connect_active,
};

use wharf_proto::dialogue::Side;

use crate::config::ActiveSourcePort;
use crate::server::Shared;

/// What the last negotiation left.
#[derive(Debug, Default)]
pub(crate) enum Negotiated {
    /// Nothing, or it is used up.
    #[default]
    Nothing,
    /// PASV, EPSV: a listener waits.
    Passive(Box<PooledListener>),
    /// PORT, EPRT: the client listens there. The address was checked.
    Active(SocketAddr),
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

    /// Where the data connection is expected, and what probably keeps it away when it does not come.
    pub(crate) fn expected(&self) -> Option<(SocketAddr, Cause)> {
        match self {
            Self::Passive(listener) => Some((listener.address(), Cause::PassivePortFiltered)),
            Self::Active(target) => Some((*target, Cause::ClientRefusesInbound)),
            Self::Nothing => None,
        }
    }

    /// Opens the data connection that was negotiated and verifies its far end.
    pub(crate) async fn open(
        self,
        opening: Opening,
        shared: &Shared,
    ) -> Result<(DataStream, PeerVerified), ConnectError> {
        let times = &shared.config.times;
        match self {
            Self::Passive(listener) => {
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
                    target,
                    deadline: times.data_connection,
                    stall: times.data_stall,
                };
                match connect_active(active).await {
                    Err(ConnectError::SourcePort { port, source })
                        if source_port == ActiveSourcePort::ControlMinusOne =>
                    {
                        if !shared.source_port_denied.swap(true, Ordering::Relaxed) {
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

/// What probably keeps a data connection from coming up, as far as this end alone can tell.
pub(crate) fn possible_cause(error: &ConnectError) -> Option<Cause> {
    match error {
        ConnectError::NothingConnected { .. } => Some(Cause::PassivePortFiltered),
        ConnectError::Unanswered { .. } | ConnectError::Refused { .. } => Some(Cause::ClientRefusesInbound),
        ConnectError::SourcePort { .. } => Some(Cause::SourcePortFiltered),
        ConnectError::PairInUse { .. } | ConnectError::Kernel(_) => None,
    }
}
