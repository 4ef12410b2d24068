//! The clients that go through each scenario, and what is seen of them.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::lab::scenario::{Ours, Scenario, Ways};
use wharf_testkit::lab::server::{Advertise, LabServer};
use wharf_testkit::process::Run;

use crate::client;

/// The longest that plain `wharf get` may take where any mode can work.
const OURS_LIMIT: Duration = Duration::from_secs(15);
/// For programs that do not keep to their own time-outs.
const HANG_LIMIT: Duration = Duration::from_secs(60);

/// A client, and the mode that it is told to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// EPSV, then PASV.
    Curl,
    /// EPRT, then PORT.
    CurlActive,
    Wget,
    WgetActive,
    Lftp,
    LftpActive,
    /// Ours, told nothing.
    Wharf,
}

impl Program {
    pub(crate) const ALL: [Self; 7] = [
        Self::Curl,
        Self::CurlActive,
        Self::Wget,
        Self::WgetActive,
        Self::Lftp,
        Self::LftpActive,
        Self::Wharf,
    ];

    /// Whether it is on this machine.
    pub(crate) fn is_installed(self) -> bool {
        match self {
            Self::Curl | Self::CurlActive => clients::is_installed("curl"),
            Self::Wget | Self::WgetActive => clients::is_installed("wget"),
            Self::Lftp | Self::LftpActive => clients::is_installed("lftp"),
            Self::Wharf => true,
        }
    }

    /// Whether it can take part: under TLS wget knows no AUTH, and curl 7.88 hangs in active mode by a fault of its own.
    pub(crate) fn takes_part(self, scenario: &Scenario) -> bool {
        let plain_only = matches!(self, Self::CurlActive | Self::Wget | Self::WgetActive);
        self.is_installed() && !(scenario.setup.tls && plain_only)
    }

    /// Whether it gets through where these ways are open.
    pub(crate) fn gets_through(self, scenario: &Scenario, ways: Ways) -> bool {
        let over_ipv6 = scenario.over_ipv6;
        // lftp replaces a private address in a 227 by the control peer's (ftp:fix-pasv-address).
        let fixes_address = self == Self::Lftp && scenario.setup.advertise == Advertise::Own;
        match self {
            // It takes PASV and PORT only after a refusal of the others, and no scenario has just that.
            Self::Curl => ways.epsv,
            // It asks for the family of its own connection (EPSV 2), and the server's is the other one.
            Self::Wget if scenario.path.nat64 => false,
            Self::CurlActive => ways.eprt,
            Self::Lftp if ways.pasv_at_peer && fixes_address => true,
            Self::Wget | Self::Lftp => {
                if over_ipv6 {
                    ways.epsv
                } else {
                    ways.pasv
                }
            }
            Self::WgetActive | Self::LftpActive => {
                if over_ipv6 {
                    ways.eprt
                } else {
                    ways.port
                }
            }
            Self::Wharf => ways.any(),
        }
    }

    /// The command that fetches the scenario's file from `server` into `file`.
    pub(crate) fn command(self, scenario: &Scenario, server: &LabServer, file: &Path) -> Command {
        let url = server.url(scenario.file);
        let patience = scenario.patience.as_secs().to_string();
        // Two silent tries, and a moment.
        let in_all = (2 * scenario.patience + Duration::from_secs(2)).as_secs().to_string();
        match self {
            Self::Curl | Self::CurlActive => {
                let mut command = clients::curl();
                command.args(["--connect-timeout", &patience, "--max-time", &in_all]);
                if self == Self::CurlActive {
                    command.args(["--ftp-port", "-"]);
                }
                if scenario.setup.tls {
                    command.args(["--ssl-reqd", "--insecure"]);
                }
                command.arg("--output").arg(file).arg(url);
                command
            }
            Self::Wget | Self::WgetActive => {
                let mut command = clients::wget();
                command.args(["--timeout", &patience]);
                if self == Self::WgetActive {
                    command.arg("--no-passive-ftp");
                }
                command.arg("--output-document").arg(file).arg(url);
                command
            }
            Self::Lftp | Self::LftpActive => {
                let mode = match (self, scenario.over_ipv6) {
                    (Self::LftpActive, _) => LftpMode::Active,
                    (_, true) => LftpMode::ExtendedPassive,
                    (_, false) => LftpMode::Passive,
                };
                let tls = "set ftp:ssl-allow yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; \
                           set ssl:verify-certificate no; ";
                let tls = if scenario.setup.tls { tls } else { "" };
                let script = format!("{tls}set net:timeout {patience}; get {url} -o {}", file.display());
                clients::lftp(mode, &script)
            }
            Self::Wharf => {
                let mut command = client();
                command.args(["get", "--json"]);
                if let Ours::Fails { flags, .. } = scenario.ours {
                    command.args(flags);
                }
                command.arg("-o").arg(file).arg(url);
                command
            }
        }
    }

