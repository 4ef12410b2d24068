//! The flags of `wharf rules`.

use std::ops::RangeInclusive;

use clap::{Args, ValueEnum};

use super::serve::ServeArguments;
use crate::config::values::port_range;

/// Print the firewall rules that a configuration needs.
///
/// Takes --config or the flags of `wharf serve`; of these the listen addresses, the modes, the passive range and the source
/// port of active mode count. Each rule has its reason as a comment.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf rules --config /etc/wharf/wharf.toml                      nftables, at the server
  wharf rules --listen 0.0.0.0:21 --passive-ports 30000-30099 --for iptables --stateless
  wharf rules --listen 0.0.0.0:21 --modes active --side client --active-ports 50000-50099")]
pub(crate) struct RulesArguments {
    /// The firewall, or whatever opens ports
    #[arg(long = "for", value_name = "FIREWALL", default_value = "nftables")]
    pub(crate) firewall: Firewall,

    /// Before whom it stands
    #[arg(long, value_name = "SIDE", default_value = "server")]
    pub(crate) side: Side,

    /// For a filter that remembers no connections: each answer is told by its port and by ACK
    #[arg(long)]
    pub(crate) stateless: bool,

    /// For a filter that knows no ranges
    #[arg(long)]
    pub(crate) one_rule_per_port: bool,

    /// The ports on which clients listen in active mode [default: any from 1024 on]
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) active_ports: Option<RangeInclusive<u16>>,

    #[command(flatten)]
    pub(crate) serve: ServeArguments,
}

/// What opens ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Firewall {
    /// Linux, nft
    Nftables,
    /// Linux, iptables and ip6tables
    Iptables,
    /// firewall-cmd
    Firewalld,
    /// ufw
    Ufw,
    /// Windows, netsh advfirewall
    Netsh,
    /// The ports of a Docker Compose service
    Compose,
    /// A Kubernetes Service
    Kubernetes,
}

/// Before whom a firewall stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// The server
    Server,
    /// Clients
    Client,
}
