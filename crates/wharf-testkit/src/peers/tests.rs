//! Each peer that is installed starts, greets, logs in and does what its options say.

use std::net::Ipv6Addr;

use super::*;
use crate::scripted::{Conversation, ScriptedClient};

fn log_in(peer: &Peer) -> Conversation {
    let mut client = ScriptedClient::log_in(peer.address, peer.user, peer.password);
    client.play("C: TYPE I\nS: 200");
    client
}

/// Both modes, in both forms that the address allows; a file fetched and one sent.
fn transfers(kind: PeerKind, options: &PeerOptions<'_>) {
    let Some(peer) = Peer::start_or_skip(kind, options) else { return };
    let mut client = log_in(&peer);
    if options.address.is_ipv4() {
        client.play("C: PASV\nS: 227 *({six})*").play("C: RETR hello.txt");
        client.open_data().play("S: 1*").expect_data("hello, world\n").expect_data_end().play("S: 226");
        client.play("C: PORT {six}\nS: 200").play("C: RETR hello.txt");
    } else {
        client.play("C: EPRT {eprt}\nS: 200").play("C: RETR hello.txt");
    }
    client.open_data().play("S: 1*").expect_data("hello, world\n").expect_data_end().play("S: 226");
    client.play("C: EPSV\nS: 229 *(|||{port}|)*").send_line(&format!("STOR {UP}/new"));
    client.open_data().play("S: 1*").send_data("new").close_data().play("S: 226\nC: QUIT\nS: 221");
    assert_eq!(std::fs::read(peer.root.join(UP).join("new")).unwrap(), b"new");
}

fn only_active(kind: PeerKind) {
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().modes(Modes::ActiveOnly)) else { return };
    let mut client = log_in(&peer);
    client.play("C: PASV\nS: 5*\nC: EPSV\nS: 5*\nC: PORT {six}\nS: 200\nC: RETR hello.txt");
    client.open_data().play("S: 1*").expect_data("hello, world\n").expect_data_end().play("S: 226");
}

fn only_passive(kind: PeerKind) {
    let ports = ports::free_ports(Ipv4Addr::LOCALHOST.into(), 3);
    let options = PeerOptions::new().modes(Modes::PassiveOnly).passive_ports(ports.clone());
    let Some(peer) = Peer::start_or_skip(kind, &options) else { return };
    let mut client = log_in(&peer);
    client.play("C: PORT {six}\nS: 5*").stop_listening().play("C: EPRT |1|127.0.0.1|5000|\nS: 5*");
    client.play("C: EPSV\nS: 229 *(|||{port}|)*");
    assert!(ports.contains(&client.data_target().unwrap().port()), "outside {ports:?}");
    client.send_line("RETR hello.txt");
    client.open_data().play("S: 1*").expect_data("hello, world\n").expect_data_end().play("S: 226");
}

fn advertises(kind: PeerKind) {
    let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().advertised(Ipv4Addr::new(192, 0, 2, 7)))
    else {
        return;
    };
    let mut client = log_in(&peer);
    client.play("C: PASV\nS: 227 *({six})*");
    assert_eq!(client.data_target().unwrap().ip(), Ipv4Addr::new(192, 0, 2, 7));
}

macro_rules! peer_tests {
    ($($peer:ident: $kind:expr, [$($test:ident),*];)*) => {$(
        mod $peer {
            use super::*;

            #[test]
            fn transfers_both_ways_in_both_modes() {
                transfers($kind, &PeerOptions::new());
            }

            #[test]
            fn transfers_over_ipv6() {
                transfers($kind, &PeerOptions::new().address(Ipv6Addr::LOCALHOST));
            }

            $(#[test]
            fn $test() {
                super::$test($kind);
            })*
        }
    )*};
}

peer_tests! {
    vsftpd: PeerKind::Vsftpd, [only_active, only_passive, advertises];
    proftpd: PeerKind::Proftpd, [only_active, only_passive, advertises];
    pure_ftpd: PeerKind::PureFtpd, [only_active, advertises];
    pyftpdlib: PeerKind::Pyftpdlib, [only_active, only_passive, advertises];
}

#[test]
fn a_peer_in_a_namespace_sends_from_port_20() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => crate::skip!("{reason}"),
    };
    let options = PeerOptions::new().namespace(&namespace).port(21).from_port_20();
    let Some(peer) = Peer::start_or_skip(PeerKind::Vsftpd, &options) else { return };
    let from = namespace.enter(|| {
        let mut client = log_in(&peer);
        client.play("C: PORT {six}\nS: 200\nC: RETR hello.txt").accept_data().play("S: 1*");
        client.expect_data("hello, world\n").expect_data_end();
        client.data_peers()[0]
    });
    assert_eq!(from, SocketAddr::new(peer.address.ip(), 20));
}
