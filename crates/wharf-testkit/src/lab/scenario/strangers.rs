//! Who else connects to a passive port.

use std::time::Duration;

use super::super::path::Path;
use super::super::server::{ServerKind, ServerSetup};
use super::rules::first_lost;
use super::{Scenario, Ways};
use crate::peers::PeerKind;

pub(super) fn scenarios() -> Vec<Scenario> {
    let path = || Path { server_router_rules: first_lost("50000-50019"), ..Path::default() };
    let setup = || ServerSetup { passive_ports: 50_000..=50_019, ..ServerSetup::default() };
    vec![
        Scenario {
            path: path(),
            setup: setup(),
            ..Scenario::new(
                "first-syn-lost",
                "The first packet of each passive data connection is lost, so that it comes up a second late.",
            )
        },
        Scenario {
            healthy_twin: Some("first-syn-lost"),
            path: path(),
            setup: setup(),
            has_stranger: true,
            patience: Duration::from_secs(4),
            works: Ways::ACTIVE,
            // They drop who does not come from where the client is, and go on listening.
            except: vec![(ServerKind::Wharf, Ways::ALL), (PeerKind::PureFtpd.into(), Ways::ALL)],
            diagnosed: &["stolen-accept"],
            ..Scenario::new(
                "stolen-accept",
                "The same, and somebody nearer to the servers connects to each passive port as soon as it opens, as a scanner or \
                 the health check of a balancer does. vsftpd gives the transfer up, ProFTPD sends the file to the stranger and \
                 confirms it to the client; Wharf and Pure-FTPd drop the stranger and go on listening.",
            )
        },
        Scenario {
            healthy_twin: Some("first-syn-lost"),
            path: path(),
            // vsftpd with `pasv_promiscuous` has trouble of its own with active mode.
            servers: [PeerKind::Proftpd.into(), PeerKind::PureFtpd.into()].to_vec(),
            setup: ServerSetup { takes_strangers: true, ..setup() },
            has_stranger: true,
            patience: Duration::from_secs(4),
            works: Ways::ACTIVE,
            diagnosed: &["stolen-accept"],
            ..Scenario::new(
                "stolen-accept-by-anybody",
                "The same, with servers that are told to take data connections of anybody (`AllowForeignAddress on`, `-W`).",
            )
        },
    ]
}
