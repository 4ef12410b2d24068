//! `wharf serve` as a guard for tests: started, waited for, and killed when it goes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::Background;
use crate::{TestDirectory, has_ipv6};

/// Longest wait for `wharf: ready`.
const START: Duration = Duration::from_secs(20);
/// Longest wait for its end.
const END: Duration = Duration::from_secs(20);

/// A running `wharf serve`.
#[derive(Debug)]
pub struct Served {
    program: Background,
    addresses: Vec<SocketAddr>,
}

impl Served {
    /// Serves `directory` with `binary` (`env!("CARGO_BIN_EXE_wharf")` in the binary's tests) on a free port of
    /// 127.0.0.1, with `flags` behind the directory.
    #[must_use]
    pub fn start(binary: &str, directory: impl AsRef<Path>, flags: &[&str]) -> Self {
        Self::start_on(binary, directory, "127.0.0.1:0", flags)
    }

    /// As [`start`](Self::start), on a chosen `listen` address.
    #[must_use]
    pub fn start_on(binary: &str, directory: impl AsRef<Path>, listen: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command.arg("serve").arg(directory.as_ref()).args(["--listen", listen]).args(flags);
        Self::from_command(&mut command)
    }

    /// Starts a whole `wharf serve` command line, in a namespace for instance.
    #[must_use]
    pub fn from_command(command: &mut Command) -> Self {
        let program = Background::start(command);
        program.wait_for_line("wharf: ready", START);
        let addresses = program
            .output()
            .lines()
            .filter_map(|line| line.strip_prefix("wharf: control "))
            .map(|address| address.parse().expect("an address and a port"))
            .collect();
        Self { program, addresses }
    }

    /// The first control address, with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All control addresses.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The program: its output, its log on standard error, signals.
    pub fn program(&mut self) -> &mut Background {
        &mut self.program
    }

    /// Its log so far. What it said a moment ago may be missing.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.errors()
    }

    /// Stops it with SIGTERM, and returns its whole log. The sessions must be idle or at their end.
    ///
    /// # Panics
    /// When it does not end in order.
    #[must_use]
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.program.signal(Signal::TERM);
        let status = self.program.wait(END);
        assert!(status.is_some_and(|status| status.success()), "it did not end in order: {:?}", self.program);
        self.program.all_errors()
    }
}

/// One way to reach a server of one's own: an address family, and a user.
#[derive(Debug)]
pub struct Way {
    /// What it serves.
    pub directory: TestDirectory,
    /// The server.
    pub served: Served,
    /// Its control address.
    pub address: SocketAddr,
    /// Who logs in.
    pub user: &'static str,
    /// And the password.
    pub password: &'static str,
}

impl Way {
    /// The URL of `path`, which is relative to the login directory and escaped already, with user and password.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("ftp://{}:{}@{}/{path}", self.user, self.password, self.address)
    }
}

/// Servers with empty directories and these flags, to be reached on 127.0.0.1 and on ::1 (where the machine has it), by
/// anonymous and by the user `test`. Each is started when its turn comes.
pub fn each_way(binary: &str, flags: &[&str]) -> impl Iterator<Item = Way> {
    let listen =
        ["127.0.0.1:0", "[::1]:0"].into_iter().filter(|listen| !listen.starts_with('[') || has_ipv6());
    let users = [("anonymous", "guest", None), ("test", "secret", Some("test:secret"))];
    listen.flat_map(move |listen| users.map(|user| (listen, user))).map(
        move |(listen, (user, password, account))| {
            let directory = TestDirectory::new();
            let account = account.map(|account| ["--user", account]);
            let flags = [flags, account.as_ref().map_or(&[][..], |account| account)].concat();
            let served = Served::start_on(binary, directory.path(), listen, &flags);
            Way { directory, address: served.address(), served, user, password }
        },
    )
}
