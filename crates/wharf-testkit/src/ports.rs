//! Free ports and address families.

use std::io;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody has on `address` right now.
///
/// Somebody else may take it before it is used, however unlikely: a server that can listen on port 0 should.
#[must_use]
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

/// `count` ports in a row that nobody has on `address`, below the range from which the kernel takes its own, so that
/// no outgoing connection of another test gets into it. They are this process's until it ends: no other test is given them.
#[must_use]
pub fn free_ports(address: IpAddr, count: u16) -> RangeInclusive<u16> {
    // Tests run in processes of their own: each starts its search elsewhere.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static CLAIMED: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());
    const FIRST: u16 = 10_000;
    const LAST: u16 = 32_000;
    let spread = u16::try_from(std::process::id() % 1000).unwrap() * 20;
    for _ in 0..1000 {
        let offset = spread.wrapping_add(NEXT.fetch_add(count, Ordering::Relaxed)) % (LAST - FIRST - count);
        let ports = FIRST + offset..=FIRST + offset + (count - 1);
        let Ok(claims) = ports.clone().map(claim).collect::<io::Result<Vec<_>>>() else { continue };
        if ports.clone().all(|port| TcpListener::bind((address, port)).is_ok()) {
            CLAIMED.lock().unwrap().extend(claims);
            return ports;
        }
    }
    panic!("no {count} free ports in a row on {address}");
}

/// Says to the other tests of this machine that the port is taken, by a name that the kernel gives once only and takes
/// back when the process ends.
fn claim(port: u16) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("wharf-test-port-{port}"))?)
}

/// Whether this machine has IPv6 on loopback.
#[must_use]
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}
