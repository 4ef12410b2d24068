//! A name server whose answers change.

use std::net::Ipv4Addr;
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
        listen: Ipv4Addr,
        name: &str,
        address: Ipv4Addr,
    ) -> Option<NameServer> {
        if !clients::is_installed("dnsmasq") {
            crate::skip("the test changes a name's address and needs dnsmasq");
            return None;
        }
        let directory = TestDirectory::new();
        let hosts = directory.write("hosts", format!("{address} {name}\n"));
        let mut command = self.host(host).command("dnsmasq");
        command.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]);
        command.args(["--log-facility=-", "--pid-file", "--bind-interfaces", "--local-ttl=1"]);
        command.arg(format!("--listen-address={listen}")).arg(format!("--addn-hosts={}", hosts.display()));
        let dnsmasq = Background::start(&mut command);
        dnsmasq.wait_for_errors(LIMIT, |errors| errors.contains("read "));
        Some(NameServer { name: name.to_owned(), hosts, dnsmasq, _directory: directory })
    }
}

impl NameServer {
    /// From now on, the name has this address.
    pub fn change(&self, address: Ipv4Addr) {
        let read = |text: &str| text.lines().filter(|line| line.contains("read ")).count();
        let before = read(&self.dnsmasq.errors());
        std::fs::write(&self.hosts, format!("{address} {}\n", self.name)).unwrap();
        self.dnsmasq.signal(Signal::HUP);
        self.dnsmasq.wait_for_errors(LIMIT, |errors| read(errors) > before);
    }
}
