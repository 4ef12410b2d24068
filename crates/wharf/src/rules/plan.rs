//! From a configuration to rules.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use super::{Direction, Ports, Rule, Section};
use crate::args::rules::{Firewall, RulesArguments, Side};
use crate::config::Configuration;
use crate::config::values::{Mode, PassivePorts, SourcePort};

/// Longest range that is written one rule a port.
const MOST_RULES: usize = 2000;

/// What has to pass.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) side: Side,
    /// The control ports, those of implicit FTPS among them.
    pub(super) control: Vec<u16>,
    /// Over which families clients come.
    pub(super) families: Families,
    /// Active mode, where it is on offer: where the server's data connections come from; none: from anywhere.
    pub(super) active: Option<Vec<Option<u16>>>,
    /// Where clients listen in active mode.
    pub(super) listening: Ports,
    /// Passive mode, where it is on offer: where the server listens; none: anywhere.
    pub(super) passive: Option<Option<Ports>>,
    /// The filter remembers no connections.
    pub(super) stateless: bool,
    /// The filter knows no ranges.
    pub(super) each_port: bool,
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Families {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Families {
    /// Those that reach these addresses. `[::]` serves IPv4 too.
    fn of<'a>(listen: impl Iterator<Item = &'a SocketAddr> + Clone) -> Self {
        let is_for_ipv4 = |address: &SocketAddr| address.is_ipv4() || address.ip().is_unspecified();
        Self { ipv4: listen.clone().any(is_for_ipv4), ipv6: listen.clone().any(SocketAddr::is_ipv6) }
    }
}

impl Plan {
    /// What `configuration` needs.
    ///
    /// # Errors
    /// Why that cannot be expressed, and what to change.
    pub(crate) fn new(configuration: &Configuration, arguments: &RulesArguments) -> Result<Self, String> {
        let listen = configuration.listen.iter().chain(&configuration.tls.implicit_listen);
        let families = Families::of(listen.clone());
        let control: BTreeSet<u16> = listen.map(SocketAddr::port).collect();
        let offers = |mode| configuration.modes.contains(&mode);
        let source = |control: u16| match configuration.active.source_port {
            SourcePort::ControlMinusOne => Some(control.saturating_sub(1)).filter(|port| *port > 0),
            SourcePort::Fixed(port) => Some(port),
            SourcePort::Any => None,
        };
        let sources: BTreeSet<Option<u16>> = control.iter().map(|port| source(*port)).collect();
        let passive = match &configuration.passive.ports {
            PassivePorts::Any => None,
            PassivePorts::Range(range) => Some(ports(&range.0)),
        };
        let plan = Self {
            side: arguments.side,
            control: control.into_iter().collect(),
            families,
            active: offers(Mode::Active).then(|| sources.into_iter().collect()),
            listening: arguments.active_ports.as_ref().map_or(Ports::UNPRIVILEGED, ports),
            passive: offers(Mode::Passive).then_some(passive),
            stateless: arguments.stateless,
            each_port: arguments.one_rule_per_port,
        };
        plan.check(arguments.firewall)?;
        Ok(plan)
    }

    fn check(&self, firewall: Firewall) -> Result<(), String> {
        let is_filter = matches!(firewall, Firewall::Nftables | Firewall::Iptables);
        if self.stateless && !is_filter {
            return Err("this firewall remembers connections and cannot be told not to: leave --stateless out, or use \
                        --for nftables or --for iptables"
                .to_owned());
        }
        if self.control.contains(&0) {
            return Err("a control port of 0 is any free port, for which nobody can write a rule: name one with --listen".to_owned());
        }
        let from_anywhere = self.active.as_ref().is_some_and(|sources| sources.contains(&None));
        if self.stateless && from_anywhere {
            return Err("without state a rule tells active mode's data connections by the port they come from, and \
                        `active.source_port` is \"any\": every port from 1024 on would have to be open in both \
                        directions. Set `active.source_port` (--active-source-port 20), leave active mode out \
                        (--modes passive), or leave --stateless out"
                .to_owned());
        }
        if self.stateless && self.passive == Some(None) {
            return Err("without state a rule tells passive mode's data connections by the server's port, and no range \
                        is set: every port from 1024 on would be open. Set `passive.ports` (--passive-ports FIRST-LAST), \
                        or leave passive mode out (--modes active)"
                .to_owned());
        }
        if self.each_port && self.passive == Some(None) {
            return Err(
                "one rule a port needs a passive range: set `passive.ports` (--passive-ports FIRST-LAST)"
                    .to_owned(),
            );
        }
        let length = |ports: Ports| usize::from(ports.last - ports.first) + 1;
        let longest = self.passive.flatten().map_or(0, length);
        if self.each_port && longest > MOST_RULES {
            return Err(format!(
                "one rule a port for {longest} passive ports is too much: {MOST_RULES} at most; a range of some \
                                hundred ports is enough for thousands of clients"
            ));
        }
        Ok(())
    }

