//! What sessions share, and how a reload gives new sessions something else without touching those that are up.
//!
//! A [`Shared`] is one configuration at work. A session begins with the present one and keeps it while somebody is logged in;
//! at each login it goes over to the one that is present then. What lies in [`Common`] outlives them all.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use ipnet::IpNet;
use tokio::sync::Semaphore;
use wharf_net::Clock;
use wharf_net::dtp::PassivePool;
use wharf_storage::Storage;

use crate::advertised::Advertiser;
use crate::auth::Gate;
use crate::bans::Bans;
use crate::config::ServerConfig;
use crate::metrics::Metrics;
use crate::occupancy::Occupancy;
use crate::quota::Ledgers;
use crate::roots::Roots;
use crate::takeover::Uploading;
use crate::tls::{ServerTls, TlsSetupError};
use crate::transfer_log::TransferLog;

/// One configuration at work.
#[derive(Debug)]
pub(crate) struct Shared {
    pub config: ServerConfig,
    /// What users see who have no root of their own.
    pub storage: Arc<dyn Storage>,
    pub passive_pool: Arc<PassivePool>,
    /// As the policy for third-party transfers has them.
    pub fxp_networks: Arc<[IpNet]>,
    pub advertiser: Arc<Advertiser>,
    pub tls: Option<Arc<ServerTls>>,
    pub gate: Gate,
    pub common: Arc<Common>,
}

/// What all configurations of a running server have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub clock: Clock,
    pub transfer_log: Option<TransferLog>,
    pub next_session: AtomicU64,
    /// Whether it was said that the source port of RFC 959 may not be bound.
    pub source_port_denied: AtomicBool,
    pub occupancy: Arc<Occupancy>,
    pub bans: Bans,
    pub metrics: Metrics,
    pub roots: Arc<Roots>,
    pub ledgers: Ledgers,
    pub uploading: Arc<Uploading>,
    /// How many checksums are computed at once.
    pub checksums: Semaphore,
    /// The present one; none before the start and behind the end.
    present: RwLock<Option<Arc<Shared>>>,
}

impl Common {
    pub(crate) fn new(roots: Arc<Roots>, transfer_log: Option<TransferLog>) -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::start(),
            transfer_log,
            next_session: AtomicU64::new(1),
            source_port_denied: AtomicBool::new(false),
            occupancy: Arc::default(),
            bans: Bans::default(),
            metrics: Metrics::new(),
            roots,
            ledgers: Ledgers::default(),
            uploading: Arc::default(),
            checksums: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
            present: RwLock::new(None),
        })
    }

    /// What new sessions and logins get.
    pub(crate) fn present(&self) -> Option<Arc<Shared>> {
        self.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_present(&self, shared: Option<Arc<Shared>>) {
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = shared;
    }
}

impl Shared {
    /// Puts a configuration to work. What is as it was in the one `before` is taken over: ports that rest, names that are
    /// followed, tickets that were given. Must be called inside a runtime.
    pub(crate) fn new(
        config: ServerConfig,
        storage: Arc<dyn Storage>,
        common: Arc<Common>,
        before: Option<&Self>,
    ) -> Result<Self, TlsSetupError> {
        let tls = config.tls.clone().map(|settings| {
            ServerTls::new(settings, before.and_then(|before| before.tls.as_deref())).map(Arc::new)
        });
        let pool = before.map(|before| &before.passive_pool);
        let pool = pool.filter(|pool| pool.is_of(&config.passive.ports, &config.proxies)).cloned();
        let advertiser = before.filter(|before| before.config.passive == config.passive);
        Ok(Self {
            tls: tls.transpose()?,
            passive_pool: pool
                .unwrap_or_else(|| PassivePool::new(config.passive.ports.clone(), config.proxies.clone())),
            fxp_networks: config.fxp.networks.as_slice().into(),
            advertiser: advertiser.map_or_else(
                || Arc::new(Advertiser::new(config.passive.clone())),
                |before| before.advertiser.clone(),
            ),
            gate: Gate::new(config.accounts.clone(), before.map(|before| &before.gate)),
            config,
            storage,
            common,
        })
    }
}

/// Gives a running server another configuration.
#[derive(Clone, Debug)]
pub struct ReloadHandle(pub(crate) Arc<Common>);

/// What a reload could not do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Other addresses are to be listened on: that takes a restart.
    pub listeners_differ: bool,
}

impl ReloadHandle {
    /// The configuration at present; none when the server has ended.
    #[must_use]
    pub fn config(&self) -> Option<ServerConfig> {
        self.0.present().map(|shared| shared.config.clone())
    }

    /// Notes that a reload came to nothing.
    pub fn note_failure(&self) {
        self.0.metrics.reloaded(false);
    }

    /// Puts another configuration to work, for sessions and logins that begin from now on. Certificates are read anew.
    /// `storage` is what users see who have no root of their own. Must be called inside a runtime, where files may be read.
    ///
    /// # Errors
    /// When the certificates cannot be used; everything then stays as it is.
    pub fn reload(&self, config: ServerConfig, storage: Arc<dyn Storage>) -> Result<Reloaded, TlsSetupError> {
        let Some(before) = self.0.present() else { return Ok(Reloaded::default()) };
        let implicit = |config: &ServerConfig| {
            config.tls.as_ref().map_or_else(Vec::new, |tls| tls.implicit_listen.clone())
        };
        let listeners_differ =
            before.config.listen != config.listen || implicit(&before.config) != implicit(&config);
        let shared = Shared::new(config, storage, self.0.clone(), Some(&before))?;
        self.0.set_present(Some(Arc::new(shared)));
        self.0.metrics.reloaded(true);
        self.0.ledgers.count_anew();
        Ok(Reloaded { listeners_differ })
    }
}
