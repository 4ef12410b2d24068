//! A NAT64 (RFC 6146) before a client that has IPv6 only: tayga, and the name by which a client learns of it (RFC 7050).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Lab, NameServer, ip};
use crate::process::Background;
use crate::{TestDirectory, clients};

/// Its prefix, 96 bits long, behind which IPv4 is. Not the well-known one, 64:ff9b::/96, which may not lead to addresses
/// that are no one's (RFC 6052 §3.1), such as all of the lab's.
const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x64, 0, 0, 0, 0, 0);
/// IPv4 addresses that only the translator has; the router makes its own of them.
const POOL: &str = "192.168.255.0/24";
/// The name, and what IPv4 has for it (RFC 7050 §2.2).
const WELL_KNOWN: (&str, Ipv4Addr) = ("ipv4only.arpa", Ipv4Addr::new(192, 0, 0, 170));
/// Its interface.
const LINK: &str = "nat64";
/// Longest wait for its first words.
const LIMIT: Duration = Duration::from_secs(20);

/// One that runs, with the name server that tells of it.
#[derive(Debug)]
pub struct Translator {
    _tayga: Background,
    _names: NameServer,
    _directory: TestDirectory,
}

/// What `address` is to a client behind it (RFC 6052 §2.2).
#[must_use]
pub fn translated(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(PREFIX) | u128::from(u32::from(address)))
}

/// The rules of the router, whose way to IPv4 is `link`.
pub(super) fn rules(link: &str) -> String {
    format!(
        "\
table ip translated {{
    chain postrouting {{
        type nat hook postrouting priority srcnat
        oifname \"{link}\" ip saddr {POOL} masquerade
    }}
}}
"
    )
}

impl Translator {
    /// Starts one in `router`; `client` learns its prefix at `resolver`, an address of the router.
    ///
    /// # Errors
    /// The reason why that cannot be done here, fit for [`skip!`](crate::skip!).
    pub(super) fn start(lab: &Lab, router: &str, client: &str, resolver: Ipv6Addr) -> Result<Self, String> {
        if !clients::is_installed("tayga") {
            return Err("the NAT64 of the lab needs tayga".into());
        }
        let (name, address) = WELL_KNOWN;
        let names = NameServer::start(lab, router, resolver.into(), name, translated(address).into())?;
        lab.host(client).resolve_names_at(resolver.into());
        let directory = TestDirectory::new();
        let settings = format!(
            "tun-device {LINK}\nipv4-addr 192.168.255.1\nipv6-addr 2001:db8:65::1\nprefix {PREFIX}/96\ndynamic-pool {POOL}\n"
        );
        let settings = directory.write("tayga.conf", settings);
        let tayga = |flag: &str| {
            // By lines: into a pipe it would say nothing before its end.
            let mut command = lab.host(router).command("stdbuf");
            command.args(["-oL", "tayga", flag]).arg("-c").arg(&settings);
            command
        };
        let made = crate::process::run(&mut tayga("--mktun"));
        if made.code() != 0 {
            return Err(format!("no TUN device can be made here: {}", made.errors().trim()));
        }
        let commands = [
            format!("link set {LINK} up"),
            format!("route add {POOL} dev {LINK}"),
            format!("route add {PREFIX}/96 dev {LINK}"),
        ];
        ip(lab.host(router), &commands);
        let running = Background::start(&mut tayga("-d"));
        // By then the device is its own.
        running.wait_for_output(LIMIT, |said| said.contains("Dynamic pool"));
        Ok(Self { _tayga: running, _names: names, _directory: directory })
    }
}
