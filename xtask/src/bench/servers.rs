//! The servers that are compared, what they serve, and the processor time that they use.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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

    /// Seconds of processor time that it and all that it started have used; those of children that have ended are their
    /// parents'.
    pub(super) fn processor_time(&self) -> f64 {
        let mut parents: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
        let mut total = 0;
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Some((parent, ticks)) = read_process(&entry.path().join("stat")) else { continue };
            if id == self.process {
                total += ticks;
            }
            parents.entry(parent).or_default().push((id, ticks));
        }
        let mut left = vec![self.process];
        while let Some(parent) = left.pop() {
            for (child, ticks) in parents.remove(&parent).unwrap_or_default() {
                total += ticks;
                left.push(child);
            }
        }
        total as f64 / TICKS_A_SECOND
    }
}

/// The parent of a process, and its ticks, with those of its children that have ended.
fn read_process(stat: &PathBuf) -> Option<(u32, u64)> {
    parse_process(&fs::read_to_string(stat).ok()?)
}

/// proc_pid_stat(5): behind the name in parentheses come state, parent, and, 11 to 14 fields on, the times.
fn parse_process(stat: &str) -> Option<(u32, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((parent, ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_are_read_whatever_the_name() {
        let stat = "7 (a b) c) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5";
        assert_eq!(parse_process(stat), Some((3, 100)));
        assert_eq!(parse_process("7 (x) S"), None);
    }
}
