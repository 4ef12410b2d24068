//! What stands before the server.

use std::net::Ipv4Addr;

use super::super::path::{Path, published};
use super::super::server::{Advertise, ServerKind, ServerSetup};
use super::rules::{ACTIVE, CONTROL, PASSIVE, all_but, helper_of, only, own, publish};
use super::{Ours, Scenario, Ways};

/// A public address that nobody has.
const NOBODY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
/// The passive range from outside.
const RANGE: &str = "iifname \"internet\" tcp dport 50000-50099";

pub(super) fn scenarios() -> Vec<Scenario> {
    let behind_nat =
        |rules: String| Path { server_is_private: true, server_router_rules: rules, ..Path::default() };
    let advertising = |advertise| ServerSetup { advertise, ..ServerSetup::default() };
    vec![
        Scenario {
            situation: Some("S8"),
            healthy_twin: Some("server-firewall-for-both-modes"),
            path: Path { server_router_rules: only(&[CONTROL, PASSIVE].concat()), ..Path::default() },
            works: Ways::PASSIVE,
            diagnosed: &["client-refuses-inbound", "server-egress-blocked"],
            ..Scenario::new(
                "server-firewall-for-passive-mode",
                "A default-drop firewall before the server has the rules of passive mode only: the server may open no \
                 connection itself.",
            )
        },
        Scenario {
            situation: Some("S8"),
            healthy_twin: Some("server-firewall-for-both-modes"),
            path: Path { server_router_rules: only(&[CONTROL, ACTIVE].concat()), ..Path::default() },
            works: Ways::ACTIVE,
            diagnosed: &["passive-port-filtered"],
            ..Scenario::new(
                "server-firewall-for-active-mode",
                "A default-drop firewall before the server has the rules of active mode only: the passive range is silent.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_router_rules: all_but(&format!("{RANGE} reject with tcp reset")),
                ..Path::default()
            },
            works: Ways::ACTIVE,
            diagnosed: &["passive-port-refused"],
            ..Scenario::new(
                "passive-range-reset",
                "A firewall answers connections to the passive range with RST, as if nobody listened there.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_router_rules: all_but(&format!("{RANGE} reject with icmpx admin-prohibited")),
                ..Path::default()
            },
            works: Ways::ACTIVE,
            diagnosed: &["passive-port-refused"],
            ..Scenario::new(
                "passive-range-prohibited",
                "A firewall answers connections to the passive range with ICMP \"administratively prohibited\".",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_router_rules: all_but("iifname \"server-lan\" ct state new drop"),
                ..Path::default()
            },
            works: Ways::PASSIVE,
            diagnosed: &["server-egress-blocked", "client-refuses-inbound"],
            ..Scenario::new("server-egress-blocked", "The server may be reached, but may not connect out.")
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path { server_router_rules: all_but("tcp dport 21 drop"), ..Path::default() },
            works: Ways::NONE,
            ours: Ours::Fails { exit: 3, causes: &[], flags: &["--timeout", "4"] },
            diagnosed: &["control-unreachable"],
            ..Scenario::new("control-port-filtered", "A firewall drops connections to the control port.")
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_router_rules: all_but("tcp dport 21 reject with icmpx admin-prohibited"),
                ..Path::default()
            },
            works: Ways::NONE,
            ours: Ours::Fails { exit: 3, causes: &[], flags: &[] },
            diagnosed: &["control-unreachable"],
            ..Scenario::new(
                "control-port-prohibited",
                "A firewall answers connections to the control port with ICMP \"administratively prohibited\".",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_rules: own("output", "tcp dport 1024-65535 ct state new drop"),
                ..Path::default()
            },
            works: Ways::PASSIVE,
            diagnosed: &["server-egress-blocked", "client-refuses-inbound"],
            ..Scenario::new(
                "server-own-firewall-forbids",
                "The server's own firewall drops what the server sends to open a connection.",
            )
        },
        Scenario {
            healthy_twin: Some("ipv6"),
            path: Path {
                server_router_rules: all_but(&format!("{RANGE} reject with icmpx admin-prohibited")),
                ..Path::default()
            },
            over_ipv6: true,
            works: Ways { eprt: true, ..Ways::NONE },
            diagnosed: &["passive-port-refused"],
            ..Scenario::new(
                "ipv6-passive-range-prohibited",
                "Over IPv6, with a firewall that answers connections to the passive range with ICMP \"administratively \
                 prohibited\".",
            )
        },
        Scenario {
            situation: Some("S14"),
            path: behind_nat(publish("", "") + &helper_of("internet", 21)),
            ..Scenario::new(
                "server-nat-with-helper",
                "The server's NAT forwards the control port only, and its kernel reads along: its FTP helper puts the outside \
                 address into the 227 and lets each data connection in.",
            )
        },
        Scenario {
            situation: Some("S14"),
            healthy_twin: Some("server-nat-with-helper"),
            path: behind_nat(publish("", "") + &helper_of("internet", 21)),
            setup: ServerSetup { tls: true, ..ServerSetup::default() },
            works: Ways::ACTIVE,
            diagnosed: &["tls-blinds-alg"],
            ..Scenario::new(
                "server-nat-helper-blinded-by-tls",
                "The same, but the clients speak TLS: the helper sees neither 227 nor 229.",
            )
        },
        Scenario {
            path: Path { server_router_rules: rewrites_227(), ..Path::default() },
            setup: ServerSetup { tls: true, ..advertising(Advertise::Outside) },
            diagnosed: &["alg-rewrite"],
            ..Scenario::new(
                "alg-rewrites-227",
                "A box before the server changes the address in each 227 that it can read, and gets it wrong; under TLS, which \
                 the clients here speak, it reads nothing.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path { server_router_rules: rewrites_227(), ..Path::default() },
            servers: vec![ServerKind::Wharf],
            setup: advertising(Advertise::Outside),
            works: Ways { pasv: false, ..Ways::ALL },
            diagnosed: &["alg-rewrite"],
            ..Scenario::new(
                "alg-rewrites-227-in-clear",
                "The same without TLS: our own server tells the doctor what it sent (SITE CANARY).",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                server_router_rules: all_but("tcp dport 21 @ih,0,32 0x504f5254 drop"),
                ..Path::default()
            },
            works: Ways { port: false, ..Ways::ALL },
            diagnosed: &["alg-drops"],
            ..Scenario::new(
                "port-swallowed",
                "A box before the server swallows PORT; the client gets no answer at all.",
            )
        },
        Scenario {
            servers: vec![ServerKind::Wharf],
            setup: ServerSetup {
                tls: true,
                wharf_toml: "[tls]\ncontrol = \"require\"\n",
                ..ServerSetup::default()
            },
            diagnosed: &["tls-required"],
            doctor_flags: &["--tls", "off"],
            ..Scenario::new(
                "tls-required",
                "The server wants TLS before the login; the doctor is told not to speak it, the clients are.",
            )
        },
        Scenario {
            healthy_twin: Some("server-nat"),
            path: behind_nat(publish("", "")),
            setup: advertising(Advertise::Outside),
            works: Ways::ACTIVE,
            diagnosed: &["passive-port-refused"],
            ..Scenario::new(
                "server-nat-control-port-only",
                "The server's NAT forwards the control port and nothing else: nobody listens at the outside address on the \
                 port that PASV tells.",
            )
        },
        Scenario {
            healthy_twin: Some("server-nat-renumbers-and-port-map"),
            path: behind_nat(publish("", &renumbered())),
            setup: advertising(Advertise::Outside),
            works: Ways::ACTIVE,
            diagnosed: &["passive-port-refused", "port-renumbered"],
            doctor_flags: &["--exposed-ports", "60000-60099"],
            ..Scenario::new(
                "server-nat-renumbers",
                "The server's NAT forwards the outside ports 60000-60099 to the passive range 50000-50099, which the server \
                 does not know.",
            )
        },
        Scenario {
            path: behind_nat(publish("", &renumbered())),
            servers: vec![ServerKind::Wharf],
            setup: ServerSetup {
                wharf_toml: "[passive]\nport_map = [{ outside = \"60000-60099\", inside = \"50000-50099\" }]\n",
                ..advertising(Advertise::Outside)
            },
            ..Scenario::new(
                "server-nat-renumbers-and-port-map",
                "The same, with the NAT's numbers as `port_map` in the server's wharf.toml.",
            )
        },
        Scenario {
            situation: Some("S13"),
            healthy_twin: Some("server-nat"),
            path: behind_nat(publish("50000-50099", "")),
            works: Ways { pasv: false, ..Ways::ALL },
            diagnosed: &["pasv-private-address"],
            ..Scenario::new(
                "server-nat-private-address",
                "The server's NAT forwards everything that is needed, but the 227 tells the server's private address.",
            )
        },
        Scenario {
            situation: Some("S13"),
            healthy_twin: Some("server-nat"),
            path: Path {
                // Left alone, the router would look for the host for three seconds, and then say by ICMP that there is none.
                client_router_rules: all_but(&format!("ip daddr {NOBODY} drop")),
                ..behind_nat(publish("50000-50099", ""))
            },
            setup: advertising(Advertise::Other(NOBODY)),
            works: Ways { pasv: false, ..Ways::ALL },
            diagnosed: &["pasv-wrong-address"],
            ..Scenario::new(
                "server-nat-wrong-address",
                "As before, but the 227 tells a public address that nobody has any more.",
            )
        },
        Scenario {
            situation: Some("S13"),
            path: Path {
                server_router_rules: publish("50000-50099", ""),
                server_is_private: true,
                ..Path::default()
            },
            servers: vec![ServerKind::Wharf],
            setup: advertising(Advertise::Name("ftp.lab.test")),
            ..Scenario::new(
                "server-nat-dynamic-name",
                "The outside address changes from time to time; a name follows it, and the server advertises the name.",
            )
        },
        Scenario {
            situation: Some("S13"),
            healthy_twin: Some("client-beside-server-and-address-by-network"),
            path: beside_server(),
            servers: vec![ServerKind::Wharf],
            setup: advertising(Advertise::Other(published(ServerKind::Wharf.number()))),
            works: Ways { pasv: false, ..Ways::ALL },
            // It trusts no address that is public where the control peer's is private, nor the other way round.
            resourceful: &["lftp"],
            diagnosed: &["hairpin"],
            ..Scenario::new(
                "client-beside-server",
                "The client is in the house of a server behind a NAT, and is told the outside address as everybody is: from \
                 inside the NAT forwards nothing (\"hairpin\").",
            )
        },
        Scenario {
            situation: Some("S13"),
            path: beside_server(),
            servers: vec![ServerKind::Wharf],
            setup: ServerSetup {
                wharf_toml: "[passive]\nadvertise = [{ clients = \"10.0.0.0/8\", address = \"local\" }, \
                             { address = \"198.51.100.21\" }]\n",
                ..ServerSetup::default()
            },
            ..Scenario::new(
                "client-beside-server-and-address-by-network",
                "The same, with another address for the house's own networks (`advertise`) in the server's wharf.toml.",
            )
        },
        Scenario {
            healthy_twin: Some("server-nat"),
            path: Path {
                server_router_rules: publish("50000-50099", "") + &answers_from_elsewhere(),
                server_is_private: true,
                ..Path::default()
            },
            setup: advertising(Advertise::Outside),
            diagnosed: &["data-peer-mismatch"],
            ..Scenario::new(
                "server-connects-from-elsewhere",
                "The server's own connections leave from another address than the one that clients reach it by: in active \
                 mode a client that checks who connects drops them.",
            )
        },
        Scenario {
            healthy_twin: Some("plain"),
            path: Path {
                // The first four bytes behind the TCP header.
                server_router_rules: all_but("tcp dport 21 @ih,0,32 0x45505356 drop"),
                ..Path::default()
            },
            works: Ways { epsv: false, ..Ways::ALL },
            diagnosed: &["extended-unsupported"],
            ..Scenario::new(
                "epsv-filtered",
                "A box before the server swallows EPSV, which it does not know; the client gets no answer at all.",
            )
        },
        Scenario {
            healthy_twin: Some("small-mtu"),
            path: Path { internet_mtu: Some(1280), server_router_rules: no_icmp(), ..Path::default() },
            file: "big.bin",
            works: Ways::NONE,
            ours: Ours::Fails {
                exit: 8,
                causes: &["mtu-black-hole"],
                flags: &["--timeout", "4", "--retry", "0"],
            },
            diagnosed: &["mtu-black-hole"],
            ..Scenario::new(
                "mtu-black-hole",
                "On the way packets may have 1280 bytes at most, and the ICMP that says so is dropped: commands, listings \
                 and small files get through, large ones stop at once.",
            )
        },
        Scenario {
            healthy_twin: Some("client-nat"),
            path: Path {
                client_is_private: true,
                server_router_rules: all_but(&format!("{RANGE} drop")),
                ..Path::default()
            },
            works: Ways::NONE,
            ours: Ours::Fails { exit: 7, causes: &["passive-port-filtered", "port-unroutable"], flags: &[] },
            diagnosed: &["passive-port-filtered", "port-unroutable", "alg-not-attached"],
            ..Scenario::new(
                "nothing-works",
                "The client is behind a NAT without a helper, and the server's passive range is dropped: no mode can work.",
            )
        },
    ]
}

