//! The life of one transfer, and what is seen of its data connection.

use std::net::{IpAddr, SocketAddr};

use super::negotiation::{DataConnectionPlan, Side};
use crate::reply::ReplyCode;
use crate::verb::{Role, Verb};

/// Something that happened to a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataEvent {
    /// It is up: who opened it, and between which ends.
    Opened {
        /// Who sent the SYN.
        by: Side,
        /// The end at the client.
        client: SocketAddr,
        /// The end at the server.
        server: SocketAddr,
    },
    /// Its opening was refused (RST or ICMP).
    Refused,
    /// Its opening got no answer in time.
    Unanswered,
    /// Someone else than the control peer connected and was dropped.
    StrangerDropped {
        /// Where the stranger came from.
        from: IpAddr,
    },
    /// So many bytes of payload went over since the last such event.
    Progress {
        /// Bytes.
        bytes: u64,
    },
    /// It ended in order: FIN of the sender, or close_notify under TLS.
    Closed,
    /// It was reset, or ended out of order.
    Cut,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStage {
    /// The command was sent; no reply yet.
    Requested,
    /// 1yz came.
    Started,
}

/// A transfer that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// RETR, STOR, LIST, …
    pub verb: Verb,
    /// How far it has come.
    pub stage: TransferStage,
    /// What it runs over; none where nothing was negotiated.
    pub plan: Option<DataConnectionPlan>,
    /// Where it begins in the file, in bytes (REST).
    pub offset: u64,
    /// Bytes of payload so far.
    pub bytes: u64,
    /// What is known of the data connection.
    pub data: DataStage,
}

impl Transfer {
    pub(super) fn new(verb: Verb) -> Self {
        Self {
            verb,
            stage: TransferStage::Requested,
            plan: None,
            offset: 0,
            bytes: 0,
            data: DataStage::NotSeen,
        }
    }

    /// Who sends the payload.
    #[must_use]
    pub fn sender(&self) -> Side {
        match self.verb.role() {
            Role::Upload => Side::Client,
            _ => Side::Server,
        }
    }
}

/// What is known of a data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataStage {
    /// Nothing yet.
    #[default]
    NotSeen,
    /// It is up.
    Open,
    /// It could not come up.
    Failed,
    /// It ended in order.
    Closed,
    /// It was cut.
    Cut,
}

/// How a transfer that had been started ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferEnd {
    /// RETR, STOR, LIST, …
    pub verb: Verb,
    /// The final reply's code.
    pub code: ReplyCode,
    /// Bytes of payload that were seen.
    pub bytes: u64,
    /// How the data connection ended.
    pub data: DataStage,
}

impl TransferEnd {
    /// Whether the server confirmed it.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.code.is_positive()
    }
}
