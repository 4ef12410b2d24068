//! Which server, and how it is spoken to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use wharf_net::tls::{Connector, TlsVersion, Verification};
use wharf_proto::command::{Password, Text};
use wharf_proto::dialogue::NegotiationCommand;

/// A server, and who logs in there. Every session is alike.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its control address.
    pub address: SocketAddr,
    /// The name that its certificate is for.
    pub host: String,
    /// Who logs in.
    pub user: Text,
    /// And with which password, should one be asked for.
    pub password: Password,
    /// How data connections are made. Passive ones go to [`address`](Self::address), whatever the reply tells.
    pub negotiation: NegotiationCommand,
    /// TLS; none is clear.
    pub tls: Option<TlsTarget>,
    /// The longest that any step may take.
    pub limit: Duration,
}

/// How TLS is spoken with it.
#[derive(Clone, Debug)]
pub struct TlsTarget {
    /// What begins it.
    pub connector: Arc<Connector>,
    /// Whether the server has to prove who it is.
    pub verification: Verification,
    /// The newest version that is offered.
    pub newest: TlsVersion,
    /// It begins with the connection, not behind AUTH.
    pub is_implicit: bool,
}
