//! The control connection itself, and what the server says about the session.

use std::net::SocketAddr;
use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence};
use wharf_proto::dialogue::Side;
use wharf_proto::verb::Verb;

use super::{Case, Findings, meanings, said};
use crate::capture::conversation::{Conversation, Line, LineKind, Said, Transfer};
use crate::capture::explainer::Reading;
use crate::capture::facts::Facts;
use crate::capture::outcome::attempt;
use crate::capture::packet::IcmpMessage;
use crate::capture::stream::Sight;

/// The control connection was silent for at least this long, where that is what a NAT is blamed for.
const LONG_SILENCE: Duration = Duration::from_secs(5);
/// A segment that was sent so often and was not acknowledged does not arrive.
const OFTEN: u32 = 3;

pub(super) fn judge(case: &mut Case<'_>) {
    words_of_the_server(case);
    no_greeting(case);
    for transfer in &case.conversation.transfers {
        cut_while_idle(case, transfer);
        slow_completion(case, transfer);
    }
}

/// Replies whose words have one meaning that no packet could show better.
fn words_of_the_server(case: &mut Case<'_>) {
    let conversation = case.conversation;
    let mut verb: Option<Verb> = None;
    for line in &conversation.lines {
        match line.kind {
            LineKind::Command(sent) => verb = sent,
            LineKind::Reply(code) if code.is_negative() => {
                let reply = Said { sight: line.sight, code, text: last_line(line).to_owned() };
                word_of_the_server(case, verb, &reply);
            }
            _ => {}
        }
    }
}

fn last_line(line: &Line) -> &str {
    line.text.rsplit('\n').next().unwrap_or_default()
}

fn word_of_the_server(case: &mut Case<'_>, verb: Option<Verb>, reply: &Said) {
    let name = verb.map(|verb| verb.to_string()).unwrap_or_default();
    let meanings = meanings(reply);
    let lower = reply.text.to_ascii_lowercase();
    let is_login = matches!(verb, None | Some(Verb::User | Verb::Pass));
    let too_many = ["too many", "maximum number", "user limit", "connection limit", "max clients"];
    if matches!(reply.code.get(), 421 | 530) && is_login && too_many.iter().any(|words| lower.contains(words))
    {
        case.add(Cause::SessionLimit, Confidence::Certain, vec![said(&name, reply)]);
    }
    let wants_tls = lower.contains("tls") || lower.contains("ssl") || lower.contains("encrypt");
    if meanings.contains(&Cause::TlsRequired) && meanings.len() == 1 {
        case.add(Cause::TlsRequired, Confidence::Certain, vec![said(&name, reply)]);
    } else if is_login && matches!(reply.code.get(), 421 | 530 | 534 | 550) && wants_tls {
        case.add(Cause::TlsRequired, Confidence::Likely, vec![said(&name, reply)]);
    }
    if meanings.first() == Some(&Cause::ServerMisconfigured) {
        case.add(Cause::ServerMisconfigured, Confidence::Certain, vec![said(&name, reply)]);
    }
    if meanings == [Cause::ControlCutIdle] {
        case.add(Cause::ControlCutIdle, Confidence::Possible, vec![said("", reply)]);
    }
}

/// The client spoke, and the server never did: it waits for TLS, or for a PROXY header.
fn no_greeting(case: &mut Case<'_>) {
    let conversation = case.conversation;
    let server = &conversation.control.sent[conversation.control_end(Side::Server)];
    if server.bytes > 0 || conversation.control.syn_ack.is_none() {
        return;
    }
    let first = conversation.control.first;
    let waited = conversation.control.last.at.since(first.at);
    let evidence = Evidence::ConnectedWithoutBanner { endpoint: conversation.server, waited };
    let frames =
        [Some(first), conversation.control.syn_ack].into_iter().flatten().map(|sight| sight.frame).collect();
    case.add(Cause::ControlUnreachable, Confidence::Likely, vec![(evidence, frames)]);
}

/// The data went over and was ended, and the closing reply is not there, or does not arrive.
fn cut_while_idle(case: &mut Case<'_>, transfer: &Transfer) {
    let conversation = case.conversation;
    let Some(data) = conversation.data_of(transfer).filter(|data| data.facts.is_established()) else {
        return;
    };
    answered_with_reset(case, transfer);
    let fins: Vec<Sight> = data.facts.sent.iter().filter_map(|sent| sent.fin).collect();
    let (Some(begun), 2) = (&transfer.begun, fins.len()) else { return };
    let Some(ended) = fins.iter().max().copied() else { return };
    let idle = ended.at.since(begun.sight.at);
    if idle < LONG_SILENCE || transfer.is_answer_missed {
        return;
    }
    let missing =
        || (Evidence::CompletionMissing { idle }, fins.iter().map(|sight| sight.frame).collect::<Vec<_>>());
    match &transfer.reply {
        // At the server: it is said again and again, and nobody hears it.
        Some(reply) => {
            let server = &conversation.control.sent[conversation.control_end(Side::Server)];
            if let Some(resent) = server.most_resent
                && resent.first.frame <= reply.sight.frame.max(resent.first.frame)
                && resent.last > reply.sight
                && resent.times >= OFTEN
                && !resent.acknowledged
            {
                let unheard =
                    Evidence::SegmentUnacknowledged { line: reply.text.clone(), times: resent.times };
                let frames = vec![reply.sight.frame, resent.last.frame];
                case.add(Cause::ControlCutIdle, Confidence::Likely, vec![missing(), (unheard, frames)]);
            }
        }
        None if case.waited_since(ended) >= LONG_SILENCE || conversation.control.is_over() => {
            case.add(Cause::ControlCutIdle, Confidence::Likely, vec![missing()]);
        }
        None => {}
    }
}

