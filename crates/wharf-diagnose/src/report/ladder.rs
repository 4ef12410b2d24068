//! The steps of a conversation in the order in which they were seen: control and data connection in one ladder.

use std::net::SocketAddr;
use std::time::Duration;

use wharf_findings::{Language, Text};
use wharf_proto::dialogue::{DataMode, NegotiationCommand, Side};
use wharf_proto::tls_records::Record;

use super::words::{self, fill};
use crate::capture::{
    Conversation, DataConnection, Facts, FoundBy, IcmpMessage, Line, LineKind, Negotiation, Outcome, Sight,
    Transfer,
};

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// The packet, and when.
    pub sight: Sight,
    /// Which connection it is of.
    pub lane: Lane,
    /// From whom it comes; nobody's for remarks.
    pub from: Option<Side>,
    /// What it is, one line or more.
    pub text: String,
    /// What it means.
    pub note: Option<String>,
    /// The transfer that it belongs to, by its number in the conversation.
    pub transfer: Option<usize>,
    /// How it is to be looked at.
    pub tone: Tone,
    /// Of one packet: handshake, talk, end.
    rank: u8,
}

impl Step {
    /// A step by itself.
    pub(crate) fn new(
        sight: Sight,
        lane: Lane,
        from: Option<Side>,
        text: String,
        tone: Tone,
        note: Option<String>,
    ) -> Self {
        let rank = u8::from(tone != Tone::Transport);
        Self { sight, lane, from, text, note, transfer: None, tone, rank }
    }
}

/// Which connection a step is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The control connection.
    Control,
    /// A data connection.
    Data,
}

/// How a step is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As a part of TCP itself.
    Transport,
    /// As something that was said, or moved.
    Talk,
    /// As trouble.
    Trouble,
    /// As a remark.
    Remark,
}

/// The steps of a conversation, in order.
#[must_use]
pub fn steps(conversation: &Conversation, language: Language) -> Vec<Step> {
    let mut ladder = Ladder { conversation, language, steps: Vec::new() };
    ladder.connection(&conversation.control, conversation.client_end, Lane::Control, None);
    for line in &conversation.lines {
        ladder.line(line);
    }
    for (index, data) in conversation.data.iter().enumerate() {
        ladder.data(index, data);
    }
    let mut steps = ladder.steps;
    steps.sort_by_key(|step| (step.sight.frame, step.rank));
    assign(conversation, &mut steps);
    steps
}

/// The rank of FIN and RST.
const END: u8 = 2;

struct Ladder<'a> {
    conversation: &'a Conversation,
    language: Language,
    steps: Vec<Step>,
}

