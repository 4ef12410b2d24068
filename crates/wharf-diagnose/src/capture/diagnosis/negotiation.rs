//! PORT, PASV, EPRT and EPSV: refused, unanswered, unreadable.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence};
use wharf_proto::ReplyCode;
use wharf_proto::dialogue::{DataMode, Deviation, NegotiationCommand, Side, is_private};
use wharf_proto::verb::Verb;

use super::{Case, frames, meanings, said};
use crate::capture::conversation::{LineKind, Negotiation, Outcome, Said, Transfer};

/// A silence of at least this is no slow answer.
const SILENCE: Duration = Duration::from_secs(1);

pub(super) fn judge(case: &mut Case<'_>) {
    for negotiation in &case.conversation.negotiations {
        match &negotiation.reply {
            Some(reply) if reply.code.is_negative() => refused(case, negotiation, reply),
            Some(reply) if !negotiation.agreed => unreadable(case, negotiation, reply),
            Some(_) => {}
            None => unanswered(case, negotiation),
        }
    }
    for mode in [DataMode::Passive, DataMode::Active] {
        mode_refused(case, mode);
    }
    for transfer in &case.conversation.transfers {
        not_negotiated(case, transfer);
    }
    refused_files(case);
}

fn verb(negotiation: &Negotiation) -> String {
    negotiation.command.to_string()
}

fn refused(case: &mut Case<'_>, negotiation: &Negotiation, reply: &Said) {
    let conversation = case.conversation;
    let meanings = meanings(reply);
    let verb = verb(negotiation);
    let client = conversation.client.ip();
    if after_epsv_all(case, negotiation) {
        let evidence = Evidence::RefusedAfterEpsvAll { verb, reply: reply.text.clone() };
        case.add(Cause::EpsvAll, Confidence::Certain, vec![(evidence, frames(negotiation))]);
        return;
    }
    if meanings.contains(&Cause::RangeExhausted) {
        case.add(Cause::RangeExhausted, Confidence::Possible, vec![said(&verb, reply)]);
        return;
    }
    let is_of_other_family = negotiation.told.is_some_and(|told| told.is_ipv4() != client.is_ipv4());
    if reply.code == ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED || is_of_other_family {
        let asked = negotiation.asked.unwrap_or(reply.sight);
        if let IpAddr::V6(server) = conversation.server.ip()
            && is_nat64(server)
        {
            let evidence = Evidence::TranslatedPeer { control_peer: server };
            case.add(
                Cause::Nat64,
                Confidence::Certain,
                vec![(evidence, frames(negotiation)), said(&verb, reply)],
            );
        } else if !case.recovered_after(asked) {
            let evidence =
                Evidence::FamilyDiffers { verb: verb.clone(), control_peer: conversation.server.ip() };
            let facts = vec![(evidence, frames(negotiation)), said(&verb, reply)];
            case.add(Cause::FamilyMismatch, Confidence::Likely, facts);
        }
        return;
    }
    if negotiation.command.mode() == DataMode::Active
        && let Some(told) = negotiation.told
    {
        let is_illegal = told.port() < 1024;
        if told.ip() != client && (is_private(told.ip()) && !is_private(client)) {
            not_rewritten(case, negotiation, reply);
        } else if told.ip() != client || is_illegal {
            let evidence = Evidence::IllegalEndpoint { told, control_peer: client };
            case.add(
                Cause::BounceRefused,
                Confidence::Certain,
                vec![(evidence, frames(negotiation)), said(&verb, reply)],
            );
        } else if is_private(told.ip()) && !is_private(conversation.server.ip()) && is_about_address(reply) {
            // As the client sent it; the server saw another source.
            private_sent(case, negotiation, Confidence::Likely, Some(reply));
        }
    }
}

/// Refusals of what the command said, and not of the command.
fn is_about_address(reply: &Said) -> bool {
    matches!(reply.code, ReplyCode::PARAMETER_SYNTAX_ERROR | ReplyCode::PARAMETER_NOT_IMPLEMENTED)
        || meanings(reply).iter().any(|cause| matches!(cause, Cause::PortUnroutable | Cause::BounceRefused))
}

/// The server's side of a NAT without helper: the source was changed, the text was not.
fn not_rewritten(case: &mut Case<'_>, negotiation: &Negotiation, reply: &Said) {
    let Some(told) = negotiation.told else { return };
    let control_source = case.conversation.client.ip();
    let unroutable = Evidence::UnroutableAddressSent { told, control_source };
    let verb = verb(negotiation);
    let facts = vec![(unroutable, frames(negotiation)), said(&verb, reply)];
    case.add(Cause::PortUnroutable, Confidence::Likely, facts);
    let unchanged = Evidence::AddressNotRewritten { verb: verb.clone(), told, control_source };
    let facts = vec![(unchanged, frames(negotiation)), said(&verb, reply)];
    case.add(Cause::AlgNotAttached, Confidence::Likely, facts);
}

