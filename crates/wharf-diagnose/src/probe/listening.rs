//! Passive mode by hand, for what no client does: the server listens, and nobody has connected yet.

use std::net::SocketAddr;

use wharf_client::Session;
use wharf_proto::Command;
use wharf_proto::command::{EpsvArgument, ListArgument};
use wharf_proto::dialogue::NegotiationCommand;
use wharf_proto::host_port::{HostPort, find_extended_port};

/// Has the server listen; where, at the address of the control connection.
pub(super) async fn listening(session: &mut Session, command: NegotiationCommand) -> Option<SocketAddr> {
    let verb = match command {
        NegotiationCommand::Pasv => Command::Pasv,
        _ => Command::Epsv(EpsvArgument::Same),
    };
    let reply = session.execute(&verb).await.ok()?;
    let port = match command {
        NegotiationCommand::Pasv => HostPort::find_in_reply_text(reply.text()).ok()?.port,
        _ => find_extended_port(reply.text()).ok()?,
    };
    let mut endpoint = session.endpoints().server;
    endpoint.set_port(port);
    Some(endpoint)
}

/// LIST of the directory that the session is in.
pub(super) fn list() -> Command {
    Command::List(ListArgument { options: Box::default(), path: None })
}
