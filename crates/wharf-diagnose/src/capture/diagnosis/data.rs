//! Data connections that did not come up, or broke.

use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence};
use wharf_proto::dialogue::{DataMode, NegotiationCommand, Side, is_private};
use wharf_proto::verb::Verb;

use super::control::{attempted, waited};
use super::negotiation::{is_about_file, private_sent};
use super::{Case, Fact, frames, meanings, said};
use crate::capture::conversation::{DataConnection, FoundBy, LineKind, Negotiation, Outcome, Transfer};
use crate::capture::outcome::attempt;

/// A wait of at least this is no slow answer.
const SILENCE: Duration = Duration::from_secs(1);
/// A connection that carries nothing for this long is stuck.
const STUCK: Duration = Duration::from_secs(3);
/// A segment that was sent so often and was not acknowledged does not arrive.
const OFTEN: u32 = 3;
/// Smaller segments get through where full ones do not: MSS of the smallest IPv6 link.
const FULL_SEGMENT: u32 = 1200;
/// So many duplicates are a storm.
const STORM: u32 = 20;
const ACTIVE_SOURCE: u16 = 20;

pub(super) fn judge(case: &mut Case<'_>) {
    let conversation = case.conversation;
    for negotiation in conversation.negotiations.iter().filter(|negotiation| negotiation.agreed) {
        let transfer = negotiation.transfer.and_then(|index| conversation.transfers.get(index));
        // The server's word counts more than what one connection came to.
        if transfer
            .is_some_and(|transfer| matches!(transfer.outcome, Outcome::Complete | Outcome::NotCaptured))
        {
            continue;
        }
        let data: Vec<&DataConnection> =
            negotiation.data.iter().filter_map(|index| conversation.data.get(*index)).collect();
        strangers(case, negotiation, transfer, &data);
        let rightful: Vec<&DataConnection> =
            data.iter().filter(|data| data.found_by != FoundBy::Stranger).copied().collect();
        if data.is_empty() {
            never_tried(case, negotiation, transfer);
        } else if rightful.is_empty() {
            // Somebody else came in the rightful one's place, and that has been told.
        } else if rightful.iter().all(|data| attempt(&data.facts).is_some()) {
            for data in rightful {
                if case.was_waited_for(data) {
                    failed(case, negotiation, transfer, data);
                }
            }
        } else if let Some(data) = rightful.iter().rfind(|data| data.facts.is_established()) {
            closed_at_once(case, negotiation, transfer, data);
        }
    }
    for transfer in &conversation.transfers {
        if let Some(data) = conversation.data_of(transfer) {
            broken(case, transfer, data);
            damaged(case, transfer, data);
        }
    }
}

impl Case<'_> {
    fn was_waited_for(&self, data: &DataConnection) -> bool {
        waited(&data.facts) || self.waited_since(data.facts.first) >= SILENCE
    }
}

/// What happened to the attempt, with what the host's other packets look like.
fn attempt_seen(case: &Case<'_>, data: &DataConnection) -> Fact {
    let conversation = case.conversation;
    let listener = if data.client_end == 0 { Side::Server } else { Side::Client };
    let peer_ttl = conversation.control.sent[conversation.control_end(listener)].ttl;
    let (mut evidence, frames) = attempted(&data.facts, peer_ttl);
    if let Evidence::SynUnanswered { waited, .. } = &mut evidence {
        *waited = case.waited_since(data.facts.first).max(*waited);
    }
    (evidence, frames)
}

fn failed(
    case: &mut Case<'_>,
    negotiation: &Negotiation,
    transfer: Option<&Transfer>,
    data: &DataConnection,
) {
    match negotiation.command.mode() {
        DataMode::Passive => passive_failed(case, negotiation, data),
        DataMode::Active => active_failed(case, negotiation, transfer, data),
    }
}

