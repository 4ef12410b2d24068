//! What was understood as JSON, in the shape that scripts rely on.

use serde::Serialize;
use wharf_findings::{Language, Report};
use wharf_proto::dialogue::{DataMode, Side};

use crate::capture::{Conversation, Outcome, Reading, TlsUse, Transfer};

/// A reading as it is serialised.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    conversations: Vec<ConversationShape<'a>>,
    findings: Vec<Report<'a>>,
}

#[derive(Debug, Serialize)]
struct ConversationShape<'a> {
    client: String,
    server: String,
    tls: &'static str,
    user: Option<&'a str>,
    complete: bool,
    transfers: Vec<TransferShape<'a>>,
    findings: Vec<Report<'a>>,
}

#[derive(Debug, Serialize)]
struct TransferShape<'a> {
    verb: Option<String>,
    path: Option<&'a str>,
    mode: Option<&'static str>,
    command: Option<String>,
    negotiated: Option<String>,
    opened_by: Option<&'static str>,
    source: Option<String>,
    destination: Option<String>,
    source_port_is_20: bool,
    bytes: Option<u64>,
    reply: Option<&'a str>,
    outcome: Outcome,
}

/// The JSON shape of a reading, with its findings in `language`.
#[must_use]
pub fn document(reading: &Reading, language: Language) -> Document<'_> {
    Document {
        conversations: reading.conversations.iter().map(|it| conversation(it, language)).collect(),
        findings: reading.findings.iter().map(|finding| finding.report(language)).collect(),
    }
}

fn conversation(conversation: &Conversation, language: Language) -> ConversationShape<'_> {
    ConversationShape {
        client: conversation.client.to_string(),
        server: conversation.server.to_string(),
        tls: match conversation.tls {
            TlsUse::None => "none",
            TlsUse::Explicit => "explicit",
            TlsUse::Implicit => "implicit",
        },
        user: conversation.user.as_deref(),
        complete: conversation.is_complete(),
        transfers: conversation.transfers.iter().map(|it| transfer(conversation, it)).collect(),
        findings: conversation.findings.iter().map(|finding| finding.report(language)).collect(),
    }
}

/// RFC 959 §8: the server's data port.
const SERVER_DATA_PORT: u16 = 20;

fn transfer<'a>(conversation: &'a Conversation, transfer: &'a Transfer) -> TransferShape<'a> {
    let negotiation = conversation.negotiation_of(transfer);
    let data = conversation.data_of(transfer);
    let ends = data.filter(|data| data.facts.opened).map(|data| data.facts.ends);
    TransferShape {
        verb: transfer.verb.map(|verb| verb.to_string()),
        path: transfer.path.as_deref(),
        mode: conversation.mode_of(transfer).map(|mode| match mode {
            DataMode::Active => "active",
            DataMode::Passive => "passive",
        }),
        command: negotiation.map(|negotiation| negotiation.command.to_string()),
        negotiated: negotiation.and_then(|negotiation| negotiation.told).map(|told| told.to_string()),
        opened_by: data.and_then(|data| data.opened_by()).map(|side| match side {
            Side::Client => "client",
            Side::Server => "server",
        }),
        source: ends.map(|ends| ends[0].to_string()),
        destination: ends.map(|ends| ends[1].to_string()),
        source_port_is_20: ends.is_some_and(|ends| ends[0].port() == SERVER_DATA_PORT),
        bytes: data.map(|data| data.bytes()),
        reply: transfer.reply.as_ref().map(|reply| reply.text.as_str()),
        outcome: transfer.outcome,
    }
}
