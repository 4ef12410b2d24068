//! What Linux tells about the machine that the server runs on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, Socket, Type};

/// Ports that the kernel gives to outgoing connections.
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some(numbers.next()?.ok()?..=numbers.next()?.ok()?)
}

/// Ports of those that it leaves out.
pub(crate) fn reserved_ports() -> Vec<RangeInclusive<u16>> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    port_list(&text)
}

/// `40000-40099,50000`.
fn port_list(text: &str) -> Vec<RangeInclusive<u16>> {
    let ranges = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.collect()
}

/// The machine's own IPv4 addresses.
pub(crate) fn own_addresses() -> Vec<Ipv4Addr> {
    local_hosts(&std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default())
}

/// The addresses of a routing trie behind each of which stands `/32 host LOCAL`.
fn local_hosts(trie: &str) -> Vec<Ipv4Addr> {
    let mut hosts = Vec::new();
    let mut last: Option<Ipv4Addr> = None;
    for line in trie.lines() {
        match line.trim().strip_prefix("|-- ") {
            Some(address) => last = address.parse().ok(),
            None if line.trim() == "/32 host LOCAL" => hosts.extend(last),
            None => {}
        }
    }
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// Whether data connections may leave from `port` of this address.
///
/// # Errors
/// Why not.
pub(crate) fn try_source_port(address: IpAddr, port: u16) -> std::io::Result<()> {
    let local = SocketAddr::new(address, port);
    let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&local.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_lists_are_read() {
        assert_eq!(port_list("40000-40099,50000\n"), [40000..=40099, 50000..=50000]);
        assert_eq!(port_list("\n"), []);
    }

    #[test]
    fn the_trie_is_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.0.0.5\n        /32 host LOCAL\n\
                    \x20    |-- 10.0.0.255\n        /32 link BROADCAST\nLocal:\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_hosts(trie), [Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::LOCALHOST]);
        assert!(ephemeral_ports().is_some_and(|ports| ports.contains(&45_000)));
    }
}
