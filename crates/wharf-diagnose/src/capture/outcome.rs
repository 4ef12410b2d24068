//! What came of a transfer, from its replies and its data connection.

use wharf_proto::reply::ReplyClass;

use super::conversation::{Conversation, DataConnection, Outcome, Transfer};
use super::facts::Facts;

/// The word for a transfer. `shows_data`: the capture holds more than control connections, so that what is not in it did not
/// happen.
pub(super) fn outcome(conversation: &Conversation, transfer: &Transfer, shows_data: bool) -> Outcome {
    let data = conversation.data_of(transfer);
    let Some(reply) = &transfer.reply else { return without_reply(conversation, transfer, data, shows_data) };
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
        ReplyClass::TransientNegative | ReplyClass::PermanentNegative => failed(transfer, data, shows_data),
    }
}

/// A negative final reply.
fn failed(transfer: &Transfer, data: Option<&DataConnection>, shows_data: bool) -> Outcome {
    match data {
        Some(data) => match attempt(&data.facts) {
            Some(outcome) => outcome,
            // It came up, and no byte went over: the server had said no, or would not go on.
            None if transfer.begun.is_none() && data.bytes() == 0 => Outcome::Refused,
            None => Outcome::Cut,
        },
        None if is_about_data(transfer) && shows_data => Outcome::NoSyn,
        // Where nothing but the control connection was captured, nothing is known of the other.
        None if is_about_data(transfer) => Outcome::Unknown,
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
    shows_data: bool,
) -> Outcome {
    let Some(data) = data else {
        let gave_up = conversation.client_gave_up(transfer.asked) && !transfer.is_answer_missed;
        let waited = gave_up && transfer.negotiation.is_some() && transfer.begun.is_none();
        return if waited && !conversation.is_hidden && conversation.gaps == 0 && shows_data {
            Outcome::NoSyn
        } else {
            Outcome::Unknown
        };
    };
    if let Some(failed) = attempt(&data.facts) {
        return failed;
    }
    // Whoever has got everything may hang up as it likes: what counts is whether the sender had ended before.
    let was_ended = data.facts.sent.iter().any(|sent| sent.fin.is_some());
    if data.facts.reset().is_some() && !was_ended {
        return Outcome::Cut;
    }
    // Under TLS the connection itself is all that tells: it carried data and was ended in order, with a last word.
    if conversation.is_hidden && ends_in_order(data) {
        return Outcome::Complete;
    }
    Outcome::Unknown
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
