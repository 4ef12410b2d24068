//! Real FTP servers as peers: vsftpd, ProFTPD, Pure-FTPd and pyftpdlib.
//!
//! Each peer has a directory, an address and a port of its own and is gone with its guard, whatever it started
//! included. `cargo xtask test` unpacks them; a test that needs one begins with
//!
//! ```no_run
//! use wharf_testkit::peers::{Peer, PeerKind, PeerOptions};
//! # fn test() {
//! let Some(peer) = Peer::start_or_skip(PeerKind::Proftpd, &PeerOptions::new()) else { return };
//! # }
//! ```
//!
//! What they serve is the same everywhere ([`CONTENT`]): some files, and a directory [`UP`] that may be written to.

mod proftpd;
mod pure_ftpd;
mod pyftpdlib;
mod vsftpd;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::TestDirectory;
use crate::directory::sample;
use crate::namespace::NetworkNamespace;
use crate::process::{Background, run};
use crate::tls::TestCertificate;
use crate::{clients, ports, skipping};

/// The directory in which the user may make, change and delete; in the rest of the root only some peers allow that.
pub const UP: &str = "up";

/// The files that each peer serves; [`BIG`] and an empty file `empty` come on top.
pub const CONTENT: &[(&str, &str)] = &[
    ("hello.txt", "hello, world\n"),
    ("two lines.txt", "one\r\ntwo\r\n"),
    ("directory/inner.txt", "inner\n"),
    ("directory/deeper/innermost.txt", "innermost\n"),
];

/// A larger file: its name, and its length. Its content is [`sample`] of that length.
pub const BIG: (&str, usize) = ("big.bin", 3 * 1024 * 1024 + 17);

/// How long a peer may take until it greets.
const START_LIMIT: Duration = Duration::from_secs(15);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerKind {
    /// vsftpd: anonymous only (its other users are the system's), no MLSD.
    Vsftpd,
    /// ProFTPD.
    Proftpd,
    /// Pure-FTPd.
    PureFtpd,
    /// pyftpdlib, which needs no root.
    Pyftpdlib,
}

impl PeerKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Vsftpd, Self::Proftpd, Self::PureFtpd, Self::Pyftpdlib];

    /// Its folder in the cache.
    fn folder(self) -> &'static str {
        match self {
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "proftpd",
            Self::PureFtpd => "pure-ftpd",
            Self::Pyftpdlib => "pyftpdlib",
        }
    }

    /// Whether it has a switch for this; Pure-FTPd cannot be made passive-only.
    #[must_use]
    pub fn supports(self, modes: Modes) -> bool {
        !(self == Self::PureFtpd && modes == Modes::PassiveOnly)
    }

    /// Why it cannot be started here; `None` when it can.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        let place = cache().join(self.folder());
        let (is_there, needs_openssl) = match self {
            Self::Vsftpd => (place.join("usr/sbin/vsftpd").exists(), false),
            Self::Proftpd => (place.join("usr/sbin/proftpd").exists(), true),
            Self::PureFtpd => (place.join("usr/sbin/pure-ftpd").exists(), true),
            Self::Pyftpdlib => (pyftpdlib::python(&place).is_some(), false),
        };
        if !is_there {
            Some(format!("{self} is not in {}; `cargo xtask test` as root puts it there", place.display()))
        } else if self != Self::Pyftpdlib && !crate::is_root() {
            Some(format!("{self} needs root"))
        } else if needs_openssl && !clients::is_installed("openssl") {
            Some(format!("{self}'s password file needs openssl"))
        } else {
            None
        }
    }
}

impl fmt::Display for PeerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vsftpd => "vsftpd",
            Self::Proftpd => "ProFTPD",
            Self::PureFtpd => "Pure-FTPd",
            Self::Pyftpdlib => "pyftpdlib",
        })
    }
}

/// Whether `kind` can be started here.
#[must_use]
pub fn available(kind: PeerKind) -> bool {
    kind.missing().is_none()
}

/// A program of Debian's that is unpacked beside the servers, such as `proxies/usr/bin/microsocks`; the error is the reason why
/// it is missing, fit for [`skip!`](crate::skip!).
///
/// # Errors
/// When it is not there.
pub fn unpacked(program: &str) -> Result<PathBuf, String> {
    let file = cache().join(program);
    if file.exists() {
        Ok(file)
    } else {
        Err(format!("{} is missing; `cargo xtask test` as root puts it there", file.display()))
    }
}

