//! The firewall rules that a configuration needs: the four of active mode and the four of passive mode, of which the two of
//! the control connection are the same.
//!
//! ```text
//!   1  client, from 1024 on ──> server, 21              opens the control connection
//!   2  server, 21           ──> client, from 1024 on    its answers
//!   3  active:  server, 20            ──> client, from 1024 on     the server opens the data connection
//!      passive: client, from 1024 on  ──> server, passive range    the client opens it
//!   4  the answers to 3
//! ```

mod containers;
mod iptables;
mod machines;
mod nftables;
mod plan;

pub(crate) use plan::Plan;

use crate::args::rules::Firewall;

/// What has to be written down for `firewall`, with a line end at the last.
///
/// # Errors
/// Why it cannot be expressed there, and what to do.
pub(crate) fn told(plan: &Plan, firewall: Firewall) -> Result<String, String> {
    match firewall {
        Firewall::Nftables => Ok(nftables::told(plan)),
        Firewall::Iptables => Ok(iptables::told(plan)),
        Firewall::Firewalld => machines::firewalld(plan),
        Firewall::Ufw => machines::ufw(plan),
        Firewall::Netsh => machines::netsh(plan),
        Firewall::Compose => containers::compose(plan),
        Firewall::Kubernetes => containers::kubernetes(plan),
    }
}

/// Rules of a packet filter, a line each, with their reasons; `head` stands above them.
fn filter_rules(plan: &Plan, head: &str, line: fn(&Plan, &Rule) -> String) -> String {
    let mut text = head.to_owned();
    if plan.stateless {
        text += "# Without state: an answer is what comes from the other side's port and has ACK set.\n";
    }
    for section in plan.sections() {
        text += &format!("\n# {}\n", section.title);
        let mut last = String::new();
        for rule in &section.rules {
            if rule.reason != last {
                text += &format!("# {}\n", rule.reason);
                last.clone_from(&rule.reason);
            }
            text += &line(plan, rule);
        }
    }
    text
}

/// Which way packets go, as the machine behind the firewall sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

/// Ports, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// What a client connects from, and a server may connect to (RFC 2577 §3).
    const UNPRIVILEGED: Self = Self { first: 1024, last: u16::MAX };

    const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// As `21` or `50000-50099`, with this between.
    fn with(self, between: char) -> String {
        if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}{between}{}", self.first, self.last)
        }
    }

    /// Each port; none for all unprivileged ones, which no list holds.
    fn each(self) -> Option<impl Iterator<Item = Self>> {
        (self != Self::UNPRIVILEGED).then(|| (self.first..=self.last).map(Self::one))
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    direction: Direction,
    /// Whether these packets open connections, or belong to ones that are open.
    opens: bool,
    source: Ports,
    destination: Ports,
    /// Why, in half a sentence.
    reason: String,
}

/// Rules that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    title: String,
    rules: Vec<Rule>,
}
