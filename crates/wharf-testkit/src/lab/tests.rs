//! The lab itself: what it sets up is there, and what it is told to drop is dropped.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

fn two_hosts() -> Option<Lab> {
    let topology = Topology::new()
        .host(Host::new("one"))
        .host(Host::new("two").setting("net.ipv4.ip_default_ttl", "33"))
        .link("cable", [("one", &["10.9.0.1/24"]), ("two", &["10.9.0.2/24"])]);
    match Lab::start(&topology) {
        Ok(lab) => Some(lab),
        Err(reason) => {
            crate::skip(&reason);
            None
        }
    }
}

#[test]
fn hosts_reach_each_other_and_a_capture_shows_it() {
    let Some(lab) = two_hosts() else { return };
    let Some(capture) = lab.capture_or_skip("one", "cable") else { return };
    let listener = lab.host("one").enter(|| TcpListener::bind((ADDRESS, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    let from = lab.host("two").enter(|| TcpStream::connect((ADDRESS, port)).unwrap().local_addr().unwrap());
    assert_eq!(listener.accept().unwrap().1, from);
    let captured = capture.stop();
    let syn = captured.packets("tcp[tcpflags] == tcp-syn and ip[8] == 33");
    assert_eq!(syn.len(), 1, "{:?}", captured.packets(""));
    assert!(syn[0].contains(&format!("{}.{} > {ADDRESS}.{port}:", from.ip(), from.port())), "{syn:?}");
}

#[test]
fn rules_can_be_loaded_anew() {
    let Some(lab) = two_hosts() else { return };
    let listener = lab.host("one").enter(|| TcpListener::bind((ADDRESS, 0)).unwrap());
    let target = listener.local_addr().unwrap();
    let connect =
        || lab.host("two").enter(|| TcpStream::connect_timeout(&target, Duration::from_secs(20)).map(drop));
    let input = |rule: &str| {
        format!("table ip f {{\n chain i {{\n type filter hook input priority 0\n {rule}\n }}\n }}")
    };
    lab.load_rules("one", &input("tcp dport 1-65535 reject with tcp reset"));
    assert_eq!(connect().unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    lab.load_rules("one", "");
    connect().unwrap();
}

#[test]
fn labs_stand_side_by_side() {
    let (Some(one), Some(other)) = (two_hosts(), two_hosts()) else { return };
    let bind = |lab: &Lab| lab.host("one").enter(|| TcpListener::bind((ADDRESS, 21)).unwrap());
    let _both = (bind(&one), bind(&other));
}

#[test]
fn the_lab_goes_with_its_guard_in_a_panic_too() {
    let Some(lab) = two_hosts() else { return };
    let names: Vec<String> = lab.hosts().map(|(_, host)| host.name().to_owned()).collect();
    lab.host("two").resolve_names_at(ADDRESS.into());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _lab = lab;
        panic!("a test fails");
    }));
    assert!(panic.is_err());
    for name in names {
        for place in ["/run/netns", "/etc/netns"] {
            assert!(!std::path::Path::new(place).join(&name).exists(), "{name} is left in {place}");
        }
    }
}