/// A NAT that forwards what comes from outside, and nothing else.
fn beside_server() -> Path {
    Path {
        client_is_inside: true,
        server_is_private: true,
        server_router_rules: publish("50000-50099", "        iifname != \"internet\" return\n"),
        ..Path::default()
    }
}

/// Outside 60000 is 50000 inside, and so on: a range alone would let the kernel choose.
fn renumbered() -> String {
    let ports: Vec<String> = (0..100).map(|port| format!("{} : {}", 60_000 + port, 50_000 + port)).collect();
    let ports = ports.join(", ");
    (21..=24).fold(String::new(), |rules, number| {
        rules
            + &format!(
                "        ip daddr 198.51.100.{number} tcp dport 60000-60099 dnat to 10.2.0.{number} : tcp dport map {{ \
                 {ports} }}\n"
            )
    })
}

/// Before the translation of `publish`, which takes what this leaves.
fn answers_from_elsewhere() -> String {
    "\
table ip elsewhere {
    chain postrouting {
        type nat hook postrouting priority srcnat - 1
        oifname \"internet\" tcp sport 20 snat to 198.51.100.2
    }
}
"
    .to_owned()
}

fn no_icmp() -> String {
    "\
table inet no_icmp {
    chain output {
        type filter hook output priority filter
        icmp type destination-unreachable drop
    }
}
"
    .to_owned()
}

/// The third digit of the address in a 227 becomes a 9. It is the packet's text that is changed; checksums are not in use
/// between these machines.
fn rewrites_227() -> String {
    all_but("tcp sport 21 @ih,0,32 0x32323720 @ih,232,8 set 0x39")
}
