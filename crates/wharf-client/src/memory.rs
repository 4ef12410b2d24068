//! What worked with a server before, from the network that this machine was in.
//!
//! A mode works or not because of what stands between two networks. So it is remembered by the network, and means nothing
//! in another one.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::strategy::WorkingMode;

/// Bits of an IPv4 address that are taken for its network's.
const V4_BITS: u8 = 24;
/// The same of an IPv6 address.
const V6_BITS: u8 = 64;

/// A way to a data connection that worked from a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// That of this machine's address on the control connection.
    pub network: IpNet,
    /// What worked.
    pub mode: WorkingMode,
}

/// The network of this machine's address on a control connection. Where it really ends, nobody tells a program.
#[must_use]
pub fn network_of(address: IpAddr) -> IpNet {
    let bits = if address.is_ipv4() { V4_BITS } else { V6_BITS };
    IpNet::new(address, bits).map_or_else(|_| address.into(), |network| network.trunc())
}

/// What worked from the network of `address`.
pub(crate) fn recall(remembered: &[Remembered], address: IpAddr) -> Option<WorkingMode> {
    remembered.iter().find(|it| it.network.contains(&address)).map(|it| it.mode)
}

#[cfg(test)]
mod tests {
    use wharf_proto::dialogue::NegotiationCommand::{Eprt, Port};

    use super::*;

    #[test]
    fn what_worked_counts_in_its_network_only() {
        let remembered = [("192.0.2.77", Port), ("2001:db8::1", Eprt)].map(|(address, command)| Remembered {
            network: network_of(address.parse().unwrap()),
            mode: WorkingMode { command, advertised: false },
        });
        let recalled = |address: &str| recall(&remembered, address.parse().unwrap()).map(|mode| mode.command);
        assert_eq!(recalled("192.0.2.3"), Some(Port));
        assert_eq!(recalled("192.0.3.77"), None);
        assert_eq!(recalled("2001:db8::ffff"), Some(Eprt));
        assert_eq!(recalled("2001:db8:0:1::1"), None);
    }
}
