//! The servers that are compared, and what they serve.

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

use super::processes::Family;
use super::rows;

/// The large file, in bytes.
const LARGE: usize = 256 * 1024 * 1024;
/// Directories of files: where, how many, and how large each is, in bytes.
const DIRECTORIES: &[(&str, usize, usize)] =
    &[(rows::SMALL, 1_000, 1024), (rows::LIST, 10_000, 0), (rows::LONG_LIST, 100_000, 0)];
/// Longest wait for the floor.
const START: Duration = Duration::from_secs(10);
/// By what the floor is called.
pub(super) const FLOOR: &str = "floor";

/// What all of them serve: made once, and linked into each server's directory.
pub(super) struct Content {
    directory: TestDirectory,
}

impl Content {
    /// With what lies at these places.
    pub(super) fn new(places: &[&str]) -> Result<Self> {
        let directory = TestDirectory::new();
        if places.contains(&rows::LARGE) {
            write_large(&directory.join("large"), LARGE)?;
        }
        for (place, count, size) in DIRECTORIES.iter().filter(|(place, ..)| places.contains(place)) {
            let folder = directory.make_directory(Path::new(place).file_name().unwrap_or_default());
            write_many(&folder, *count, *size)?;
        }
        Ok(Self { directory })
    }

    /// As `bench` below `place`.
    pub(super) fn link_into(&self, place: &Path) -> Result<()> {
        link(self.directory.path(), &place.join("bench"))
    }
}

/// Writes a file of so many bytes.
pub(super) fn write_large(file: &Path, size: usize) -> Result<()> {
    let mut large = fs::File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
    let piece = sample(size / 16);
    for _ in 0..16 {
        large.write_all(&piece)?;
    }
    Ok(())
}

/// Writes so many files of so many bytes.
pub(super) fn write_many(folder: &Path, count: usize, size: usize) -> Result<()> {
    let content = sample(size);
    for index in 0..count {
        fs::write(folder.join(format!("entry-{index:06}.dat")), &content)
            .with_context(|| format!("cannot make files in {}", folder.display()))?;
    }
    Ok(())
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

/// What starts servers.
pub(super) struct Launcher<'a> {
    /// Our binary.
    pub(super) wharf: &'a Path,
    /// The program that does nothing but what must be done.
    pub(super) floor: Option<&'a Path>,
    pub(super) namespace: &'a NetworkNamespace,
    /// Under TLS.
    pub(super) certificate: Option<&'a TestCertificate>,
}

/// A server that runs.
pub(super) struct Server {
    /// By what it is chosen.
    pub(super) name: String,
    /// As the table has it.
    pub(super) title: String,
    /// Where what it may write to lies on this machine.
    pub(super) place: PathBuf,
    pub(super) processes: Family,
    pub(super) address: SocketAddr,
    /// `ftp://user:password@host:port/`, and the directory that may be written to.
    base: String,
    _running: Running,
}

/// What ends it when it goes.
enum Running {
    Peer { _peer: Box<Peer> },
    Wharf { _served: Box<Served>, _directory: TestDirectory },
    Floor { _program: Background, _directory: TestDirectory },
}

impl Launcher<'_> {
    /// Starts the server of that name, with what `fill` puts into its directory: before it starts, where that is ours. The inner
    /// error is why it cannot be had here.
    pub(super) fn start(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Result<Server, String>> {
        let kind = match name {
            FLOOR => return self.floor(fill).map(Ok),
            "wharf" => return self.wharf(fill).map(Ok),
            "vsftpd" => PeerKind::Vsftpd,
            "proftpd" => PeerKind::Proftpd,
            "pure-ftpd" => PeerKind::PureFtpd,
            "pyftpdlib" if self.certificate.is_some() => {
                return Ok(Err("it is started without TLS".to_owned()));
            }
            "pyftpdlib" => PeerKind::Pyftpdlib,
            _ => bail!("there is no server {name}"),
        };
        if let Some(reason) = kind.missing() {
            return Ok(Err(reason));
        }
        let mut options = PeerOptions::new().namespace(self.namespace);
        if let Some(certificate) = self.certificate {
            options = options.tls(certificate);
        }
        let peer = Peer::start(kind, &options);
        let place = peer.root.join(UP);
        fill(&place)?;
        Ok(Ok(Server {
            name: name.to_owned(),
            title: kind.to_string(),
            place,
            processes: Family { first: peer.process_id() },
            address: peer.address,
            base: format!("{}/", peer.url(peer.writable_dir)),
            _running: Running::Peer { _peer: Box::new(peer) },
        }))
    }

    fn wharf(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Server> {
        let directory = TestDirectory::new();
        fill(directory.path())?;
        let mut command = Command::new(self.wharf);
        command.arg("serve").arg(directory.path()).args([
            "--listen",
            "127.0.0.1:0",
            "--anonymous",
            "--write",
        ]);
        match self.certificate {
            Some(certificate) => command.args(certificate.flags()),
            None => command.args(["--tls", "off"]),
        };
        let mut served = Served::from_command(&mut self.namespace.adopt(&command));
        let (address, first) = (served.address(), served.program().id());
        Ok(Server {
            name: "wharf".to_owned(),
            title: "wharf".to_owned(),
            place: directory.path().to_owned(),
            processes: Family { first },
            address,
            base: format!("ftp://{address}/"),
            _running: Running::Wharf { _served: Box::new(served), _directory: directory },
        })
    }

    fn floor(&self, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Server> {
        let Some(program) = self.floor else { bail!("which program is the floor? --floor FILE says so") };
        let directory = TestDirectory::new();
        fill(directory.path())?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777))?;
        let port = self.namespace.enter(|| wharf_testkit::free_port(std::net::Ipv4Addr::LOCALHOST.into()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.arg("--port").arg(port.to_string()).arg("--root").arg(directory.path());
        if let Some(certificate) = self.certificate {
            command.arg("--cert").arg(certificate.certificate()).arg("--key").arg(certificate.key());
        }
        let program = Background::start(&mut self.namespace.adopt(&command));
        let until = Instant::now() + START;
        while self.namespace.enter(|| TcpStream::connect(address).is_err()) {
            if Instant::now() > until {
                bail!("the floor does not listen: {program:?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Server {
            name: FLOOR.to_owned(),
            title: FLOOR.to_owned(),
            place: directory.path().to_owned(),
            processes: Family { first: program.id() },
            address,
            base: format!("ftp://{address}/"),
            _running: Running::Floor { _program: program, _directory: directory },
        })
    }
}

impl Server {
    /// Where `path` is.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
