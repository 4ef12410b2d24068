//! Landlock (Linux 5.13 or later): after its start the process reaches the directories that it serves and the files that
//! its configuration names, and nothing else, whatever a client might find to make it do.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use wharf_server::ServerConfig;
use wharf_server::auth::UserSettings;

use crate::config::Configuration;
use crate::config::values::Sandbox;
use crate::state;

/// The newest rights that are asked for; an older kernel grants what it knows.
const NEWEST: ABI = ABI::V5;
/// What a running server looks up: names (resolv.conf may lead into /run), time zones, the kernel's lists, randomness.
const SYSTEM: [&str; 8] = [
    "/etc",
    "/proc",
    "/usr/share",
    "/dev/urandom",
    "/run/systemd",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/sys/devices/system/cpu",
];

/// What is within reach.
#[derive(Debug)]
pub(crate) struct Reach {
    /// Directories that may be written.
    writable: Vec<PathBuf>,
    /// Files and directories that may be read.
    readable: Vec<PathBuf>,
    /// Whether programs may be started, for which everything may be read.
    programs: bool,
}

impl Reach {
    /// What this configuration needs.
    pub(crate) fn of(configuration: &Configuration, config: &ServerConfig, file: Option<&Path>) -> Self {
        let roots = config.accounts.users.iter().map(|user| &*user.settings);
        let ask = config.accounts.ask.as_ref().map(|ask| &ask.base);
        let settings = roots.chain(config.accounts.anonymous.as_deref()).chain(ask);
        let roots = settings.filter_map(|settings: &UserSettings| settings.root.as_deref()).map(above_names);
        // A log that was moved away is made anew in its directory; a certificate that is renewed, too.
        let logs =
            configuration.log.xferlog.iter().chain(&configuration.log.file).filter_map(|log| folder(log));
        let state = state::directory().filter(|_| configuration.tls.self_signed);
        let writable = configuration.root.iter().cloned().chain(roots).chain(logs).chain(state);
        let named = configuration.tls.certificate.0.iter().chain(&configuration.tls.key.0);
        let named = named.chain(&configuration.users.file).chain(&configuration.admin.token_file);
        let passwords =
            configuration.users.accounts.iter().filter_map(|account| account.password_file.as_ref());
        let named = named.chain(passwords).map(PathBuf::as_path).chain(file).filter_map(folder);
        Self {
            writable: sorted(writable),
            readable: sorted(SYSTEM.map(PathBuf::from).into_iter().chain(named)),
            programs: !configuration.users.ask_program.is_empty(),
        }
    }

    /// What of this is out of the reach of `other`.
    pub(crate) fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Path> {
        let within = |path: &Path, places: &[PathBuf]| places.iter().any(|place| path.starts_with(place));
        let writable = self.writable.iter().filter(move |path| !within(path, &other.writable));
        let readable = self.readable.iter().filter(move |path| {
            !other.programs && !within(path, &other.readable) && !within(path, &other.writable)
        });
        writable.chain(readable).map(PathBuf::as_path)
    }
}

/// Shuts the process in, as the configuration wants it. Must be called before other threads are there. Whether it is done.
///
/// # Errors
/// When it is required and the kernel cannot do it.
pub(crate) fn enter(wanted: Sandbox, reach: &Reach) -> Result<bool> {
    if wanted == Sandbox::Off {
        return Ok(false);
    }
    let level =
        if wanted == Sandbox::Require { CompatLevel::HardRequirement } else { CompatLevel::BestEffort };
    let all = AccessFs::from_all(NEWEST);
    let programs = reach.programs.then_some("/");
    let entered = || -> Result<RulesetStatus, landlock::RulesetError> {
        let reading = AccessFs::from_read(NEWEST);
        let restricted = Ruleset::default()
            // Of a kernel that has Landlock at all, what it knows; the first version is what is required.
            .set_compatibility(level)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .create()?
            .add_rules(path_beneath_rules(&reach.readable, reading & !AccessFs::Execute))?
            .add_rules(path_beneath_rules(&reach.writable, all & !AccessFs::Execute))?
            .add_rules(path_beneath_rules(["/dev/null"], reading | AccessFs::WriteFile))?
            .add_rules(path_beneath_rules(programs, reading))?
            .restrict_self()?;
        Ok(restricted.ruleset)
    };
    match entered() {
        Ok(RulesetStatus::NotEnforced) if wanted == Sandbox::Require => {
            anyhow::bail!("sandbox = \"require\": this kernel has no Landlock, or it is switched off")
        }
        Ok(status) => Ok(status != RulesetStatus::NotEnforced),
        Err(error) if wanted == Sandbox::Require => Err(error).context("sandbox = \"require\""),
        Err(error) => {
            tracing::warn!(%error, "the server is not shut in");
            Ok(false)
        }
    }
}

/// The directory above the first `%u` of a root, or the root itself.
fn above_names(root: &Path) -> PathBuf {
    let has_name = |path: &Path| path.to_string_lossy().contains("%u");
    root.ancestors().find(|ancestor| !has_name(ancestor)).unwrap_or(Path::new("/")).to_owned()
}

fn folder(file: &Path) -> Option<PathBuf> {
    file.parent().map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder.to_owned() })
}

/// In the form in which the kernel knows them, each once.
fn sorted(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = paths.into_iter().map(|path| path.canonicalize().unwrap_or(path)).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(writable: &[&str], readable: &[&str]) -> Reach {
        let owned = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        Reach { writable: owned(writable), readable: owned(readable), programs: false }
    }

    #[test]
    fn what_a_reload_adds_is_told_from_what_was_there() {
        let before = reach(&["/srv"], &["/etc"]);
        let beyond = |now: &Reach| now.beyond(&before).map(Path::to_owned).collect::<Vec<_>>();
        assert_eq!(beyond(&reach(&["/srv/ftp"], &["/etc/wharf", "/srv/keys"])), [""; 0].map(PathBuf::from));
        assert_eq!(beyond(&reach(&["/srv", "/mnt"], &["/opt"])), ["/mnt", "/opt"].map(PathBuf::from));
        assert_eq!(
            beyond(&reach(&["/etc"], &[])),
            ["/etc"].map(PathBuf::from),
            "what was read cannot be written"
        );
    }

    #[test]
    fn the_place_of_all_users_is_above_their_names() {
        assert_eq!(above_names(Path::new("/srv/%u/in")), Path::new("/srv"));
        assert_eq!(above_names(Path::new("/srv/x-%u")), Path::new("/srv"));
        assert_eq!(above_names(Path::new("/srv/ftp")), Path::new("/srv/ftp"));
    }
}
