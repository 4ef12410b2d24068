//! What a negotiation agrees on, and whether the data connection that appears is the one.

use std::net::{IpAddr, SocketAddr};

use super::negotiation::{DataConnectionPlan, NegotiationCommand, Side, canonical, told_by_client};
use super::{DataStage, Deviation, Dialogue, Event};
use crate::command::{Command, EpsvArgument};
use crate::host_port::{HostPort, find_extended_port};
use crate::reply::Reply;
use crate::verb::Verb;

impl Dialogue {
    /// What can be said of a negotiation from the command alone.
    pub(super) fn note_negotiation(&mut self, verb: Verb, command: &Command) {
        let Some(negotiation) = NegotiationCommand::from_verb(verb) else { return };
        if self.state.epsv_all && negotiation != NegotiationCommand::Epsv {
            self.deviation(Deviation::NegotiationAfterEpsvAll { command: negotiation });
        }
        if negotiation == NegotiationCommand::Pasv && self.endpoints.server.is_ipv6() {
            self.deviation(Deviation::PassiveOnIpv6);
        }
        if let Some(told) = told_by_client(command) {
            let control = self.endpoints.client.ip();
            if told.is_ipv4() != control.is_ipv4() {
                self.deviation(Deviation::FamilyDiffers { told });
            } else if told.ip() != control {
                self.deviation(Deviation::ActiveAddressDiffers { told, control });
            }
            if told.port() < 1024 {
                self.deviation(Deviation::ActivePortBelow1024 { told });
            }
        }
    }

    /// A negotiation got its final reply.
    pub(super) fn negotiated(&mut self, command: &Command, reply: &Reply) {
        // A new negotiation replaces the one before, even where it is refused (RFC 959 §4.1.2, PORT and PASV).
        self.plan = None;
        self.early_data = DataStage::NotSeen;
        if !reply.code().is_positive() || matches!(command, Command::Epsv(EpsvArgument::All)) {
            return;
        }
        let (negotiation, endpoint) = match command {
            Command::Port(_) => (NegotiationCommand::Port, told_by_client(command)),
            Command::Eprt(_) => (NegotiationCommand::Eprt, told_by_client(command)),
            Command::Pasv => (NegotiationCommand::Pasv, self.told_in_227(reply)),
            _ => (NegotiationCommand::Epsv, self.told_in_229(reply)),
        };
        if let Some(endpoint) = endpoint {
            let plan =
                DataConnectionPlan { command: negotiation, endpoint, protection: self.state.protection };
            self.plan = Some(plan);
            self.push(Event::PlanAgreed(plan));
        }
    }

    fn told_in_227(&mut self, reply: &Reply) -> Option<SocketAddr> {
        match in_any_line(reply, HostPort::find_in_reply_text) {
            Ok(found) => {
                let told = SocketAddr::new(found.address.into(), found.port);
                let control = self.endpoints.server.ip();
                if told.ip() != control {
                    self.deviation(Deviation::PassiveAddressDiffers { told, control });
                }
                Some(told)
            }
            Err(error) => {
                self.deviation(Deviation::MalformedPassiveReply { error });
                None
            }
        }
    }

    fn told_in_229(&mut self, reply: &Reply) -> Option<SocketAddr> {
        match in_any_line(reply, find_extended_port) {
            Ok(port) => {
                let mut endpoint = self.endpoints.server; // keeps the scope of a link-local address
                endpoint.set_port(port);
                Some(endpoint)
            }
            Err(error) => {
                self.deviation(Deviation::MalformedExtendedReply { error });
                None
            }
        }
    }

    pub(super) fn judge_data_connection(&mut self, by: Side, client: SocketAddr, server: SocketAddr) {
        let pairs = [(client, self.endpoints.client), (server, self.endpoints.server)];
        for (data, control) in pairs {
            let (data, control): (IpAddr, IpAddr) = (canonical(data.ip()), control.ip());
            if data != control {
                self.deviation(Deviation::DataPeerDiffers { data, control });
            }
        }
        let plan = self.plan.or(self.transfer.and_then(|transfer| transfer.plan));
        if plan.is_some_and(|plan| plan.listener() == by) {
            self.deviation(Deviation::OpenedByWrongSide { by });
        }
    }
}

/// What `find` finds in the first line that has it; what is wrong with the first line, if none has.
fn in_any_line<T, E>(reply: &Reply, find: impl Fn(&[u8]) -> Result<T, E>) -> Result<T, E> {
    find(reply.text()).or_else(|error| reply.lines().skip(1).find_map(|line| find(line).ok()).ok_or(error))
}
