//! From cells to causes: what the client concludes from failed attempts, made surer by a closer look, and compared over the
//! columns.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use wharf_client::attempt::Outcome;
use wharf_client::error::{ControlFailure, IncompleteReason};
use wharf_client::options::ModeChoice;
use wharf_client::{Attempt, ClientError, diagnosis};
use wharf_findings::{Cause, Confidence, Evidence, Finding, Side, Text};
use wharf_proto::Reply;
use wharf_proto::dialogue::{DataMode, NegotiationCommand, is_private};

use super::canary::Compared;
use super::cell::{CellOutcome, Tried};
use super::closer::Look;
use super::column::{Place, sure};
use super::wire::Wire;
use super::{Note, found};

/// What was seen in one column.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) place: Place,
    pub(super) tried: Vec<Tried>,
    pub(super) looks: HashMap<SocketAddr, Look>,
    pub(super) rewritten: Vec<Compared>,
}

/// All causes, some perhaps more than once.
pub(super) fn findings(
    verdicts: &[Verdict],
    wire: Option<&Wire>,
    exposed: Option<&RangeInclusive<u16>>,
) -> Vec<Finding> {
    let mut all = Vec::new();
    for verdict in verdicts {
        let in_clear = verdicts.iter().find(|other| {
            other.place.family == verdict.place.family && !other.place.tls && verdict.place.tls
        });
        let blinded: Vec<_> = in_clear.map(|clear| blinded(clear, verdict)).unwrap_or_default();
        let under_tls = verdicts.iter().find(|other| {
            other.place.family == verdict.place.family && other.place.tls && !verdict.place.tls
        });
        let rewritten = rewritten(verdict, under_tls);
        let has_a_cause =
            |command| blinded.iter().chain(&rewritten).any(|(explained, _)| *explained == command);
        let attempts: Vec<Attempt> = verdict
            .tried
            .iter()
            .filter(|tried| !has_a_cause(tried.cell.command))
            .flat_map(|tried| tried.attempts.iter().cloned())
            .collect();
        if !attempts.is_empty() {
            let told = diagnosis::findings(&attempts, verdict.place.endpoints, ModeChoice::Auto);
            let told = told.into_iter().flat_map(|finding| sharpened(finding, verdict, wire));
            all.extend(without_what_is_ruled_out(told.collect()));
            let listening = verdict.rewritten.iter().find_map(|compared| compared.listening);
            all.extend(
                listening
                    .and_then(|address| diagnosis::of_container(&attempts, address, verdict.place.endpoints)),
            );
        }
        all.extend(attempts.iter().filter_map(|attempt| outside_of(attempt, exposed?)));
        all.extend(verdict.tried.iter().flat_map(of_listing));
        all.extend(not_attached(verdict));
        all.extend(blinded.into_iter().chain(rewritten).filter_map(|(_, finding)| finding));
    }
    all
}

/// What is worth telling, and no fault.
pub(super) fn notes(verdicts: &[Verdict]) -> Vec<Note> {
    let works = |verdict: &Verdict, command| {
        verdict
            .tried
            .iter()
            .any(|tried| tried.cell.command == command && tried.cell.outcome == CellOutcome::Ok)
    };
    let compared = verdicts.iter().flat_map(|verdict| verdict.rewritten.iter().map(move |it| (verdict, it)));
    let harmless = compared.filter(|(verdict, it)| it.is_rewritten() && works(verdict, it.command));
    harmless
        .map(|(_, it)| Note {
            text: Text::of(
                "A gateway on the way rewrites the text, and does it well:",
                "途中的网关（ALG）改写了该命令或应答中的地址，且改写正确：",
            ),
            detail: Some(format!("{}, {} → {}", it.command, it.sent, it.received)),
        })
        .collect()
}

type Explained = (NegotiationCommand, Option<Finding>);

