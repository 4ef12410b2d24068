//! Whether somebody else takes the server's passive data connections: a transfer is asked for, and this machine connects
//! nowhere. A server that confirms it has given its data to a stranger.

use std::net::SocketAddr;

use tokio::time::timeout;
use wharf_client::attempt::Outcome;
use wharf_client::{ClientError, Session, diagnosis};
use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::Reply;
use wharf_proto::dialogue::{DataMode, NegotiationCommand};

use super::cell::{CellOutcome, Tried};
use super::column::{self, Column};
use super::listening::{list, listening};
use super::{Plan, found};

/// Whether this is what a stolen data connection looks like where nobody looks closer.
pub(super) fn is_look_alike(finding: &Finding) -> bool {
    finding.confidence() == Confidence::Possible
        && matches!(
            finding.cause(),
            Cause::DataPeerMismatch | Cause::MtuBlackHole | Cause::TransferCut | Cause::TlsOrderDeadlock
        )
}

/// Looks closer where a passive listing ended without a byte, or as one whose data connection was somebody else's. The cells
/// of empty listings become what they are.
pub(super) async fn examine(column: &mut Column, plan: &Plan, tried: &mut [Tried]) -> Option<Finding> {
    if column.tls {
        // A stranger says nothing, and the server waits for its handshake.
        return None;
    }
    // Elsewhere it is empty too.
    let is_empty = tried.iter().any(|it| it.is_empty && it.cell.command.mode() == DataMode::Active);
    let suspect = tried.iter().find(|it| is_suspect(it, is_empty))?.cell.command;
    let mut session = column::another(plan, column).await.ok()?;
    let (reply, endpoint) = timeout(plan.patience, take_nothing(&mut session, suspect)).await.ok()??;
    session.quit().await;
    let evidence =
        vec![Evidence::TakenByAnother { verb: "LIST".to_owned(), reply: reply.to_string(), endpoint }];
    // Of a directory that may be empty, a server might say so without any connection.
    let is_proven =
        says_stranger(&reply) || tried.iter().any(|it| it.cell.outcome == CellOutcome::Ok && !it.is_empty);
    let confidence = if is_proven { Confidence::Certain } else { Confidence::Likely };
    let finding = found(Cause::StolenAccept, confidence, evidence)?;
    let stolen = |it: &&mut Tried| it.is_empty && it.cell.command.mode() == DataMode::Passive;
    for it in tried.iter_mut().filter(stolen) {
        it.cell.outcome = CellOutcome::Error;
        it.cell.problem = Some("the listing came out empty: somebody else had it".to_owned());
    }
    let works = tried.iter().find(|it| it.cell.outcome == CellOutcome::Ok);
    column.working = works.map(|it| it.cell.command);
    Some(finding)
}

fn is_suspect(tried: &Tried, is_empty: bool) -> bool {
    let of_stranger = |outcome: &Outcome| match outcome {
        Outcome::GivenUp { reply } => says_stranger(reply),
        Outcome::ClosedAtOnce | Outcome::PassedBy { .. } => true,
        _ => false,
    };
    let ended_early = match &tried.error {
        Some(ClientError::Incomplete(incomplete)) => incomplete.bytes == 0,
        Some(ClientError::Unconfirmed { bytes, .. }) => *bytes == 0,
        _ => false,
    };
    tried.cell.command.mode() == DataMode::Passive
        && ((tried.is_empty && !is_empty)
            || ended_early
            || tried.attempts.iter().any(|attempt| of_stranger(&attempt.outcome)))
}

/// Has the server listen and list, and connects nowhere. Its reply, where that is one to a connection that came up.
async fn take_nothing(session: &mut Session, command: NegotiationCommand) -> Option<(Reply, SocketAddr)> {
    let endpoint = listening(session, command).await?;
    let reply = session.execute(&list()).await.ok()?;
    (reply.code().is_positive() || says_stranger(&reply)).then_some((reply, endpoint))
}

/// Whether the words say that the data connection came from another address than the client's.
fn says_stranger(reply: &Reply) -> bool {
    diagnosis::of_reply("LIST", reply).iter().any(|finding| finding.cause() == Cause::DataPeerMismatch)
}
