//! The servers that play the peer, unpacked side by side into a cache folder.
//!
//! Debian's packages of vsftpd, ProFTPD and Pure-FTPd conflict with one another and start daemons, so they are
//! downloaded and unpacked: no script of theirs is ever run. Their shared libraries are installed the usual way.
//! `wharf-testkit` looks for them at the same places (its `peers` module).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::install;
use crate::run;

/// A server, and what it is made of.
pub(super) struct Peer {
    /// Its folder in the cache.
    name: &'static str,
    /// A file that is there when it is unpacked, below the folder; any one of them will do.
    proof: &'static [&'static str],
    source: Source,
}

enum Source {
    /// Debian packages, all into one folder.
    Packages(&'static [&'static str]),
    /// Packages for Python.
    Python(&'static [&'static str]),
}

const PEERS: &[Peer] = &[
    Peer { name: "vsftpd", proof: &["usr/sbin/vsftpd"], source: Source::Packages(&["vsftpd"]) },
    Peer {
        name: "proftpd",
        proof: &["usr/sbin/proftpd"],
        source: Source::Packages(&["proftpd-core", "proftpd-mod-crypto"]),
    },
    Peer {
        name: "pure-ftpd",
        proof: &["usr/sbin/pure-ftpd"],
        source: Source::Packages(&["pure-ftpd", "pure-ftpd-common"]),
    },
    Peer {
        name: "pyftpdlib",
        proof: &["bin/pip", "site/pyftpdlib/__init__.py"],
        // PyOpenSSL is what it does TLS with.
        source: Source::Python(&["pyftpdlib", "PyOpenSSL"]),
    },
    Peer {
        name: "proxies",
        proof: &["usr/bin/microsocks"],
        source: Source::Packages(&["microsocks", "tinyproxy-bin"]),
    },
];

/// The cache folder: `$WHARF_PEERS`, else one of the machine for root, else one of the user.
pub(super) fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("WHARF_PEERS").filter(|folder| !folder.is_empty()) {
        return folder.into();
    }
    let shared = PathBuf::from("/var/cache/wharf-peers");
    if run::is_root() || shared.is_dir() {
        return shared;
    }
    match std::env::var_os("HOME") {
        Some(home) => Path::new(&home).join(".cache/wharf-peers"),
        None => std::env::temp_dir().join("wharf-peers"),
    }
}

/// The peers that are not unpacked yet.
pub(super) fn missing() -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| !peer.is_installed(&cache())).collect()
}

impl Peer {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Python's packages go where the user may write; Debian's need libraries that only root can install.
    pub(super) fn needs_no_root(&self) -> bool {
        matches!(self.source, Source::Python(_))
    }

    fn is_installed(&self, cache: &Path) -> bool {
        self.proof.iter().any(|file| cache.join(self.name).join(file).exists())
    }

    /// Unpacks it beside its place and moves it there when it is complete, so that a broken download leaves nothing.
    pub(super) fn install(&self) -> Result<()> {
        let cache = cache();
        let (place, draft) = (cache.join(self.name), cache.join(format!("{}.new", self.name)));
        for old in [&place, &draft] {
            if old.exists() {
                fs::remove_dir_all(old)?;
            }
        }
        fs::create_dir_all(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
        match &self.source {
            Source::Packages(packages) => {
                unpack(packages, &draft)?;
                fs::rename(&draft, &place)?;
            }
            // A virtual environment knows its own path, so it is made where it stays.
            Source::Python(packages) => {
                fs::remove_dir_all(&draft)?;
                if let Err(error) = python(packages, &place) {
                    let _ = fs::remove_dir_all(&place);
                    return Err(error);
                }
            }
        }
        ensure!(self.is_installed(&cache), "{} is not what it was expected to be", place.display());
        Ok(())
    }
}

fn unpack(packages: &[&str], place: &Path) -> Result<()> {
    let downloads = place.join("packages");
    fs::create_dir_all(&downloads)?;
    // apt fetches as its own user where that user can write, and says so at length where it cannot.
    install::with_fresh_lists(|| {
        let mut command = install::apt_get();
        command
            .args(["download", "-qq", "-o", "APT::Sandbox::User=root"])
            .args(packages)
            .current_dir(&downloads);
        command
    })?;
    let mut libraries = BTreeSet::new();
    for file in fs::read_dir(&downloads)? {
        let file = file?.path();
        run::succeed(Command::new("dpkg").arg("-x").arg(&file).arg(place))?;
        let Some(depends) = run::output(Command::new("dpkg-deb").arg("-f").arg(&file).arg("Depends")) else {
            bail!("{} says nothing of what it depends on", file.display());
        };
        libraries.extend(libraries_of(&depends));
    }
    let libraries: Vec<&str> = libraries.iter().map(String::as_str).collect();
    install::install(&libraries)
}

/// The shared libraries in a `Depends:` field. The rest is for a real installation: users, init scripts, debconf.
/// Reading them here, instead of naming them, works for every release: libhiredis0.14 is libhiredis1.1.0 in the next.
fn libraries_of(depends: &str) -> Vec<String> {
    let first_choices = depends.split(',').filter_map(|entry| entry.split('|').next());
    let names = first_choices.filter_map(|entry| entry.split_whitespace().next());
    names
        .map(|name| name.split(':').next().unwrap_or(name))
        .filter(|name| name.starts_with("lib"))
        .map(str::to_owned)
        .collect()
}

fn python(packages: &[&str], place: &Path) -> Result<()> {
    ensure!(run::find_program("python3").is_some(), "python3 is missing");
    let environment = run::watch(Command::new("python3").args(["-m", "venv"]).arg(place))?.0;
    if environment.success() && place.join("bin/pip").exists() {
        return run::succeed(pip(Command::new(place.join("bin/pip"))).args(packages));
    }
    // Debian splits ensurepip off: the packages can still lie in a folder of their own.
    let mut command = Command::new("python3");
    command.args(["-m", "pip"]);
    run::succeed(pip(command).arg("--target").arg(place.join("site")).args(packages))
}

fn pip(mut command: Command) -> Command {
    command.args(["install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_are_taken_from_what_a_package_depends_on() {
        let depends = "debconf (>= 0.5) | debconf-2.0, adduser, libc6 (>= 2.34), libwrap0 (>= 7.6-4~), perl:any, libpam0g:any | x";
        assert_eq!(libraries_of(depends), ["libc6", "libwrap0", "libpam0g"]);
    }
}
