//! Rules for nft.

use super::{Direction, Plan, Ports, Rule, filter_rules};

/// What stands above the rules.
const HEAD: &str = "\
# FTP, made by `wharf rules`. For the chains input and output of the table inet filter, as most distributions have them in
# /etc/nftables.conf, with the policy drop: load it behind that (nft -f). On a router write forward for input and output.
";

/// What stands there besides where clients come over IPv6.
const ABOUT_IPV6: &str = "\
# The rules are for IPv4 and IPv6 alike. Of the latter ICMPv6 has to pass for anything to work (RFC 4890): meta l4proto ipv6-icmp accept
# in input and output.
";

/// As `nft -f` reads them.
pub(super) fn told(plan: &Plan) -> String {
    let about = if plan.families.ipv6 { ABOUT_IPV6 } else { "" };
    filter_rules(plan, &format!("{HEAD}{about}"), line)
}

fn line(plan: &Plan, rule: &Rule) -> String {
    let chain = match rule.direction {
        Direction::In => "input",
        Direction::Out => "output",
    };
    let ports = |name: &str, ports: Ports| match ports {
        // A filter that knows no ranges cannot ask for these.
        Ports::UNPRIVILEGED if plan.each_port => String::new(),
        ports => format!("tcp {name} {} ", ports.with('-')),
    };
    let state = match (plan.stateless, rule.opens) {
        (false, true) => "ct state new,established ",
        (false, false) => "ct state established ",
        (true, true) => "",
        (true, false) => "tcp flags & ack == ack ",
    };
    format!(
        "add rule inet filter {chain} {}{}{state}accept\n",
        ports("sport", rule.source),
        ports("dport", rule.destination)
    )
}
