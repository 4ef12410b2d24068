//! From what was understood to root causes, each with the frames that show it.
//!
//! Two rules: no cause without the evidence that decides it or hints at it (`wharf_findings::Finding` refuses), and none
//! from what a capture does not hold. A capture sees one place of the way only: where two causes look the same from
//! there, both are named as possible.

mod control;
mod data;
mod negotiation;
mod several;
mod tls;

use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence, Finding};
use wharf_proto::Timestamp;
use wharf_proto::dialogue::Side;

use super::conversation::{Conversation, Negotiation, Outcome, Said};
use super::explainer::Reading;
use super::stream::Sight;

/// Fills in the findings of each conversation, and of the capture as a whole.
pub(super) fn diagnose(reading: &mut Reading, is_control: &dyn Fn(u16) -> bool) {
    let shows_data = reading.shows_other_ports;
    for conversation in &mut reading.conversations {
        let mut case = Case::new(conversation, shows_data);
        control::judge(&mut case);
        negotiation::judge(&mut case);
        data::judge(&mut case);
        tls::judge(&mut case);
        let Findings(mut findings) = case.findings;
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.confidence()));
        conversation.findings = findings;
    }
    let mut findings = Findings::default();
    several::judge(reading, &mut findings);
    control::judge_strays(reading, is_control, &mut findings);
    reading.findings = findings.0;
}

/// The causes found so far, each once.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

/// A fact and the frames that show it.
type Fact = (Evidence, Vec<u64>);

impl Findings {
    /// Names a cause, unless it is there and as sure. A finding that its evidence does not carry is a mistake here, and is
    /// left out.
    fn add(&mut self, cause: Cause, confidence: Confidence, facts: Vec<Fact>) {
        let Ok(finding) = Finding::captured(cause, confidence, facts) else {
            debug_assert!(false, "{cause} without its evidence");
            return;
        };
        match self.0.iter_mut().find(|known| known.cause() == cause) {
            Some(known) if known.confidence() < confidence => *known = finding,
            Some(_) => {}
            None => self.0.push(finding),
        }
    }
}

/// A conversation under judgement.
struct Case<'a> {
    conversation: &'a Conversation,
    /// Where the capture was taken.
    taken_at: Option<Side>,
    /// Whether data connections would be in the capture if there were any.
    shows_data: bool,
    findings: Findings,
}

impl<'a> Case<'a> {
    fn new(conversation: &'a Conversation, shows_data: bool) -> Self {
        let taken_at = conversation.taken_at();
        Self { conversation, taken_at, shows_data, findings: Findings::default() }
    }

    fn add(&mut self, cause: Cause, confidence: Confidence, facts: Vec<Fact>) {
        self.findings.add(cause, confidence, facts);
    }

    /// Whether a transfer that was agreed on after `sight` went well: what failed before was a try.
    fn recovered_after(&self, sight: Sight) -> bool {
        self.conversation.transfers.iter().any(|transfer| {
            transfer.asked > sight && matches!(transfer.outcome, Outcome::Complete | Outcome::NotCaptured)
        })
    }

    /// How long the conversation went on after `sight`.
    fn waited_since(&self, sight: Sight) -> Duration {
        let data = self.conversation.data.iter().map(|data| data.facts.last.at);
        let last: Timestamp = data.fold(self.conversation.control.last.at, Timestamp::max);
        last.since(sight.at)
    }
}

/// That the server said so.
fn said(verb: &str, said: &Said) -> Fact {
    (Evidence::ReplyReceived { verb: verb.to_owned(), reply: said.text.clone() }, vec![said.sight.frame])
}

/// The frames of an exchange.
fn frames(negotiation: &Negotiation) -> Vec<u64> {
    let asked = negotiation.asked.map(|sight| sight.frame);
    asked.into_iter().chain(negotiation.reply.iter().map(|reply| reply.sight.frame)).collect()
}

/// What the server says behind its code.
fn words(said: &Said) -> &str {
    said.text.get(4..).unwrap_or_default()
}

/// What the words of a reply can mean.
fn meanings(said: &Said) -> Vec<Cause> {
    wharf_findings::candidates(said.code.get(), words(said))
}
