//! Data that the server has sent, and that did not come over the connection that we opened: somebody else was faster, and had it.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::time::timeout;
use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_net::dtp::DataStream;
use wharf_proto::Command;
use wharf_proto::dialogue::DataMode;

use crate::attempt::{Attempt, Outcome};
use crate::data_connection::Request;
use crate::error::{ClientError, Incomplete, IncompleteReason, WayOn};
use crate::transfer::{Final, size_in_preliminary};

/// How long the first byte may come behind the reply that confirms all of them.
const BEHIND_CONFIRMATION: Duration = Duration::from_secs(3);

/// The server has confirmed a transfer, and not one of its bytes has come.
pub(crate) struct PassedBy {
    /// How many should have, where that is known.
    pub(crate) announced: Option<u64>,
}

/// Whether that is so: where bytes should have come, or where the server reset our connection and was content all the same.
pub(crate) async fn passed_by(
    stream: &mut DataStream,
    request: &Request,
    first: &wharf_proto::Reply,
    said: Option<&Final>,
) -> Option<PassedBy> {
    let is_confirmed = said.is_some_and(|said| said.as_ref().is_ok_and(|reply| reply.code().is_positive()));
    if !is_confirmed {
        return None;
    }
    let length = request.expected.or_else(|| size_in_preliminary(first).filter(|_| request.offset == 0));
    let announced = length.and_then(|length| length.checked_sub(request.offset));
    match timeout(BEHIND_CONFIRMATION, stream.is_at_end()).await {
        Ok(Ok(false)) => None,
        Ok(Err(error)) if error.kind() != ErrorKind::TimedOut => Some(PassedBy { announced }),
        _ => (announced > Some(0)).then_some(PassedBy { announced }),
    }
}

/// What is told where nothing else worked either: that the transfer was confirmed and nothing came of it.
pub(crate) fn after_passing_by(error: ClientError, request: &Request, attempts: &[Attempt]) -> ClientError {
    let passed = attempts.iter().find_map(|attempt| match &attempt.outcome {
        Outcome::PassedBy { announced } => Some((attempt, *announced)),
        _ => None,
    });
    let is_about_connections = matches!(error.exit_code(), 3 | 7);
    let (Some((attempt, announced)), Some(finding), true) = (passed, finding(attempts), is_about_connections)
    else {
        return error;
    };
    let path = match &request.command {
        Command::Retr(path) => path.to_string(),
        other => other.to_string(),
    };
    let reason = IncompleteReason::NothingCame { problem: attempt.to_string(), finding: Box::new(finding) };
    let expected = announced.map(|announced| request.offset + announced);
    ClientError::Incomplete(Box::new(Incomplete {
        path,
        bytes: request.offset,
        expected,
        reason,
        kept: None,
        way_on: WayOn::Again,
    }))
}

/// What it may be that passive data connections passed this client by.
pub(crate) fn finding(attempts: &[Attempt]) -> Option<Finding> {
    let passive = || attempts.iter().filter(|attempt| attempt.mode() == DataMode::Passive);
    let is_empty = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::PassedBy { .. });
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let empty = count(passive().filter(is_empty).count());
    let evidence = Evidence::EmptyTransfers { empty, tried: count(passive().count()) };
    Finding::new(Cause::StolenAccept, Confidence::Possible, vec![evidence]).ok()
}