/// Commands that work in clear and not under TLS, for what lies between.
fn blinded(clear: &Verdict, secured: &Verdict) -> Vec<Explained> {
    let works_in_clear = |command: NegotiationCommand| {
        clear.tried.iter().any(|tried| tried.cell.command == command && tried.cell.outcome == CellOutcome::Ok)
    };
    let of_network = |attempt: &&Attempt| {
        attempt.secured.is_none()
            && !matches!(
                attempt.outcome,
                Outcome::Open | Outcome::HandshakeFailed { .. } | Outcome::CannotListen { .. }
            )
    };
    let failed = secured.tried.iter().filter(|tried| works_in_clear(tried.cell.command));
    failed
        .filter_map(|tried| {
            let attempt = tried.attempts.first().filter(of_network)?;
            let told = attempt.told.or(attempt.endpoint)?;
            let is_proven = is_private(told.ip()) && !is_private(secured.place.endpoints.server.ip());
            let confidence = if is_proven { Confidence::Certain } else { Confidence::Likely };
            let verb = attempt.command.to_string();
            let mut evidence = vec![Evidence::FailsUnderTlsOnly { verb: verb.clone(), endpoint: told }];
            evidence.extend(
                attempt
                    .reply
                    .as_ref()
                    .filter(|reply| reply.code().is_negative())
                    .map(|reply| said(&verb, reply)),
            );
            Some((tried.cell.command, found(Cause::TlsBlindsAlg, confidence, evidence)))
        })
        .collect()
}

/// Commands that do not work and whose text arrives changed: by the canary of our own server, or because a 227 tells
/// another address in clear than under TLS.
fn rewritten(verdict: &Verdict, under_tls: Option<&Verdict>) -> Vec<Explained> {
    let failed = |command| {
        verdict
            .tried
            .iter()
            .find(|tried| tried.cell.command == command && tried.cell.outcome != CellOutcome::Ok)
    };
    let mut all: Vec<Explained> = Vec::new();
    for compared in verdict.rewritten.iter().filter(|it| it.is_rewritten() && failed(it.command).is_some()) {
        let (sent, received) = (compared.sent.clone(), compared.received.clone());
        let evidence = vec![Evidence::TextRewritten { sent, received }];
        all.push((compared.command, found(Cause::AlgRewrite, Confidence::Certain, evidence)));
    }
    let pasv = NegotiationCommand::Pasv;
    let told = |tried: &Tried| {
        tried
            .attempts
            .first()
            .and_then(|attempt| Some((attempt.told.or(attempt.endpoint)?, attempt.reply.clone()?)))
    };
    if all.iter().all(|(command, _)| *command != pasv)
        && let Some((in_clear, received)) = failed(pasv).and_then(told)
        && let Some(secured) = under_tls
        && let Some((as_sent, sent)) =
            secured.tried.iter().find(|tried| tried.cell.command == pasv).and_then(told)
        && in_clear.ip() != as_sent.ip()
    {
        let evidence =
            vec![Evidence::TextRewritten { sent: sent.to_string(), received: received.to_string() }];
        all.push((pasv, found(Cause::AlgRewrite, Confidence::Likely, evidence)));
    }
    all
}

/// PORT arrived as it was sent, although its connection was translated, and does not work.
fn not_attached(verdict: &Verdict) -> Vec<Finding> {
    let failed = |command| {
        verdict
            .tried
            .iter()
            .any(|tried| tried.cell.command == command && tried.cell.outcome != CellOutcome::Ok)
    };
    let as_sent =
        verdict.rewritten.iter().filter(|it| !it.is_rewritten() && it.command.mode() == DataMode::Active);
    as_sent
        .filter(|it| failed(it.command))
        .filter_map(|it| {
            let (seen_as, told) = (it.client_as_seen?, it.told?);
            let evidence = Evidence::AddressNotRewritten {
                verb: it.command.to_string(),
                told,
                control_source: seen_as.ip(),
            };
            // A translator between the families (NAT64) is no NAT that a helper could do something about.
            let is_translated = seen_as.ip() != verdict.place.endpoints.client.ip()
                && told.ip() != seen_as.ip()
                && told.is_ipv4() == seen_as.is_ipv4();
            is_translated.then(|| found(Cause::AlgNotAttached, Confidence::Certain, vec![evidence])).flatten()
        })
        .take(1)
        .collect()
}

