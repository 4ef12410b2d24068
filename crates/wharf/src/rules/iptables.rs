//! Rules for iptables.

use super::{Direction, Plan, Ports, Rule, filter_rules};

/// What stands above the rules.
const HEAD: &str = "\
#!/bin/sh
# FTP, made by `wharf rules`. For the chains INPUT and OUTPUT with the policy DROP; for IPv6 the same with ip6tables.
# On a router write FORWARD for INPUT and OUTPUT.
set -e
";

/// As a shell script.
pub(super) fn told(plan: &Plan) -> String {
    filter_rules(plan, HEAD, line)
}

fn line(plan: &Plan, rule: &Rule) -> String {
    let chain = match rule.direction {
        Direction::In => "INPUT",
        Direction::Out => "OUTPUT",
    };
    let ports = |name: &str, ports: Ports| match ports {
        Ports::UNPRIVILEGED if plan.each_port => String::new(),
        ports => format!("--{name} {} ", ports.with(':')),
    };
    let state = match (plan.stateless, rule.opens) {
        (false, true) => "-m conntrack --ctstate NEW,ESTABLISHED ",
        (false, false) => "-m conntrack --ctstate ESTABLISHED ",
        (true, true) => "",
        (true, false) => "--tcp-flags ACK ACK ",
    };
    format!(
        "iptables -A {chain} -p tcp {}{}{state}-j ACCEPT\n",
        ports("sport", rule.source),
        ports("dport", rule.destination)
    )
}
