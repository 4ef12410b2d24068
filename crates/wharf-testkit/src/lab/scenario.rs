//! Situations from the field, each as a network to set up, with what works in it.
//!
//! The catalogue is the one list of them: the tests run each, `cargo xtask lab` leaves a shell in one, and docs/lab.md
//! tells what came of them.

mod client_side;
mod containers;
mod healthy;
mod ports;
mod rules;
mod server_side;
mod strangers;

use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path as FilePath;
use std::time::Duration;

use super::Lab;
use super::path::{CLIENT, CLIENT_ROUTER, Path, SERVER, SERVER_ROUTER};
use super::server::{LabServer, ServerKind, ServerSetup};
use super::stranger::Stranger;
use super::translator::{Translator, translated};

/// A situation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: small letters and hyphens.
    pub name: &'static str,
    /// The situation of the mission that it is, such as S9.
    pub situation: Option<&'static str>,
    /// What is going on, in a sentence or two.
    pub about: &'static str,
    /// The scenario that differs from this one in the fault alone.
    pub healthy_twin: Option<&'static str>,
    /// The network.
    pub path: Path,
    /// Clients come over IPv6.
    pub over_ipv6: bool,
    /// Which servers are tried.
    pub servers: Vec<ServerKind>,
    /// How they are set up.
    pub setup: ServerSetup,
    /// Somebody at the server's router connects to each passive port as soon as it opens.
    pub has_stranger: bool,
    /// The file that is fetched.
    pub file: &'static str,
    /// How long an ordinary client waits for an answer, in all of its waits.
    pub patience: Duration,
    /// What gets through in this network for whoever asks for it by itself.
    pub works: Ways,
    /// Where a server differs from that.
    pub except: Vec<(ServerKind, Ways)>,
    /// Other clients, by their names in docs/lab.md, that get through by means of their own where these do not work.
    pub resourceful: &'static [&'static str],
    /// What is expected of our client.
    pub ours: Ours,
    /// What is wrong: of these causes the doctor names some, and no other. None: it is a healthy situation, or one in which
    /// only what no doctor looks at is wrong.
    pub diagnosed: &'static [&'static str],
    /// What the doctor is told besides.
    pub doctor_flags: &'static [&'static str],
}

/// What is expected of our client in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// Plain `wharf get` fetches the file, from every server.
    GetsThrough,
    /// Nothing can work, and it says so.
    Fails {
        /// Its exit code.
        exit: i32,
        /// The root causes that it names, others among them or not.
        causes: &'static [&'static str],
        /// Flags that have it over with sooner.
        flags: &'static [&'static str],
    },
}

/// The commands that can bring about a data connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// EPSV.
    pub epsv: bool,
    /// PASV, for a client that connects where the reply says.
    pub pasv: bool,
    /// PASV, for a client that connects to the control peer's address.
    pub pasv_at_peer: bool,
    /// EPRT.
    pub eprt: bool,
    /// PORT.
    pub port: bool,
}

impl Ways {
    /// None of them.
    pub const NONE: Self = Self { epsv: false, pasv: false, pasv_at_peer: false, eprt: false, port: false };
    /// All of them.
    pub const ALL: Self = Self { epsv: true, pasv: true, pasv_at_peer: true, eprt: true, port: true };
    /// EPSV and PASV.
    pub const PASSIVE: Self = Self { epsv: true, pasv: true, pasv_at_peer: true, ..Self::NONE };
    /// EPRT and PORT.
    pub const ACTIVE: Self = Self { eprt: true, port: true, ..Self::NONE };

    /// Whether any does.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::NONE
    }
}

impl fmt::Display for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.epsv, "EPSV"),
            (self.pasv, "PASV"),
            (self.pasv_at_peer && !self.pasv, "PASV at the control peer's address"),
            (self.eprt, "EPRT"),
            (self.port, "PORT"),
        ];
        let working: Vec<&str> = all.iter().filter(|(works, _)| *works).map(|(_, name)| *name).collect();
        f.write_str(&if working.is_empty() { "nothing".to_owned() } else { working.join(", ") })
    }
}

