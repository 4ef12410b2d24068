//! What came of a transfer, from its replies and its data connection.

use wharf_proto::reply::ReplyClass;

use super::conversation::{Conversation, DataConnection, Outcome, Transfer};
use super::facts::Facts;

/// The word for a transfer.
pub(super) fn outcome(conversation: &Conversation, transfer: &Transfer) -> Outcome {
    let data = conversation.data_of(transfer);
    let Some(reply) = &transfer.reply else { return without_reply(conversation, transfer, data) };
    match reply.code.class() {
        ReplyClass::Completion => match data {
            // 225 and the like confirm nothing.
            None if transfer.begun.is_none() && !matches!(reply.code.get(), 226 | 250) => Outcome::Unknown,
            None => Outcome::NotCaptured,
            // The server's word counts: it may have been another connection that was reset.
            Some(data) if !data.facts.is_established() => Outcome::NotCaptured,
            Some(_) => Outcome::Complete,
        },
        ReplyClass::Preliminary | ReplyClass::Intermediate => Outcome::Unknown,
        ReplyClass::TransientNegative | ReplyClass::PermanentNegative => failed(transfer, data),
    }
}

/// A negative final reply.
fn failed(transfer: &Transfer, data: Option<&DataConnection>) -> Outcome {
    match data {
        Some(data) => match attempt(&data.facts) {
            Some(outcome) => outcome,
            // It came up, and no byte went over: the server had said no, or would not go on.
            None if transfer.begun.is_none() && data.bytes() == 0 => Outcome::Refused,
            None => Outcome::Cut,
        },
        None if is_about_data(transfer) => Outcome::NoSyn,
        None => Outcome::Refused,
    }
}

/// Whether a refusal is about the data connection and not about the file: 425, 426, 421, 521, 522 of RFC 959 §5.4,
/// RFC 2228 and RFC 4217, after an agreement.
fn is_about_data(transfer: &Transfer) -> bool {
    let code = transfer.reply.as_ref().map(|reply| reply.code.get());
    transfer.negotiation.is_some() && matches!(code, Some(421 | 425 | 426))
}

/// How an attempt to open a connection failed; `None` if it came up.
pub(super) fn attempt(facts: &Facts) -> Option<Outcome> {
    if facts.is_established() {
        None
    } else if facts.icmp.is_some() || facts.reset().is_some_and(|(end, _)| end == 1) {
        Some(Outcome::Reset)
    } else {
        Some(Outcome::NoAnswer)
    }
}

/// No final reply is in the capture: it ends before, TLS or a gap hides it, or none ever came.
fn without_reply(
    conversation: &Conversation,
    transfer: &Transfer,
    data: Option<&DataConnection>,
) -> Outcome {
    let Some(data) = data else {
        let gave_up = conversation.control.is_over() && !conversation.is_hidden && !transfer.is_answer_missed;
        let waited = gave_up && transfer.negotiation.is_some() && transfer.begun.is_none();
        return if waited && conversation.gaps == 0 && shows_data(conversation) {
            Outcome::NoSyn
        } else {
            Outcome::Unknown
        };
    };
    if let Some(failed) = attempt(&data.facts) {
        return failed;
    }
    if data.facts.reset().is_some_and(|_| !is_whole(data)) {
        return Outcome::Cut;
    }
    // Under TLS the connection itself is all that tells: it carried data and was ended in order, with a last word.
    if conversation.is_hidden && is_whole(data) && ends_in_order(data) && data.facts.reset().is_none() {
        return Outcome::Complete;
    }
    Outcome::Unknown
}

/// Whether both ends were done.
fn is_whole(data: &DataConnection) -> bool {
    data.facts.sent.iter().all(|sent| sent.fin.is_some())
}

/// Whether whoever sent the data sent more than a handshake needs, and said at the end that it was the end.
fn ends_in_order(data: &DataConnection) -> bool {
    data.facts.sent.iter().any(|sent| {
        let is_said = match &sent.tls {
            Some(tls) => tls.data > 0 && tls.ends_with_alert,
            None => sent.bytes > 0,
        };
        sent.fin.is_some() && is_said
    })
}

/// Whether the capture would show data connections: it does show some.
pub(super) fn shows_data(conversation: &Conversation) -> bool {
    !conversation.data.is_empty()
}
