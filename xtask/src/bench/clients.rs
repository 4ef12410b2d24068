//! Clients: ours beside those that people use, with one server.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use wharf_testkit::TestDirectory;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process;

use super::rows::{ClientTask, ClientWork};
use super::servers::{Server, write_large, write_many};
use super::table::Sample;
use crate::run;

/// Of `get` and `put`, in bytes.
const LARGE: usize = 1 << 30;
/// Files of `mirror`, and their size in bytes.
const MANY: usize = 10_000;
const SMALL: usize = 1024;
/// The large file, at either end.
const FILE: &str = "gigabyte";
/// The directory of small files, and the directories in it.
const TREE: &str = "many";
const BRANCHES: usize = 10;
/// Longest time for one of them.
const LIMIT: Duration = Duration::from_secs(300);
/// bash tells times more finely than the kernel's ticks.
const TIMED: &str = r#"TIMEFORMAT='%R %U %S'; time "$@""#;

/// A client, as the table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Wharf,
    Curl,
    Lftp,
    Rclone,
}

impl Client {
    pub(super) const ALL: [Self; 4] = [Self::Wharf, Self::Curl, Self::Lftp, Self::Rclone];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Wharf => "wharf",
            Self::Curl => "curl",
            Self::Lftp => "lftp",
            Self::Rclone => "rclone",
        }
    }

    /// Whether it is compared in that.
    pub(super) fn does(self, task: ClientTask) -> bool {
        match task {
            ClientTask::Get | ClientTask::Put => matches!(self, Self::Wharf | Self::Curl),
            ClientTask::Mirror => self != Self::Curl,
        }
    }

    /// Why it is left out.
    pub(super) fn missing(self) -> Option<String> {
        let is_there = self == Self::Wharf || run::find_program(self.name()).is_some();
        (!is_there).then(|| format!("{0} is not installed (apt-get install {0})", self.name()))
    }
}

/// What the clients need: something to send, and a place for what comes.
pub(super) struct Desk<'a> {
    pub(super) wharf: &'a Path,
    pub(super) namespace: &'a NetworkNamespace,
    directory: TestDirectory,
}

impl<'a> Desk<'a> {
    pub(super) fn new(wharf: &'a Path, namespace: &'a NetworkNamespace) -> Self {
        Self { wharf, namespace, directory: TestDirectory::new() }
    }

    /// Makes what the server has to have, in its directory, or what is sent there.
    pub(super) fn prepare(&self, task: ClientTask, place: &Path) -> Result<()> {
        match task {
            ClientTask::Get => write_large(&place.join(FILE), LARGE),
            ClientTask::Put => write_large(&self.directory.join(FILE), LARGE),
            ClientTask::Mirror => (0..BRANCHES).try_for_each(|branch| {
                let folder = place.join(TREE).join(branch.to_string());
                fs::create_dir_all(&folder)?;
                write_many(&folder, MANY / BRANCHES, SMALL)
            }),
        }
    }

