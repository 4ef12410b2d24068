//! One cell of the matrix: one command, tried with a real listing.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, timeout};
use wharf_client::attempt::Outcome;
use wharf_client::error::IncompleteReason;
use wharf_client::{Attempt, ClientError};
use wharf_proto::Reply;
use wharf_proto::dialogue::NegotiationCommand;

use super::column::Column;
use super::{Plan, REPLY_TIME};

/// Most entries of the listing that are looked through for a file to fetch.
const MOST_ENTRIES: usize = 1000;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::Ipv4 } else { Self::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
}

/// What came of a way to a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CellOutcome {
    /// A listing came over it, and was confirmed.
    Ok,
    /// A reset answered the connection: nobody listens there.
    Refused,
    /// No answer: no connection came up in time, or the command was swallowed.
    Filtered,
    /// Somebody said no: the server with a negative reply, or a box on the way by ICMP.
    Rejected,
    /// Anything else; the cell's problem tells.
    Error,
}

/// One way to a data connection, as it was tried.
#[derive(Clone, Debug)]
pub struct Cell {
    /// How it was negotiated.
    pub command: NegotiationCommand,
    /// Over which family.
    pub family: Family,
    /// Whether under TLS.
    pub tls: bool,
    /// What came of it. Of PASV: for a client that connects where the reply says.
    pub outcome: CellOutcome,
    /// Where the listening side listens, as it was told.
    pub endpoint: Option<SocketAddr>,
    /// The reply that tells most: the negative one, else that to the negotiation.
    pub reply: Option<String>,
    /// How long it took.
    pub took: Duration,
    /// What happened, where it did not work.
    pub problem: Option<String>,
    /// That the server leaves this out by its policy, and that this is no fault.
    pub is_policy: bool,
}

/// A cell with what led to it.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) cell: Cell,
    pub(super) attempts: Vec<Attempt>,
    /// Why the listing is not complete.
    pub(super) error: Option<ClientError>,
    /// Bytes behind which the data ended without close_notify.
    pub(super) ended_plainly: Option<u64>,
    /// Whether the listing came, and has no entry.
    pub(super) is_empty: bool,
}

/// Tries one command with a listing.
pub(super) async fn try_command(column: &mut Column, plan: &Plan, command: NegotiationCommand) -> Tried {
    column.choose(command);
    column.watching.take();
    let started = Instant::now();
    let limit = 3 * plan.patience + 2 * REPLY_TIME;
    let mut entries = Vec::new();
    let listed = {
        let take = |entry| {
            if entries.len() < MOST_ENTRIES {
                entries.push(entry);
            }
        };
        timeout(limit, column.session.list(plan.directory.as_ref(), take)).await
    };
    let took = started.elapsed();
    let heard = column.watching.take();
    if let Ok(Err(ClientError::Unconfirmed { .. })) = &listed {
        // One that says nothing will not say more next time.
        column.session.wait_for_completion(REPLY_TIME);
    }
    let is_empty = matches!(&listed, Ok(Ok(listed)) if listed.entries == 0);
    let (error, is_late) = match listed {
        Ok(Ok(_)) => {
            column.working.get_or_insert(command);
            column.entries = entries;
            (None, false)
        }
        Ok(Err(error)) => (Some(error), false),
        Err(_) => (None, true),
    };
    let mut attempts = heard.attempts;
    // A listing of another form may have been tried behind one that was refused.
    attempts.retain(|attempt| attempt.command == command);
    // Some servers see only behind the handshake that they do not want the data connection.
    if let Some(ClientError::NoDataConnection(failure)) = &error
        && attempts.iter().all(Attempt::is_open)
    {
        attempts.clone_from(&failure.attempts);
    }
    let telling = telling(&attempts);
    let outcome = match (&error, telling) {
        (_, _) if is_late => CellOutcome::Error,
        (None, Some(attempt)) => outcome_of(attempt),
        (None, None) => CellOutcome::Ok,
        (Some(ClientError::Refused { .. } | ClientError::LoginRefused { .. }), _) => CellOutcome::Rejected,
        (Some(_), Some(attempt)) if !attempt.is_open() => outcome_of(attempt),
        (Some(_), _) => CellOutcome::Error,
    };
    let problem = match (&error, telling) {
        _ if is_late => Some(format!("it was not over in {} s", limit.as_secs())),
        (_, Some(attempt)) if !attempt.is_open() => Some(attempt.to_string()),
        (None, Some(attempt)) if outcome != CellOutcome::Ok => Some(format!(
            "{} is told, which no client can use; {} works",
            attempt.told.map_or_else(String::new, |told| told.to_string()),
            attempt.endpoint.map_or_else(String::new, |endpoint| endpoint.to_string()),
        )),
        (Some(error), _) => error.to_string().lines().next().map(str::to_owned),
        (None, _) => None,
    };
    let negotiated = telling.and_then(|attempt| attempt.reply.as_ref()).map(Reply::to_string);
    let negative = negative(telling, error.as_ref()).map(ToString::to_string);
    let endpoint = telling.and_then(|attempt| attempt.told.or(attempt.endpoint));
    let cell = Cell {
        command,
        family: column.family,
        tls: column.tls,
        outcome,
        endpoint,
        reply: negative.or(negotiated),
        took,
        problem,
        is_policy: false,
    };
    Tried { cell, attempts, error, ended_plainly: heard.ended_plainly, is_empty }
}

/// What the server said no with.
fn negative<'a>(attempt: Option<&'a Attempt>, error: Option<&'a ClientError>) -> Option<&'a Reply> {
    if let Some(Outcome::GivenUp { reply } | Outcome::HandshakeFailed { reply: Some(reply), .. }) =
        attempt.map(|attempt| &attempt.outcome)
    {
        return Some(reply);
    }
    match error? {
        ClientError::Refused { reply, .. } => Some(reply),
        ClientError::Incomplete(incomplete) => match &incomplete.reason {
            IncompleteReason::ServerGaveUp(reply) => Some(reply),
            _ => None,
        },
        _ => None,
    }
}

/// The attempt that tells what a client meets that does as it is told: the first.
fn telling(attempts: &[Attempt]) -> Option<&Attempt> {
    attempts.first()
}

fn outcome_of(attempt: &Attempt) -> CellOutcome {
    match &attempt.outcome {
        // The control peer's address works in the place of the one that was told, which is private.
        Outcome::Open if attempt.told.is_some() && attempt.command == NegotiationCommand::Pasv => {
            CellOutcome::Error
        }
        Outcome::Open => CellOutcome::Ok,
        Outcome::NegotiationRefused => CellOutcome::Rejected,
        Outcome::NegotiationUnanswered { .. }
        | Outcome::ConnectUnanswered
        | Outcome::NothingConnected { .. } => CellOutcome::Filtered,
        // ICMP is told as an unreachable host.
        Outcome::ConnectRefused { error } if error.contains("refused") || error.contains("reset") => {
            CellOutcome::Refused
        }
        Outcome::ConnectRefused { .. } => CellOutcome::Rejected,
        Outcome::ReplyUnreadable { .. }
        | Outcome::ClosedAtOnce
        | Outcome::PassedBy { .. }
        | Outcome::CannotListen { .. }
        | Outcome::HandshakeFailed { .. }
        | Outcome::GivenUp { .. } => CellOutcome::Error,
    }
}
