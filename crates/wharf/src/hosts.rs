//! What was learnt about servers, in `hosts.toml` of the state directory: which mode worked from which network.
//!
//! Nothing depends on it: without it, or with one that cannot be read, each session finds its way anew.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use wharf_client::memory::Remembered;
use wharf_client::strategy::WorkingMode;
use wharf_proto::dialogue::NegotiationCommand;

use crate::state;

/// Most entries that are kept; the oldest go first.
const MOST: usize = 1000;
/// Most bytes that are read.
const LONGEST: u64 = 1024 * 1024;

/// The whole file.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Hosts {
    #[serde(default, rename = "host")]
    entries: Vec<Entry>,
}

/// What worked with one server from one network.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    /// As it stood in the URL.
    pub(crate) name: String,
    pub(crate) port: u16,
    /// That of this machine at the time.
    pub(crate) network: IpNet,
    /// EPSV, PASV, EPRT or PORT.
    pub(crate) mode: String,
    /// Of PASV: the address in the reply was the one that connected, and not the control peer's.
    #[serde(default)]
    pub(crate) advertised: bool,
    /// What the server says that it can do.
    #[serde(default)]
    pub(crate) features: Vec<String>,
    /// When it was learnt.
    pub(crate) learnt: Timestamp,
}

impl Entry {
    fn remembered(&self) -> Option<Remembered> {
        let command = NegotiationCommand::ALL.into_iter().find(|it| it.to_string() == self.mode)?;
        let mode = WorkingMode { command, advertised: self.advertised };
        Some(Remembered { network: self.network, mode })
    }

    fn is_of(&self, name: &str, port: Option<u16>) -> bool {
        self.name.eq_ignore_ascii_case(name) && port.is_none_or(|port| port == self.port)
    }
}

impl Hosts {
    /// What is there; nothing where there is no file, or none that can be read.
    pub(crate) fn load() -> Self {
        path().and_then(|path| read(&path).ok()).unwrap_or_default()
    }

    /// All entries, by name.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What worked with this server, from whichever network.
    pub(crate) fn remembered(&self, name: &str, port: u16) -> Vec<Remembered> {
        self.entries.iter().filter(|it| it.is_of(name, Some(port))).filter_map(Entry::remembered).collect()
    }
}

/// Writes down what was learnt, in the place of what was known of the same server from the same network.
///
/// # Errors
/// When it cannot be kept; nothing is lost by that but time.
pub(crate) fn learn(entry: Entry) -> io::Result<()> {
    change(|hosts| {
        hosts.entries.retain(|it| !(it.is_of(&entry.name, Some(entry.port)) && it.network == entry.network));
        hosts.entries.push(entry);
        hosts.entries.sort_by_key(|it| it.learnt);
        let surplus = hosts.entries.len().saturating_sub(MOST);
        hosts.entries.drain(..surplus);
        hosts.entries.sort_by(|one, other| (&one.name, one.port).cmp(&(&other.name, other.port)));
    })
}

/// Forgets a server, at `port` or at all ports. Returns how many entries went.
///
/// # Errors
/// When the file cannot be changed.
pub(crate) fn forget(name: &str, port: Option<u16>) -> io::Result<usize> {
    let mut gone = 0;
    change(|hosts| {
        let before = hosts.entries.len();
        hosts.entries.retain(|it| !it.is_of(name, port));
        gone = before - hosts.entries.len();
    })?;
    Ok(gone)
}

fn path() -> Option<PathBuf> {
    state::directory().map(|directory| directory.join("hosts.toml"))
}

fn read(path: &Path) -> io::Result<Hosts> {
    if fs::metadata(path)?.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    toml::from_str(&fs::read_to_string(path)?).map_err(io::Error::other)
}

/// One program at a time changes the file, and whoever reads it sees the old one or the new one.
fn change(edit: impl FnOnce(&mut Hosts)) -> io::Result<()> {
    let path = path().ok_or(io::ErrorKind::NotFound)?;
    let directory = path.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(directory)?;
    let lock = File::create(directory.join("hosts.lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    // One that cannot be read is of no use to anybody.
    let mut hosts = read(&path).unwrap_or_default();
    edit(&mut hosts);
    let text = toml::to_string(&hosts).map_err(io::Error::other)?;
    let draft = directory.join("hosts.toml.new");
    fs::write(&draft, text)?;
    fs::rename(draft, path)
}
