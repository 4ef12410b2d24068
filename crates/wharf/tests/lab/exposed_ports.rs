//! A client behind a NAT whose owner has forwarded some ports to it: active mode works, if the client says so.

use wharf_testkit::TestDirectory;
use wharf_testkit::lab::path::{CLIENT, CLIENT_OUTSIDE, CLIENT_ROUTER};
use wharf_testkit::lab::server::ServerKind;
use wharf_testkit::peers::PeerKind;
use wharf_testkit::process::run;

use crate::{client, scenario, stand};

/// The NAT of `client-nat` with ten ports forwarded.
const FORWARDED: &str = "
table ip client_nat {
    chain postrouting {
        type nat hook postrouting priority srcnat
        oifname \"internet\" ip saddr 10.1.0.0/24 masquerade
    }
    chain prerouting {
        type nat hook prerouting priority dstnat
        iifname \"internet\" tcp dport 60000-60009 dnat to 10.1.0.2
    }
}
";

#[test]
fn active_mode_from_behind_a_nat_with_forwarded_ports() {
    let Some(standing) = stand(&scenario("client-nat")) else { return };
    standing.lab.load_rules(CLIENT_ROUTER, FORWARDED);
    for server in &standing.servers {
        // The outside address is told; or a private one, which some servers replace by the control peer's.
        let outside = format!("--active={CLIENT_OUTSIDE}:60000-60009");
        let replaced =
            (server.kind == ServerKind::Peer(PeerKind::Proftpd)).then(|| "--active=:60000-60009".to_owned());
        for active in std::iter::once(outside).chain(replaced) {
            let directory = TestDirectory::new();
            let mut get = client();
            get.args(["get", &active, "-o"]).arg(directory.join("fetched")).arg(server.url("hello.txt"));
            let run = run(&mut standing.lab.host(CLIENT).adopt(&get));
            assert!(run.code() == 0, "{} {active}: {run}\n{}", server.kind, server.log());
            assert_eq!(directory.read("fetched"), b"hello, world\n");
        }
    }
}
