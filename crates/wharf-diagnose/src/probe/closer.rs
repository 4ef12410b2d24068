//! A closer look at an endpoint to which no connection came up: who said no, and how.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use wharf_client::Attempt;
use wharf_client::attempt::Outcome;

use super::cell::Tried;
use super::column::Column;
use super::{Plan, icmp};

/// What came of a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A connection came up.
    Connected,
    /// The connection was reset: nobody listens, or somebody pretends so.
    Reset {
        /// The system's words.
        error: String,
    },
    /// An ICMP message forbade it.
    Icmp(icmp::Refusal),
    /// No answer.
    Silent,
    /// This machine's own system let nothing out.
    Forbidden {
        /// Its words.
        error: String,
    },
    /// There is no way there from this machine.
    NoRoute,
}

/// Looks at each endpoint that refused a passive data connection. What was silent would be silent again.
pub(super) async fn look_at_failures(
    column: &Column,
    tried: &[Tried],
    plan: &Plan,
) -> HashMap<SocketAddr, Look> {
    let mut looks = HashMap::new();
    let refused = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::ConnectRefused { .. });
    let attempts = tried.iter().flat_map(|tried| &tried.attempts).filter(refused);
    for endpoint in attempts.filter_map(|attempt| attempt.endpoint) {
        // One look at an address says it of all its ports.
        if !looks.keys().any(|seen: &SocketAddr| seen.ip() == endpoint.ip()) {
            let look = look(Some(column.local()), endpoint, plan.patience).await;
            looks.insert(endpoint, look);
        }
    }
    looks
}

/// Tries to connect to `endpoint`, from the address of `local` where one is told.
pub(super) async fn look(local: Option<SocketAddr>, endpoint: SocketAddr, patience: Duration) -> Look {
    let looking = tokio::task::spawn_blocking(move || try_once(local, endpoint, patience));
    looking.await.unwrap_or(Look::Silent)
}

fn try_once(local: Option<SocketAddr>, endpoint: SocketAddr, patience: Duration) -> Look {
    let forbidden = |error: std::io::Error| Look::Forbidden { error: error.to_string() };
    let socket = match Socket::new(Domain::for_address(endpoint), Type::STREAM.cloexec(), Some(Protocol::TCP))
    {
        Ok(socket) => socket,
        Err(error) => return forbidden(error),
    };
    // Without it nobody knows who sent the message; that it came is known all the same.
    let _ = icmp::keep_errors(&socket, endpoint.is_ipv6());
    if let Some(mut local) = local.filter(|local| local.is_ipv4() == endpoint.is_ipv4()) {
        local.set_port(0);
        if let Err(error) = socket.bind(&local.into()) {
            return forbidden(error);
        }
    }
    let Err(error) = socket.connect_timeout(&endpoint.into(), patience) else { return Look::Connected };
    if let Some(refusal) = icmp::kept_error(&socket) {
        return Look::Icmp(refusal);
    }
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Look::Reset { error: error.to_string() },
        ErrorKind::TimedOut => Look::Silent,
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => Look::NoRoute,
        _ => forbidden(error),
    }
}