/// The client's side of it.
pub(super) fn private_sent(
    case: &mut Case<'_>,
    negotiation: &Negotiation,
    confidence: Confidence,
    reply: Option<&Said>,
) {
    let Some(told) = negotiation.told else { return };
    let verb = verb(negotiation);
    let control_peer = case.conversation.server.ip();
    let sent = Evidence::PrivateAddressSent { verb: verb.clone(), told, control_peer };
    let mut facts = vec![(sent, frames(negotiation))];
    facts.extend(reply.map(|reply| said(&verb, reply)));
    case.add(Cause::PortUnroutable, confidence, facts.clone());
    case.add(Cause::AlgNotAttached, Confidence::Possible, facts);
}

fn after_epsv_all(case: &Case<'_>, negotiation: &Negotiation) -> bool {
    negotiation.command != NegotiationCommand::Epsv
        && case.conversation.deviations.iter().any(|(sight, deviation)| {
            Some(*sight) == negotiation.asked
                && matches!(deviation, Deviation::NegotiationAfterEpsvAll { .. })
        })
}

/// RFC 6052 §2.1.
fn is_nat64(address: Ipv6Addr) -> bool {
    address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
}

/// Answered as if it were fine, and nobody can read where to connect.
fn unreadable(case: &mut Case<'_>, negotiation: &Negotiation, reply: &Said) {
    let problem = case.conversation.deviations.iter().find_map(|(sight, deviation)| match deviation {
        Deviation::MalformedPassiveReply { error } if *sight == reply.sight => Some(error.to_string()),
        Deviation::MalformedExtendedReply { error } if *sight == reply.sight => Some(error.to_string()),
        _ => None,
    });
    if let Some(problem) = problem {
        let evidence = Evidence::ReplyUnreadable { reply: reply.text.clone(), problem };
        case.add(Cause::MalformedReply, Confidence::Certain, vec![(evidence, frames(negotiation))]);
    }
}

fn unanswered(case: &mut Case<'_>, negotiation: &Negotiation) {
    let conversation = case.conversation;
    let Some(asked) = negotiation.asked else { return };
    let later = |kind: &LineKind| matches!(kind, LineKind::Unreadable);
    if let Some(line) = conversation.lines.iter().find(|line| {
        line.by == Side::Server
            && line.sight > asked
            && (later(&line.kind) || matches!(line.kind, LineKind::Reply(_)))
    }) && later(&line.kind)
    {
        let problem = "it does not begin with a reply code".to_owned();
        let evidence = Evidence::ReplyUnreadable { reply: line.text.clone(), problem };
        let facts = vec![(evidence, vec![asked.frame, line.sight.frame])];
        case.add(Cause::MalformedReply, Confidence::Certain, facts);
        return;
    }
    let waited = case.waited_since(asked);
    let was_missed = conversation.gaps > 0 || conversation.is_hidden;
    // Whoever says goodbye, or something else, has waited long enough.
    let gave_up = conversation.client_gave_up(asked);
    if was_missed || (waited < SILENCE && !gave_up) {
        return;
    }
    let verb = verb(negotiation);
    let silence = || (Evidence::SilenceAfter { verb: verb.clone(), waited }, vec![asked.frame]);
    let client = &conversation.control.sent[conversation.control_end(Side::Client)];
    let lost = client.most_resent.filter(|resent| !resent.acknowledged && resent.last > asked);
    let is_extended = matches!(negotiation.command, NegotiationCommand::Epsv | NegotiationCommand::Eprt);
    if let Some(resent) = lost {
        let unheard = Evidence::SegmentUnacknowledged { line: negotiation.text.clone(), times: resent.times };
        let facts = vec![(unheard, vec![asked.frame, resent.last.frame]), silence()];
        if is_extended {
            // A box that swallows what it does not know looks the same as one that stumbles over it.
            case.add(Cause::ExtendedUnsupported, Confidence::Likely, vec![silence()]);
            case.add(Cause::AlgDrops, Confidence::Possible, facts);
        } else {
            case.add(Cause::AlgDrops, Confidence::Likely, facts);
        }
        return;
    }
    if is_extended {
        case.add(Cause::ExtendedUnsupported, Confidence::Likely, vec![silence()]);
    }
    if let Some(told) = negotiation.told.filter(|told| told.ip() != conversation.client.ip()) {
        let client = conversation.client.ip();
        let illegal = Evidence::IllegalEndpoint { told, control_peer: client };
        case.add(Cause::BounceRefused, Confidence::Possible, vec![(illegal, vec![asked.frame]), silence()]);
        if is_private(told.ip()) {
            let unroutable = Evidence::UnroutableAddressSent { told, control_source: client };
            let facts = vec![(unroutable, vec![asked.frame]), silence()];
            case.add(Cause::PortUnroutable, Confidence::Possible, facts);
        }
    } else if !is_extended {
        case.add(Cause::AlgDrops, Confidence::Possible, vec![silence()]);
    }
}

