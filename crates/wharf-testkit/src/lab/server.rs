//! The servers of the lab: ours and the three that most of the world runs, side by side in one host, each with an
//! address of its own, so that each has port 21.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use super::path::PASSIVE_PORTS;
use crate::TestDirectory;
use crate::namespace::NetworkNamespace;
use crate::peers::{self, Account, Modes, Peer, PeerKind, PeerOptions};
use crate::served::Served;
use crate::tls::TestCertificate;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerKind {
    /// `wharf serve`.
    Wharf,
    /// One of the real ones.
    Peer(PeerKind),
}

impl ServerKind {
    /// Those of the lab.
    pub const ALL: [Self; 4] = [
        Self::Wharf,
        Self::Peer(PeerKind::Vsftpd),
        Self::Peer(PeerKind::Proftpd),
        Self::Peer(PeerKind::PureFtpd),
    ];

    /// The last part of its address.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Wharf => 21,
            Self::Peer(PeerKind::Vsftpd) => 22,
            Self::Peer(PeerKind::Proftpd) => 23,
            Self::Peer(PeerKind::PureFtpd) => 24,
            Self::Peer(PeerKind::Pyftpdlib) => 25,
        }
    }
}

impl From<PeerKind> for ServerKind {
    fn from(kind: PeerKind) -> Self {
        Self::Peer(kind)
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wharf => f.write_str("wharf"),
            Self::Peer(kind) => kind.fmt(f),
        }
    }
}

/// How the servers of a scenario are set up. `Default` is port 21, both modes, from port 20, the usual range.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// The control port.
    pub port: u16,
    /// The modes on offer.
    pub modes: Modes,
    /// The passive range.
    pub passive_ports: RangeInclusive<u16>,
    /// What the 227 tells.
    pub advertise: Advertise,
    /// Active data connections come from the control port less one, where the server can be told; else from any.
    pub from_port_20: bool,
    /// Explicit FTPS is offered beside clear sessions.
    pub tls: bool,
    /// The servers, but for ours, take data connections of anybody, as for transfers between servers.
    pub takes_strangers: bool,
    /// What else `wharf serve` is told, as its configuration file.
    pub wharf_toml: &'static str,
}

/// What the 227 tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// The server's own address.
    #[default]
    Own,
    /// The address by which the world reaches it.
    Outside,
    /// Another one.
    Other(Ipv4Addr),
    /// A name (`wharf serve` only).
    Name(&'static str),
}

impl Default for ServerSetup {
    fn default() -> Self {
        Self {
            port: 21,
            modes: Modes::Both,
            passive_ports: PASSIVE_PORTS,
            advertise: Advertise::Own,
            from_port_20: true,
            tls: false,
            takes_strangers: false,
            wharf_toml: "",
        }
    }
}

/// A server that runs in the lab.
#[derive(Debug)]
pub struct LabServer {
    /// Which.
    pub kind: ServerKind,
    /// Where clients reach it.
    pub outside: SocketAddr,
    /// Who logs in.
    pub user: &'static str,
    /// And the password.
    pub password: &'static str,
    running: Running,
    _certificate: Option<TestCertificate>,
}

#[derive(Debug)]
enum Running {
    Wharf { served: Box<Served>, _directory: TestDirectory },
    Peer(Box<Peer>),
}

impl LabServer {
    /// Starts one at `inside` in `host`; `wharf` is our program. `None` where it has no switch for the modes.
    ///
    /// # Panics
    /// When it does not start, with what it said.
    #[must_use]
    #[track_caller]
    pub fn start(
        kind: ServerKind,
        host: &NetworkNamespace,
        wharf: &Path,
        setup: &ServerSetup,
        inside: IpAddr,
        outside: IpAddr,
    ) -> Option<Self> {
        let outside = SocketAddr::new(outside, setup.port);
        let certificate = setup.tls.then(|| TestCertificate::new(&["localhost"]));
        match kind {
            ServerKind::Wharf => Some(Self::wharf(host, wharf, setup, certificate, inside, outside)),
            ServerKind::Peer(kind) if !kind.supports(setup.modes) => None,
            ServerKind::Peer(kind) => Some(Self::peer(kind, host, setup, certificate, inside, outside)),
        }
    }

    fn wharf(
        host: &NetworkNamespace,
        program: &Path,
        setup: &ServerSetup,
        certificate: Option<TestCertificate>,
        inside: IpAddr,
        outside: SocketAddr,
    ) -> Self {
        let directory = TestDirectory::new();
        let root = peers::fill(&directory, &Account::of_system());
        let mut command = Command::new(program);
        command.arg("serve").arg(root).args(["--write", "--user", "test:secret"]);
        command.arg("--config").arg(directory.write("wharf.toml", setup.wharf_toml));
        command.arg("--listen").arg(SocketAddr::new(inside, setup.port).to_string());
        let (first, last) = (setup.passive_ports.start(), setup.passive_ports.end());
        command.arg("--passive-ports").arg(format!("{first}-{last}"));
        let advertised = match (&setup.advertise, outside.ip()) {
            (Advertise::Outside, IpAddr::V4(outside)) => Some(outside.to_string()),
            (Advertise::Own | Advertise::Outside, _) => None,
            (Advertise::Other(address), _) => Some(address.to_string()),
            (Advertise::Name(name), _) => Some((*name).to_owned()),
        };
        if let Some(advertised) = advertised {
            command.arg("--advertise").arg(advertised);
        }
        match setup.modes {
            Modes::Both => {}
            Modes::ActiveOnly => drop(command.args(["--modes", "active"])),
            Modes::PassiveOnly => drop(command.args(["--modes", "passive"])),
        }
        if !setup.from_port_20 {
            command.args(["--active-source-port", "any"]);
        }
        if let Some(certificate) = &certificate {
            command.args(certificate.flags());
        }
        let served = Box::new(Served::from_command(&mut host.adopt(&command)));
        Self {
            kind: ServerKind::Wharf,
            outside,
            user: "test",
            password: "secret",
            running: Running::Wharf { served, _directory: directory },
            _certificate: certificate,
        }
    }

    fn peer(
        kind: PeerKind,
        host: &NetworkNamespace,
        setup: &ServerSetup,
        certificate: Option<TestCertificate>,
        inside: IpAddr,
        outside: SocketAddr,
    ) -> Self {
        let mut options = PeerOptions::new()
            .namespace(host)
            .address(inside)
            .port(setup.port)
            .modes(setup.modes)
            .passive_ports(setup.passive_ports.clone());
        if setup.from_port_20 {
            options = options.from_port_20();
        }
        if setup.takes_strangers {
            options = options.fxp();
        }
        if let Some(certificate) = &certificate {
            options = options.tls(certificate);
        }
        match (&setup.advertise, outside.ip()) {
            (Advertise::Outside, IpAddr::V4(address)) => options = options.advertised(address),
            (Advertise::Other(address), _) => options = options.advertised(*address),
            _ => {}
        }
        let peer = Peer::start(kind, &options);
        let (user, password) = (peer.user, peer.password);
        Self {
            kind: ServerKind::Peer(kind),
            outside,
            user,
            password,
            running: Running::Peer(Box::new(peer)),
            _certificate: certificate,
        }
    }

    /// The URL of `path`, relative to the login directory, with user and password.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let password = self.password.replace('@', "%40");
        format!("ftp://{}:{password}@{}/{path}", self.user, self.outside)
    }

    /// What it has said so far, for the message of a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        match &self.running {
            Running::Wharf { served, .. } => served.log(),
            Running::Peer(peer) => peer.log(),
        }
    }
}
