//! STAT (RFC 959 §4.1.3): about the session, the transfer that runs, or, with a path, a listing over the control
//! connection.

use wharf_proto::command::{ListArgument, ProtectionLevel};
use wharf_proto::{Reply, ReplyCode, limits};

use super::Carried;
use super::list::select;
use crate::listing::{ListingStyle, ListingWriter};
use crate::replies;
use crate::session::Session;

/// 211 about the session, or 212 and 213 with a listing.
pub(crate) async fn run(session: &mut Session, argument: Option<ListArgument>) -> Carried<Reply> {
    match argument {
        Some(argument) if session.login.is_some() => list(session, &argument).await,
        _ => Ok(replies::status(session_lines(session))),
    }
}

/// What there is to say about the session.
pub(crate) fn session_lines(session: &Session) -> Vec<String> {
    let state = session.pi.dialogue().state();
    let mut lines = vec![format!("Connected from {}", session.client())];
    match &session.login {
        Some(_) => lines.push(format!("Logged in as {}", session.who())),
        None => lines.push("Not logged in".to_owned()),
    }
    if session.is_secured() {
        lines.push("The control connection is under TLS".to_owned());
    }
    if state.protection == ProtectionLevel::Private {
        lines.push("Data connections go through TLS".to_owned());
    }
    lines.push(format!("TYPE: {:?}, STRU: File, MODE: Stream", state.representation));
    match session.running() {
        Some(running) => {
            lines.push(format!("{} is running, {} bytes so far", running.verb, running.progress.bytes()));
        }
        None => lines.push("No transfer is running".to_owned()),
    }
    lines
}

async fn list(session: &mut Session, argument: &ListArgument) -> Carried<Reply> {
    let selection = select(session, argument).await?;
    let view = session.view(selection.path().clone());
    let mut writer = ListingWriter::open(&**session.storage(), selection, ListingStyle::Unix, view).await?;
    let mut listing = Vec::new();
    while let Some(lines) = writer.next_lines().await.map_err(|error| replies::storage(&error))? {
        listing.extend_from_slice(&lines);
        // A client takes no more than this in one reply; a data connection has no such limit.
        if listing.len() > limits::REPLY {
            return Err(replies::listing_too_long());
        }
    }
    let lines = listing.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let mut indented = b" ".to_vec();
        indented.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        indented
    });
    let first = std::iter::once(b"Status:".to_vec());
    Ok(Reply::multi_line(ReplyCode::FILE_STATUS, first.chain(lines).chain([b"End of status.".to_vec()])))
}
