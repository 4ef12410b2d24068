//! Looking at the packets on a link.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use socket2::SockRef;

use super::Lab;
use crate::namespace::NetworkNamespace;
use crate::process::{Background, run};
use crate::{TestDirectory, clients};

/// Longest wait for tcpdump's first and last word.
const LIMIT: Duration = Duration::from_secs(20);

/// A running capture, which stops with its guard.
#[derive(Debug)]
pub struct Capture<'a> {
    host: &'a NetworkNamespace,
    link: String,
    tcpdump: Background,
    directory: TestDirectory,
}

/// A capture that has come to its end: a file that is there as long as this is.
#[derive(Debug)]
pub struct Captured {
    directory: TestDirectory,
}

impl Lab {
    /// Captures what goes over `link` as `host` sees it, from now on. `None`, with the calling test noted as skipped,
    /// where tcpdump is missing.
    #[must_use]
    #[track_caller]
    pub fn capture_or_skip(&self, host: &str, link: &str) -> Option<Capture<'_>> {
        if !clients::is_installed("tcpdump") {
            crate::skip("the test looks at packets and needs tcpdump");
            return None;
        }
        let directory = TestDirectory::new();
        let mut command = self.host(host).command("tcpdump");
        // It prints what it writes, which is how the end is known to have been written.
        // The buffer, in KiB, is for a machine that is too busy to look at each packet at once.
        command.args(["-Z", "root", "-B", "65536", "-U", "-l", "-n", "--print"]);
        command.args(["-i", link, "-w"]);
        let tcpdump = Background::start(command.arg(directory.join(FILE)));
        tcpdump.wait_for_errors(LIMIT, |errors| errors.contains("listening on"));
        Some(Capture { host: self.host(host), link: link.to_owned(), tcpdump, directory })
    }
}

const FILE: &str = "capture.pcap";
/// The port whose packets nobody wants (RFC 863); the capture's last packet goes there.
const DISCARD: u16 = 9;

impl Capture<'_> {
    /// Stops it. What has passed by then is in the file.
    ///
    /// # Panics
    /// When tcpdump does not end in order.
    #[track_caller]
    pub fn stop(mut self) -> Captured {
        // A packet that is seen behind all others.
        self.host.enter(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.set_broadcast(true).unwrap();
            SockRef::from(&socket).bind_device(Some(self.link.as_bytes())).unwrap();
            socket.send_to(b"the end", (Ipv4Addr::BROADCAST, DISCARD)).unwrap();
        });
        let end = format!("{}.{DISCARD}: UDP", Ipv4Addr::BROADCAST);
        self.tcpdump.wait_for_output(LIMIT, |printed| printed.contains(&end));
        self.tcpdump.signal(Signal::INT);
        let status = self.tcpdump.wait(LIMIT);
        let errors = self.tcpdump.all_errors();
        // What was lost cannot be told from what never was.
        let is_whole = errors.contains("\n0 packets dropped by kernel");
        assert!(status.is_some_and(|status| status.success()) && is_whole, "{errors}");
        Captured { directory: self.directory }
    }
}

impl Captured {
    /// The capture, in the pcap format. Its last packet is a broadcast to the discard port.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// What tcpdump says of each packet that matches `filter`, in pcap-filter(7)'s language: a line a packet,
    /// addresses and ports as numbers.
    #[must_use]
    #[track_caller]
    pub fn packets(&self, filter: &str) -> Vec<String> {
        let mut tcpdump = Command::new("tcpdump");
        let read = run(tcpdump.args(["-n", "-t", "-r"]).arg(self.file()).arg(filter));
        read.assert_success().output().lines().map(str::to_owned).collect()
    }
}
