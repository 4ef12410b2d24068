//! What was understood as JSON, in the shape that scripts rely on.

use serde::Serialize;
use wharf_findings::{Language, Report};
use wharf_proto::dialogue::{DataMode, Side};

use crate::capture::{
    Comparison, Conversation, DataConnection, Difference, Outcome, Reading, TlsUse, Transfer,
};

/// A reading as it is serialised.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    conversations: Vec<ConversationShape<'a>>,
    findings: Vec<Report<'a>>,
}

/// Two readings and what differs between them.
#[derive(Debug, Serialize)]
pub struct ComparisonDocument<'a> {
    a: Document<'a>,
    b: Document<'a>,
    clock_offset: Option<f64>,
    differences: &'a [Difference],
    findings: Vec<Report<'a>>,
}

/// The JSON shape of two readings and of what differs between them.
#[must_use]
pub fn comparison<'a>(
    a: &'a Reading,
    b: &'a Reading,
    comparison: &'a Comparison,
    language: Language,
) -> ComparisonDocument<'a> {
    ComparisonDocument {
        a: document(a, language),
        b: document(b, language),
        clock_offset: comparison.offset,
        differences: &comparison.differences,
        findings: comparison.findings.iter().map(|finding| finding.report(language)).collect(),
    }
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
        opened_by: data.and_then(DataConnection::opened_by).map(|side| match side {
            Side::Client => "client",
            Side::Server => "server",
        }),
        source: ends.map(|ends| ends[0].to_string()),
        destination: ends.map(|ends| ends[1].to_string()),
        source_port_is_20: ends.is_some_and(|ends| ends[0].port() == SERVER_DATA_PORT),
        bytes: data.map(DataConnection::bytes),
        reply: transfer.reply.as_ref().map(|reply| reply.text.as_str()),
        outcome: transfer.outcome,
    }
}