/// At the server: the 226 is answered with RST, by a NAT that knows of no such connection any more, though the client has not
/// hung up.
fn answered_with_reset(case: &mut Case<'_>, transfer: &Transfer) {
    let conversation = case.conversation;
    let (Some(begun), Some(reply)) = (&transfer.begun, &transfer.reply) else { return };
    let client = &conversation.control.sent[conversation.control_end(Side::Client)];
    let idle = reply.sight.at.since(begun.sight.at);
    if let (Some(reset), None) = (client.reset, client.fin)
        && idle >= LONG_SILENCE
        && reset.sight > reply.sight
        && !conversation.lines.iter().any(|line| line.by == Side::Client && line.sight > begun.sight)
    {
        let frames = vec![begun.sight.frame, reply.sight.frame, reset.sight.frame];
        case.add(
            Cause::ControlCutIdle,
            Confidence::Likely,
            vec![(Evidence::CompletionMissing { idle }, frames)],
        );
    }
}

/// The closing reply came when the client had gone.
fn slow_completion(case: &mut Case<'_>, transfer: &Transfer) {
    let conversation = case.conversation;
    let (Some(reply), Some(data)) = (&transfer.reply, conversation.data_of(transfer)) else { return };
    let client = &conversation.control.sent[conversation.control_end(Side::Client)];
    let gone = [client.fin, client.reset.map(|reset| reset.sight)].into_iter().flatten().min();
    let ended = data.facts.sent.iter().filter_map(|sent| sent.fin).max();
    let said_goodbye = conversation.lines.iter().any(|line| line.kind == LineKind::Command(Some(Verb::Quit)));
    if let (Some(gone), Some(ended), false) = (gone, ended, said_goodbye)
        && reply.code.is_positive()
        && gone < reply.sight
        && ended < gone
    {
        let evidence = Evidence::CompletionLate {
            after: reply.sight.at.since(ended.at),
            patience: gone.at.since(ended.at),
        };
        let frames = vec![ended.frame, gone.frame, reply.sight.frame];
        case.add(Cause::SlowCompletion, Confidence::Certain, vec![(evidence, frames)]);
    }
}

/// Connections that never became conversations, or were nobody's.
pub(super) fn judge_strays(reading: &Reading, is_control: &dyn Fn(u16) -> bool, findings: &mut Findings) {
    for facts in &reading.strays {
        let server = facts.ends[1];
        if is_control(server.port()) {
            if !succeeded_later(reading, facts) {
                unreachable(facts, server, findings);
            }
        } else if facts.ends[0].port() == ACTIVE_SOURCE && attempt(facts).is_some() && waited(facts) {
            // The server's port of active mode: data without the dialogue that asked for it.
            findings.add(Cause::ClientRefusesInbound, Confidence::Possible, vec![attempted(facts, None)]);
        }
    }
}

/// RFC 959 §8: one below the control port.
const ACTIVE_SOURCE: u16 = 20;

fn succeeded_later(reading: &Reading, facts: &Facts) -> bool {
    let is_same = |conversation: &Conversation| {
        conversation.client.ip() == facts.ends[0].ip() && conversation.server == facts.ends[1]
    };
    reading.conversations.iter().any(is_same)
}

/// Whether an attempt was given the time to be answered.
pub(super) fn waited(facts: &Facts) -> bool {
    facts.syn_count >= 2 || facts.reset().is_some() || facts.icmp.is_some()
}

fn unreachable(facts: &Facts, server: SocketAddr, findings: &mut Findings) {
    if attempt(facts).is_some() {
        if waited(facts) {
            findings.add(Cause::ControlUnreachable, Confidence::Certain, vec![attempted(facts, None)]);
        }
        return;
    }
    let waited = facts.last.at.since(facts.first.at);
    let evidence = Evidence::ConnectedWithoutBanner { endpoint: server, waited };
    let frames = vec![facts.first.frame, facts.last.frame];
    findings.add(Cause::ControlUnreachable, Confidence::Likely, vec![(evidence, frames)]);
}

/// What came of an attempt to connect, as evidence. `peer_ttl` is what the same host's packets have elsewhere.
pub(super) fn attempted(facts: &Facts, peer_ttl: Option<u8>) -> super::Fact {
    let endpoint = facts.ends[1];
    let mut frames: Vec<u64> = facts.syns.iter().map(|sight| sight.frame).collect();
    if let Some(icmp) = facts.icmp {
        frames.push(icmp.sight.frame);
        let message = match icmp.message {
            IcmpMessage::Prohibited => "administratively prohibited",
            IcmpMessage::Unreachable => "unreachable",
            IcmpMessage::PortUnreachable => "port unreachable",
            IcmpMessage::TooBig => "packet too big",
        };
        let message = message.to_owned();
        return (Evidence::ProhibitedByIcmp { endpoint, sender: icmp.sender, message }, frames);
    }
    if let Some((1, reset)) = facts.reset() {
        frames.push(reset.sight.frame);
        let control_ttl = peer_ttl.unwrap_or(reset.ttl);
        return (Evidence::ResetReceived { endpoint, ttl: reset.ttl, control_ttl }, frames);
    }
    (Evidence::SynUnanswered { endpoint, waited: facts.last.at.since(facts.first.at) }, frames)
}