impl Scenario {
    /// One in which all works: everything is public and nothing is filtered. What differs is said on top.
    fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            situation: None,
            about,
            healthy_twin: None,
            path: Path::default(),
            over_ipv6: false,
            servers: ServerKind::ALL.to_vec(),
            setup: ServerSetup::default(),
            has_stranger: false,
            file: "hello.txt",
            patience: Duration::from_secs(8),
            works: Ways::ALL,
            except: Vec::new(),
            resourceful: &[],
            ours: Ours::GetsThrough,
            diagnosed: &[],
            doctor_flags: &[],
        }
    }

    /// All of them, in the order of docs/lab.md.
    #[must_use]
    pub fn catalogue() -> Vec<Self> {
        [
            healthy::scenarios(),
            client_side::scenarios(),
            server_side::scenarios(),
            containers::scenarios(),
            strangers::scenarios(),
            ports::scenarios(),
        ]
        .concat()
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::catalogue().into_iter().find(|scenario| scenario.name == name)
    }

    /// What gets through to this server.
    #[must_use]
    pub fn works_with(&self, server: ServerKind) -> Ways {
        self.except.iter().find(|(kind, _)| *kind == server).map_or(self.works, |(_, ways)| *ways)
    }

    /// The causes that the doctor may name with this server.
    #[must_use]
    pub fn diagnosed_with(&self, server: ServerKind) -> &'static [&'static str] {
        if self.works != Ways::ALL && self.works_with(server) == Ways::ALL { &[] } else { self.diagnosed }
    }

    /// Sets it up, with those of its servers that are installed here; `wharf` is our program.
    ///
    /// # Errors
    /// The reason why it cannot be set up here, fit for [`skip!`](crate::skip!).
    ///
    /// # Panics
    /// When something of it does not start.
    pub fn set_up(&self, wharf: &FilePath) -> Result<Standing, String> {
        self.set_up_with(wharf, |_| {})
    }

    /// As [`set_up`](Self::set_up); `before_servers` sees the network before the first server starts.
    ///
    /// # Errors
    /// As there.
    pub fn set_up_with(
        &self,
        wharf: &FilePath,
        before_servers: impl FnOnce(&Lab),
    ) -> Result<Standing, String> {
        let numbers: Vec<u8> = self.servers.iter().map(|server| server.number()).collect();
        let lab = Lab::start(&self.path.topology(&numbers))?;
        let gateway = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
        let translator = self.path.nat64.then(|| Translator::start(&lab, CLIENT_ROUTER, CLIENT, gateway));
        let translator = translator.transpose()?;
        before_servers(&lab);
        let (mut servers, mut missing) = (Vec::new(), Vec::new());
        for kind in &self.servers {
            if let ServerKind::Peer(peer) = kind
                && let Some(reason) = peer.missing()
            {
                missing.push(reason);
                continue;
            }
            let number = kind.number();
            let (inside, outside) = if self.path.nat64 {
                let address = self.path.server_address(number);
                (address.into(), translated(address).into())
            } else if self.over_ipv6 {
                let address = Path::server_address_v6(number);
                (address.into(), address.into())
            } else {
                (self.path.server_address(number).into(), self.path.server_outside(number).into())
            };
            servers.extend(LabServer::start(*kind, lab.host(SERVER), wharf, &self.setup, inside, outside));
        }
        let stranger = self.has_stranger.then(|| {
            let addresses = servers.iter().map(|server| self.path.server_address(server.kind.number()));
            let ports = || self.setup.passive_ports.clone();
            let targets = addresses.flat_map(|address| ports().map(move |port| (address, port).into()));
            Stranger::start(lab.host(SERVER_ROUTER), targets.collect())
        });
        Ok(Standing { _stranger: stranger, servers, missing, _translator: translator, lab })
    }
}

/// A scenario that is set up.
#[derive(Debug)]
pub struct Standing {
    /// Who connects to the servers' passive ports.
    _stranger: Option<Stranger>,
    /// The servers that run in it. Before the lab, so that they go first.
    pub servers: Vec<LabServer>,
    /// Why others do not.
    pub missing: Vec<String>,
    /// The NAT64 before the client, where there is one.
    _translator: Option<Translator>,
    /// The network.
    pub lab: Lab,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_every_fault_has_its_healthy_twin() {
        let catalogue = Scenario::catalogue();
        let names: HashSet<&str> = catalogue.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), catalogue.len());
        for scenario in &catalogue {
            let is_healthy = scenario.works == Ways::ALL && scenario.except.is_empty();
            assert!(is_healthy || scenario.healthy_twin.is_some(), "{} has no twin", scenario.name);
            if let Some(twin) = scenario.healthy_twin {
                let twin = Scenario::named(twin).unwrap_or_else(|| panic!("{twin} is not there"));
                let both = (twin.works, scenario.works);
                assert!(both.0 == Ways::ALL || both.0 != both.1, "{} is no healthier", twin.name);
            }
            // Wherever any mode can work, ours does, without a flag.
            assert!(!scenario.works.any() || scenario.ours == Ours::GetsThrough, "{}", scenario.name);
        }
    }
}
