//! Two servers made to meet: the one listens, the other is told where.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_proto::Command;
use wharf_proto::command::EpsvArgument;
use wharf_proto::dialogue::is_private;
use wharf_proto::host_port::{ExtendedHostPort, HostPort, find_extended_port};
use wharf_proto::{Reply, ReplyCode};

use super::Failure;
use crate::error::ControlFailure;
use crate::session::Session;
use crate::strategy::passive_endpoints;

/// Ports below belong to services: nobody is told to connect there (RFC 2577 §3).
const FIRST_FREE_PORT: u16 = 1024;

/// Longest wait for each answer while two servers are told of each other.
const INTRODUCTION_TIME: Duration = Duration::from_secs(10);

/// How the data connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// Not at all.
    Clear,
    /// By TLS, in which one of them plays the client: the one that was told SSCN ON.
    ToldBefore,
    /// By TLS, in which the one that listens plays the client: CPSV in the place of PASV.
    ClientListens,
}

/// Has `listening` listen and `connecting` connect there, with its next transfer.
pub(super) async fn introduce(
    listening: &mut Session,
    connecting: &mut Session,
    protection: Protection,
    follows_foreign: bool,
) -> Result<(), Failure> {
    let (peer, other) = (listening.peer(), connecting.peer());
    can_reach(listening, connecting, peer.ip(), other.ip())?;
    let endpoint = listen(listening, protection, follows_foreign).await?;
    if endpoint.port() < FIRST_FREE_PORT {
        return Err(not_together(format!(
            "{} wants to be connected to at port {}, which belongs to a service",
            listening.server.host,
            endpoint.port()
        )));
    }
    connect(connecting, endpoint).await
}

/// Whether the one can be expected to reach the other at the address that we know.
fn can_reach(listening: &Session, connecting: &Session, at: IpAddr, from: IpAddr) -> Result<(), Failure> {
    let (to, by) = (&listening.server.host, &connecting.server.host);
    if at.is_ipv4() != from.is_ipv4() {
        return Err(not_together(format!("{to} and {by} are reached over different versions of IP")));
    }
    // There, such an address means another machine, or the other server itself.
    if is_private(at) && !is_private(from) || at.is_loopback() && !from.is_loopback() {
        return Err(not_together(format!("{by} cannot reach {to} at {at}, which is a private address")));
    }
    Ok(())
}

/// Where `session`'s server listens: at the address at which we reach it, unless another one may be followed.
async fn listen(
    session: &mut Session,
    protection: Protection,
    follows_foreign: bool,
) -> Result<SocketAddr, Failure> {
    let peer = session.peer();
    let mut refused = None;
    if peer.is_ipv4() {
        let command = match protection {
            Protection::ClientListens => raw(b"CPSV")?,
            _ => Command::Pasv,
        };
        let reply = exchange(session, &command).await?;
        if reply.code().is_positive() {
            let told = HostPort::find_in_reply_text(reply.text()).map_err(|error| {
                not_together(format!(
                    "{}'s answer to {command} tells no endpoint: {error}",
                    session.server.host
                ))
            })?;
            let told = SocketAddr::new(told.address.into(), told.port);
            // The told one stands in front only where it may be followed at all.
            return Ok(passive_endpoints(told, peer, follows_foreign)[0]);
        }
        refused = Some((command, reply));
    }
    if protection != Protection::ClientListens {
        let command = Command::Epsv(EpsvArgument::Same);
        let reply = exchange(session, &command).await?;
        if let (true, Ok(port)) = (reply.code().is_positive(), find_extended_port(reply.text())) {
            return Ok(SocketAddr::new(peer.ip(), port));
        }
        refused.get_or_insert((command, reply));
    }
    Err(match refused {
        Some((command, reply)) => refusal(session, &command, &reply),
        None => not_together(format!("{} cannot listen over IPv6 with CPSV", session.server.host)),
    })
}

/// Tells `session`'s server where to connect.
async fn connect(session: &mut Session, endpoint: SocketAddr) -> Result<(), Failure> {
    let extended = Command::Eprt(ExtendedHostPort::from(endpoint));
    let first = match endpoint {
        SocketAddr::V4(v4) => Command::Port(HostPort::from(v4)),
        SocketAddr::V6(_) => extended.clone(),
    };
    let reply = exchange(session, &first).await?;
    if reply.code().is_positive() {
        return Ok(());
    }
    // Only one that does not know PORT may know EPRT better.
    if first != extended && matches!(reply.code(), ReplyCode::SYNTAX_ERROR | ReplyCode::NOT_IMPLEMENTED) {
        let second = exchange(session, &extended).await?;
        if second.code().is_positive() {
            return Ok(());
        }
    }
    Err(refusal(session, &first, &reply))
}

/// An exchange in which 421 ends the session. Some servers answer PORT only when they have connected, or never: whoever is
/// silent for long is not waited for, since the file can go another way.
pub(super) async fn exchange(session: &mut Session, command: &Command) -> Result<Reply, Failure> {
    let limit = session.options.times.reply.min(INTRODUCTION_TIME);
    let reply = match session.exchange_within(command, limit).await {
        Err(ControlFailure::Silent(_)) => {
            return Err(not_together(format!("{} did not answer {command}", session.server.host)));
        }
        other => other?,
    };
    if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
        return Err(ControlFailure::Dismissed(reply).into());
    }
    Ok(reply)
}

/// A command that no table has.
pub(super) fn raw(line: &[u8]) -> Result<Command, Failure> {
    Command::parse(line).map_err(|error| not_together(error.to_string()))
}

pub(super) fn refusal(session: &Session, command: &Command, reply: &Reply) -> Failure {
    not_together(format!("{} refused {command} with \"{reply}\"", session.server.host))
}

pub(super) fn not_together(reason: String) -> Failure {
    Failure::NotTogether(reason)
}