fn passive_failed(case: &mut Case<'_>, negotiation: &Negotiation, data: &DataConnection) {
    let conversation = case.conversation;
    let Some(told) = negotiation.told else { return };
    let (client, server) = (conversation.client.ip(), conversation.server.ip());
    let seen = attempt_seen(case, data);
    let was_reset = attempt(&data.facts) == Some(Outcome::Reset);
    let told_frames = || frames(negotiation);
    // Where the client went to the address that it was told.
    if told.ip() != server && data.facts.ends[1].ip() == told.ip() {
        let works = conversation.data.iter().find(|other| {
            other.opened_by() == Some(Side::Client)
                && other.facts.ends[1].ip() == server
                && other.facts.syn_ack.is_some()
        });
        if is_private(told.ip()) && !is_private(server) {
            let evidence = Evidence::PrivateAddressTold { told, control_peer: server };
            case.add(Cause::PasvPrivateAddress, Confidence::Certain, vec![(evidence, told_frames()), seen]);
        } else if is_private(client) && is_private(server) {
            let evidence = Evidence::SameNetwork { client, server, told };
            case.add(Cause::Hairpin, Confidence::Likely, vec![(evidence, told_frames()), seen.clone()]);
            case.add(Cause::PasvWrongAddress, Confidence::Possible, vec![seen]);
        } else if let Some(works) = works {
            let evidence = Evidence::OtherAddressConnects { told, connected: works.facts.ends[1] };
            let connected = works.facts.syn_ack.iter().map(|sight| sight.frame);
            let frames = told_frames().into_iter().chain(connected).collect();
            case.add(Cause::PasvWrongAddress, Confidence::Likely, vec![(evidence, frames), seen]);
        } else {
            case.add(Cause::PasvWrongAddress, Confidence::Possible, vec![seen.clone()]);
            dead_port(case, was_reset, Confidence::Possible, seen);
        }
        return;
    }
    if negotiation.command == NegotiationCommand::Epsv
        && let Some((classic, syn_ack)) = classic_works(case)
    {
        let evidence = Evidence::ExtendedPortDead { extended: told, classic };
        let frames = told_frames().into_iter().chain([syn_ack]).collect();
        case.add(Cause::EpsvOnlyText, Confidence::Likely, vec![(evidence, frames), seen]);
        return;
    }
    dead_port(case, was_reset, Confidence::Likely, seen);
}

/// A passive port behind which nobody is: closed by a firewall, or not mapped, or mapped to another number.
fn dead_port(case: &mut Case<'_>, was_reset: bool, confidence: Confidence, seen: Fact) {
    let cause = if was_reset { Cause::PassivePortRefused } else { Cause::PassivePortFiltered };
    let is_certain_sender = matches!(seen.0, Evidence::ProhibitedByIcmp { .. });
    case.add(cause, confidence, vec![seen.clone()]);
    // From the client's side a NAT with other numbers looks the same; only the server's side can tell.
    if !is_certain_sender {
        case.add(Cause::PortRenumbered, Confidence::Possible, vec![seen]);
    }
}

/// A data connection that came of PASV, and the frame in which it came up.
fn classic_works(case: &Case<'_>) -> Option<(std::net::SocketAddr, u64)> {
    let conversation = case.conversation;
    let classic = |negotiation: &&Negotiation| negotiation.command == NegotiationCommand::Pasv;
    let data = conversation.negotiations.iter().filter(classic).flat_map(|negotiation| &negotiation.data);
    data.filter_map(|index| conversation.data.get(*index))
        .find_map(|data| Some((data.facts.ends[1], data.facts.syn_ack?.frame)))
}

