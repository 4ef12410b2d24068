//! TLS on the control and the data connections, as far as records and hellos show it.

use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence, Side as FindingSide};
use wharf_proto::dialogue::Side;
use wharf_proto::tls_records::{Alert, Record};

use super::{Case, meanings, said};
use crate::capture::conversation::{DataConnection, LineKind, Outcome};
use crate::capture::facts::TlsSeen;

/// Nobody takes so long to say hello.
const SILENCE: Duration = Duration::from_secs(4);

pub(super) fn judge(case: &mut Case<'_>) {
    let conversation = case.conversation;
    for line in &conversation.lines {
        if let LineKind::Tls(Record::Alert(alert)) = &line.kind {
            alerted(case, *alert, line.by, line.sight.frame);
        }
    }
    for transfer in &conversation.transfers {
        let Some(data) = conversation.data_of(transfer) else { continue };
        if transfer.outcome == Outcome::Complete {
            continue;
        }
        mismatch(case, data);
        alerts_on_data(case, data);
        not_resumed(case, data);
        deadlock(case, data);
        if let Some(reply) = &transfer.reply
            && meanings(reply).first() == Some(&Cause::ProtMismatch)
        {
            let verb = transfer.verb.map(|verb| verb.to_string()).unwrap_or_default();
            case.add(Cause::ProtMismatch, Confidence::Possible, vec![said(&verb, reply)]);
        }
    }
}

fn side(side: Side) -> FindingSide {
    match side {
        Side::Client => FindingSide::Client,
        Side::Server => FindingSide::Server,
    }
}

/// RFC 8446 §6.2.
fn alerted(case: &mut Case<'_>, alert: Alert, by: Side, frame: u64) {
    const NO_COMMON_GROUND: [u8; 4] = [40, 70, 71, 86];
    const CERTIFICATE: [u8; 7] = [42, 43, 44, 45, 46, 48, 112];
    let evidence = Evidence::TlsAlert { by: side(by), alert: alert.to_string() };
    let fact = (evidence, vec![frame]);
    if NO_COMMON_GROUND.contains(&alert.description) {
        case.add(Cause::TlsNoCommonVersion, Confidence::Likely, vec![fact]);
    } else if CERTIFICATE.contains(&alert.description) {
        let reason = format!("the {} says {alert}", if by == Side::Client { "client" } else { "server" });
        let rejected = (Evidence::CertificateRejected { reason }, vec![frame]);
        case.add(Cause::CertificateInvalid, Confidence::Likely, vec![rejected, fact]);
    }
}

/// What an end of a data connection showed of TLS.
fn tls(data: &DataConnection, side: Side) -> Option<&TlsSeen> {
    data.facts.sent[data.end(side)].tls.as_deref()
}

fn alerts_on_data(case: &mut Case<'_>, data: &DataConnection) {
    for by in [Side::Client, Side::Server] {
        if let Some(alert) = tls(data, by).and_then(|tls| tls.alert)
            && let Some(last) = data.facts.sent[data.end(by)].last
        {
            alerted(case, alert, by, last.frame);
        }
    }
}

/// One side begins TLS, the other sends what is none.
fn mismatch(case: &mut Case<'_>, data: &DataConnection) {
    for clear in [Side::Client, Side::Server] {
        let (quiet, hello) = (&data.facts.sent[data.end(clear)], tls(data, clear.opposite()));
        if let (Some(_), None, Some(begins)) = (hello, &quiet.tls, quiet.begins_with)
            && !wharf_proto::tls_records::may_begin_record(&begins)
        {
            let evidence = Evidence::ClearAgainstTls { clear: side(clear) };
            let frames =
                data.facts.sent.iter().filter_map(|sent| sent.first).map(|sight| sight.frame).collect();
            case.add(Cause::ProtMismatch, Confidence::Likely, vec![(evidence, frames)]);
        }
    }
}

/// The handshake was a full one, and the server ended the connection before any file went over.
fn not_resumed(case: &mut Case<'_>, data: &DataConnection) {
    let (Some(client), Some(server)) = (tls(data, Side::Client), tls(data, Side::Server)) else { return };
    let (Some(offer), Some(choice)) = (&client.client_hello, &server.server_hello) else { return };
    if choice.resumes(offer) || client.alert.is_some() || server.alert.is_some() {
        return;
    }
    let server_end = data.end(Side::Server);
    let closed =
        data.facts.sent[server_end].fin.or(data.facts.sent[server_end].reset.map(|reset| reset.sight));
    // What is hidden may still be the handshake's own; a file is longer than that.
    const HANDSHAKE: u64 = 8 * 1024;
    if client.data + server.data > HANDSHAKE {
        return;
    }
    if let (Some(closed), Some(first)) = (closed, data.facts.sent[data.end(Side::Client)].first) {
        let evidence = Evidence::SessionNotResumed { endpoint: data.facts.ends[1] };
        let fact = (evidence, vec![first.frame, closed.frame]);
        case.add(Cause::TlsResumptionRequired, Confidence::Possible, vec![fact]);
    }
}

/// The connection stands, and nobody says hello.
fn deadlock(case: &mut Case<'_>, data: &DataConnection) {
    let up = data.facts.syn_ack.unwrap_or(data.facts.first);
    let waited = data.facts.last.at.since(up.at);
    if case.conversation.is_hidden && data.facts.syn_ack.is_some() && data.bytes() == 0 && waited >= SILENCE {
        let evidence = Evidence::NoHandshake { endpoint: data.facts.ends[1], waited };
        let fact = (evidence, vec![up.frame, data.facts.last.frame]);
        case.add(Cause::TlsOrderDeadlock, Confidence::Possible, vec![fact]);
    }
}
