//! Rules for iptables.

use super::{Direction, Plan, Ports, Rule, filter_rules};

/// What stands above the rules.
const HEAD: &str = "\
#!/bin/sh
# FTP, made by `wharf rules`. For the chains INPUT and OUTPUT with the policy DROP. On a router write FORWARD for INPUT and OUTPUT.
";
/// What stands there besides where clients come over IPv6.
const ABOUT_IPV6: &str = "\
# Where IPv6 is filtered, ICMPv6 has to pass for anything to work (RFC 4890): -p ipv6-icmp -j ACCEPT in INPUT and OUTPUT.
";

/// As a shell script.
pub(super) fn told(plan: &Plan) -> String {
    let about = if plan.families.ipv6 { ABOUT_IPV6 } else { "" };
    filter_rules(plan, &format!("{HEAD}{about}set -e\n"), lines)
}

/// A line for each family, of which each has a program of its own.
fn lines(plan: &Plan, rule: &Rule) -> String {
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
    let (source, destination) = (ports("sport", rule.source), ports("dport", rule.destination));
    let programs = [("iptables", plan.families.ipv4), ("ip6tables", plan.families.ipv6)];
    let told = programs.into_iter().filter(|(_, is_used)| *is_used);
    told.map(|(program, _)| format!("{program} -A {chain} -p tcp {source}{destination}{state}-j ACCEPT\n"))
        .collect()
}