fn active_failed(
    case: &mut Case<'_>,
    negotiation: &Negotiation,
    transfer: Option<&Transfer>,
    data: &DataConnection,
) {
    let conversation = case.conversation;
    let Some(told) = negotiation.told else { return };
    let seen = attempt_seen(case, data);
    let (client, server) = (conversation.client.ip(), conversation.server.ip());
    let reply = transfer.and_then(|transfer| transfer.reply.as_ref());
    if told.ip() != client {
        let unroutable = Evidence::UnroutableAddressSent { told, control_source: client };
        case.add(
            Cause::PortUnroutable,
            Confidence::Likely,
            vec![(unroutable, frames(negotiation)), seen.clone()],
        );
        if is_private(told.ip()) && !is_private(client) {
            let verb = negotiation.command.to_string();
            let unchanged = Evidence::AddressNotRewritten { verb, told, control_source: client };
            case.add(Cause::AlgNotAttached, Confidence::Likely, vec![(unchanged, frames(negotiation)), seen]);
        }
        return;
    }
    if is_private(told.ip()) && !is_private(server) {
        private_sent(case, negotiation, Confidence::Possible, reply);
    }
    let source = data.facts.ends[0];
    case.add(Cause::ClientRefusesInbound, Confidence::Likely, vec![seen.clone()]);
    if case.taken_at == Some(Side::Server) && matches!(seen.0, Evidence::SynUnanswered { .. }) {
        // Seen from the server's network, what is before the server is on the way too.
        case.add(Cause::ServerEgressBlocked, Confidence::Possible, vec![seen.clone()]);
    }
    if source.port() != ACTIVE_SOURCE && data.facts.reset().is_none() {
        let other = Evidence::SynFromOtherPort { source, endpoint: data.facts.ends[1] };
        let frames = data.facts.syns.iter().map(|sight| sight.frame).collect();
        case.add(Cause::SourcePortFiltered, Confidence::Possible, vec![(other, frames)]);
    }
}

/// Agreed on, and no attempt is in the capture.
fn never_tried(case: &mut Case<'_>, negotiation: &Negotiation, transfer: Option<&Transfer>) {
    let Some(told) = negotiation.told else { return };
    let Some(transfer) = transfer else {
        never_used(case, negotiation);
        return;
    };
    let conversation = case.conversation;
    if transfer.is_answer_missed || transfer.reply.as_ref().is_some_and(is_about_file) {
        return;
    }
    // It has to be known that the transfer failed: the server said so, or the client gave up.
    let gave_up =
        transfer.reply.is_none() && transfer.begun.is_none() && conversation.client_gave_up(transfer.asked);
    let failed = transfer.reply.as_ref().filter(|reply| matches!(reply.code.get(), 421 | 425 | 426));
    if failed.is_none() && !gave_up {
        return;
    }
    let verb = transfer.verb.map(|verb| verb.to_string()).unwrap_or_default();
    let reply = failed.map(|reply| said(&verb, reply));
    if !case.shows_data {
        // A capture of the control connection alone: there is the server's word, and nothing else.
        if let (Some(said), Some(failed)) = (reply, failed) {
            by_word_alone(case, negotiation.command.mode(), &meanings(failed), &said);
        }
        return;
    }
    let waited = case.waited_since(transfer.asked);
    let with_reply = |evidence: Evidence| -> Vec<Fact> {
        std::iter::once((evidence, frames(negotiation))).chain(reply.clone()).collect()
    };
    match negotiation.command.mode() {
        DataMode::Active => {
            let absent = || with_reply(Evidence::NoSynArrived { endpoint: told, waited });
            let at_server = case.taken_at == Some(Side::Server);
            let confidence = if at_server { Confidence::Likely } else { Confidence::Possible };
            let (client, server) = (conversation.client.ip(), conversation.server.ip());
            if told.ip() != client {
                let unroutable = Evidence::UnroutableAddressSent { told, control_source: client };
                case.add(Cause::PortUnroutable, Confidence::Likely, with_reply(unroutable));
                if is_private(told.ip()) && !is_private(client) {
                    let verb = negotiation.command.to_string();
                    let unchanged = Evidence::AddressNotRewritten { verb, told, control_source: client };
                    case.add(Cause::AlgNotAttached, Confidence::Likely, with_reply(unchanged));
                }
                return;
            }
            if is_private(told.ip()) && !is_private(server) {
                private_sent(case, negotiation, Confidence::Likely, failed);
            }
            case.add(Cause::ServerEgressBlocked, confidence, absent());
            if !at_server {
                case.add(Cause::ClientRefusesInbound, Confidence::Possible, absent());
            }
        }
        DataMode::Passive => {
            never_accepted(case, negotiation, waited, reply.clone());
        }
    }
}

