//! What several attempts prove together that none of them proves alone.

use std::net::{IpAddr, SocketAddr};

use wharf_findings::{Cause, Confidence, Evidence};
use wharf_proto::Reply;
use wharf_proto::dialogue::{DataMode, Endpoints, NegotiationCommand, is_of_container, is_private};

use super::Findings;
use crate::attempt::{Attempt, Outcome};

/// The causes that show only where attempts are compared.
pub(super) fn together(attempts: &[Attempt], control: Endpoints, found: &mut Findings) {
    for (told, connected) in wrong_addresses(attempts) {
        let (client, server) = (control.client.ip(), control.server.ip());
        let proof = Evidence::OtherAddressConnects { told, connected };
        if is_private(client) && is_private(server) && !is_private(told.ip()) {
            let evidence = Evidence::SameNetwork { client, server, told };
            found.add(Cause::Hairpin, Confidence::Likely, vec![evidence, proof]);
        } else {
            found.add(Cause::PasvWrongAddress, Confidence::Certain, vec![proof]);
        }
    }
    if let Some((extended, classic)) = dead_extended_port(attempts) {
        let evidence = Evidence::ExtendedPortDead { extended, classic };
        found.add(Cause::EpsvOnlyText, Confidence::Likely, vec![evidence]);
    }
    let of_container = attempts.iter().filter(|attempt| attempt.command == NegotiationCommand::Pasv);
    for told in of_container.filter_map(|attempt| attempt.told) {
        if let Some(evidence) = unpublished(attempts, told.ip(), control) {
            found.add(Cause::PortsUnpublished, Confidence::Possible, evidence);
        }
    }
    if let IpAddr::V6(control_peer) = control.server.ip()
        && is_nat64(control_peer.segments())
        && attempts.iter().any(|attempt| !attempt.is_open())
    {
        let mut evidence = vec![Evidence::TranslatedPeer { control_peer }];
        evidence
            .extend(attempts.iter().filter(|attempt| !attempt.is_open()).find_map(super::negotiation_reply));
        found.add(Cause::Nat64, Confidence::Likely, evidence);
    }
}

/// No connection comes up to any passive port of a server whose own `address` is one of a container, and which is reached at
/// another one: what speaks for ports that are not published.
pub(super) fn unpublished(
    attempts: &[Attempt],
    address: IpAddr,
    control: Endpoints,
) -> Option<Vec<Evidence>> {
    if !is_of_container(address) || control.server.ip() == address {
        return None;
    }
    let passive = || attempts.iter().filter(|attempt| attempt.mode() == DataMode::Passive);
    if passive().any(Attempt::is_open) {
        return None;
    }
    let failed = passive().find_map(|attempt| {
        let endpoint = attempt.endpoint?;
        match &attempt.outcome {
            Outcome::ConnectRefused { error } => {
                Some(Evidence::ConnectRefused { endpoint, error: error.clone() })
            }
            Outcome::ConnectUnanswered => Some(Evidence::SynUnanswered { endpoint, waited: attempt.took }),
            _ => None,
        }
    })?;
    Some(vec![Evidence::ContainerAddress { address }, failed])
}

/// Whether what failed in `attempt` is told by what another did, so that it proves nothing of its own.
pub(super) fn is_explained(attempt: &Attempt, attempts: &[Attempt]) -> bool {
    if !has_failed_to_connect(attempt) {
        return false;
    }
    let works = |command| attempts.iter().any(|other| other.command == command && other.is_open());
    // The port is open at the other address that a 227 can lead to; EPSV's is dead where PASV's is open.
    works(NegotiationCommand::Pasv)
        && matches!(attempt.command, NegotiationCommand::Pasv | NegotiationCommand::Epsv)
}

/// Whether PASV works where EPSV does not, or PORT where EPRT does not.
pub(super) fn classic_works(attempt: &Attempt, attempts: &[Attempt]) -> bool {
    let classic = match attempt.mode() {
        DataMode::Passive => NegotiationCommand::Pasv,
        DataMode::Active => NegotiationCommand::Port,
    };
    attempts.iter().any(|other| other.command == classic && other.is_open())
}

/// Endpoints that a 227 told and that do not connect, with the one that does.
fn wrong_addresses(attempts: &[Attempt]) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    let pasv = |attempt: &&Attempt| attempt.command == NegotiationCommand::Pasv;
    let works = attempts.iter().filter(pasv).filter(|attempt| attempt.is_open());
    works.filter_map(move |attempt| {
        let (told, connected) = (attempt.told?, attempt.endpoint?);
        let failed = |other: &Attempt| other.endpoint == Some(told) && has_failed_to_connect(other);
        attempts.iter().filter(pasv).any(failed).then_some((told, connected))
    })
}

/// The endpoint of EPSV that does not connect, where that of PASV does.
fn dead_extended_port(attempts: &[Attempt]) -> Option<(SocketAddr, SocketAddr)> {
    let of = |command| attempts.iter().filter(move |attempt| attempt.command == command);
    if of(NegotiationCommand::Epsv).any(Attempt::is_open) {
        return None;
    }
    let extended = of(NegotiationCommand::Epsv).find(|attempt| has_failed_to_connect(attempt))?.endpoint?;
    let classic = of(NegotiationCommand::Pasv).find(|attempt| attempt.is_open())?.endpoint?;
    // Elsewhere, the port of EPSV may be as open as that of PASV.
    (extended.ip() == classic.ip()).then_some((extended, classic))
}

fn has_failed_to_connect(attempt: &Attempt) -> bool {
    attempt.mode() == DataMode::Passive
        && matches!(attempt.outcome, Outcome::ConnectRefused { .. } | Outcome::ConnectUnanswered)
}

/// The well-known prefix of NAT64, 64:ff9b::/96 (RFC 6052 §2.1).
fn is_nat64(segments: [u16; 8]) -> bool {
    segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
}

/// The client's address as the server sees it, where the server names it beside the one that it was told. It proves that
/// PORT or EPRT arrived as it was sent, although the connection was translated.
pub(super) fn seen_as(reply: &Reply, told: IpAddr) -> Option<IpAddr> {
    let text = String::from_utf8_lossy(reply.text()).into_owned();
    let words = text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':'));
    let named: Vec<IpAddr> = words.filter_map(|word| word.trim_matches(['.', ':']).parse().ok()).collect();
    named.contains(&told).then(|| named.into_iter().find(|address| *address != told)).flatten()
}
