//! The way that all scenarios share: a client, a router before it, the internet, a router before the server, the server.
//!
//! ```text
//!   client ──client-lan── client-router ──internet── server-router ──server-lan── server
//! ```
//! The links' names are the interfaces' names at both ends. What differs is which of the two networks has private
//! addresses, and the rules of each box.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Host, Topology};

/// The hosts' names.
pub const CLIENT: &str = "client";
/// See the module.
pub const CLIENT_ROUTER: &str = "client-router";
/// See the module.
pub const SERVER_ROUTER: &str = "server-router";
/// See the module.
pub const SERVER: &str = "server";

/// The links' names.
pub const CLIENT_LAN: &str = "client-lan";
/// See the module.
pub const INTERNET: &str = "internet";
/// See the module.
pub const SERVER_LAN: &str = "server-lan";

/// The client router's address on the internet: what a client behind NAT looks like from outside.
pub const CLIENT_OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// Another address of the client's router there.
pub const CLIENT_OUTSIDE_OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
/// The server router's own address on the internet.
pub const SERVER_ROUTER_OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The server router's address in the server's network where that is private.
pub const SERVER_ROUTER_INSIDE: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// The passive range that all servers are given.
pub const PASSIVE_PORTS: std::ops::RangeInclusive<u16> = 50_000..=50_099;

/// The network between a client and a server.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// The client's network has private addresses, and its router masquerades them.
    pub client_is_private: bool,
    /// The server's network has private addresses; its router's rules have to lead in.
    pub server_is_private: bool,
    /// The server is in a container: its network has the addresses of Docker's bridge, and the machine around it is the
    /// router, whose rules publish ports.
    pub server_is_contained: bool,
    /// The client has IPv6 only, and its router is a NAT64: the server, which has IPv4 only, is behind its prefix.
    pub nat64: bool,
    /// The client's network, with private addresses, is at the server's router: both are in one house.
    pub client_is_inside: bool,
    /// The rules of each box, in nft's language.
    pub client_rules: String,
    /// See above.
    pub client_router_rules: String,
    /// See above.
    pub server_router_rules: String,
    /// See above.
    pub server_rules: String,
    /// Settings of the client's router.
    pub client_router_settings: Vec<(&'static str, &'static str)>,
    /// The longest packet on the link between the server's router and the server's network, in bytes.
    pub internet_mtu: Option<u32>,
}

impl Path {
    /// The client's own address.
    #[must_use]
    pub fn client_address(&self) -> Ipv4Addr {
        if self.client_is_private || self.client_is_inside {
            Ipv4Addr::new(10, 1, 0, 2)
        } else {
            Ipv4Addr::new(192, 0, 2, 2)
        }
    }

    /// The address that the server with this number has itself.
    #[must_use]
    pub fn server_address(&self, number: u8) -> Ipv4Addr {
        if self.server_is_contained {
            Ipv4Addr::new(172, 17, 0, number)
        } else if self.server_is_private {
            Ipv4Addr::new(10, 2, 0, number)
        } else {
            Ipv4Addr::new(203, 0, 113, number)
        }
    }

    /// The address by which the client reaches the server with this number.
    #[must_use]
    pub fn server_outside(&self, number: u8) -> Ipv4Addr {
        let from_outside = self.server_is_published() && !self.client_is_inside;
        if from_outside { published(number) } else { self.server_address(number) }
    }

    /// Whether the server's router has an address for it outside.
    fn server_is_published(&self) -> bool {
        self.server_is_private || self.server_is_contained
    }

    /// The IPv6 address of the server with this number, inside and outside.
    #[must_use]
    pub fn server_address_v6(number: u8) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, number.into())
    }

    /// As a topology, in which the servers with these numbers have their addresses.
    #[must_use]
    pub fn topology(&self, servers: &[u8]) -> Topology {
        let client = self.client_address();
        let client_gateway = gateway(client);
        let server_gateway = gateway(self.server_address(1));
        let with_length = |address: IpAddr| format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 });
        let v6 = |network: u16, host: u16| format!("2001:db8:{network:x}::{host}/64");
        let each = |address: &dyn Fn(u8) -> IpAddr| -> Vec<String> {
            servers.iter().map(|number| with_length(address(*number))).collect()
        };
        let mut inside = each(&|number| self.server_address(number).into());
        inside.extend(each(&|number| Self::server_address_v6(number).into()));
        let mut outside = vec![with_length(SERVER_ROUTER_OUTSIDE.into()), v6(0xffff, 2)];
        if self.server_is_published() {
            outside.extend(each(&|number| published(number).into()));
        }
        let client_at = if self.client_is_inside { SERVER_ROUTER } else { CLIENT_ROUTER };
        let client_outside =
            [with_length(CLIENT_OUTSIDE.into()), with_length(CLIENT_OUTSIDE_OTHER.into()), v6(0xffff, 1)];
        let v4 = |address: Ipv4Addr| (!self.nat64).then(|| with_length(address.into()));
        let mut in_client: Vec<String> = v4(client).into_iter().collect();
        in_client.push(v6(1, 2));
        let mut at_gateway: Vec<String> = v4(client_gateway).into_iter().collect();
        at_gateway.push(v6(1, 1));
        let mut client_host = Host::new(CLIENT).default_route("2001:db8:1::1").nft(&self.client_rules);
        if !self.nat64 {
            client_host = client_host.default_route(&client_gateway.to_string());
        }
        let mut client_router = Host::new(CLIENT_ROUTER)
            .forwarding()
            .route("203.0.113.0/24", &SERVER_ROUTER_OUTSIDE.to_string())
            .route("2001:db8:2::/64", "2001:db8:ffff::2")
            .nft(&self.client_router_rules());
        for (name, value) in &self.client_router_settings {
            client_router = client_router.setting(name, value);
        }
        let topology = Topology::new()
            .host(client_host)
            .host(client_router)
            .host(
                Host::new(SERVER_ROUTER)
                    .forwarding()
                    .route("192.0.2.0/24", &CLIENT_OUTSIDE.to_string())
                    .route("2001:db8:1::/64", "2001:db8:ffff::1")
                    .nft(&self.server_router_rules),
            )
            .host(
                Host::new(SERVER)
                    .default_route(&server_gateway.to_string())
                    .default_route("2001:db8:2::1")
                    .nft(&self.server_rules),
            )
            .link(CLIENT_LAN, [(CLIENT, &in_client), (client_at, &at_gateway)])
            .link(
                SERVER_LAN,
                [(SERVER_ROUTER, &[with_length(server_gateway.into()), v6(2, 1)]), (SERVER, &inside)],
            )
            .link(INTERNET, [(CLIENT_ROUTER, &client_outside), (SERVER_ROUTER, &outside)]);
        match self.internet_mtu {
            Some(bytes) => topology.mtu(bytes),
            None => topology,
        }
    }

    fn client_router_rules(&self) -> String {
        let masquerade = "\
table ip client_nat {
    chain postrouting {
        type nat hook postrouting priority srcnat
        oifname \"internet\" ip saddr 10.1.0.0/24 masquerade
    }
}
";
        let nat = if self.client_is_private { masquerade } else { "" };
        let translated = if self.nat64 { super::translator::rules(INTERNET) } else { String::new() };
        format!("{nat}{translated}{}", self.client_router_rules)
    }
}

/// The address at which the server's router publishes the server with this number.
#[must_use]
pub fn published(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, number)
}

/// The first address of the network is its router's.
fn gateway(address: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = address.octets();
    Ipv4Addr::new(a, b, c, 1)
}