/// Every command of a mode refused, and not for what it said: the server does not offer the mode. Only the extended one
/// refused is what every client tries and gets over.
fn mode_refused(case: &mut Case<'_>, mode: DataMode) {
    let conversation = case.conversation;
    let of_mode: Vec<&Negotiation> =
        conversation.negotiations.iter().filter(|negotiation| negotiation.command.mode() == mode).collect();
    let refusals: Vec<(&Negotiation, &Said)> = of_mode
        .iter()
        .filter_map(|negotiation| {
            let reply = negotiation.reply.as_ref().filter(|reply| is_refusal_of_mode(reply))?;
            let told = negotiation.told.filter(|_| mode == DataMode::Active);
            let names_itself =
                told.is_none_or(|told| told.ip() == conversation.client.ip() && told.port() >= 1024);
            let is_private_in_public =
                told.is_some_and(|told| is_private(told.ip()) && !is_private(conversation.server.ip()));
            let says_off = meanings(reply).contains(&Cause::ModeDisabled);
            (says_off || (names_itself && !is_private_in_public)).then_some((*negotiation, reply))
        })
        .collect();
    let Some((first, _)) = refusals.first() else { return };
    if refusals.len() < of_mode.len() {
        return;
    }
    let facts = refusals.iter().take(4).map(|(negotiation, reply)| said(&verb(negotiation), reply)).collect();
    let says_off = refusals.iter().any(|(_, reply)| meanings(reply).contains(&Cause::ModeDisabled));
    let only_extended = refusals.iter().all(|(negotiation, _)| {
        matches!(negotiation.command, NegotiationCommand::Epsv | NegotiationCommand::Eprt)
    });
    let asked = first.asked.unwrap_or(conversation.control.first);
    if says_off {
        case.add(Cause::ModeDisabled, Confidence::Certain, facts);
    } else if !only_extended {
        case.add(Cause::ModeDisabled, Confidence::Likely, facts);
    } else if !case.recovered_after(asked) {
        case.add(Cause::ExtendedUnsupported, Confidence::Possible, facts);
    }
}

/// 5yz, and about neither login, family, protection nor a parameter.
fn is_refusal_of_mode(reply: &Said) -> bool {
    matches!(reply.code.get(), 500 | 502 | 550 | 553)
        && meanings(reply).iter().all(|cause| *cause == Cause::ModeDisabled)
        || meanings(reply).contains(&Cause::ModeDisabled)
}

fn not_negotiated(case: &mut Case<'_>, transfer: &Transfer) {
    let Some(reply) = transfer.reply.as_ref().filter(|reply| matches!(reply.code.get(), 425 | 503)) else {
        return;
    };
    let conversation = case.conversation;
    let is_bare = conversation.deviations.iter().any(|(sight, deviation)| {
        *sight == reply.sight && matches!(deviation, Deviation::TransferWithoutNegotiation { .. })
    });
    let is_known = conversation.gaps == 0 && conversation.control.opened;
    if let (true, true, Some(verb)) = (is_bare, is_known, transfer.verb)
        && transfer.begun.is_none()
        && last_negotiation_was_fine(case, transfer)
    {
        let evidence = Evidence::NotNegotiated { verb: verb.to_string() };
        let facts = vec![(evidence, vec![transfer.asked.frame]), said(&verb.to_string(), reply)];
        case.add(Cause::NoNegotiation, Confidence::Certain, facts);
    }
}

/// Whoever goes on after a refused negotiation has another trouble.
fn last_negotiation_was_fine(case: &Case<'_>, transfer: &Transfer) -> bool {
    let before = |negotiation: &&Negotiation| negotiation.asked.is_some_and(|asked| asked < transfer.asked);
    case.conversation
        .negotiations
        .iter()
        .rfind(before)
        .is_none_or(|negotiation| negotiation.agreed && negotiation.transfer.is_some())
}

/// A transfer refused with what means the file and not the network.
pub(super) fn is_about_file(reply: &Said) -> bool {
    matches!(reply.code.get(), 450 | 451 | 452 | 550 | 551 | 552 | 553) && meanings(reply).is_empty()
}

/// The file is the trouble: the transfer was refused, and the network is healthy as far as can be seen.
fn refused_files(case: &mut Case<'_>) {
    let conversation = case.conversation;
    for transfer in &conversation.transfers {
        if let (Some(reply), Some(verb), Outcome::Refused) =
            (&transfer.reply, transfer.verb, transfer.outcome)
            && is_about_file(reply)
            && verb != Verb::Stat
        {
            case.add(Cause::NotNetwork, Confidence::Likely, vec![said(&verb.to_string(), reply)]);
        }
    }
}