/// The folder with the unpacked peers: `$WHARF_PEERS`, else the machine's, else the user's. xtask has the same rule.
fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("WHARF_PEERS").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    let shared = PathBuf::from("/var/cache/wharf-peers");
    match std::env::var_os("HOME") {
        Some(home) if !crate::is_root() && !shared.is_dir() => Path::new(&home).join(".cache/wharf-peers"),
        _ => shared,
    }
}

/// Which modes a peer offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modes {
    /// Active and passive.
    #[default]
    Both,
    /// PASV and EPSV are refused.
    ActiveOnly,
    /// PORT and EPRT are refused.
    PassiveOnly,
}

/// How to start a peer. [`new`](Self::new) is 127.0.0.1, any free port, both modes.
#[derive(Clone, Debug)]
pub struct PeerOptions<'a> {
    address: IpAddr,
    port: Option<u16>,
    modes: Modes,
    passive_ports: Option<RangeInclusive<u16>>,
    advertised: Option<Ipv4Addr>,
    from_port_20: bool,
    allows_fxp: bool,
    certificate: Option<&'a TestCertificate>,
    vsftpd_lines: &'a str,
    digests: bool,
    sessions: Option<u32>,
    slow_storage: Duration,
    namespace: Option<&'a NetworkNamespace>,
}

impl Default for PeerOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> PeerOptions<'a> {
    /// 127.0.0.1, any free port, both modes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            port: None,
            modes: Modes::Both,
            passive_ports: None,
            advertised: None,
            from_port_20: false,
            allows_fxp: false,
            certificate: None,
            vsftpd_lines: "",
            digests: false,
            sessions: None,
            slow_storage: Duration::ZERO,
            namespace: None,
        }
    }

    /// Listens at `address`.
    #[must_use]
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = address.into();
        self
    }

    /// Listens at `port`, which must be free: only sure in a namespace.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Offers these modes only; [`PeerKind::supports`] says whether it can.
    #[must_use]
    pub fn modes(mut self, modes: Modes) -> Self {
        self.modes = modes;
        self
    }

    /// Takes its passive ports from this range.
    #[must_use]
    pub fn passive_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.passive_ports = Some(ports);
        self
    }

    /// Names `address` in its 227 replies, as a server behind a NAT does.
    #[must_use]
    pub fn advertised(mut self, address: Ipv4Addr) -> Self {
        self.advertised = Some(address);
        self
    }

    /// vsftpd opens active data connections from port 20, ProFTPD from the control port less one, where they may.
    /// (Pure-FTPd always tries port 20.)
    #[must_use]
    pub fn from_port_20(mut self) -> Self {
        self.from_port_20 = true;
        self
    }

    /// Lets its user exchange files with other servers: PORT to and data from foreign addresses.
    #[must_use]
    pub fn fxp(mut self) -> Self {
        self.allows_fxp = true;
        self
    }

    /// Offers explicit FTPS with this certificate, beside clear sessions. vsftpd and ProFTPD want the data connection's TLS
    /// session resumed. pyftpdlib has none.
    #[must_use]
    pub fn tls(mut self, certificate: &'a TestCertificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Gives vsftpd these lines behind its others: of a directive that is given twice the last one counts.
    #[must_use]
    pub fn vsftpd_lines(mut self, lines: &'a str) -> Self {
        self.vsftpd_lines = lines;
        self
    }

    /// Computes checksums for its clients: ProFTPD does (mod_digest), the others cannot.
    #[must_use]
    pub fn digests(mut self) -> Self {
        self.digests = true;
        self
    }

    /// Lets in at most so many sessions of one address: ProFTPD only.
    #[must_use]
    pub fn sessions(mut self, most: u32) -> Self {
        self.sessions = Some(most);
        self
    }

    /// Takes so long to close a file that was uploaded, before it confirms that: pyftpdlib only.
    #[must_use]
    pub fn slow_storage(mut self, time: Duration) -> Self {
        self.slow_storage = time;
        self
    }

    /// Runs in `namespace`; so must whoever talks to it.
    #[must_use]
    pub fn namespace(mut self, namespace: &'a NetworkNamespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.namespace {
            Some(namespace) => namespace.enter(work),
            None => work(),
        }
    }
}

