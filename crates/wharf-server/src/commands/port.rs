//! PORT (RFC 959 §4.1.2) and EPRT (RFC 2428 §2): the client listens.

use std::net::SocketAddr;

use wharf_findings::Cause;
use wharf_proto::dialogue::{DataMode, is_private};
use wharf_proto::{Reply, Verb};

use super::Carried;
use crate::config::PrivateAddress;
use crate::data::Negotiated;
use crate::replies;
use crate::session::Session;

/// Notes the endpoint after every check of RFC 2577 §3; nothing is sent to it before a transfer is asked for.
pub(crate) fn run(session: &mut Session, verb: Verb, told: SocketAddr) -> Carried<Reply> {
    session.negotiated = Negotiated::Nothing;
    if let Some(canary) = session.canary() {
        canary.heard = Some(told);
    }
    if !session.modes().offers(DataMode::Active) {
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
    let whose = if told.ip() == client || names_no_host {
        Whose::Client
    } else if session.third_parties().include(told.ip()) {
        Whose::ThirdParty
    } else {
        private_or_foreign(session, told)?
    };
    if told.port() < 1024 {
        session.shared.common.metrics.cause(Cause::BounceRefused);
        tracing::warn!(session = session.number, %told, cause = Cause::BounceRefused.id(), "a privileged port was refused");
        return Err(replies::privileged_port(told.port()));
    }
    let mut target = match whose {
        // The control connection's own address has the scope of a link-local one; EPRT cannot tell it.
        Whose::Client | Whose::ClientInstead => session.client_endpoint(),
        Whose::ThirdParty => told,
    };
    target.set_port(told.port());
    session.negotiated = Negotiated::Active(Box::new(target));
    Ok(match whose {
        Whose::Client | Whose::ThirdParty => replies::port_accepted(),
        Whose::ClientInstead => replies::port_accepted_at(told.ip(), client),
    })
}

/// Whose endpoint was told.
#[derive(Clone, Copy)]
enum Whose {
    /// The client's.
    Client,
    /// A private one, in the place of which the client's is taken.
    ClientInstead,
    /// That of a host with which this user may exchange files.
    ThirdParty,
}

/// Another host's address: a private one is most likely the client's own, behind a NAT that did not rewrite it (S10).
fn private_or_foreign(session: &Session, told: SocketAddr) -> Carried<Whose> {
    let client = session.client();
    let is_private = is_private(told.ip());
    let cause = if is_private { Cause::PortUnroutable } else { Cause::BounceRefused };
    session.shared.common.metrics.cause(cause);
    if is_private && session.shared.config.active.private_address == PrivateAddress::UseControlPeer {
        tracing::warn!(session = session.number, %told, %client, cause = cause.id(), "a private address was told: the client's is used instead");
        return Ok(Whose::ClientInstead);
    }
    tracing::warn!(session = session.number, %told, %client, cause = cause.id(), "a foreign address was refused");
    Err(replies::foreign_host(told.ip(), client))
}
