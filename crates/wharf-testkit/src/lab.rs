//! A network of real kernels on one machine: hosts are network namespaces, links are veth pairs, and what stands
//! between them is routed, translated and filtered by the kernel itself.
//!
//! | part | job |
//! |---|---|
//! | [`Topology`] | what there is to be: hosts, links, addresses, routes, nft rules, kernel settings |
//! | [`Lab`] | it, standing: runs programs in any host, captures on any link, and is gone with its guard |
//! | [`scenario`] | the situations from the field, each with what works in it |
//!
//! ```no_run
//! use wharf_testkit::lab::{Host, Lab, Topology};
//! let topology = Topology::new()
//!     .host(Host::new("client").default_route("10.0.0.1"))
//!     .host(Host::new("router").forwarding().nft("table ip nat { … }"))
//!     .link("lan", [("client", &["10.0.0.2/24"]), ("router", &["10.0.0.1/24"])]);
//! let lab = Lab::start(&topology).unwrap();
//! lab.host("client").command("ping").args(["-c", "1", "10.0.0.1"]);
//! ```

pub mod capture;
pub mod names;
pub mod path;
pub mod scenario;
pub mod server;
pub mod stranger;
mod topology;
pub mod translator;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

pub use names::NameServer;
pub use topology::{Host, Topology};

use crate::clients;
use crate::namespace::NetworkNamespace;

/// A network that stands. Its hosts, and what runs in them, are removed with it, and when the test is killed.
#[derive(Debug)]
pub struct Lab {
    hosts: BTreeMap<String, NetworkNamespace>,
}

impl Lab {
    /// Sets `topology` up; the error is the reason why that cannot be done here, fit for [`skip!`](crate::skip!).
    ///
    /// # Errors
    /// When this is not root, a tool is missing, or the kernel makes no namespaces.
    ///
    /// # Panics
    /// When the topology contradicts itself, with what the kernel says.
    pub fn start(topology: &Topology) -> Result<Self, String> {
        if !clients::is_installed("nft") {
            return Err("the network lab needs nftables (the program nft)".into());
        }
        let mut hosts = BTreeMap::new();
        for host in topology.hosts() {
            let before = hosts.insert(host.name().to_owned(), NetworkNamespace::new()?);
            assert!(before.is_none(), "two hosts are called {}", host.name());
        }
        let lab = Self { hosts };
        // Links first: an address has to be there before the route that leads over it.
        for link in topology.links() {
            lab.connect(link);
        }
        for host in topology.hosts() {
            lab.furnish(host);
        }
        Ok(lab)
    }

    /// The host of this name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    #[track_caller]
    pub fn host(&self, name: &str) -> &NetworkNamespace {
        self.hosts.get(name).unwrap_or_else(|| panic!("the lab has no host {name}"))
    }

    /// All hosts by their names.
    pub fn hosts(&self) -> impl Iterator<Item = (&str, &NetworkNamespace)> {
        self.hosts.iter().map(|(name, host)| (name.as_str(), host))
    }

    /// Replaces all nft rules of a host.
    ///
    /// # Panics
    /// When nft refuses them, with what it says.
    #[track_caller]
    pub fn load_rules(&self, host: &str, rules: &str) {
        feed(self.host(host).command("nft").args(["-f", "-"]), &format!("flush ruleset\n{rules}\n"));
    }

    /// Gives a host another address on a link, such as `192.0.2.9/24`.
    #[track_caller]
    pub fn add_address(&self, host: &str, link: &str, address: &str) {
        ip(self.host(host), &[format!("address add {address} dev {link}")]);
    }

    /// A veth pair whose ends bear the link's name on both sides.
    fn connect(&self, link: &topology::Link) {
        let [(one, _), (other, _)] = &link.ends;
        let (one, other) = (self.host(one), self.host(other));
        let name = link.name.as_str();
        ip(one, &[format!("link add {name} type veth peer name {name} netns {}", other.name())]);
        for (host, (_, addresses)) in [one, other].into_iter().zip(&link.ends) {
            let add = |address: &String| {
                // Without nodad an IPv6 address cannot be used for its first second.
                let how = if address.contains(':') { "nodad" } else { "" };
                format!("address add {address} dev {name} {how}")
            };
            let mut commands: Vec<String> = addresses.iter().map(add).collect();
            commands.extend(link.mtu.map(|bytes| format!("link set {name} mtu {bytes}")));
            commands.push(format!("link set {name} up"));
            ip(host, &commands);
        }
    }

    fn furnish(&self, host: &Host) {
        let namespace = self.host(host.name());
        namespace.enter(|| {
            for (setting, value) in host.settings() {
                let file = format!("/proc/sys/{}", setting.replace('.', "/"));
                std::fs::write(&file, value).unwrap_or_else(|error| panic!("{file}: {error}"));
            }
        });
        let add = |(target, gateway): &(String, String)| format!("route add {target} via {gateway}");
        ip(namespace, &host.routes().iter().map(add).collect::<Vec<_>>());
        if let Some(rules) = host.rules() {
            self.load_rules(host.name(), rules);
        }
    }
}

/// Has `ip` carry out these commands in a host.
#[track_caller]
fn ip(host: &NetworkNamespace, commands: &[String]) {
    feed(Command::new("ip").args(["-n", host.name(), "-batch", "-"]), &commands.join("\n"));
}

/// Runs a program that reads `input`.
#[track_caller]
fn feed(command: &mut Command, input: &str) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\nin:\n{input}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests;