    /// One turn of one client. What came over is looked at: its length, or how many files there are.
    pub(super) fn measure(&self, client: Client, work: &ClientWork, server: &Server) -> Result<Sample> {
        let here = self.directory.join("here");
        match fs::remove_dir_all(&here) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => fs::create_dir(&here).context("no place for what comes")?,
        }
        let arrived = match work.task {
            ClientTask::Get | ClientTask::Mirror => here.join(FILE),
            ClientTask::Put => server.place.join("sent"),
        };
        if work.task == ClientTask::Put && arrived.exists() {
            fs::remove_file(&arrived)?;
        }
        let words = match client {
            Client::Wharf => self.wharf(work, server, &here),
            Client::Curl => self.curl(work, server, &here),
            Client::Lftp => lftp(server, &here),
            Client::Rclone => rclone(server, &here)?,
        };
        let mut command = Command::new("bash");
        command.args(["-c", TIMED, "bash"]).args(words).env("XDG_STATE_HOME", self.directory.path());
        let run = process::run_within(LIMIT, &mut self.namespace.adopt(&command));
        if run.timed_out || run.code() != 0 {
            return Ok(Sample::failed(&run.to_string()));
        }
        let is_whole = match work.task {
            ClientTask::Get | ClientTask::Put => {
                fs::metadata(&arrived).is_ok_and(|metadata| metadata.len() == LARGE as u64)
            }
            ClientTask::Mirror => files_in(&here)? == MANY,
        };
        if !is_whole {
            return Ok(Sample::failed("not everything came over"));
        }
        Ok(times(&run.errors()).unwrap_or_else(|| Sample::failed("bash told no times")))
    }

    fn wharf(&self, work: &ClientWork, server: &Server, here: &Path) -> Vec<String> {
        let tls: &[&str] = if work.tls { &["--tls", "require", "--insecure"] } else { &["--tls", "off"] };
        let specific = match work.task {
            ClientTask::Get => {
                vec!["get".to_owned(), server.url(FILE), "-o".to_owned(), shown(&here.join(FILE))]
            }
            ClientTask::Put => vec!["put".to_owned(), shown(&self.directory.join(FILE)), server.url("sent")],
            ClientTask::Mirror => {
                let tree = server.url(&format!("{TREE}/"));
                vec!["mirror".to_owned(), "-P".to_owned(), "4".to_owned(), tree, shown(here)]
            }
        };
        let program = std::iter::once(shown(self.wharf));
        let flags = tls.iter().chain(&["--quiet"]).map(|flag| (*flag).to_owned());
        program.chain(specific).chain(flags).collect()
    }

    fn curl(&self, work: &ClientWork, server: &Server, here: &Path) -> Vec<String> {
        let mut words = vec!["curl".to_owned(), "--silent".to_owned(), "--show-error".to_owned()];
        if work.tls {
            words.extend(["--ssl-reqd", "--insecure"].map(str::to_owned));
        }
        words.extend(match work.task {
            ClientTask::Put => {
                ["--upload-file".to_owned(), shown(&self.directory.join(FILE)), server.url("sent")]
            }
            _ => ["--output".to_owned(), shown(&here.join(FILE)), server.url(FILE)],
        });
        words
    }
}

fn lftp(server: &Server, here: &Path) -> Vec<String> {
    let script =
        format!("set ftp:ssl-allow no; open {}; mirror --parallel=4 {TREE} {}", server.url(""), shown(here));
    ["lftp", "-c", &script].map(str::to_owned).to_vec()
}

fn rclone(server: &Server, here: &Path) -> Result<Vec<String>> {
    let (user, password, directory) = parts(&server.url(""));
    let hidden = run::output(Command::new("rclone").arg("obscure").arg(&password));
    let hidden = hidden.context("rclone does not obscure a password")?;
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let from = format!(":ftp:{directory}{TREE}");
    let words = [
        "rclone",
        "copy",
        "--config",
        "/dev/null",
        "--transfers",
        "4",
        "--ftp-host",
        &host,
        "--ftp-port",
        &port,
        "--ftp-user",
        &user,
        "--ftp-pass",
        hidden.trim(),
        &from,
        &shown(here),
    ];
    Ok(words.map(str::to_owned).to_vec())
}

/// User, password and path of a URL, with those of anonymous where it has none.
fn parts(url: &str) -> (String, String, String) {
    let rest = url.strip_prefix("ftp://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let login = authority.rsplit_once('@').map_or("anonymous:guest", |(login, _)| login);
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    (user.replace("%40", "@"), password.replace("%40", "@"), path.to_owned())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn files_in(directory: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        count += if entry.file_type()?.is_dir() { files_in(&entry.path())? } else { 1 };
    }
    Ok(count)
}

/// The last line that bash says: seconds by the clock, of the program, and of the kernel for it.
fn times(errors: &str) -> Option<Sample> {
    let numbers: Option<Vec<f64>> =
        errors.lines().last()?.split_whitespace().map(|word| word.parse().ok()).collect();
    let [clock, user, system] = numbers?[..] else { return None };
    Some(Sample { values: vec![Some(clock), Some(user + system)], trouble: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_urls_are_read() {
        let sample = times("a warning\n1.234 0.200 0.300\n").unwrap();
        assert_eq!(sample.values, [Some(1.234), Some(0.5)]);
        assert!(times("").is_none() && times("no times").is_none());
        let named = parts("ftp://me:a%40b@127.0.0.1:2121/up/");
        assert_eq!(named, ("me".to_owned(), "a@b".to_owned(), "up/".to_owned()));
        assert_eq!(parts("ftp://127.0.0.1:2121/").0, "anonymous");
    }
}
