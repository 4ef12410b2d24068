//! Who has to begin under TLS: a client that waits for the 1yz reply before it shakes hands, as some do, is played against the
//! server. One that waits for the handshake before it says 1yz leaves both waiting.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use wharf_client::Session;
use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::Command;
use wharf_proto::command::{ByteCount, ProtectionLevel};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};

use super::cell::{CellOutcome, Tried};
use super::column::{self, Column};
use super::listening::{list, listening};
use super::watching::Watching;
use super::{Plan, found};

/// What is waited for: longer than the server took for a whole listing.
const TIMES_A_LISTING: u32 = 4;

/// Waits for 1yz where passive mode works under TLS for a client that does not.
pub(super) async fn examine(column: &Column, plan: &Plan, tried: &[Tried]) -> Option<Finding> {
    let works =
        |it: &&Tried| it.cell.outcome == CellOutcome::Ok && it.cell.command.mode() == DataMode::Passive;
    let working = tried.iter().filter(|_| column.tls).find(works)?;
    let patience = plan.patience.max(TIMES_A_LISTING * working.cell.took);
    let mut waiting = column::another_column(plan, column).await.ok()?;
    let (endpoint, data) = connected(&mut waiting.session, working.cell.command, plan.patience).await?;
    waiting.watching.take();
    let outcome = first_word(&mut waiting.session, &waiting.watching, patience).await;
    drop(data);
    if outcome == FirstWord::None {
        let evidence = vec![Evidence::NoHandshake { endpoint, waited: patience }];
        return found(Cause::TlsOrderDeadlock, Confidence::Likely, evidence);
    }
    None
}

/// A data connection that is up and on which nothing is said.
async fn connected(
    session: &mut Session,
    command: NegotiationCommand,
    patience: Duration,
) -> Option<(SocketAddr, TcpStream)> {
    for command in [Command::Pbsz(ByteCount::new(0)?), Command::Prot(ProtectionLevel::Private)] {
        session.require(&command).await.ok()?;
    }
    let endpoint = listening(session, command).await?;
    let stream = timeout(patience, TcpStream::connect(endpoint)).await.ok()?.ok()?;
    Some((endpoint, stream))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstWord {
    /// 1yz, or a final reply.
    Came,
    /// Nothing in time.
    None,
}

async fn first_word(session: &mut Session, watching: &Watching, patience: Duration) -> FirstWord {
    let list = list();
    tokio::select! {
        // What is said before somebody listens is not heard.
        biased;
        () = watching.begun() => FirstWord::Came,
        _ = session.execute(&list) => FirstWord::Came,
        () = tokio::time::sleep(patience) => FirstWord::None,
    }
}
