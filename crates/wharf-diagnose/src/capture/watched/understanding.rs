//! What the bystander saw becomes lines, negotiations and transfers.

use std::net::SocketAddr;

use wharf_proto::command::Representation;
use wharf_proto::dialogue::{Attribution, DataConnectionPlan, Deviation, Event, NegotiationCommand, Side};
use wharf_proto::observer::Seen;
use wharf_proto::pathname::escaped;
use wharf_proto::tls_records::Record;
use wharf_proto::verb::Verb;
use wharf_proto::{Command, Reply, ReplyCode, limits};

use super::{Agreed, Budget, Pending, Watched};
use crate::capture::conversation::{Line, LineKind, Negotiation, Outcome, Said, TlsUse, Transfer};
use crate::capture::stream::Sight;

/// Deviations of one conversation.
const MOST_DEVIATIONS: usize = 200;
/// What an unanswered command costs beside its text.
const PENDING: usize = 128;

impl Watched {
    pub(super) fn understand(&mut self, sight: Sight, seen: Seen, budget: &mut Budget) {
        match seen {
            Seen::Command(command) => self.command(sight, command, budget),
            Seen::NotACommand(error) => {
                self.line(sight, Side::Client, LineKind::Unreadable, error.to_string(), budget);
            }
            Seen::Reply { reply, attribution } => self.reply(sight, &reply, attribution, budget),
            Seen::NotAReply { line, command } => {
                let text = escaped(&line).to_string();
                self.line(sight, Side::Server, LineKind::Unreadable, text, budget);
                if let Some(pending) = command.and_then(|command| self.pending_of(&command, true)) {
                    self.missed(&pending);
                }
            }
            Seen::Forgotten(command) => {
                if let Some(pending) = self.pending_of(&command, true) {
                    self.missed(&pending);
                }
            }
            Seen::Event(Event::PlanAgreed(plan)) => self.plan_agreed(plan),
            Seen::Event(Event::Deviation(deviation)) => self.deviation(sight, deviation, budget),
            Seen::Event(Event::HandshakeDue) => self.told.tls = TlsUse::Explicit,
            Seen::Event(_) => {}
            Seen::Tls { by, record } => self.tls(sight, by, record, budget),
            Seen::ClearAgain => {
                self.line(sight, Side::Client, LineKind::ClearAgain, String::new(), budget);
            }
        }
    }

    pub(super) fn line(
        &mut self,
        sight: Sight,
        by: Side,
        kind: LineKind,
        mut text: String,
        budget: &mut Budget,
    ) {
        if budget.lines == 0 {
            self.told.lines_left_out += 1;
            return;
        }
        budget.lines -= 1;
        if text.len() > limits::CAPTURED_LINE_TEXT {
            let end = text.floor_char_boundary(limits::CAPTURED_LINE_TEXT);
            text.truncate(end);
            text.push('…');
        }
        self.told.lines.push(Line { sight, by, kind, text });
    }

    fn deviation(&mut self, sight: Sight, deviation: Deviation, budget: &mut Budget) {
        if self.told.deviations.len() < MOST_DEVIATIONS && budget.deviations > 0 {
            budget.deviations -= 1;
            self.told.deviations.push((sight, deviation));
        }
    }

    fn command(&mut self, sight: Sight, command: Command, budget: &mut Budget) {
        let text = command.to_string();
        let verb = command.verb();
        self.line(sight, Side::Client, LineKind::Command(verb), text.clone(), budget);
        if let Command::User(name) = &command {
            self.told.user = Some(escaped(name.as_bytes()).to_string());
        }
        let negotiation = verb.and_then(NegotiationCommand::from_verb).and_then(|negotiation| {
            let negotiation = Negotiation {
                command: negotiation,
                asked: Some(sight),
                text: text.clone(),
                told: told_by_client(&command),
                reply: None,
                agreed: false,
                data: Vec::new(),
                transfer: None,
            };
            self.negotiation(negotiation, budget)
        });
        let transfer = verb.filter(|verb| verb.role().is_transfer()).and_then(|verb| {
            let path = text.split_once(' ').map(|(_, path)| path.to_owned());
            self.transfer(sight, Some(verb), path, budget)
        });
        if self.pending.len() >= limits::OUTSTANDING_COMMANDS
            && let Some(oldest) = self.pending.pop_front()
        {
            self.pending_bytes -= oldest.bytes;
        }
        // Here and in the dialogue.
        let bytes = 2 * (text.len() + PENDING);
        self.pending_bytes += bytes;
        self.pending.push_back(Pending { command, negotiation, transfer, bytes });
    }

    fn negotiation(&mut self, negotiation: Negotiation, budget: &mut Budget) -> Option<usize> {
        budget.negotiations = budget.negotiations.checked_sub(1)?;
        self.told.negotiations.push(negotiation);
        Some(self.told.negotiations.len() - 1)
    }

    pub(super) fn transfer(
        &mut self,
        sight: Sight,
        verb: Option<Verb>,
        path: Option<String>,
        budget: &mut Budget,
    ) -> Option<usize> {
        if budget.transfers == 0 {
            self.told.transfers_left_out += 1;
            return None;
        }
        budget.transfers -= 1;
        self.told.transfers.push(Transfer {
            verb,
            path,
            asked: sight,
            negotiation: None,
            data: Vec::new(),
            begun: None,
            reply: None,
            is_binary: self.is_binary,
            is_answer_missed: false,
            outcome: Outcome::Unknown,
        });
        Some(self.told.transfers.len() - 1)
    }