    /// The rules, in the order in which they are told.
    pub(super) fn sections(&self) -> Vec<Section> {
        let mut sections = Vec::new();
        for &port in &self.control {
            sections.push(Section {
                title: format!("Control connection, port {port} (rules 1 and 2 of either mode)"),
                rules: vec![
                    self.by_client(
                        true,
                        Ports::UNPRIVILEGED,
                        Ports::one(port),
                        format!("1: clients connect to the control port {port}"),
                    ),
                    self.by_server(
                        false,
                        Ports::one(port),
                        Ports::UNPRIVILEGED,
                        "2: the server's replies".to_owned(),
                    ),
                ],
            });
        }
        for source in self.active.iter().flatten() {
            let (ports, from) = match source {
                Some(port) => (Ports::one(*port), format!("from its port {port}")),
                None => (Ports::UNPRIVILEGED, "from any port".to_owned()),
            };
            sections.push(Section {
                title: format!("Active mode (rules 3 and 4): the server opens each data connection, {from}, to the port that the client told with PORT or EPRT"),
                rules: vec![
                    self.by_server(true, ports, self.listening, format!("3, active: the server connects to the client, {from}")),
                    self.by_client(false, self.listening, ports, "4, active: the client's acknowledgements and data".to_owned()),
                ],
            });
        }
        if let Some(range) = self.passive {
            let told = match range {
                Some(range) => format!("to the passive range {}", range.with('-')),
                None => "to any port, since no passive range is set: set one, and less is open".to_owned(),
            };
            let range = range.unwrap_or(Ports::UNPRIVILEGED);
            sections.push(Section {
                title: format!("Passive mode (rules 3 and 4): the client opens each data connection, {told}"),
                rules: vec![
                    self.by_client(
                        true,
                        Ports::UNPRIVILEGED,
                        range,
                        "3, passive: clients connect to the port that the 227 or 229 told".to_owned(),
                    ),
                    self.by_server(
                        false,
                        range,
                        Ports::UNPRIVILEGED,
                        "4, passive: the server's acknowledgements and data".to_owned(),
                    ),
                ],
            });
        }
        if self.each_port {
            for section in &mut sections {
                section.rules = section.rules.iter().flat_map(one_a_port).collect();
            }
        }
        sections
    }

    fn by_client(&self, opens: bool, source: Ports, destination: Ports, reason: String) -> Rule {
        let direction = if self.side == Side::Server { Direction::In } else { Direction::Out };
        Rule { direction, opens, source, destination, reason }
    }

    fn by_server(&self, opens: bool, source: Ports, destination: Ports, reason: String) -> Rule {
        let direction = if self.side == Side::Server { Direction::Out } else { Direction::In };
        Rule { direction, opens, source, destination, reason }
    }
}

/// The same rule for each of its ports.
fn one_a_port(rule: &Rule) -> Vec<Rule> {
    let of_sources: Vec<Rule> = match rule.source.each() {
        Some(each) => each.map(|source| Rule { source, ..rule.clone() }).collect(),
        None => vec![rule.clone()],
    };
    of_sources
        .into_iter()
        .flat_map(|rule| match rule.destination.each() {
            Some(each) => each.map(|destination| Rule { destination, ..rule.clone() }).collect(),
            None => vec![rule],
        })
        .collect()
}

fn ports(range: &RangeInclusive<u16>) -> Ports {
    Ports { first: *range.start(), last: *range.end() }
}
