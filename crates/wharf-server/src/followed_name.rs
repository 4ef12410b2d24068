//! A name whose address is followed as its DNS TTL says (S13).

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use wharf_proto::limits;

/// How long a line of /etc/hosts, which has no TTL, is believed.
const HOSTS_TIME: Duration = Duration::from_secs(1);
/// Longest wait for the resolver, in which it tries twice.
const LOOKUP_TIME: Duration = Duration::from_secs(4);
/// How long the last good answer is told while the resolver fails, before it is asked again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A name, and the task that follows it until this is dropped.
///
/// The task asks when an answer's time is over and somebody wanted it meanwhile: a busy server always has an answer, and
/// one without clients asks nobody.
#[derive(Debug)]
pub(crate) struct FollowedName {
    known: watch::Receiver<Known>,
    wanted: Arc<Notify>,
    task: JoinHandle<()>,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// The last good answer.
    address: Option<Ipv4Addr>,
    /// From then on the resolver's answer is waited for; never while it fails.
    until: Option<Instant>,
}

impl FollowedName {
    /// Begins to follow `name`. Must be called inside a runtime.
    pub(crate) fn new(name: String) -> Self {
        let (sender, known) = watch::channel(Known { address: None, until: Some(Instant::now()) });
        let wanted = Arc::new(Notify::new());
        let task = tokio::spawn(follow(name, sender, wanted.clone()));
        Self { known, wanted, task }
    }

    /// Its address, the last good one while the resolver fails; none where there never was any. Waits for the resolver no
    /// longer than [`limits::ADVERTISED_NAME_TIME`].
    pub(crate) async fn address(&self) -> Option<Ipv4Addr> {
        let mut known = self.known.clone();
        let now = *known.borrow_and_update();
        self.wanted.notify_one();
        if now.until.is_some_and(|until| until <= Instant::now()) {
            let _ = timeout(limits::ADVERTISED_NAME_TIME, known.changed()).await;
        }
        known.borrow().address
    }
}

impl FollowedName {
    /// Waits until the resolver has answered for the first time, or failed.
    pub(crate) async fn settled(&self) {
        let mut known = self.known.clone();
        let _ = known.wait_for(|known| known.address.is_some() || known.until.is_none()).await;
    }
}

impl Drop for FollowedName {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(name: String, known: watch::Sender<Known>, wanted: Arc<Notify>) {
    let mut is_failing = false;
    loop {
        let answer = timeout(LOOKUP_TIME, look_up(&name)).await;
        let last = known.borrow().address;
        let until = match answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((address, until)) => {
                if last != Some(address) || is_failing {
                    tracing::info!(name, %address, "the advertised name has this address now");
                }
                is_failing = false;
                known.send_replace(Known { address: Some(address), until: Some(until) });
                until
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    let told = last.map_or_else(|| "the server's own".to_owned(), |last| last.to_string());
                    tracing::warn!(name, %error, told, "the advertised name has no IPv4 address now");
                }
                known.send_replace(Known { address: last, until: None });
                Instant::now() + RETRY_PAUSE
            }
        };
        tokio::time::sleep_until(until).await;
        wanted.notified().await;
    }
}

/// Asks as the system would: /etc/hosts, then the name servers of /etc/resolv.conf. Both are read anew each time, since a
/// machine whose address changes may get new name servers with it.
async fn look_up(name: &str) -> io::Result<(Ipv4Addr, Instant)> {
    if let Some(address) = in_hosts(name) {
        return Ok((address, Instant::now() + HOSTS_TIME));
    }
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4Only;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = LOOKUP_TIME / 2;
    let resolver = builder.build().map_err(io::Error::other)?;
    let answer = resolver.lookup_ip(name).await.map_err(io::Error::other)?;
    let address = answer.iter().find_map(|address| match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    });
    let address = address.ok_or_else(|| io::Error::other("the answer holds no IPv4 address"))?;
    Ok((address, answer.valid_until().into()))
}

fn in_hosts(name: &str) -> Option<Ipv4Addr> {
    let query = Query::query(Name::from_utf8(name).ok()?, RecordType::A);
    let found = Hosts::from_system().ok()?.lookup_static_host(&query)?;
    let mut addresses = found.answers().iter().filter_map(|record| record.data.ip_addr());
    addresses.find_map(|address| match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    })
}