    /// The oldest pending command that equals this one; taken out if it got its final answer.
    fn pending_of(&mut self, command: &Command, is_final: bool) -> Option<Pending> {
        let position = self.pending.iter().position(|pending| pending.command == *command)?;
        if is_final {
            let pending = self.pending.remove(position)?;
            self.pending_bytes -= pending.bytes;
            return Some(pending);
        }
        let Pending { command, negotiation, transfer, bytes } = &self.pending[position];
        Some(Pending {
            command: command.clone(),
            negotiation: *negotiation,
            transfer: *transfer,
            bytes: *bytes,
        })
    }

    /// The answer to a command is not in the capture.
    fn missed(&mut self, pending: &Pending) {
        if let Some(transfer) = pending.transfer {
            self.bind(transfer);
            self.told.transfers[transfer].is_answer_missed = true;
            self.ended.push(transfer);
        }
    }

    fn reply(&mut self, sight: Sight, reply: &Reply, attribution: Attribution, budget: &mut Budget) {
        let text = reply_text(reply);
        let code = reply.code();
        self.line(sight, Side::Server, LineKind::Reply(code), text.clone(), budget);
        let last = text.rsplit('\n').next().unwrap_or_default().to_owned();
        let said = Said { sight, code, text: last };
        let is_final = !attribution.is_preliminary;
        let Some(command) = attribution.command else {
            self.unasked(said, budget);
            return;
        };
        if let (Command::Type(representation), true) = (&command, code.is_positive()) {
            self.is_binary = matches!(representation, Representation::Image);
        }
        let pending = self.pending_of(&command, is_final);
        if let Some(index) = pending.as_ref().and_then(|pending| pending.negotiation) {
            self.told.negotiations[index].reply = Some(said.clone());
            self.plan = None;
        } else if let Some(negotiation) = command.verb().and_then(NegotiationCommand::from_verb) {
            // The command itself was lost in a gap.
            let negotiation = Negotiation {
                command: negotiation,
                asked: None,
                text: String::new(),
                told: None,
                reply: Some(said.clone()),
                agreed: false,
                data: Vec::new(),
                transfer: None,
            };
            self.negotiation(negotiation, budget);
            self.plan = None;
        }
        if let Some(transfer) = pending.and_then(|pending| pending.transfer) {
            self.transfer_answered(transfer, said, is_final);
        }
    }

    /// A reply that nobody asked for, as far as the capture shows.
    fn unasked(&mut self, said: Said, budget: &mut Budget) {
        if matches!(said.code, ReplyCode::OPENING_DATA_CONNECTION | ReplyCode::TRANSFER_STARTING) {
            self.unknown_transfer = self.transfer(said.sight, None, None, budget);
            if let Some(transfer) = self.unknown_transfer {
                self.transfer_answered(transfer, said, false);
            }
        } else if let Some(transfer) = self.unknown_transfer.take() {
            self.transfer_answered(transfer, said, true);
        }
    }

    fn transfer_answered(&mut self, index: usize, said: Said, is_final: bool) {
        self.bind(index);
        let transfer = &mut self.told.transfers[index];
        if is_final {
            transfer.reply = Some(said);
            self.ended.push(index);
        } else {
            transfer.begun.get_or_insert(said);
        }
    }

    /// The first answer to a transfer uses up what was agreed, as in the dialogue.
    pub(super) fn bind(&mut self, index: usize) {
        let transfer = &mut self.told.transfers[index];
        if transfer.negotiation.is_some() || transfer.begun.is_some() {
            return;
        }
        transfer.negotiation = self.plan.take();
        if let Some(negotiation) = transfer.negotiation {
            transfer.data.extend(&self.told.negotiations[negotiation].data);
            self.told.negotiations[negotiation].transfer = Some(index);
        }
    }

    fn plan_agreed(&mut self, plan: DataConnectionPlan) {
        // The reply that made it has just been noted.
        let made = self.told.negotiations.iter().rposition(|negotiation| {
            negotiation.command == plan.command && negotiation.reply.is_some() && !negotiation.agreed
        });
        let Some(index) = made else { return };
        let negotiation = &mut self.told.negotiations[index];
        negotiation.agreed = true;
        negotiation.told = Some(plan.endpoint);
        self.plan = Some(index);
        self.agreed.push(Agreed { negotiation: index, plan });
    }

    fn tls(&mut self, sight: Sight, by: Side, record: Record, budget: &mut Budget) {
        self.told.is_hidden = true;
        if self.told.tls == TlsUse::None {
            self.told.tls = TlsUse::Implicit;
        }
        let index = usize::from(by == Side::Server);
        let kind = match record {
            Record::ClientHello(_) | Record::ServerHello(_) | Record::Alert(_) => LineKind::Tls(record),
            Record::Data { .. } if !self.hidden_told[index] => {
                self.hidden_told[index] = true;
                LineKind::Hidden
            }
            _ => return,
        };
        self.line(sight, by, kind, String::new(), budget);
    }
}

fn told_by_client(command: &Command) -> Option<SocketAddr> {
    match command {
        Command::Port(told) => Some(SocketAddr::new(told.address.into(), told.port)),
        Command::Eprt(told) => Some(SocketAddr::new(told.address, told.port)),
        _ => None,
    }
}

/// A reply as it is shown: escaped, a line a line.
fn reply_text(reply: &Reply) -> String {
    let lines: Vec<String> =
        reply.to_string().lines().map(|line| escaped(line.as_bytes()).to_string()).collect();
    lines.join("\n")
}
