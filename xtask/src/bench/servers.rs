//! The servers that are compared, what they serve, and the processor time that they use.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions, UP};
use wharf_testkit::process::Background;
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

/// The large file, in bytes.
const LARGE: usize = 256 * 1024 * 1024;
const SMALL_FILES: usize = 1000;
const LISTED_FILES: usize = 10_000;
/// Longest wait for the floor.
const START: Duration = Duration::from_secs(10);
/// The kernel tells processor time in these (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// What all of them serve: made once, and linked into each server's directory.
pub(super) struct Content {
    directory: TestDirectory,
}

impl Content {
    pub(super) fn new() -> Result<Self> {
        let directory = TestDirectory::new();
        let mut large = fs::File::create(directory.join("large"))?;
        let piece = sample(LARGE / 16);
        for _ in 0..16 {
            large.write_all(&piece)?;
        }
        for (folder, count, size) in [("small", SMALL_FILES, 1024), ("list", LISTED_FILES, 0)] {
            directory.make_directory(folder);
            let content = sample(size);
            for index in 0..count {
                fs::write(directory.join(folder).join(format!("entry-{index:06}.dat")), &content)?;
            }
        }
        Ok(Self { directory })
    }

    /// As `bench` below `place`.
    fn link_into(&self, place: &Path) -> Result<()> {
        link(self.directory.path(), &place.join("bench"))
    }
}

fn link(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true => link(&from, &to)?,
            false => fs::hard_link(&from, &to).with_context(|| format!("cannot link {}", to.display()))?,
        }
    }
    Ok(())
}

/// A server that runs.
pub(super) struct Server {
    pub(super) name: String,
    /// `ftp://user:password@host:port/`, and the directory that may be written to.
    base: String,
    process: u32,
    _running: Running,
}

/// What ends it when it goes.
enum Running {
    Peer { _peer: Box<Peer> },
    Wharf { _served: Box<Served>, _directory: TestDirectory },
    Floor { _program: Background, _directory: TestDirectory },
}

impl Server {
    /// Starts the server of that name; the inner error is why it cannot be had here.
    pub(super) fn start(
        name: &str,
        wharf: &Path,
        namespace: &NetworkNamespace,
        content: &Content,
        certificate: Option<&TestCertificate>,
    ) -> Result<Result<Self, String>> {
        let kind = match name {
            "wharf" => return Self::wharf(wharf, namespace, content, certificate).map(Ok),
            "vsftpd" => PeerKind::Vsftpd,
            "proftpd" => PeerKind::Proftpd,
            "pure-ftpd" => PeerKind::PureFtpd,
            "pyftpdlib" if certificate.is_some() => return Ok(Err("it is started without TLS".to_owned())),
            "pyftpdlib" => PeerKind::Pyftpdlib,
            _ => bail!("there is no server {name}"),
        };
        if let Some(reason) = kind.missing() {
            return Ok(Err(reason));
        }
        let mut options = PeerOptions::new().namespace(namespace);
        if let Some(certificate) = certificate {
            options = options.tls(certificate);
        }
        let peer = Peer::start(kind, &options);
        content.link_into(&peer.root.join(UP))?;
        let (base, process) = (format!("{}/", peer.url(peer.writable_dir)), peer.process_id());
        Ok(Ok(Self {
            name: kind.to_string(),
            base,
            process,
            _running: Running::Peer { _peer: Box::new(peer) },
        }))
    }

    fn wharf(
        wharf: &Path,
        namespace: &NetworkNamespace,
        content: &Content,
        certificate: Option<&TestCertificate>,
    ) -> Result<Self> {
        let directory = TestDirectory::new();
        content.link_into(directory.path())?;
        let mut command = Command::new(wharf);
        command.arg("serve").arg(directory.path()).args([
            "--listen",
            "127.0.0.1:0",
            "--anonymous",
            "--write",
        ]);
        match certificate {
            Some(certificate) => command.args(certificate.flags()),
            None => command.args(["--tls", "off"]),
        };
        let mut served = Served::from_command(&mut namespace.adopt(&command));
        let (base, process) = (format!("ftp://{}/", served.address()), served.program().id());
        let running = Running::Wharf { _served: Box::new(served), _directory: directory };
        Ok(Self { name: "wharf".to_owned(), base, process, _running: running })
    }

