//! Servers in containers, which publish some of their ports.

use super::super::path::Path;
use super::super::server::{Advertise, ServerKind, ServerSetup};
use super::rules::publish_at;
use super::{Scenario, Ways};

pub(super) fn scenarios() -> Vec<Scenario> {
    let publishing = |passive: &str| Path {
        server_is_contained: true,
        server_router_rules: publish_at("172.17.0", passive, ""),
        ..Path::default()
    };
    let advertising = |advertise| ServerSetup { advertise, ..ServerSetup::default() };
    vec![
        Scenario {
            path: publishing("50000-50099"),
            setup: advertising(Advertise::Outside),
            ..Scenario::new(
                "container-publishes-range",
                "The server is in a container, on Docker's bridge; the machine around it publishes the control port and the \
                 passive range, and the server tells the machine's address in the 227.",
            )
        },
        Scenario {
            healthy_twin: Some("container-publishes-range"),
            path: publishing(""),
            works: Ways::ACTIVE,
            diagnosed: &["ports-unpublished", "passive-port-refused", "pasv-private-address"],
            ..Scenario::new(
                "container-publishes-control-port-only",
                "The server is in a container as it comes: the control port is published, the passive range is not, and the \
                 227 tells the container's own address.",
            )
        },
        Scenario {
            healthy_twin: Some("container-publishes-range"),
            path: publishing(""),
            servers: vec![ServerKind::Wharf],
            setup: advertising(Advertise::Outside),
            works: Ways::ACTIVE,
            diagnosed: &["ports-unpublished", "passive-port-refused"],
            ..Scenario::new(
                "container-publishes-no-range",
                "The same with the machine's address in the 227: what is left is that nobody published the range. (Our own \
                 server tells the doctor where it listens, by SITE CANARY.)",
            )
        },
    ]
}
