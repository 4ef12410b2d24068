//! A name server whose answers change.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::Lab;
use crate::process::Background;
use crate::{TestDirectory, clients};

/// Longest wait for dnsmasq's first words.
const LIMIT: Duration = Duration::from_secs(20);

/// dnsmasq in a host of the lab, which knows one name.
#[derive(Debug)]
pub struct NameServer {
    name: String,
    hosts: PathBuf,
    dnsmasq: Background,
    _directory: TestDirectory,
}

impl Lab {
    /// Has `host` answer that `name` is `address`, with a time to live of one second, to whoever asks at its
    /// `listen`. `None`, with the calling test noted as skipped, where dnsmasq is missing.
    #[must_use]
    #[track_caller]
    pub fn name_server_or_skip(
        &self,
        host: &str,
        listen: impl Into<IpAddr>,
        name: &str,
        address: impl Into<IpAddr>,
    ) -> Option<NameServer> {
        match NameServer::start(self, host, listen.into(), name, address.into()) {
            Ok(running) => Some(running),
            Err(reason) => {
                crate::skip(&reason);
                None
            }
        }
    }
}

impl NameServer {
    /// As [`Lab::name_server_or_skip`]; the error is the reason why it cannot be had here.
    pub(super) fn start(
        lab: &Lab,
        host: &str,
        listen: IpAddr,
        name: &str,
        address: IpAddr,
    ) -> Result<Self, String> {
        if !clients::is_installed("dnsmasq") {
            return Err("a name whose address the lab tells needs dnsmasq".into());
        }
        let directory = TestDirectory::new();
        let hosts = directory.write("hosts", format!("{address} {name}\n"));
        let mut command = lab.host(host).command("dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]);
        command.args(["--log-facility=-", "--pid-file", "--bind-interfaces", "--local-ttl=1"]);
        command.arg(format!("--listen-address={listen}")).arg(format!("--addn-hosts={}", hosts.display()));
        let dnsmasq = Background::start(&mut command);
        dnsmasq.wait_for_errors(LIMIT, |errors| errors.contains("read "));
        Ok(Self { name: name.to_owned(), hosts, dnsmasq, _directory: directory })
    }

    /// From now on, the name has this address.
    pub fn change(&self, address: impl Into<IpAddr>) {
        let address: IpAddr = address.into();
        let read = |text: &str| text.lines().filter(|line| line.contains("read ")).count();
        let before = read(&self.dnsmasq.errors());
        std::fs::write(&self.hosts, format!("{address} {}\n", self.name)).unwrap();
        self.dnsmasq.signal(Signal::HUP);
        self.dnsmasq.wait_for_errors(LIMIT, |errors| read(errors) > before);
    }
}
