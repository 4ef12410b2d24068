//! PORT (RFC 959 §4.1.2) and EPRT (RFC 2428 §2): the client listens.

use std::net::SocketAddr;

use wharf_findings::Cause;
use wharf_proto::dialogue::DataMode;
use wharf_proto::{Reply, Verb};

use super::Carried;
use crate::data::Negotiated;
use crate::replies;
use crate::session::Session;

/// Notes the endpoint after every check of RFC 2577 §3; nothing is sent to it before a transfer is asked for.
pub(crate) fn run(session: &mut Session, verb: Verb, told: SocketAddr) -> Carried<Reply> {
    session.negotiated = Negotiated::Nothing;
    if !session.shared.config.modes.offers(DataMode::Active) {
        return Err(replies::mode_disabled(DataMode::Active));
    }
    let client = session.client();
    if told.is_ipv4() != client.is_ipv4() {
        return Err(match (verb, client.is_ipv4()) {
            (Verb::Port, _) => replies::port_is_ipv4_only(),
            (_, true) => replies::use_family_1(),
            (_, false) => replies::use_family_2(),
        });
    }
    // lftp 4.9.2 tells the address that its socket is bound to, which is "::" over IPv6. That names no other host, and
    // the data connection goes to the control connection's peer whatever was told.
    let names_no_host = told.is_ipv6() && told.ip().is_unspecified();
    if told.ip() != client && !names_no_host {
        tracing::warn!(session = session.number, %told, %client, cause = Cause::BounceRefused.id(), "a foreign address was refused");
        return Err(replies::foreign_host(told.ip(), client));
    }
    if told.port() < 1024 {
        tracing::warn!(session = session.number, %told, cause = Cause::BounceRefused.id(), "a privileged port was refused");
        return Err(replies::privileged_port(told.port()));
    }
    // The control connection's own address has the scope of a link-local one; EPRT cannot tell it.
    let mut target = session.client_endpoint();
    target.set_port(told.port());
    session.negotiated = Negotiated::Active(target);
    Ok(replies::port_accepted())
}