    /// Starts the floor.
    pub(super) fn floor(
        program: &Path,
        namespace: &NetworkNamespace,
        content: &Content,
        certificate: Option<&TestCertificate>,
    ) -> Result<Self> {
        let directory = TestDirectory::new();
        content.link_into(directory.path())?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777))?;
        let port = namespace.enter(|| wharf_testkit::free_port(std::net::Ipv4Addr::LOCALHOST.into()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.arg("--port").arg(port.to_string()).arg("--root").arg(directory.path());
        if let Some(certificate) = certificate {
            command.arg("--cert").arg(certificate.certificate()).arg("--key").arg(certificate.key());
        }
        let program = Background::start(&mut namespace.adopt(&command));
        let until = Instant::now() + START;
        while namespace.enter(|| TcpStream::connect(address).is_err()) {
            if Instant::now() > until {
                bail!("the floor does not listen: {program:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        let process = program.id();
        let running = Running::Floor { _program: program, _directory: directory };
        Ok(Self { name: "floor".to_owned(), base: format!("ftp://{address}/"), process, _running: running })
    }

    /// Where `path` is.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Adds what is to be seen of its processes' time to `seen`.
    pub(super) fn observe(&self, seen: &mut ProcessorTime) {
        let mut processes = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
            let Some(id) = id else { continue };
            let stat = fs::read_to_string(entry.path().join("stat")).ok();
            if let Some(process) = stat.and_then(|stat| Process::parse(&stat)) {
                processes.insert(id, process);
            }
        }
        let mut whole = 0;
        for (&id, process) in &processes {
            // Whose parent has ended has still the group; who has a group of its own has still the parent.
            let lines = std::iter::successors(Some((id, process)), |(_, process)| {
                processes.get(&process.parent).map(|parent| (process.parent, parent))
            });
            if lines.take(8).any(|(id, process)| id == self.process || process.group == self.process) {
                whole += process.own + process.ended;
                seen.own.insert(id, process.own);
            }
        }
        seen.whole = seen.whole.max(whole);
    }
}

/// The processor time of a server's processes.
///
/// vsftpd waits for none of its sessions, whose time is lost with them: so it is looked at while they live. Sessions that are
/// too short for that, of logins, are in what their parents have waited for. The larger of the two is nearer to the truth.
#[derive(Debug, Default)]
pub(super) struct ProcessorTime {
    /// Of each process, as it was seen last.
    own: HashMap<u32, u64>,
    /// Of all at one moment, with their children that were waited for.
    whole: u64,
}

impl ProcessorTime {
    /// Seconds that were used since `before`.
    pub(super) fn since(&self, before: &Self) -> f64 {
        let own = |seen: &Self| seen.own.values().sum::<u64>();
        let ticks = self.whole.saturating_sub(before.whole).max(own(self).saturating_sub(own(before)));
        ticks as f64 / TICKS_A_SECOND
    }
}

/// One process.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    group: u32,
    /// Its own ticks.
    own: u64,
    /// Those of its children that have ended and were waited for.
    ended: u64,
}

impl Process {
    /// proc_pid_stat(5): behind the name in parentheses come state, parent and group, and, 11 to 14 fields on, the times.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            group: u32::try_from(number(2)?).ok()?,
            own: number(11)? + number(12)?,
            ended: number(13)? + number(14)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_whatever_the_name() {
        let stat = "7 (a b) c) S 1 3 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!(Process::parse(stat), Some(Process { parent: 1, group: 3, own: 30, ended: 70 }));
        assert_eq!(Process::parse("7 (x) S"), None);
    }
}