/// The client was told where to connect, waited, and did something else: seen from the server's side nothing arrived.
fn never_used(case: &mut Case<'_>, negotiation: &Negotiation) {
    let conversation = case.conversation;
    let Some(reply) = &negotiation.reply else { return };
    let client = &conversation.control.sent[conversation.control_end(Side::Client)];
    let hung_up = [client.fin, client.reset.map(|reset| reset.sight)].into_iter().flatten();
    let lines = conversation.lines.iter().filter(|line| line.by == Side::Client).map(|line| line.sight);
    let next = lines.chain(hung_up).filter(|sight| *sight > reply.sight).min();
    let Some(waited) = next.map(|next| next.at.since(reply.sight.at)).filter(|waited| *waited >= SILENCE)
    else {
        return;
    };
    // Elsewhere it may be a person who types, and only the server's network would have seen an attempt for sure.
    let would_see = case.taken_at == Some(Side::Server) && case.shows_data && conversation.gaps == 0;
    if negotiation.command.mode() == DataMode::Passive && would_see {
        never_accepted(case, negotiation, waited, None);
    }
}

/// The server listened, and no connection came.
fn never_accepted(case: &mut Case<'_>, negotiation: &Negotiation, waited: Duration, reply: Option<Fact>) {
    let conversation = case.conversation;
    let Some(told) = negotiation.told else { return };
    if case.taken_at == Some(Side::Client) {
        return; // the client did not even try: what it is up to is not to be seen
    }
    let (client, server) = (conversation.client.ip(), conversation.server.ip());
    let with_reply = |evidence: Evidence| -> Vec<Fact> {
        std::iter::once((evidence, frames(negotiation))).chain(reply.clone()).collect()
    };
    let absent = || with_reply(Evidence::NeverAccepted { listening: told, waited });
    if is_private(told.ip()) && !is_private(client) && negotiation.command == NegotiationCommand::Pasv {
        let evidence = Evidence::PrivateAddressTold { told, control_peer: server };
        case.add(Cause::PasvPrivateAddress, Confidence::Likely, with_reply(evidence));
        return;
    }
    if told.ip() != server {
        if is_private(client) && is_private(server) {
            let evidence = Evidence::SameNetwork { client, server, told };
            case.add(Cause::Hairpin, Confidence::Possible, with_reply(evidence));
        }
        case.add(Cause::PasvWrongAddress, Confidence::Possible, absent());
    }
    case.add(Cause::PassivePortFiltered, Confidence::Possible, absent());
    case.add(Cause::PassivePortRefused, Confidence::Possible, absent());
    case.add(Cause::PortsUnpublished, Confidence::Possible, absent());
    case.add(Cause::PortRenumbered, Confidence::Possible, absent());
}

/// Causes that a text can mean, of the mode that was tried.
fn by_word_alone(case: &mut Case<'_>, mode: DataMode, meanings: &[Cause], said: &Fact) {
    use Cause as C;
    let of_mode = meanings.iter().filter(|cause| match mode {
        DataMode::Active => matches!(
            cause,
            C::ClientRefusesInbound | C::ServerEgressBlocked | C::PortUnroutable | C::SourcePortFiltered
        ),
        DataMode::Passive => matches!(
            cause,
            C::PassivePortFiltered | C::PassivePortRefused | C::PortsUnpublished | C::PasvPrivateAddress
        ),
    });
    for cause in of_mode {
        let kinds = [cause.decided_by(), cause.hinted_by()].concat();
        if kinds.contains(&said.0.kind()) {
            case.add(*cause, Confidence::Possible, vec![said.clone()]);
        }
    }
}

