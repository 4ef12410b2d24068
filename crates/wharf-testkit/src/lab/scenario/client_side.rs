//! What stands before the client.

use std::time::Duration;

use super::super::path::Path;
use super::super::server::{ServerKind, ServerSetup};
use super::rules::{all_but, helper, only, own};
use super::{Ours, Scenario, Ways};
use crate::peers::PeerKind;

/// From inside all, from outside nothing.
const NOTHING_IN: &str = "iifname \"client-lan\" accept\n";

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            situation: Some("S9"),
            healthy_twin: Some("plain"),
            path: Path { client_router_rules: only(NOTHING_IN), ..Path::default() },
            works: Ways::PASSIVE,
            diagnosed: &["client-refuses-inbound", "server-egress-blocked"],
            ..Scenario::new(
                "client-firewall",
                "A firewall before the client lets nothing in that was not asked for: the server's SYN is dropped.",
            )
        },
        Scenario {
            healthy_twin: Some("client-nat-with-helper"),
            situation: Some("S10"),
            path: Path { client_is_private: true, ..Path::default() },
            works: Ways::PASSIVE,
            diagnosed: &["port-unroutable", "alg-not-attached"],
            ..Scenario::new(
                "client-nat",
                "The client is behind a NAT without a helper: PORT tells the server a private address. ProFTPD connects \
                 to the control peer instead, which is the NAT, and which knows nothing of it.",
            )
        },
        Scenario {
            situation: Some("S10"),
            healthy_twin: Some("client-nat-with-helper"),
            path: Path {
                client_is_private: true,
                client_router_rules: forward_all_to_client(),
                ..Path::default()
            },
            works: Ways::PASSIVE,
            except: vec![(PeerKind::Proftpd.into(), Ways::ALL)],
            diagnosed: &["port-unroutable", "alg-not-attached"],
            ..Scenario::new(
                "client-nat-exposed-host",
                "As before, but the NAT sends everything that it does not know to this client (\"exposed host\", \"DMZ\"): \
                 a server that connects to the control peer instead of the private address gets through.",
            )
        },
        Scenario {
            situation: Some("S10"),
            path: Path {
                client_is_private: true,
                client_router_rules: forward_all_to_client(),
                ..Path::default()
            },
            servers: vec![ServerKind::Wharf],
            setup: ServerSetup {
                wharf_toml: "[active]\nprivate_address = \"use-control-peer\"\n",
                ..ServerSetup::default()
            },
            ..Scenario::new(
                "client-nat-exposed-host-and-control-peer",
                "The same, with `private_address = \"use-control-peer\"` in the server's wharf.toml.",
            )
        },
        Scenario {
            situation: Some("S17"),
            healthy_twin: Some("client-nat-with-helper"),
            path: Path { client_is_private: true, client_router_rules: helper(21), ..Path::default() },
            setup: ServerSetup { port: 2121, ..ServerSetup::default() },
            works: Ways::PASSIVE,
            diagnosed: &["port-unroutable", "alg-not-attached"],
            ..Scenario::new(
                "client-nat-helper-on-another-port",
                "The NAT's FTP helper reads along on port 21 only, and the servers are at port 2121.",
            )
        },
        Scenario {
            situation: Some("S17"),
            healthy_twin: Some("client-nat-with-helper"),
            path: Path { client_is_private: true, client_router_rules: helper(21), ..Path::default() },
            setup: ServerSetup { tls: true, ..ServerSetup::default() },
            works: Ways::PASSIVE,
            diagnosed: &["tls-blinds-alg"],
            ..Scenario::new(
                "client-nat-helper-blinded-by-tls",
                "The NAT's FTP helper reads along on port 21, but the clients speak TLS there: it sees neither PORT nor EPRT.",
            )
        },
        Scenario {
            healthy_twin: Some("client-nat"),
            path: Path {
                client_router_rules: two_outside_addresses(),
                client_is_private: true,
                ..Path::default()
            },
            works: Ways::NONE,
            // It takes data from and to anybody.
            except: vec![(PeerKind::Proftpd.into(), Ways::PASSIVE)],
            ours: Ours::Fails { exit: 7, causes: &["data-peer-mismatch"], flags: &[] },
            diagnosed: &["data-peer-mismatch", "port-unroutable", "alg-not-attached"],
            ..Scenario::new(
                "data-from-another-address",
                "The client's NAT has two outside addresses and sends the data connections from the other one: to the \
                 server they come from a stranger.",
            )
        },
        Scenario {
            path: Path { client_router_rules: only(&from_port_20()), ..Path::default() },
            ..Scenario::new(
                "client-firewall-wants-port-20",
                "A firewall before the client lets in what comes from port 20, as RFC 959 has it, and the servers do so.",
            )
        },
        Scenario {
            healthy_twin: Some("client-firewall-wants-port-20"),
            path: Path { client_router_rules: only(&from_port_20()), ..Path::default() },
            // Pure-FTPd has no switch for it.
            servers: [ServerKind::Wharf, PeerKind::Vsftpd.into(), PeerKind::Proftpd.into()].to_vec(),
            setup: ServerSetup { from_port_20: false, ..ServerSetup::default() },
            works: Ways::PASSIVE,
            diagnosed: &["client-refuses-inbound", "server-egress-blocked"],
            ..Scenario::new(
                "client-firewall-wants-port-20-in-vain",
                "The same firewall, and servers that connect from any port.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                client_rules: own("input", "tcp dport 1024-65535 ct state new drop"),
                ..Path::default()
            },
            works: Ways::PASSIVE,
            diagnosed: &["client-refuses-inbound"],
            ..Scenario::new(
                "client-own-firewall",
                "The client's own firewall lets no connection in: the server's SYN comes as far as the machine.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                client_rules: own("input", "tcp dport 1024-65535 tcp sport != 20 ct state new drop"),
                ..Path::default()
            },
            servers: [ServerKind::Wharf, PeerKind::Vsftpd.into(), PeerKind::Proftpd.into()].to_vec(),
            setup: ServerSetup { from_port_20: false, ..ServerSetup::default() },
            works: Ways::PASSIVE,
            diagnosed: &["client-refuses-inbound", "source-port-filtered"],
            ..Scenario::new(
                "client-own-firewall-wants-port-20",
                "The client's own firewall lets in what comes from port 20, and the servers connect from any port.",
            )
        },
        Scenario {
            healthy_twin: Some("ipv6"),
            path: Path { client_router_rules: only(NOTHING_IN), ..Path::default() },
            over_ipv6: true,
            works: Ways { epsv: true, ..Ways::NONE },
            diagnosed: &["client-refuses-inbound", "server-egress-blocked"],
            ..Scenario::new(
                "ipv6-client-firewall",
                "Over IPv6, with a firewall before the client that lets nothing in that was not asked for.",
            )
        },
        Scenario {
            healthy_twin: Some("ipv6"),
            path: Path { nat64: true, ..Path::default() },
            over_ipv6: true,
            patience: Duration::from_secs(4),
            works: Ways { epsv: true, ..Ways::NONE },
            diagnosed: &["nat64"],
            ..Scenario::new(
                "nat64",
                "The client has IPv6 only and the servers IPv4 only; a NAT64 (tayga) is between them. The address in a 227 or an \
                 EPRT is of no use to the other side; EPSV, which tells the port alone, gets through. (wget asks for IPv6 by EPSV 2, \
                 which an IPv4 server refuses.)",
            )
        },
        Scenario {
            healthy_twin: Some("client-nat"),
            path: Path {
                client_is_private: true,
                client_router_rules: drop_unknown(),
                // A connection that is silent for this long is forgotten, and not taken up again in its middle.
                client_router_settings: vec![
                    ("net.netfilter.nf_conntrack_tcp_timeout_established", "12"),
                    ("net.netfilter.nf_conntrack_tcp_loose", "0"),
                ],
                server_router_rules: slow_data(),
                ..Path::default()
            },
            file: "big.bin",
            patience: Duration::from_secs(12),
            works: Ways::NONE,
            // It knows the size, and takes the file for complete without a 226.
            resourceful: &["lftp"],
            diagnosed: &["control-cut-idle", "port-unroutable", "alg-not-attached"],
            doctor_flags: &["--deep", "--idle", "15"],
            ..Scenario::new(
                "client-nat-forgets",
                "The client's NAT forgets a connection that is silent for 12 s, and a transfer that takes longer leaves the \
                 control connection silent: the server's 226 never arrives.",
            )
        },
    ]
}

