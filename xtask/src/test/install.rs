//! What the tests need from the distribution: clients, tools and the servers that serve as peers.
//!
//! Nothing of it is required: a test whose program is missing says so and is skipped.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::peers;
use crate::run;

/// A program that tests call, and the package that holds it.
struct Tool {
    program: &'static str,
    package: &'static str,
    without: &'static str,
}

/// Wget, curl and so on are the real clients; the rest builds networks and looks at them.
const TOOLS: &[Tool] = &[
    tool("wget", "wget", "the tests with wget"),
    tool("curl", "curl", "the tests with curl"),
    tool("lftp", "lftp", "the tests with lftp"),
    tool("rclone", "rclone", "the comparison of mirrors in `cargo xtask soak`"),
    tool("tnftp", "tnftp", "the tests with tnftp"),
    tool("python3", "python3", "the tests with Python's ftplib, and pyftpdlib as a peer"),
    tool("openssl", "openssl", "ProFTPD and Pure-FTPd as peers (their password files)"),
    tool("ip", "iproute2", "the tests in network namespaces (ports 20 and 21)"),
    tool("nft", "nftables", "the network lab: the tests behind firewalls and NAT"),
    tool("dnsmasq", "dnsmasq-base", "the tests with a name whose address changes"),
    tool("tayga", "tayga", "the scenarios behind a NAT64"),
    tool("iptables", "iptables", "the tests that load the rules of wharf rules"),
    tool("tcpdump", "tcpdump", "the tests that look at packets"),
    tool("tshark", "tshark", "the comparison of `wharf explain` with tshark"),
    tool("haproxy", "haproxy", "the test with a real balancer"),
    tool("ps", "procps", "the tests that look at processes"),
];

const fn tool(program: &'static str, package: &'static str, without: &'static str) -> Tool {
    Tool { program, package, without }
}

/// Installs all that is missing if we may; says what is missing, and what will be skipped, if not.
pub(super) fn everything() {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| run::find_program(tool.program).is_none()).collect();
    let may_install = run::is_root() && run::find_program("apt-get").is_some();
    if may_install && !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        if install(&packages).is_err() {
            // One that this release does not have must not keep the others out.
            for package in packages {
                report(install(&[package]));
            }
        }
    }
    for tool in TOOLS.iter().filter(|tool| run::find_program(tool.program).is_none()) {
        eprintln!(
            "xtask: {} is missing (package {}): {} will be skipped",
            tool.program, tool.package, tool.without
        );
    }
    for peer in peers::missing() {
        if may_install || peer.needs_no_root() {
            report(peer.install().with_context(|| format!("{} could not be unpacked", peer.name())));
        }
    }
    let how = if may_install { "" } else { "; run this as root on Debian, or as said in docs, to have them" };
    for peer in peers::missing() {
        let folder = peers::cache();
        eprintln!(
            "xtask: the peer {} is missing in {}: its tests will be skipped{how}",
            peer.name(),
            folder.display()
        );
    }
    if !run::is_root() {
        eprintln!(
            "xtask: not root: tests with network namespaces and with most real servers will be skipped"
        );
    }
}

fn report(outcome: Result<()>) {
    if let Err(error) = outcome {
        eprintln!("xtask: {error:#}");
    }
}

/// `apt-get install`; the package lists are brought up to date only if that fails with those that are there.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    with_fresh_lists(|| {
        let mut command = apt_get();
        // What is there already stays as it is: a test run is no upgrade.
        command.args([
            "install",
            "-y",
            "-qq",
            "-o",
            "Dpkg::Use-Pty=0",
            "--no-install-recommends",
            "--no-upgrade",
        ]);
        command.args(packages);
        command
    })
}

/// Runs an `apt-get` command; if it fails, once more with fresh lists (none at all on a clean image, or old ones).
pub(super) fn with_fresh_lists(command: impl Fn() -> Command) -> Result<()> {
    let (status, _) = run::watch(&mut command())?;
    if status.success() {
        return Ok(());
    }
    let (_, _) = run::watch(apt_get().args(["update", "-qq"]))?;
    let mut again = command();
    let (status, _) = run::watch(&mut again)?;
    if !status.success() {
        bail!("`{}` failed ({status})", run::shown(&again));
    }
    Ok(())
}

pub(super) fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