/// A running server.
pub struct Peer {
    /// Which.
    pub kind: PeerKind,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its user sees as `/`.
    pub root: PathBuf,
    /// The name to log in with.
    pub user: &'static str,
    /// The password of that user.
    pub password: &'static str,
    /// The directory below the root, with its path from there, where the user may write: [`UP`].
    pub writable_dir: &'static str,
    process: Background,
    // After the process, so that it goes last.
    directory: TestDirectory,
}

/// What the configuration of a peer is made from.
struct Setup<'a> {
    options: &'a PeerOptions<'a>,
    address: SocketAddr,
    /// The unpacked server.
    installed: PathBuf,
    /// For configuration, logs and sockets.
    directory: &'a TestDirectory,
    root: &'a Path,
    account: Account,
}

impl Setup<'_> {
    /// `openssl passwd`: the hash of [`PASSWORD`] as crypt(3) has it.
    fn password_hash(&self) -> String {
        let hashed = run(Command::new("openssl").args(["passwd", "-6", "-salt", "wharf", PASSWORD]));
        hashed.assert_success().output().trim().to_owned()
    }

    fn program(&self, path: &str) -> Command {
        Command::new(self.installed.join(path))
    }
}

const USER: &str = "test";
const PASSWORD: &str = "secret";

impl Peer {
    /// Starts `kind`, or notes why the calling test is skipped and returns `None`.
    #[must_use]
    #[track_caller]
    pub fn start_or_skip(kind: PeerKind, options: &PeerOptions<'_>) -> Option<Self> {
        if let Some(reason) = kind.missing() {
            skipping::skip(&reason);
            return None;
        }
        if options.address.is_ipv6() && options.namespace.is_none() && !ports::has_ipv6() {
            skipping::skip("no IPv6 on loopback");
            return None;
        }
        Some(Self::start(kind, options))
    }

    /// Starts vsftpd.
    #[must_use]
    #[track_caller]
    pub fn vsftpd(options: &PeerOptions<'_>) -> Self {
        Self::start(PeerKind::Vsftpd, options)
    }

    /// Starts ProFTPD.
    #[must_use]
    #[track_caller]
    pub fn proftpd(options: &PeerOptions<'_>) -> Self {
        Self::start(PeerKind::Proftpd, options)
    }

    /// Starts Pure-FTPd.
    #[must_use]
    #[track_caller]
    pub fn pure_ftpd(options: &PeerOptions<'_>) -> Self {
        Self::start(PeerKind::PureFtpd, options)
    }

    /// Starts pyftpdlib.
    #[must_use]
    #[track_caller]
    pub fn pyftpdlib(options: &PeerOptions<'_>) -> Self {
        Self::start(PeerKind::Pyftpdlib, options)
    }

    /// Starts `kind` and waits until it greets.
    ///
    /// # Panics
    /// When it cannot be started, with what it said.
    #[must_use]
    #[track_caller]
    pub fn start(kind: PeerKind, options: &PeerOptions<'_>) -> Self {
        if let Some(reason) = kind.missing() {
            panic!("{reason}");
        }
        assert!(kind.supports(options.modes), "{kind} has no switch for {:?}", options.modes);
        // Another test may take the free port first.
        let mut last = String::new();
        for _ in 0..3 {
            let port = options.port.unwrap_or_else(|| options.inside(|| ports::free_port(options.address)));
            match Self::try_start(kind, options, SocketAddr::new(options.address, port)) {
                Ok(peer) => return peer,
                Err(error) => last = error,
            }
        }
        panic!("{kind} does not start: {last}");
    }

