//! Servers that offer one mode only, and ranges that are narrow.

use super::super::path::Path;
use super::super::server::{ServerKind, ServerSetup};
use super::rules::{ACTIVE, only};
use super::{Scenario, Ways};
use crate::peers::{Modes, PeerKind};

pub(super) fn scenarios() -> Vec<Scenario> {
    let offering = |modes| ServerSetup { modes, ..ServerSetup::default() };
    let range = |name, about, last: u16| Scenario {
        situation: Some("S11"),
        path: Path {
            server_router_rules: only(&format!(
                "iifname \"internet\" tcp dport {{ 21, 50000-{last} }} accept\n{ACTIVE}"
            )),
            ..Path::default()
        },
        setup: ServerSetup { passive_ports: 50_000..=last, ..ServerSetup::default() },
        ..Scenario::new(name, about)
    };
    vec![
        Scenario {
            situation: Some("S5"),
            healthy_twin: Some("plain"),
            setup: offering(Modes::ActiveOnly),
            works: Ways::ACTIVE,
            diagnosed: &["mode-disabled"],
            ..Scenario::new("active-only", "The servers offer active mode only.")
        },
        Scenario {
            situation: Some("S5"),
            healthy_twin: Some("plain"),
            setup: offering(Modes::PassiveOnly),
            works: Ways::PASSIVE,
            diagnosed: &["mode-disabled"],
            ..Scenario::new("passive-only", "The servers offer passive mode only.")
        },
        Scenario {
            servers: [ServerKind::Wharf, PeerKind::Vsftpd.into(), PeerKind::Proftpd.into()].to_vec(),
            ..range(
                "range-of-8",
                "Many clients at once, and a default-drop firewall that lets 8 passive ports in, and port 20 out. (Pure-FTPd \
                 allows half as many sessions as it has ports, and is left out.)",
                50_007,
            )
        },
        range(
            "range-of-50",
            "Many clients at once, and a default-drop firewall that lets 50 passive ports in, and port 20 out.",
            50_049,
        ),
    ]
}
