//! The ladder of ways to a data connection, without I/O: which are tried, in which order, and where a 227 may lead.

use std::net::{IpAddr, SocketAddr};

use wharf_proto::dialogue::{DataMode, NegotiationCommand, is_private};

use crate::options::ModeChoice;

/// The way that worked first in a session: it is tried first from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingMode {
    /// How it was negotiated.
    pub command: NegotiationCommand,
    /// Of PASV: that the address in the reply was the one that connected, and not the control peer's.
    pub advertised: bool,
}

/// The rungs for a control connection over IPv6 or not, in the order in which they are tried.
///
/// Those that cannot work are left out: 227 and PORT have no room for an IPv6 address (RFC 2428 §1). A working mode
/// comes first if it is among those that are allowed.
#[must_use]
pub fn rungs(choice: ModeChoice, over_ipv6: bool, working: Option<WorkingMode>) -> Vec<NegotiationCommand> {
    let allowed = |command: &NegotiationCommand| match choice {
        ModeChoice::Auto => true,
        ModeChoice::Passive => command.mode() == DataMode::Passive,
        ModeChoice::Active => command.mode() == DataMode::Active,
        ModeChoice::Only(only) => *command == only,
    };
    let possible = |command: &NegotiationCommand| {
        !over_ipv6 || matches!(command, NegotiationCommand::Epsv | NegotiationCommand::Eprt)
    };
    let mut rungs: Vec<_> = NegotiationCommand::ALL.into_iter().filter(allowed).filter(possible).collect();
    if let Some(working) = working {
        // Stable: the others keep their order.
        rungs.sort_by_key(|command| *command != working.command);
    }
    rungs
}

/// Where to connect after a 227 that told `told`, while the control connection goes to `peer`.
///
/// First the control peer's address with the told port. The told address comes after that, and only if it may: never a
/// private, loopback or link-local one when the control peer is public, and none that is no host's (threat 27). `first`
/// puts it in front, where it was the one that worked before.
#[must_use]
pub fn passive_endpoints(told: SocketAddr, peer: SocketAddr, advertised_first: bool) -> Vec<SocketAddr> {
    let mut at_peer = peer; // keeps the scope of a link-local address
    at_peer.set_port(told.port());
    let mut endpoints = vec![at_peer];
    if told.ip() != peer.ip() && may_be_followed(told.ip(), peer.ip()) {
        endpoints.push(told);
        if advertised_first {
            endpoints.reverse();
        }
    }
    endpoints
}

fn may_be_followed(told: IpAddr, peer: IpAddr) -> bool {
    let is_host = !told.is_unspecified()
        && !told.is_multicast()
        && !matches!(told, IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0);
    is_host && (!is_private(told) || is_private(peer))
}

#[cfg(test)]
mod tests {
    use wharf_proto::dialogue::NegotiationCommand::{Eprt, Epsv, Pasv, Port};

    use super::*;

    #[test]
    fn the_order_of_the_ladder_for_all_choices() {
        for (choice, v4, v6) in [
            (ModeChoice::Auto, vec![Epsv, Pasv, Eprt, Port], vec![Epsv, Eprt]),
            (ModeChoice::Passive, vec![Epsv, Pasv], vec![Epsv]),
            (ModeChoice::Active, vec![Eprt, Port], vec![Eprt]),
            (ModeChoice::Only(Epsv), vec![Epsv], vec![Epsv]),
            (ModeChoice::Only(Pasv), vec![Pasv], vec![]),
            (ModeChoice::Only(Eprt), vec![Eprt], vec![Eprt]),
            (ModeChoice::Only(Port), vec![Port], vec![]),
        ] {
            assert_eq!(rungs(choice, false, None), v4, "{choice:?} over IPv4");
            assert_eq!(rungs(choice, true, None), v6, "{choice:?} over IPv6");
        }
    }

    #[test]
    fn what_worked_comes_first_and_the_others_stay_behind_it() {
        let working = |command| Some(WorkingMode { command, advertised: false });
        assert_eq!(rungs(ModeChoice::Auto, false, working(Port)), [Port, Epsv, Pasv, Eprt]);
        assert_eq!(rungs(ModeChoice::Auto, false, working(Epsv)), [Epsv, Pasv, Eprt, Port]);
        assert_eq!(rungs(ModeChoice::Passive, false, working(Port)), [Epsv, Pasv]);
    }

    fn endpoints(told: &str, peer: &str, first: bool) -> Vec<String> {
        let (told, peer) = (format!("{told}:4000").parse().unwrap(), format!("{peer}:21").parse().unwrap());
        passive_endpoints(told, peer, first).iter().map(|endpoint| endpoint.ip().to_string()).collect()
    }

    #[test]
    fn a_227_leads_to_the_control_peer_first_and_elsewhere_only_if_it_may() {
        const PUBLIC: &str = "203.0.113.5";
        assert_eq!(endpoints(PUBLIC, PUBLIC, false), [PUBLIC]);
        assert_eq!(endpoints("198.51.100.2", PUBLIC, false), [PUBLIC, "198.51.100.2"]);
        assert_eq!(endpoints("198.51.100.2", PUBLIC, true), ["198.51.100.2", PUBLIC]);
        for private in ["10.0.0.5", "192.168.1.1", "172.16.0.1", "127.0.0.1", "169.254.1.1", "100.64.0.1"] {
            assert_eq!(endpoints(private, PUBLIC, true), [PUBLIC], "{private}");
            assert_eq!(endpoints(private, "10.0.0.1", false), ["10.0.0.1", private]);
        }
        for nobody in ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1"] {
            assert_eq!(endpoints(nobody, "10.0.0.1", false), ["10.0.0.1"], "{nobody}");
        }
    }
}