/// Somebody else came.
fn strangers(
    case: &mut Case<'_>,
    negotiation: &Negotiation,
    transfer: Option<&Transfer>,
    data: &[&DataConnection],
) {
    let conversation = case.conversation;
    for stranger in data.iter().filter(|data| data.found_by == FoundBy::Stranger) {
        let from = stranger.facts.ends[0];
        let expected = match negotiation.command.mode() {
            DataMode::Passive => conversation.client.ip(),
            DataMode::Active => conversation.server.ip(),
        };
        let mut frame_list: Vec<u64> = stranger.facts.syns.iter().map(|sight| sight.frame).collect();
        frame_list
            .extend(transfer.and_then(|transfer| transfer.reply.as_ref()).map(|reply| reply.sight.frame));
        let has_rightful = data.iter().any(|data| data.found_by != FoundBy::Stranger);
        if has_rightful {
            let evidence = Evidence::StrangerConnected { stranger: from, expected };
            case.add(Cause::StolenAccept, Confidence::Likely, vec![(evidence, frame_list)]);
        } else {
            let evidence = Evidence::PeerDiffers { control_peer: expected, data_peer: from };
            case.add(Cause::DataPeerMismatch, Confidence::Likely, vec![(evidence, frame_list)]);
        }
    }
}

/// It came up, and the server closed it without a byte and said no.
fn closed_at_once(
    case: &mut Case<'_>,
    negotiation: &Negotiation,
    transfer: Option<&Transfer>,
    data: &DataConnection,
) {
    let Some(transfer) = transfer else { return };
    let server = &data.facts.sent[data.end(Side::Server)];
    let closed = [server.fin, server.reset.map(|reset| reset.sight)].into_iter().flatten().min();
    let (Some(closed), 0) = (closed, data.bytes()) else { return };
    let reply = transfer.reply.as_ref();
    if reply.is_some_and(is_about_file) {
        return;
    }
    let verb = transfer.verb.map(|verb| verb.to_string()).unwrap_or_default();
    let waited = case.waited_since(closed);
    let endpoint = data.facts.ends[1];
    let mut facts = vec![(Evidence::ClosedWithoutReply { endpoint, waited }, vec![closed.frame])];
    match reply {
        Some(reply) if meanings(reply).contains(&Cause::DataPeerMismatch) => {
            facts = vec![
                said(&verb, reply),
                (Evidence::ClosedWithoutReply { endpoint, waited }, vec![closed.frame]),
            ];
            case.add(Cause::DataPeerMismatch, Confidence::Possible, facts);
        }
        Some(reply)
            if matches!(reply.code.get(), 425 | 426)
                && negotiation.command.mode() == DataMode::Passive
                && closed < reply.sight
                && transfer.begun.is_none() =>
        {
            facts.push(said(&verb, reply));
            case.add(Cause::DataPeerMismatch, Confidence::Possible, facts);
        }
        None if negotiation.command.mode() == DataMode::Passive && transfer.begun.is_none() => {
            case.add(Cause::DataPeerMismatch, Confidence::Possible, facts);
        }
        _ => {}
    }
}

/// It came up, and broke.
fn broken(case: &mut Case<'_>, transfer: &Transfer, data: &DataConnection) {
    let conversation = case.conversation;
    if matches!(transfer.outcome, Outcome::Complete | Outcome::NotCaptured | Outcome::Refused)
        || !data.facts.is_established()
    {
        return;
    }
    let was_aborted = conversation.lines.iter().any(|line| {
        line.kind == LineKind::Command(Some(Verb::Abor))
            && line.sight > transfer.asked
            && transfer.reply.as_ref().is_none_or(|reply| line.sight < reply.sight)
    });
    if was_aborted || transfer.reply.as_ref().is_some_and(is_about_file) {
        return;
    }
    if black_hole(case, transfer, data) {
        return;
    }
    let duplicates = data.facts.sent.iter().map(|sent| sent.duplicate_acks).max().unwrap_or(0);
    let reset = data.facts.reset();
    let verb = transfer.verb.map(|verb| verb.to_string()).unwrap_or_default();
    let reply = transfer.reply.as_ref().map(|reply| said(&verb, reply));
    let mut facts: Vec<Fact> = Vec::new();
    if let Some((end, reset)) = reset.filter(|_| transfer.outcome == Outcome::Cut) {
        let usual = data.facts.sent[end].ttl;
        let whose = if usual.is_some_and(|ttl| ttl != reset.ttl) {
            format!("a reset with TTL {}, which is not that of its host", reset.ttl)
        } else {
            format!("{} reset it", data.facts.ends[end])
        };
        let evidence = Evidence::DataCut { bytes: data.bytes(), error: whose };
        facts.push((evidence, vec![reset.sight.frame]));
    }
    if duplicates >= STORM && transfer.outcome == Outcome::Cut {
        facts.push((Evidence::SegmentsLost { duplicates }, Vec::new()));
    }
    if let Some(said) = &transfer.reply
        && facts.is_empty()
        && data.bytes() > 0
        && matches!(said.code.get(), 426 | 451 | 421)
    {
        let evidence = Evidence::DataCut { bytes: data.bytes(), error: "the server gave it up".to_owned() };
        facts.push((evidence, vec![said.sight.frame]));
    }
    if facts.is_empty() || data.is_under_tls() && data.bytes() < HANDSHAKE_BYTES {
        return;
    }
    facts.extend(reply);
    case.add(Cause::TransferCut, Confidence::Likely, facts);
}

