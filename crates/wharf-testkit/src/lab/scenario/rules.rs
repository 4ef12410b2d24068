//! The nft rules that several scenarios share: firewalls and NAT on the routers of the path.

/// A firewall on a router: only answers and what `rules` accept are passed on.
pub(super) fn only(rules: &str) -> String {
    forward_chain("drop", &format!("ct state established,related accept\n{rules}"))
}

/// A firewall on a router: all is passed on but what `rules` drop or reject.
pub(super) fn all_but(rules: &str) -> String {
    forward_chain("accept", rules)
}

fn forward_chain(policy: &str, rules: &str) -> String {
    let rules = rules.trim().replace('\n', "\n        ");
    format!(
        "\
table inet firewall {{
    chain forward {{
        type filter hook forward priority filter; policy {policy};
        {rules}
    }}
}}
"
    )
}

/// The control connection of a firewall before a server.
pub(super) const CONTROL: &str = "iifname \"internet\" tcp dport 21 accept\n";
/// Passive mode's range of a firewall before a server.
pub(super) const PASSIVE: &str = "iifname \"internet\" tcp dport 50000-50099 accept\n";
/// Active mode of a firewall before a server.
pub(super) const ACTIVE: &str = "iifname \"server-lan\" tcp sport 20 accept\n";

/// The kernel's FTP helper on a NAT before clients, for control connections to `port`.
pub(super) fn helper(port: u16) -> String {
    helper_of("client-lan", port)
}

/// The same for control connections that come in by `link`.
pub(super) fn helper_of(link: &str, port: u16) -> String {
    format!(
        "\
table ip helper {{
    ct helper ftp {{
        type \"ftp\" protocol tcp
    }}
    chain prerouting {{
        type filter hook prerouting priority -150
        iifname \"{link}\" tcp dport {port} ct helper set \"ftp\"
    }}
}}
"
    )
}

/// A firewall of a machine itself, on what comes in (`input`) or goes out (`output`): all passes but what `rules` drop or
/// reject.
pub(super) fn own(hook: &str, rules: &str) -> String {
    format!(
        "\
table inet own_firewall {{
    chain {hook} {{
        type filter hook {hook} priority filter; policy accept;
        {rules}
    }}
}}
"
    )
}

/// Lets each connection to `ports` begin with its second packet: a client tries again after a second.
pub(super) fn first_lost(ports: &str) -> String {
    format!(
        "\
table ip lossy {{
    set seen {{
        type ipv4_addr . inet_service . inet_service
        flags dynamic
        timeout 10s
    }}
    chain forward {{
        type filter hook forward priority filter
        iifname \"internet\" tcp dport {ports} tcp flags & (syn | ack) == syn ip daddr . tcp sport . tcp dport != @seen add @seen {{ ip daddr . tcp sport . tcp dport }} drop
    }}
}}
"
    )
}

/// A NAT that publishes the four servers: the control port and `passive` ports lead in, each server's connections go
/// out under its own outside address. `more` are statements before the others' in the chain that leads in.
pub(super) fn publish(passive: &str, more: &str) -> String {
    publish_at("10.2.0", passive, more)
}

/// The same with the first three numbers of the servers' own addresses.
pub(super) fn publish_at(network: &str, passive: &str, more: &str) -> String {
    let mut inwards = more.to_owned();
    let mut outwards = String::new();
    for number in 21..=24 {
        for ports in ["21", passive].iter().filter(|ports| !ports.is_empty()) {
            inwards += &format!(
                "        ip daddr 198.51.100.{number} tcp dport {ports} dnat to {network}.{number}\n"
            );
        }
        outwards += &format!(
            "        oifname \"internet\" ip saddr {network}.{number} snat to 198.51.100.{number}\n"
        );
    }
    format!(
        "\
table ip server_nat {{
    chain prerouting {{
        type nat hook prerouting priority dstnat
{inwards}    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat
{outwards}    }}
}}
"
    )
}