/// The same cause, surer by what else was seen.
fn sharpened(finding: Finding, verdict: &Verdict, wire: Option<&Wire>) -> Vec<Finding> {
    match finding.cause() {
        Cause::PassivePortRefused => vec![refused(finding, verdict, wire)],
        Cause::ClientRefusesInbound | Cause::ServerEgressBlocked => inbound(finding, verdict, wire),
        _ => vec![finding],
    }
}

/// Who refused: nobody who listens, or somebody on the way.
fn refused(finding: Finding, verdict: &Verdict, wire: Option<&Wire>) -> Finding {
    let Some(&Evidence::ConnectRefused { endpoint, .. }) = finding.evidence().first() else { return finding };
    let look = verdict.looks.iter().find(|(looked, _)| looked.ip() == endpoint.ip());
    let proof = match look {
        Some((_, Look::Icmp(refusal))) => Some(Evidence::ProhibitedByIcmp {
            endpoint,
            sender: refusal.sender,
            message: refusal.message.clone(),
        }),
        Some((looked, Look::Reset { .. })) => wire.and_then(|wire| {
            Some(Evidence::ResetReceived {
                endpoint,
                ttl: wire.reset_from(*looked).or_else(|| wire.reset_from(endpoint))?,
                control_ttl: wire.time_to_live(verdict.place.endpoints.server)?,
            })
        }),
        _ => None,
    };
    let Some(proof) = proof else { return finding };
    let mut evidence = vec![proof];
    evidence.extend(finding.evidence().iter().cloned());
    found(finding.cause(), Confidence::Certain, evidence).unwrap_or(finding)
}

/// Whether the server's connection attempt came as far as this machine.
fn inbound(finding: Finding, verdict: &Verdict, wire: Option<&Wire>) -> Vec<Finding> {
    let Some(wire) = wire else { return vec![finding] };
    let active = verdict
        .tried
        .iter()
        .flat_map(|tried| &tried.attempts)
        .filter(|attempt| attempt.mode() == DataMode::Active && !attempt.is_open());
    let arrived = active.filter_map(|attempt| {
        let endpoint = attempt.endpoint?;
        Some((wire.attempt_at(endpoint)?, endpoint))
    });
    let Some((source, endpoint)) = arrived.into_iter().next() else { return vec![finding] };
    if finding.cause() == Cause::ServerEgressBlocked {
        return Vec::new();
    }
    let mut evidence = vec![Evidence::SynDropped { source, endpoint }];
    evidence.extend(finding.evidence().iter().cloned());
    let mut all: Vec<Finding> =
        found(Cause::ClientRefusesInbound, Confidence::Certain, evidence).into_iter().collect();
    let expected = verdict.place.endpoints.server.port().saturating_sub(1);
    if source.port() != expected {
        let evidence = vec![Evidence::SynFromOtherPort { source, endpoint }];
        all.extend(found(Cause::SourcePortFiltered, Confidence::Possible, evidence));
    }
    all
}

/// Where one cause of a failed active connection is sure, what was merely possible is not told beside it.
fn without_what_is_ruled_out(findings: Vec<Finding>) -> Vec<Finding> {
    const OF_ACTIVE: [Cause; 6] = [
        Cause::ClientRefusesInbound,
        Cause::ServerEgressBlocked,
        Cause::PortUnroutable,
        Cause::DataPeerMismatch,
        Cause::SourcePortFiltered,
        Cause::NoNegotiation,
    ];
    let is_sure = findings
        .iter()
        .any(|finding| OF_ACTIVE.contains(&finding.cause()) && finding.confidence() > Confidence::Possible);
    let is_out = |finding: &Finding| {
        is_sure
            && finding.confidence() == Confidence::Possible
            && matches!(
                finding.cause(),
                Cause::ClientRefusesInbound | Cause::ServerEgressBlocked | Cause::PortUnroutable
            )
    };
    // What a server's words may mean for passive mode is no cause where that works or has a cause of its own.
    findings.into_iter().filter(|finding| !is_out(finding)).collect()
}