fn forward_all_to_client() -> String {
    "\
table ip exposed {
    chain prerouting {
        type nat hook prerouting priority dstnat
        iifname \"internet\" ip daddr 198.51.100.1 meta l4proto tcp dnat to 10.1.0.2
    }
}
"
    .to_owned()
}

/// Before the masquerading of the path, which takes what this leaves.
fn two_outside_addresses() -> String {
    "\
table ip two_addresses {
    chain postrouting {
        type nat hook postrouting priority srcnat - 1
        oifname \"internet\" tcp dport 50000-50099 snat to 198.51.100.3
    }
}
"
    .to_owned()
}

fn from_port_20() -> String {
    format!("{NOTHING_IN}iifname \"internet\" tcp sport 20 accept\n")
}

/// What belongs to no connection that is known goes nowhere.
fn drop_unknown() -> String {
    all_but("ct state invalid drop")
}

/// The big file takes some 20 s: what goes faster over a data connection is dropped.
fn slow_data() -> String {
    let connection = "ip saddr . tcp sport . ip daddr . tcp dport";
    all_but(&format!(
        "iifname \"server-lan\" tcp sport {{ 20, 50000-50099 }} \\\nmeter slow {{ {connection} limit rate over \
         150 kbytes/second burst 64 kbytes }} drop"
    ))
}
