//! Real clients, as commands that give up in time and read no user's configuration.
//!
//! Each is a [`Command`] to which the test adds its own arguments; [`crate::process::run`] runs it.

use std::path::PathBuf;
use std::process::Command;

/// Whether `program` is in PATH, or in the administrators' folders that a plain PATH leaves out.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A command without the user's configuration, and without a proxy. Its home can hold nothing, not even root's.
fn clean(program: &str) -> Command {
    let mut command = Command::new(find(program).unwrap_or_else(|| PathBuf::from(program)));
    command.env("HOME", "/dev/null").env("LC_ALL", "C.UTF-8");
    for proxy in ["ftp_proxy", "FTP_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// GNU Wget: passive, one try; add `--no-passive-ftp` for active mode.
#[must_use]
pub fn wget() -> Command {
    let mut command = clean("wget");
    command.args(["--no-config", "--no-netrc", "--tries=1", "--timeout=10", "--no-verbose"]);
    command
}

/// curl: EPSV then PASV; add `--ftp-port -` for active mode, `--disable-epsv`, `--disable-eprt`.
#[must_use]
pub fn curl() -> Command {
    let mut command = clean("curl");
    command.args([
        "--disable",
        "--silent",
        "--show-error",
        "--globoff",
        "--connect-timeout",
        "10",
        "--max-time",
        "30",
    ]);
    command
}

/// How lftp is to open its data connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LftpMode {
    /// PASV, and EPSV on IPv6.
    Passive,
    /// EPSV wherever it can.
    ExtendedPassive,
    /// PORT, and EPRT on IPv6.
    Active,
}

/// lftp with a script of its own commands, such as `open ftp://…; mirror a b`; the first that fails ends it.
#[must_use]
pub fn lftp(mode: LftpMode, script: &str) -> Command {
    let mut command = clean("lftp");
    let (passive, extended) = match mode {
        LftpMode::Passive => ("yes", "no"),
        LftpMode::ExtendedPassive => ("yes", "yes"),
        LftpMode::Active => ("no", "no"),
    };
    // HOME is where lftp would keep its state; it does without.
    let settings = format!(
        "set net:max-retries 1; set net:timeout 8; set net:reconnect-interval-base 1; set cmd:fail-exit yes; \
         set ftp:passive-mode {passive}; set ftp:prefer-epsv {extended}; set ftp:ssl-allow no; set ftp:sync-mode on; \
         set cmd:interactive no; set dns:order \"inet6 inet\""
    );
    command.arg("--norc").arg("-c").arg(format!("{settings}; {script}"));
    command
}

/// tnftp, which takes URLs to fetch, `-o FILE`, or `-u URL FILE…` to send; add `-A` for active, `-p` for passive mode.
#[must_use]
pub fn tnftp() -> Command {
    let mut command = clean("tnftp");
    command.args(["-n", "-V", "-q", "10"]);
    command
}

/// tnftp with a script of its own commands, a line each, for a user who is logged in by then.
#[must_use]
pub fn tnftp_session(
    address: std::net::SocketAddr,
    active: bool,
    user: &str,
    password: &str,
    script: &str,
) -> Command {
    let tnftp = tnftp();
    let mut command = clean("sh");
    // Its commands come on standard input, which a program in a test does not have.
    command.args(["-c", "printf '%s' \"$1\" | { shift; exec \"$@\"; }", "tnftp"]);
    command.arg(format!("user {user} {password}\n{script}"));
    command.arg(tnftp.get_program()).args(tnftp.get_args());
    command.args([if active { "-A" } else { "-p" }, &address.ip().to_string(), &address.port().to_string()]);
    command
}

/// Python's ftplib: `script` finds a logged-in `ftp` (class `ftplib.FTP`), passive as it is there by default.
///
/// ```no_run
/// # let address = "127.0.0.1:2121".parse().unwrap();
/// wharf_testkit::clients::ftplib(address, "anonymous", "x@", "ftp.set_pasv(False); print(ftp.nlst())");
/// ```
#[must_use]
pub fn ftplib(address: std::net::SocketAddr, user: &str, password: &str, script: &str) -> Command {
    python("ftp = ftplib.FTP(timeout=10)", address, user, password, script)
}

/// As [`ftplib`], over explicit TLS (class `ftplib.FTP_TLS`), data too. It never resumes a session.
#[must_use]
pub fn ftplib_tls(address: std::net::SocketAddr, user: &str, password: &str, script: &str) -> Command {
    let script = format!("ftp.prot_p()\n{script}");
    python("ftp = ftplib.FTP_TLS(timeout=10)", address, user, password, &script)
}

fn python(make: &str, address: std::net::SocketAddr, user: &str, password: &str, script: &str) -> Command {
    let mut command = clean("python3");
    let start = format!(
        "import ftplib, io, sys\n\
         host, port, user, password, script = sys.argv[1:]\n\
         {make}\n\
         ftp.connect(host, int(port))\n\
         ftp.login(user, password)\n\
         exec(script)\n"
    );
    // pyenv's python3 is a script that wants the real home; ftplib reads no configuration there.
    if let Some(home) = std::env::var_os("HOME") {
        command.env("HOME", home);
    }
    command.args([
        "-c",
        &start,
        &address.ip().to_string(),
        &address.port().to_string(),
        user,
        password,
        script,
    ]);
    command
}

/// `name` as the path of a URL: everything but the plainest characters becomes `%NN`.
#[must_use]
pub fn url_path(name: impl AsRef<[u8]>) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    name.as_ref()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Peer, PeerKind, PeerOptions};
    use crate::process::run;

    #[test]
    fn names_become_paths_of_urls() {
        assert_eq!(url_path("a b/\u{e9}.txt"), "a%20b/%C3%A9.txt");
    }

    /// Each client fetches a file and a listing from a real server, which shows that its switches are understood.
    fn fetches_from_a_peer(program: &str, command: impl Fn(&Peer) -> Command) {
        if !is_installed(program) {
            crate::skip!("{program} is not installed");
        }
        let Some(peer) = Peer::start_or_skip(PeerKind::Pyftpdlib, &PeerOptions::new()) else { return };
        let run = run(&mut command(&peer));
        assert!(run.assert_success().output().contains("hello, world"), "{run}");
    }

    #[test]
    fn wget_fetches_from_a_peer() {
        fetches_from_a_peer("wget", |peer| {
            let mut command = wget();
            command.args(["-O", "-", "--no-passive-ftp"]).arg(peer.url("hello.txt"));
            command
        });
    }

    #[test]
    fn curl_fetches_from_a_peer() {
        fetches_from_a_peer("curl", |peer| {
            let mut command = curl();
            command.args(["--ftp-port", "-"]).arg(peer.url("hello.txt"));
            command
        });
    }

    #[test]
    fn lftp_fetches_from_a_peer() {
        for mode in [LftpMode::Passive, LftpMode::ExtendedPassive, LftpMode::Active] {
            fetches_from_a_peer("lftp", |peer| lftp(mode, &format!("open {}; cat hello.txt", peer.url(""))));
        }
    }

    #[test]
    fn tnftp_fetches_from_a_peer() {
        fetches_from_a_peer("tnftp", |peer| {
            let mut command = tnftp();
            command.args(["-A", "-o", "-"]).arg(peer.url("hello.txt"));
            command
        });
    }

    #[test]
    fn ftplib_fetches_from_a_peer() {
        fetches_from_a_peer("python3", |peer| {
            let script = "ftp.set_pasv(False); ftp.retrlines('RETR hello.txt', print)";
            ftplib(peer.address, peer.user, peer.password, script)
        });
    }

    #[test]
    fn what_is_not_there_is_not_installed() {
        assert!(is_installed("sh") && !is_installed("no-such-program-here"));
    }
}
