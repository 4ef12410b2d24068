//! What a client is told about where the server listens for its data connection: the address and port of the 227, the
//! port of the 229.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::config::{Advertise, PassivePolicy, PortMapRule};
use crate::followed_name::FollowedName;

/// Knows what a 227 and a 229 tell.
#[derive(Debug)]
pub(crate) struct Advertiser {
    policy: PassivePolicy,
    names: HashMap<String, FollowedName>,
}

impl Advertiser {
    /// Begins to follow the names. Must be called inside a runtime.
    pub(crate) fn new(policy: PassivePolicy) -> Self {
        let names = policy.advertise.iter().filter_map(|rule| match &rule.address {
            Advertise::Name(name) => Some((name.clone(), FollowedName::new(name.clone()))),
            Advertise::Local | Advertise::Proxy | Advertise::Address(_) => None,
        });
        Self { names: names.collect(), policy }
    }

    /// Waits until each name has an address, or has none, which is then said.
    pub(crate) async fn settled(&self) {
        for name in self.names.values() {
            name.settled().await;
        }
    }

    /// The address for `client`: what the first rule for its network says. `local` is this end of its control connection,
    /// `proxied` what a balancer says that it reached. A name without an address counts as no rule. None where only an IPv6
    /// address is left, which a 227 cannot tell.
    pub(crate) async fn address(
        &self,
        client: IpAddr,
        local: IpAddr,
        proxied: Option<IpAddr>,
    ) -> Option<Ipv4Addr> {
        let own = as_ipv4(local);
        for rule in self.policy.advertise.iter().filter(|rule| is_in(&rule.clients, client)) {
            match &rule.address {
                Advertise::Local => return own,
                Advertise::Address(address) => return Some(*address),
                Advertise::Name(name) => match self.names.get(name) {
                    Some(name) => return name.address().await.or(own),
                    None => return own,
                },
                Advertise::Proxy => {
                    if let Some(address) = proxied.and_then(as_ipv4) {
                        return Some(address);
                    }
                }
            }
        }
        own
    }

    /// The port that `client` has to connect to for the one that is listened on.
    pub(crate) fn port(&self, client: IpAddr, listening: u16) -> u16 {
        outside_port(&self.policy.port_map, client, listening)
    }
}

fn as_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

/// What a device that renumbers ports makes of one: by the first rule for the client's network and this port.
fn outside_port(rules: &[PortMapRule], client: IpAddr, listening: u16) -> u16 {
    let fits = |rule: &&PortMapRule| is_in(&rule.clients, client) && rule.inside.contains(&listening);
    match rules.iter().find(fits) {
        // Both ranges have the same length: the sum is a port.
        Some(rule) => rule.outside.start().saturating_add(listening - rule.inside.start()),
        None => listening,
    }
}

/// Whether `address` is in one of the networks.
pub(crate) fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use wharf_net::passive_ports::PassivePorts;

    use super::*;
    use crate::config::AdvertiseRule;

    fn networks(text: &str) -> Vec<IpNet> {
        vec![text.parse().unwrap()]
    }

    const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
    const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);

    #[tokio::test]
    async fn the_first_rule_for_the_clients_network_counts() {
        let rule = |clients: &str, address| AdvertiseRule { clients: networks(clients), address };
        let advertise = vec![
            rule("192.168.0.0/16", Advertise::Local),
            rule("0.0.0.0/0", Advertise::Proxy),
            rule("0.0.0.0/0", Advertise::Address(OUTSIDE)),
            rule("198.51.100.0/24", Advertise::Local),
        ];
        let policy = PassivePolicy {
            ports: PassivePorts::Any,
            expected_sessions: None,
            advertise,
            port_map: Vec::new(),
        };
        let advertiser = Advertiser::new(policy);
        let told = |client: &str, proxied: Option<IpAddr>| {
            let (client, local) = (client.parse().unwrap(), LOCAL.into());
            let advertiser = &advertiser;
            async move { advertiser.address(client, local, proxied).await }
        };
        let proxied = Ipv4Addr::new(203, 0, 113, 80);
        assert_eq!(told("192.168.7.7", None).await, Some(LOCAL));
        assert_eq!(told("198.51.100.1", None).await, Some(OUTSIDE));
        assert_eq!(told("198.51.100.1", Some(proxied.into())).await, Some(proxied));
        assert_eq!(told("198.51.100.1", Some(Ipv6Addr::LOCALHOST.into())).await, Some(OUTSIDE));
        assert_eq!(told("2001:db8::1", None).await, Some(LOCAL));
        assert_eq!(advertiser.address(LOCAL.into(), Ipv6Addr::LOCALHOST.into(), None).await, None);
    }

    #[test]
    fn ports_are_mapped_first_to_first_and_last_to_last() {
        let rule =
            |clients: &str, outside, inside| PortMapRule { clients: networks(clients), outside, inside };
        let rules = [
            rule("192.168.0.0/16", 40000..=40099, 40000..=40099),
            rule("0.0.0.0/0", 50000..=50099, 40000..=40099),
            rule("0.0.0.0/0", 65535..=65535, 7..=7),
        ];
        let outside = |listening| outside_port(&rules, [198, 51, 100, 1].into(), listening);
        assert_eq!([40000, 40042, 40099, 40100, 7].map(outside), [50000, 50042, 50099, 40100, 65535]);
        assert_eq!(outside_port(&rules, [192, 168, 1, 1].into(), 40042), 40042);
    }
}
