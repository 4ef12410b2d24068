//! PASV (RFC 959 §4.1.2) and EPSV (RFC 2428 §3): the server listens.

use std::net::{IpAddr, SocketAddr};

use wharf_findings::Cause;
use wharf_net::dtp::ExpectedPeer;
use wharf_net::passive_ports::ListenError;
use wharf_proto::command::EpsvArgument;
use wharf_proto::dialogue::DataMode;
use wharf_proto::host_port::{HostPort, extended_passive_mode_text};
use wharf_proto::{Reply, ReplyCode};

use super::Carried;
use crate::data::{Awaited, Negotiated};
use crate::replies;
use crate::session::Session;
use crate::tls::expected_session;

/// PASV: 227 with the advertised address and the real port.
pub(crate) async fn pasv(session: &mut Session) -> Carried<Reply> {
    passive_is_on_offer(session)?;
    let client = session.client();
    if client.is_ipv6() {
        return Err(replies::pasv_is_ipv4_only());
    }
    let advertiser = &session.shared.advertiser;
    let told = advertiser.address(client, session.data_address().ip(), session.proxied_address()).await;
    let told = told.ok_or_else(replies::pasv_is_ipv4_only)?;
    let port = listen(session, told.into(), true)?.port();
    let told = HostPort { address: told, port };
    note(session, SocketAddr::new(told.address.into(), port));
    Ok(Reply::new(ReplyCode::PASSIVE_MODE, told.passive_mode_text()))
}

/// EPSV: 229 with the port alone, EPSV ALL: 200.
pub(crate) fn run(session: &mut Session, argument: EpsvArgument) -> Carried<Reply> {
    // EPSV ALL too: a client that promised to use nothing else would be left without any mode.
    passive_is_on_offer(session)?;
    let is_ipv4 = session.client().is_ipv4();
    match argument {
        EpsvArgument::All => return Ok(replies::epsv_all()),
        EpsvArgument::Same => {}
        EpsvArgument::Family(1) if is_ipv4 => {}
        EpsvArgument::Family(2) if !is_ipv4 => {}
        EpsvArgument::Family(_) if is_ipv4 => return Err(replies::use_family_1()),
        EpsvArgument::Family(_) => return Err(replies::use_family_2()),
    }
    // The client connects to where its control connection goes.
    let reached = session.proxied_address().unwrap_or(session.data_address().ip());
    let told = listen(session, reached, false)?;
    note(session, told);
    Ok(Reply::new(ReplyCode::EXTENDED_PASSIVE_MODE, extended_passive_mode_text(told.port())))
}

/// For SITE CANARY.
fn note(session: &mut Session, told: SocketAddr) {
    if let Some(canary) = session.canary() {
        canary.told = Some(told);
    }
}

fn passive_is_on_offer(session: &Session) -> Carried<()> {
    let modes = session.modes();
    if modes.offers(DataMode::Passive) { Ok(()) } else { Err(replies::mode_disabled(DataMode::Passive)) }
}

/// A listener in place of the one before: a session never holds two (threat 5). Returns where the client finds it, which is
/// at the address `reached` and the port that a device before the server makes of the real one.
fn listen(session: &mut Session, reached: IpAddr, names_address: bool) -> Carried<SocketAddr> {
    session.negotiated = Negotiated::Nothing;
    let client = session.client();
    let pool = &session.shared.passive_pool;
    let expected =
        ExpectedPeer { client, third_parties: session.third_parties(), session: expected_session(session) };
    let listener = pool.listen(session.data_address(), expected).map_err(|error| {
        let cause = matches!(error, ListenError::AllInUse(_)).then_some(Cause::RangeExhausted);
        if let Some(cause) = cause {
            session.shared.common.metrics.cause(cause);
        }
        let cause = cause.map(Cause::id);
        let reply = replies::cannot_listen(&error);
        tracing::warn!(session = session.number, %client, %reply, cause, "no passive port");
        reply
    })?;
    let port = session.shared.advertiser.port(client, listener.address().port());
    let told = SocketAddr::new(reached, port);
    session.negotiated = Negotiated::Passive(Box::new(Awaited { listener, told, names_address }));
    Ok(told)
}