/// A port that is not among those that are let in.
fn outside_of(attempt: &Attempt, exposed: &RangeInclusive<u16>) -> Option<Finding> {
    let failed = matches!(attempt.outcome, Outcome::ConnectRefused { .. } | Outcome::ConnectUnanswered);
    let told = attempt.endpoint?.port();
    if attempt.mode() != DataMode::Passive || !failed || exposed.contains(&told) {
        return None;
    }
    let evidence = vec![Evidence::PortOutsideRange { told, first: *exposed.start(), last: *exposed.end() }];
    found(Cause::PortRenumbered, Confidence::Likely, evidence)
}

/// What went wrong behind a data connection that came up.
fn of_listing(tried: &Tried) -> Vec<Finding> {
    let mut all = Vec::new();
    // Of close_notify nobody can complain in clear.
    let can_be = |finding: &Finding| tried.cell.tls || finding.cause() != Cause::MissingCloseNotify;
    if let Some(bytes) = tried.ended_plainly {
        let evidence = vec![Evidence::ClosedWithoutNotify { by: Side::Server, bytes }];
        all.extend(found(Cause::MissingCloseNotify, Confidence::Certain, evidence));
    }
    match &tried.error {
        Some(ClientError::NoDataConnection(_)) | None => {}
        Some(ClientError::Refused { command, reply }) => {
            all.extend(of_refusal(command, reply).into_iter().filter(can_be));
        }
        Some(ClientError::Incomplete(incomplete)) => match &incomplete.reason {
            IncompleteReason::CloseNotifyMissing(finding)
            | IncompleteReason::WentAsText(finding)
            | IncompleteReason::NothingCame { finding, .. } => {
                all.push((**finding).clone());
            }
            IncompleteReason::DataBroke(error) => {
                let evidence = vec![Evidence::DataCut { bytes: incomplete.bytes, error: error.clone() }];
                all.extend(found(Cause::TransferCut, Confidence::Possible, evidence));
            }
            IncompleteReason::ServerGaveUp(reply) => {
                all.extend(sure(diagnosis::of_reply("LIST", reply)).into_iter().filter(can_be));
            }
            _ => {}
        },
        // The server closed what it had accepted, and still waits for us.
        Some(ClientError::Unconfirmed { bytes: 0, failure, .. })
            if tried.cell.command.mode() == DataMode::Passive =>
        {
            let endpoint = tried.attempts.first().and_then(|attempt| attempt.endpoint);
            if let (ControlFailure::Silent(waited), Some(endpoint)) = (failure, endpoint) {
                let evidence = vec![Evidence::ClosedWithoutReply { endpoint, waited: *waited }];
                all.extend(found(Cause::DataPeerMismatch, Confidence::Possible, evidence));
            }
        }
        Some(error) => all.extend(error.findings().iter().cloned()),
    }
    all
}

/// The server did not want to list, or to store.
pub(super) fn of_refusal(command: &str, reply: &Reply) -> Vec<Finding> {
    let verb = command.split(' ').next().unwrap_or_default();
    let known = sure(diagnosis::of_reply(verb, reply));
    if known.is_empty() {
        return found(Cause::NotNetwork, Confidence::Likely, vec![said(verb, reply)]).into_iter().collect();
    }
    known
}

fn said(verb: &str, reply: &Reply) -> Evidence {
    Evidence::ReplyReceived { verb: verb.to_owned(), reply: reply.to_string() }
}