/// What a TLS handshake and its failure come to at most.
const HANDSHAKE_BYTES: u64 = 16 * 1024;

/// Full segments do not arrive. Seen from the sender's side they are sent again and again; from the other one nothing
/// comes at all.
fn black_hole(case: &mut Case<'_>, transfer: &Transfer, data: &DataConnection) -> bool {
    for sent in &data.facts.sent {
        if let Some(resent) = sent.most_resent
            && resent.times >= OFTEN
            && !resent.acknowledged
            && resent.length >= FULL_SEGMENT
        {
            let evidence = Evidence::FullSegmentsLost { size: resent.length, times: resent.times };
            let frames = vec![resent.first.frame, resent.last.frame];
            case.add(Cause::MtuBlackHole, Confidence::Likely, vec![(evidence, frames)]);
            return true;
        }
    }
    let sender = transfer.sender().unwrap_or(Side::Server);
    let sent = &data.facts.sent[data.end(sender)];
    let up = data.facts.syn_ack.unwrap_or(data.facts.first);
    let waited = data.facts.last.at.max(case.conversation.control.last.at).since(up.at);
    // Bytes that are known only by the number behind them never came, unless they were acknowledged: then the capture lacks them.
    if sent.bytes == sent.uncaptured
        && waited >= STUCK
        && transfer.begun.is_some()
        && (sent.bytes > 0 || sent.fin.is_none())
        && !(sent.bytes > 0 && data.facts.has_arrived(data.end(sender)))
        && !data.is_under_tls()
    {
        let evidence = Evidence::NothingSent { endpoint: data.facts.ends[1], waited };
        let fact = (evidence, vec![up.frame, data.facts.last.frame]);
        case.add(Cause::MtuBlackHole, Confidence::Possible, vec![fact.clone()]);
        case.add(Cause::TransferCut, Confidence::Possible, vec![fact]);
        return true;
    }
    false
}

/// A file with NUL bytes went over as text, and its length is another than the server says it has.
fn damaged(case: &mut Case<'_>, transfer: &Transfer, data: &DataConnection) {
    let (Some(verb), Some(path), false) = (transfer.verb, &transfer.path, transfer.is_binary) else { return };
    let has_nul = data.facts.sent.iter().any(|sent| sent.has_nul);
    if transfer.outcome != Outcome::Complete || !has_nul || data.is_under_tls() || verb != Verb::Retr {
        return;
    }
    let mut asked = false;
    for line in &case.conversation.lines {
        match &line.kind {
            LineKind::Command(Some(Verb::Size)) => asked = line.text.get(5..) == Some(path.as_str()),
            LineKind::Command(_) => asked = false,
            LineKind::Reply(code) if asked && code.get() == 213 => {
                let size = line.text.get(4..).and_then(|size| size.trim().parse::<u64>().ok());
                if let Some(size) = size.filter(|size| *size != data.bytes()) {
                    let (sent, received) = (size, data.bytes());
                    let evidence = Evidence::BinaryInAscii { verb: verb.to_string(), sent, received };
                    let frames = vec![line.sight.frame, transfer.asked.frame];
                    case.add(Cause::AsciiDamaged, Confidence::Likely, vec![(evidence, frames)]);
                }
            }
            _ => {}
        }
    }
}