    /// How long it may take before the test ends it.
    pub(crate) fn limit(self, scenario: &Scenario) -> Duration {
        if self == Self::Wharf && scenario.ours == Ours::GetsThrough && scenario.works.any() {
            OURS_LIMIT
        } else {
            HANG_LIMIT
        }
    }

    /// What came of a run, in a few words: `works`, or how it failed.
    pub(crate) fn seen(self, run: &Run, is_right: bool) -> String {
        if self == Self::Wharf {
            return ours(run, is_right);
        }
        if run.timed_out {
            return "hangs".to_owned();
        }
        if run.code() == 0 {
            return if is_right { "works" } else { "**wrong content**" }.to_owned();
        }
        let text = format!("{}{}", run.output(), run.errors());
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        let is_curl = matches!(self, Self::Curl | Self::CurlActive);
        // What lftp's last try came to; nothing there when its time was over.
        let last = text.split_once("max-retries exceeded").map(|(_, rest)| rest.trim_start());
        let refused_last = last.is_some_and(|last| last.starts_with("(4") || last.starts_with("(5"));
        // curl(1): 28 and 12 are its time-outs, 7 a connect that failed, 13 and 30 PASV and PORT refused, 19 RETR.
        let what = if refused_last
            || (is_curl && matches!(run.code(), 13 | 19 | 30))
            || says(&["Invalid PORT", "Cannot initiate PASV"])
        {
            "refused"
        } else if (is_curl && run.code() == 7) || says(&["Connection refused", "No route", "unreachable"]) {
            "connect fails"
        } else if (is_curl && matches!(run.code(), 12 | 28)) || last.is_some() || says(&["timed out"]) {
            "times out"
        } else {
            "fails"
        };
        what.to_owned()
    }
}

/// The mode that worked, or the exit code and the causes that were named.
pub(crate) fn ours(run: &Run, is_right: bool) -> String {
    let events: Vec<serde_json::Value> =
        run.output().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_kind = |kind: &str| events.iter().find(|event| event["event"] == kind);
    if run.timed_out {
        "hangs".to_owned()
    } else if let (0, true, Some(done)) = (run.code(), is_right, of_kind("done")) {
        format!("works ({})", done["mode"].as_str().unwrap_or("?"))
    } else if let (code @ 1.., Some(error)) = (run.code(), of_kind("error")) {
        let findings = error["findings"].as_array().cloned().unwrap_or_default();
        let causes: Vec<&str> = findings.iter().filter_map(|finding| finding["cause"].as_str()).collect();
        if causes.is_empty() { format!("exit {code}") } else { format!("exit {code}: {}", causes.join(", ")) }
    } else {
        format!("**exit {} with the wrong content**", run.code())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Curl => "curl",
            Self::CurlActive => "curl --ftp-port -",
            Self::Wget => "wget",
            Self::WgetActive => "wget --no-passive-ftp",
            Self::Lftp => "lftp",
            Self::LftpActive => "lftp, active",
            Self::Wharf => "wharf get",
        })
    }
}