    fn try_start(kind: PeerKind, options: &PeerOptions<'_>, address: SocketAddr) -> Result<Self, String> {
        let directory = TestDirectory::new();
        let account = Account::of_system();
        let root = fill(&directory, &account);
        let installed = cache().join(kind.folder());
        let setup = Setup { options, address, installed, directory: &directory, root: &root, account };
        let command = match kind {
            PeerKind::Vsftpd => vsftpd::command(&setup),
            PeerKind::Proftpd => proftpd::command(&setup),
            PeerKind::PureFtpd => pure_ftpd::command(&setup),
            PeerKind::Pyftpdlib => pyftpdlib::command(&setup),
        };
        let mut command = match options.namespace {
            Some(namespace) => namespace.adopt(&command),
            None => command,
        };
        let mut process = Background::start(&mut command);
        let (user, password) = match kind {
            PeerKind::Vsftpd => ("anonymous", "test@example.net"),
            _ => (USER, PASSWORD),
        };
        options.inside(|| wait_for_greeting(&mut process, address))?;
        Ok(Self { kind, address, root, user, password, writable_dir: UP, process, directory })
    }

    /// `ftp://user:password@host:port/path`; `path` is percent-encoded as needed.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let user = self.user.replace('@', "%40");
        let password = self.password.replace('@', "%40");
        format!("ftp://{user}:{password}@{}/{}", self.address, clients::url_path(path))
    }

    /// vsftpd's configuration file.
    #[must_use]
    pub fn vsftpd_conf(&self) -> PathBuf {
        self.directory.join(vsftpd::FILE)
    }

    /// The server's first process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// What the server has printed so far, for the message of a failed test.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{:?}", self.process)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {:?}", self.kind, self.address, self.process)
    }
}

/// Makes the root and what is in it; all of it belongs to the account that sessions run as, but not the root itself:
/// vsftpd refuses one that can be written to.
pub(crate) fn fill(directory: &TestDirectory, account: &Account) -> PathBuf {
    let root = directory.make_directory("root");
    for (name, content) in CONTENT {
        directory.write(Path::new("root").join(name), content);
    }
    directory.write("root/empty", "");
    directory.write(Path::new("root").join(BIG.0), sample(BIG.1));
    directory.make_directory(Path::new("root").join(UP));
    if crate::is_root() {
        give_away(&root, account);
        std::os::unix::fs::chown(&root, Some(0), Some(0)).unwrap();
    }
    root
}

fn give_away(path: &Path, account: &Account) {
    std::os::unix::fs::lchown(path, Some(account.user), Some(account.group)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give_away(&entry.unwrap().path(), account);
        }
    }
}

fn wait_for_greeting(process: &mut Background, address: SocketAddr) -> Result<(), String> {
    let deadline = Instant::now() + START_LIMIT;
    let mut last = String::new();
    while Instant::now() < deadline {
        match greeting(address) {
            // Somebody else's server could be at this port, and ours have failed for that reason.
            Ok(line) if line.starts_with("220") && process.is_running() => return Ok(()),
            Ok(line) => last = format!("it greets with {line:?}"),
            Err(error) => last = error.to_string(),
        }
        if !process.is_running() {
            return Err(format!("it ended at once ({last})\n{process:?}"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(format!("no greeting at {address} ({last})\n{process:?}"))
}

fn greeting(address: SocketAddr) -> std::io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}

/// The account that is not root and that the peers' sessions run as.
pub(crate) struct Account {
    name: String,
    user: u32,
    group: u32,
    group_name: String,
}

impl Account {
    /// One that every Linux has. vsftpd wants its home to be there, and that of nobody often is not.
    pub(crate) fn of_system() -> Self {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let users: Vec<Vec<&str>> = users.lines().map(|line| line.split(':').collect()).collect();
        let usable =
            |fields: &&Vec<&str>| fields.len() == 7 && fields[2] != "0" && Path::new(fields[5]).is_dir();
        let named = |name| users.iter().filter(usable).find(|fields| fields[0] == name);
        let preferred = ["nobody", "daemon", "bin"].into_iter().find_map(named);
        let fields =
            preferred.or_else(|| users.iter().find(usable)).expect("/etc/passwd has a user with a home");
        Self {
            name: fields[0].to_owned(),
            user: fields[2].parse().unwrap(),
            group: fields[3].parse().unwrap(),
            group_name: group_name(fields[3]),
        }
    }
}

fn group_name(number: &str) -> String {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let found = groups.lines().find(|line| line.split(':').nth(2) == Some(number));
    found.and_then(|line| line.split(':').next()).unwrap_or("nogroup").to_owned()
}

#[cfg(test)]
mod tests;