impl Ladder<'_> {
    fn say(&self, text: Text, values: &[&str]) -> String {
        fill(text, self.language, values)
    }

    fn push(&mut self, sight: Sight, lane: Lane, from: Option<Side>, text: String, tone: Tone) -> &mut Step {
        self.steps.push(Step::new(sight, lane, from, text, tone, None));
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    /// The handshake and the end of a connection.
    fn connection(&mut self, facts: &Facts, client_end: usize, lane: Lane, transfer: Option<usize>) {
        let side = |end: usize| if end == client_end { Side::Client } else { Side::Server };
        let port = |end: usize| facts.ends[end].port();
        let opener = side(0);
        let failed = !facts.is_established();
        for (index, syn) in facts.syns.iter().enumerate() {
            let text = if index == 0 {
                format!("{} {} → {}", self.say(words::SYN, &[]), port(0), port(1))
            } else {
                self.say(words::SYN_AGAIN, &[&(index + 1).to_string()])
            };
            let tone = if failed { Tone::Trouble } else { Tone::Transport };
            self.push(*syn, lane, Some(opener), text, tone).transfer = transfer;
        }
        if let Some(last) =
            facts.syns.last().filter(|_| failed && facts.reset().is_none() && facts.icmp.is_none())
        {
            let text = self.say(words::NO_ANSWER, &[]);
            self.push(*last, lane, None, text, Tone::Trouble).transfer = transfer;
        }
        if let Some(sight) = facts.syn_ack {
            let text = self.say(words::SYN_ACK, &[]);
            self.push(sight, lane, Some(opener.opposite()), text, Tone::Transport).transfer = transfer;
        }
        if let Some(sight) = facts.ack {
            let text = self.say(words::ACK, &[]);
            self.push(sight, lane, Some(opener), text, Tone::Transport).transfer = transfer;
        }
        for end in 0..2 {
            if let Some(fin) = facts.sent[end].fin {
                let text = self.say(words::FIN, &[]);
                let step = self.push(fin, lane, Some(side(end)), text, Tone::Transport);
                (step.transfer, step.rank) = (transfer, END);
            }
            if let Some(reset) = facts.sent[end].reset {
                let usual = facts.sent[end].ttl.or(self.usual_ttl(side(end)));
                let text = match usual {
                    Some(usual) if usual != reset.ttl => {
                        self.say(words::RESET_TTL, &[&reset.ttl.to_string(), &usual.to_string()])
                    }
                    _ => self.say(words::RESET, &[]),
                };
                let is_late = facts.sent.iter().all(|sent| sent.fin.is_some());
                let tone = if is_late { Tone::Transport } else { Tone::Trouble };
                let step = self.push(reset.sight, lane, Some(side(end)), text, tone);
                (step.transfer, step.rank) = (transfer, END);
            }
        }
        if let Some(icmp) = facts.icmp {
            let message = self.say(icmp_text(icmp.message), &[]);
            let text = self.say(words::ICMP, &[&icmp.sender.to_string(), &message]);
            self.push(icmp.sight, lane, Some(opener.opposite()), text, Tone::Trouble).transfer = transfer;
        }
    }

    fn usual_ttl(&self, side: Side) -> Option<u8> {
        self.conversation.control.sent[self.conversation.control_end(side)].ttl
    }

    fn line(&mut self, line: &Line) {
        let (text, tone) = match &line.kind {
            LineKind::Command(_) => (line.text.clone(), Tone::Talk),
            LineKind::Reply(code) if code.is_negative() => (line.text.clone(), Tone::Trouble),
            LineKind::Reply(_) => (line.text.clone(), Tone::Talk),
            LineKind::Unreadable => (line.text.clone(), Tone::Trouble),
            LineKind::Tls(record) => (self.record(record), Tone::Talk),
            LineKind::Hidden => (self.say(words::HIDDEN, &[]), Tone::Remark),
            LineKind::ClearAgain => (self.say(words::CLEAR_AGAIN, &[]), Tone::Remark),
            LineKind::Gap(bytes) => (self.say(words::GAP, &[&number(*bytes)]), Tone::Remark),
        };
        let note = self.arithmetic(line);
        self.push(line.sight, Lane::Control, Some(line.by), text, tone).note = note;
    }

    fn record(&self, record: &Record) -> String {
        match record {
            Record::ClientHello(hello) if hello.asks_to_resume() => {
                self.say(words::CLIENT_HELLO_RESUMING, &[])
            }
            Record::ClientHello(_) => self.say(words::CLIENT_HELLO, &[]),
            Record::ServerHello(hello) => self.say(words::SERVER_HELLO, &[hello.version_name()]),
            Record::Alert(alert) => self.say(words::TLS_ALERT, &[&alert.to_string()]),
            _ => String::new(),
        }
    }

    /// Who listens where: 8 × 256 + 86 = 2134.
    fn arithmetic(&self, line: &Line) -> Option<String> {
        let negotiation = self.conversation.negotiations.iter().find(|negotiation| match line.kind {
            LineKind::Command(_) => negotiation.asked == Some(line.sight) && negotiation.text == line.text,
            LineKind::Reply(_) => {
                negotiation.agreed
                    && negotiation.reply.as_ref().is_some_and(|reply| reply.sight == line.sight)
            }
            _ => false,
        })?;
        let is_command = matches!(line.kind, LineKind::Command(_));
        if is_command != (negotiation.command.mode() == DataMode::Active) {
            return None;
        }
        let told = negotiation.told?;
        let text = match negotiation.command.mode() {
            DataMode::Passive => words::SERVER_LISTENS,
            DataMode::Active => words::CLIENT_LISTENS,
        };
        let mut note = self.say(text, &[&port_sum(negotiation.command, told), &told.to_string()]);
        let control = match negotiation.command.mode() {
            DataMode::Passive => self.conversation.server.ip(),
            DataMode::Active => self.conversation.client.ip(),
        };
        if told.ip() != control {
            note = format!("{note}; {}", self.say(words::OTHER_HOST, &[&control.to_string()]));
        }
        if told.port() < 1024 {
            note = format!("{note}; {}", self.say(words::LOW_PORT, &[]));
        }
        Some(note)
    }

    fn data(&mut self, index: usize, data: &DataConnection) {
        let conversation = self.conversation;
        let transfer = conversation.transfers.iter().position(|transfer| transfer.data.contains(&index));
        let before = self.steps.len();
        self.connection(&data.facts, data.client_end, Lane::Data, transfer);
        let note = self.opened(index, data);
        if let Some(first) = self.steps.get_mut(before) {
            first.note = note;
        }
        for side in [Side::Client, Side::Server] {
            self.moved(data, side, transfer);
        }
    }

    /// Who opened it, and what is unusual about it.
    fn opened(&self, index: usize, data: &DataConnection) -> Option<String> {
        let negotiation =
            self.conversation.negotiations.iter().find(|negotiation| negotiation.data.contains(&index));
        let told = negotiation.and_then(|negotiation| negotiation.told);
        let source = data.facts.ends[0];
        let by = match data.opened_by()? {
            Side::Client => self.say(words::OPENS_PASSIVE, &[]),
            Side::Server if source.port() < 1024 => {
                self.say(words::OPENS_ACTIVE_20, &[&source.port().to_string()])
            }
            Side::Server => self.say(words::OPENS_ACTIVE, &[]),
        };
        let unusual = match (data.found_by, told) {
            (FoundBy::Stranger, _) => {
                let who = if data.client_end == 0 { words::CLIENT } else { words::SERVER };
                Some(self.say(words::STRANGER, &[&source.ip().to_string(), &self.say(who, &[])]))
            }
            (_, Some(told)) if told != data.facts.ends[1] => {
                Some(self.say(words::ELSEWHERE, &[&data.facts.ends[1].to_string(), &told.to_string()]))
            }
            _ => None,
        };
        Some(unusual.map_or(by.clone(), |unusual| format!("{by}; {unusual}")))
    }

    /// What one side sent on it.
    fn moved(&mut self, data: &DataConnection, side: Side, transfer: Option<usize>) {
        let sent = &data.facts.sent[data.end(side)];
        let (Some(first), Some(last)) = (sent.first, sent.last) else { return };
        let lasted = last.at.since(first.at);
        let (bytes, segments) = (number(sent.bytes), number(sent.segments));
        let text = if sent.segments == 1 {
            self.say(words::DATA_ONE, &[&bytes])
        } else if lasted.is_zero() {
            self.say(words::DATA, &[&bytes, &segments])
        } else {
            let rate = rate(sent.bytes, lasted);
            self.say(words::DATA_TIMED, &[&bytes, &segments, &duration(lasted), &rate])
        };
        let mut notes = Vec::new();
        if let Some(tls) = sent.tls.as_deref().filter(|_| side == Side::Server)
            && let Some(choice) = &tls.server_hello
        {
            let client = data.facts.sent[data.end(Side::Client)].tls.as_deref();
            let resumed = client
                .and_then(|client| client.client_hello.as_ref())
                .is_some_and(|offer| choice.resumes(offer));
            let what = if resumed { words::TLS_RESUMED } else { words::TLS_NEW };
            notes.push(self.say(what, &[choice.version_name()]));
        }
        if sent.tls.as_ref().is_some_and(|tls| tls.ends_with_alert && tls.alert.is_none()) {
            notes.push(self.say(words::CLOSE_NOTIFY, &[]));
        }
        if let Some(alert) = sent.tls.as_ref().and_then(|tls| tls.alert) {
            notes.push(self.say(words::TLS_ALERT, &[&alert.to_string()]));
        }
        match sent.resent {
            0 => {}
            1 => notes.push(self.say(words::SENT_AGAIN_ONE, &[])),
            resent => notes.push(self.say(words::SENT_AGAIN, &[&number(resent)])),
        }
        if sent.uncaptured > 0 {
            notes.push(self.say(words::NOT_CAPTURED_BYTES, &[&number(sent.uncaptured)]));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        let step = self.push(first, Lane::Data, Some(side), text, Tone::Talk);
        step.note = note;
        step.transfer = transfer;
    }
}

/// Gives the lines of dialogue to the transfers that they are about: from the agreement to the final reply.
fn assign(conversation: &Conversation, steps: &mut [Step]) {
    for (index, transfer) in conversation.transfers.iter().enumerate() {
        let negotiation = conversation.negotiation_of(transfer);
        let begins = negotiation.and_then(|negotiation| negotiation.asked).unwrap_or(transfer.asked);
        let begins = begins.min(transfer.asked);
        let ends =
            transfer.reply.as_ref().or(transfer.begun.as_ref()).map_or(transfer.asked, |reply| reply.sight);
        let from = steps.partition_point(|step| step.sight < begins);
        // Late packets may have brought the question behind the answer.
        let to = steps.partition_point(|step| step.sight <= ends).max(from);
        for step in &mut steps[from..to] {
            if step.lane == Lane::Control && step.transfer.is_none() {
                step.transfer = Some(index);
            }
        }
    }
}

/// The line that a transfer is when it is closed.
#[must_use]
pub fn summary(conversation: &Conversation, transfer: &Transfer, language: Language) -> String {
    let say = |text: Text, values: &[&str]| fill(text, language, values);
    let mut parts = Vec::new();
    let name = transfer.verb.map_or_else(|| say(words::UNKNOWN_TRANSFER, &[]), |verb| verb.to_string());
    parts.push(match &transfer.path {
        Some(path) => format!("{name} {path}"),
        None => name,
    });
    if let Some(mode) = conversation.mode_of(transfer) {
        let mode = match mode {
            DataMode::Active => say(words::MODE_ACTIVE, &[]),
            DataMode::Passive => say(words::MODE_PASSIVE, &[]),
        };
        let negotiation = conversation.negotiation_of(transfer);
        parts.push(
            negotiation.map_or(mode.clone(), |negotiation| format!("{mode} ({})", agreed(negotiation))),
        );
    }
    if let Some(data) = conversation.data_of(transfer) {
        parts.push(match data.bytes() {
            1 => say(words::ONE_BYTE, &[]),
            bytes => say(words::BYTES, &[&number(bytes)]),
        });
    }
    parts.push(say(outcome_text(conversation, transfer), &[]));
    if let Some(reply) = &transfer.reply {
        parts.push(reply.text.clone());
    }
    parts.join(" · ")
}

fn agreed(negotiation: &Negotiation) -> String {
    match negotiation.told {
        Some(told) => format!("{} {told}", negotiation.command),
        None => negotiation.command.to_string(),
    }
}

fn outcome_text(conversation: &Conversation, transfer: &Transfer) -> Text {
    match transfer.outcome {
        Outcome::Complete if transfer.reply.is_none() && conversation.is_hidden => words::COMPLETE_HIDDEN,
        Outcome::Complete => words::COMPLETE,
        Outcome::Refused => words::REFUSED,
        Outcome::NoSyn => words::NO_SYN,
        Outcome::NoAnswer => words::UNANSWERED,
        Outcome::Reset => words::WAS_RESET,
        Outcome::Cut => words::CUT,
        Outcome::Unknown => words::UNKNOWN,
        Outcome::NotCaptured => words::CONFIRMED_UNSEEN,
    }
}

fn icmp_text(message: IcmpMessage) -> Text {
    match message {
        IcmpMessage::Prohibited => words::ICMP_PROHIBITED,
        IcmpMessage::Unreachable => words::ICMP_UNREACHABLE,
        IcmpMessage::PortUnreachable => words::ICMP_PORT,
        IcmpMessage::TooBig => words::ICMP_TOO_BIG,
    }
}

/// The port arithmetic: `8 × 256 + 86 = 2134` where the port is told in two numbers, and the port alone where it is told as one.
#[must_use]
pub fn port_sum(command: NegotiationCommand, told: SocketAddr) -> String {
    let port = told.port();
    match command {
        NegotiationCommand::Port | NegotiationCommand::Pasv => {
            format!("{} × 256 + {} = {port}", port / 256, port % 256)
        }
        NegotiationCommand::Eprt | NegotiationCommand::Epsv => port.to_string(),
    }
}

/// With a comma between thousands.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn duration(value: Duration) -> String {
    if value < Duration::from_millis(1) {
        format!("{} µs", value.as_micros())
    } else if value < Duration::from_secs(1) {
        format!("{:.1} ms", value.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", value.as_secs_f64())
    }
}

fn rate(bytes: u64, lasted: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    let rate = bytes as f64 / lasted.as_secs_f64();
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    for (unit, power) in units {
        let size = f64::from(1_u32 << power);
        if rate >= size {
            return format!("{:.1} {unit}", rate / size);
        }
    }
    format!("{rate:.0} B")
}
