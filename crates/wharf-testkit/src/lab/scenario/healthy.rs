//! Networks in which nothing is wrong.

use super::super::path::Path;
use super::super::server::{Advertise, ServerSetup};
use super::rules::{ACTIVE, CONTROL, PASSIVE, helper, only, publish};
use super::{Scenario, Ways};

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario::new("plain", "Public addresses on both sides, routers that only route."),
        Scenario {
            over_ipv6: true,
            works: Ways { epsv: true, eprt: true, ..Ways::NONE },
            healthy_twin: Some("plain"),
            ..Scenario::new(
                "ipv6",
                "The same over IPv6, where PASV and PORT do not exist (RFC 2428): every client has to use EPSV and EPRT.",
            )
        },
        Scenario {
            setup: ServerSetup { tls: true, ..ServerSetup::default() },
            ..Scenario::new(
                "tls",
                "Explicit FTPS, logins and data, with nothing in between. vsftpd, ProFTPD and ours want the data connection to \
                 resume the control connection's session. (wget knows no explicit FTPS, and curl 7.88 hangs in active mode.)",
            )
        },
        Scenario {
            situation: Some("S17"),
            path: Path { client_is_private: true, client_router_rules: helper(21), ..Path::default() },
            ..Scenario::new(
                "client-nat-with-helper",
                "The client is behind a NAT whose kernel reads along: its FTP helper rewrites PORT and EPRT and lets the \
                 server's connection in.",
            )
        },
        Scenario {
            situation: Some("S8"),
            path: Path { server_router_rules: only(&[CONTROL, PASSIVE, ACTIVE].concat()), ..Path::default() },
            ..Scenario::new(
                "server-firewall-for-both-modes",
                "A default-drop firewall before the server has the rules of both modes: the control port and the passive \
                 range inwards, port 20 outwards.",
            )
        },
        Scenario {
            situation: Some("S13"),
            path: Path {
                server_is_private: true,
                server_router_rules: publish("50000-50099", ""),
                ..Path::default()
            },
            setup: ServerSetup { advertise: Advertise::Outside, ..ServerSetup::default() },
            ..Scenario::new(
                "server-nat",
                "The server is behind a NAT that forwards the control port and the passive range; it tells its outside \
                 address in the 227.",
            )
        },
        Scenario {
            path: Path { internet_mtu: Some(1280), ..Path::default() },
            file: "big.bin",
            ..Scenario::new(
                "small-mtu",
                "On the way packets may have 1280 bytes at most, and the router says so by ICMP, as it should.",
            )
        },
    ]
}
