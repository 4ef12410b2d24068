//! A server in the test's own process, for settings that no flag has.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::command::Password;
use wharf_server::auth::{Accounts, Secret, UserSettings, VirtualUser};
use wharf_server::config::{
    ActivePolicy, ActiveSourcePort, AsciiPolicy, BanSettings, FxpPolicy, Modes, PassivePolicy,
    PrivateAddress, SessionLimits, Times,
};
use wharf_server::policy::Rights;
use wharf_server::{Roots, Server, ServerConfig, ShutdownHandle};
use wharf_storage::LocalStorage;
use wharf_testkit::TestDirectory;

/// A time that passes while a test waits for it.
pub(crate) const SHORT: Duration = Duration::from_millis(400);
/// A time that no test lives to see.
const LONG: Duration = Duration::from_secs(300);

/// No time is ever over.
pub(crate) const UNHURRIED: Times = Times {
    login: LONG,
    idle: LONG,
    tls_handshake: LONG,
    data_connection: LONG,
    data_stall: LONG,
    drain: LONG,
};

/// Nobody is turned away for wrong passwords.
pub(crate) const NO_BANS: BanSettings = BanSettings {
    address_failures: None,
    user_failures: None,
    time: LONG,
    delay: Duration::ZERO,
    exempt: Vec::new(),
};

/// A server of this process.
pub(crate) struct Serving {
    // Dropped first, so that the sessions end before the directory goes.
    runtime: Option<Runtime>,
    /// Where it listens, implicit FTPS last.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The first of them.
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) root: TestDirectory,
}

impl Serving {
    /// With these times.
    pub(crate) fn start(times: Times) -> Self {
        Self::start_with(|config| config.times = times)
    }

    /// With what `change` makes of a server for writing, anonymous and for the user `test`, which is never in a hurry.
    pub(crate) fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let root = TestDirectory::new();
        let runtime = Runtime::new().unwrap();
        let settings = Arc::new(UserSettings::with_rights(Rights::ALL));
        let secret = Secret::Clear(Password::new("secret").unwrap());
        let user = VirtualUser { name: b"test".to_vec(), secret, settings: settings.clone() };
        let mut config = ServerConfig {
            uploads: wharf_server::config::UploadPolicy::default(),
            charset: wharf_server::config::CharsetPolicy::default(),
            listen: vec![([127, 0, 0, 1], 0).into()],
            skip_missing_addresses: false,
            accounts: Accounts { anonymous: Some(settings), users: vec![user], ask: None },
            sessions: SessionLimits::default(),
            bans: NO_BANS,
            modes: Modes::BOTH,
            proxies: Vec::new(),
            passive: PassivePolicy {
                ports: PassivePorts::Any,
                expected_sessions: None,
                advertise: Vec::new(),
                port_map: Vec::new(),
            },
            active: ActivePolicy {
                source_port: ActiveSourcePort::Any,
                private_address: PrivateAddress::Refuse,
            },
            fxp: FxpPolicy::default(),
            canary: true,
            ascii: AsciiPolicy::Convert,
            times: UNHURRIED,
            admin: None,
            tls: None,
        };
        change(&mut config);
        let storage = Arc::new(LocalStorage::open(root.path()).unwrap());
        let roots = Arc::new(Roots::new(|path| {
            LocalStorage::open(path).map(|root| Arc::new(root) as _).map_err(|error| error.to_string())
        }));
        let (addresses, shutdown) = runtime.block_on(async {
            let server = Server::bind(config, storage, roots, None).unwrap();
            let told = (server.addresses().to_vec(), server.shutdown_handle());
            tokio::spawn(server.run());
            told
        });
        Self { runtime: Some(runtime), address: addresses[0], addresses, shutdown, root }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
