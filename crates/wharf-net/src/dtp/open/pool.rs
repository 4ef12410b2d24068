//! The passive ports of a server, which all its sessions share.
//!
//! While the range has room each session gets a listener of its own, and accepts on it without a word to anybody: that is
//! the way that is fast. When it is full, sessions of different clients share a port: whoever of them looks at the
//! listener hands each connection to the one whose client it comes from. Sessions of one address share one only if they are
//! different users' and their data connections have to resume their TLS sessions, which tells them apart.

mod unidentified;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ipnet::IpNet;
use rand::seq::SliceRandom;
use rustix::event::PollFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};
use wharf_proto::dialogue::canonical_endpoint;
use wharf_proto::limits;

use super::{ConnectError, PeerVerified, Stranger, accept_one};
use crate::dtp::stream::DataStream;
use crate::lending::poll_lent;
use crate::passive_ports::{ListenError, PassivePorts, listen_on};
use crate::registration::watch;
use crate::tls::SessionMark;

/// The passive ports of a server.
#[derive(Debug)]
pub struct PassivePool {
    ports: PassivePorts,
    /// The balancers, who say by a PROXY header for whom they connect.
    proxies: Vec<IpNet>,
    /// How many more connections may be waited for to say whose they are.
    unidentified: Arc<Semaphore>,
    /// The ports of each local address; with a range only.
    places: Mutex<HashMap<SocketAddr, Place>>,
}

/// The ports of the range on one local address.
#[derive(Debug)]
struct Place {
    /// Those without a listener, the longest unused first.
    free: VecDeque<u16>,
    /// Those with one.
    busy: HashMap<u16, Arc<Port>>,
}

/// A port that is listened on.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    socket: Arc<OwnedFd>,
    /// Made when the first session has to wait.
    registered: Mutex<Option<Arc<AsyncFd<Arc<OwnedFd>>>>>,
    waiting: Arc<Mutex<Waiting>>,
}

/// The sessions that wait on a port.
#[derive(Debug)]
struct Waiting {
    all: Vec<Arc<Waiter>>,
    /// Two of them had the same address, at some time.
    by_session: bool,
}

/// Whose connection a session waits for.
#[derive(Clone, Debug)]
pub struct ExpectedPeer {
    /// Its client's.
    pub client: IpAddr,
    /// Or that of a third host with which the client lets the server exchange files (FXP, S16).
    pub third_parties: ThirdParties,
    /// The TLS session that the data connection has to resume, where it has to.
    pub session: Option<ExpectedSession>,
}

/// The TLS session that a data connection has to resume.
#[derive(Clone, Debug)]
pub struct ExpectedSession {
    /// By what it is known.
    pub mark: SessionMark,
    /// Who is logged in.
    pub user: Arc<[u8]>,
}

/// The hosts beside the client that may be at the other end of a data connection.
#[derive(Clone, Debug)]
pub enum ThirdParties {
    /// None: the rule.
    Nobody,
    /// Those of these networks.
    Networks(Arc<[IpNet]>),
    /// Whoever comes first.
    Anyone,
}

impl ThirdParties {
    /// Whether `address` is one of them.
    #[must_use]
    pub fn include(&self, address: IpAddr) -> bool {
        match self {
            Self::Nobody => false,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
            Self::Anyone => true,
        }
    }
}

/// A session that waits for its client on a port.
#[derive(Debug)]
struct Waiter {
    expected: ExpectedPeer,
    /// What another session accepted for it.
    delivered: Mutex<Option<Arrived>>,
    arrival: Notify,
    /// Strangers that came while this one waited.
    strangers: AtomicU32,
}

/// A connection of the expected peer.
#[derive(Debug)]
struct Arrived {
    socket: OwnedFd,
    from: SocketAddr,
    /// For whom a balancer made it.
    relayed_for: Option<SocketAddr>,
}

/// A place on a port, for one data connection from one client. Dropping it gives the port back.
#[derive(Debug)]
pub struct PooledListener {
    pool: Arc<PassivePool>,
    // Dropped before the seat: what is left then is the pool's own.
    port: Arc<Port>,
    waiter: Arc<Waiter>,
    _seat: Option<Seat>,
}

/// What makes a port of the range free again.
#[derive(Debug)]
struct Seat {
    pool: Arc<PassivePool>,
    local: SocketAddr,
    number: u16,
    waiter: Arc<Waiter>,
}

impl PassivePool {
    /// A pool of these ports. Connections from `proxies` begin with a PROXY header, which says whose they are.
    #[must_use]
    pub fn new(ports: PassivePorts, proxies: Vec<IpNet>) -> Arc<Self> {
        let unidentified = Arc::new(Semaphore::new(limits::UNIDENTIFIED_DATA_CONNECTIONS));
        Arc::new(Self { ports, proxies, unidentified, places: Mutex::default() })
    }

    /// Whether it is a pool of just these.
    #[must_use]
    pub fn is_of(&self, ports: &PassivePorts, proxies: &[IpNet]) -> bool {
        self.ports == *ports && self.proxies == proxies
    }

    /// Ports of the range that are listened on; without a range nobody counts.
    #[must_use]
    pub fn ports_in_use(&self) -> usize {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.values().map(|place| place.busy.len()).sum()
    }

    /// Listens on `local` (its port does not count) for a data connection from `expected`.
    ///
    /// The port is drawn among those that rested longest, so that nobody can foresee it (threat 5) and a connection that
    /// comes late for the last transfer meets nobody.
    ///
    /// # Errors
    /// When every port of the range is in use and none can be shared, or the kernel refuses for another reason.
    pub fn listen(
        self: &Arc<Self>,
        mut local: SocketAddr,
        expected: ExpectedPeer,
    ) -> Result<PooledListener, ListenError> {
        let waiter = Arc::new(Waiter {
            expected,
            delivered: Mutex::default(),
            arrival: Notify::new(),
            strangers: AtomicU32::new(0),
        });
        let PassivePorts::Range(range) = &self.ports else {
            let port = self.ports.listen(local).and_then(|socket| {
                Port::new(socket, &waiter).map_err(|source| ListenError::Kernel { address: local, source })
            })?;
            return Ok(PooledListener { pool: self.clone(), port: Arc::new(port), waiter, _seat: None });
        };
        local.set_port(0);
        let mut places = lock(&self.places);
        let place = places.entry(local).or_insert_with(|| Place::new(range.clone()));
        let port = match place.draw(local, &waiter)? {
            Some(port) => port,
            None => place.share(&waiter).ok_or_else(|| ListenError::AllInUse(range.clone()))?,
        };
        let seat = Seat { pool: self.clone(), local, number: port.address.port(), waiter: waiter.clone() };
        Ok(PooledListener { pool: self.clone(), port, waiter, _seat: Some(seat) })
    }
}

impl Place {
    fn new(ports: impl Iterator<Item = u16>) -> Self {
        let mut free: Vec<u16> = ports.collect();
        free.shuffle(&mut rand::rng());
        Self { free: free.into(), busy: HashMap::new() }
    }

    /// A listener of the session's own; none when there is no free port.
    fn draw(
        &mut self,
        mut local: SocketAddr,
        waiter: &Arc<Waiter>,
    ) -> Result<Option<Arc<Port>>, ListenError> {
        let mut taken = Vec::new();
        let drawn = loop {
            // One of the half that rested longest.
            let Some(last) = self.free.len().checked_sub(1) else { break Ok(None) };
            let Some(number) = self.free.remove(rand::random_range(0..=last / 2)) else { break Ok(None) };
            local.set_port(number);
            match listen_on(local).and_then(|socket| Port::new(socket, waiter)) {
                Ok(port) => {
                    let port = Arc::new(port);
                    self.busy.insert(number, port.clone());
                    break Ok(Some(port));
                }
                // Another program has it, for now.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken.push(number),
                Err(source) => {
                    taken.push(number);
                    break Err(ListenError::Kernel { address: local, source });
                }
            }
        };
        self.free.extend(taken);
        drawn
    }

    /// A place on a port where nobody waits for the same client, or for one that its TLS session tells apart: the one with
    /// the fewest who wait.
    fn share(&mut self, waiter: &Arc<Waiter>) -> Option<Arc<Port>> {
        let room = |port: &&Arc<Port>| {
            let waiting = lock(&port.waiting);
            let fits = waiting.all.len() < limits::SESSIONS_OF_A_PASSIVE_PORT
                && waiting.all.iter().all(|other| can_share(&other.expected, &waiter.expected));
            fits.then_some(waiting.all.len())
        };
        let (port, _) = self
            .busy
            .values()
            .filter_map(|port| Some((port, room(&port)?)))
            .min_by_key(|(_, count)| *count)?;
        let mut waiting = lock(&port.waiting);
        waiting.by_session |= waiting.all.iter().any(|other| other.expected.client == waiter.expected.client);
        waiting.all.push(waiter.clone());
        Some(port.clone())
    }
}

impl Port {
    fn new(socket: TcpListener, waiter: &Arc<Waiter>) -> io::Result<Self> {
        Ok(Self {
            address: canonical_endpoint(socket.local_addr()?),
            socket: Arc::new(socket.into()),
            registered: Mutex::default(),
            waiting: Arc::new(Mutex::new(Waiting { all: vec![waiter.clone()], by_session: false })),
        })
    }

    /// Waits until somebody may have connected.
    async fn readable(&self) -> io::Result<()> {
        let is_lent_wait_over = poll_fn(|_| match poll_lent(&self.socket, PollFlags::IN) {
            Some(polled) => polled.map(|()| true),
            None => Poll::Ready(false),
        });
        if !is_lent_wait_over.await {
            self.registered()?.readable().await?.clear_ready();
        }
        Ok(())
    }

    fn registered(&self) -> io::Result<Arc<AsyncFd<Arc<OwnedFd>>>> {
        let mut registered = lock(&self.registered);
        match &*registered {
            Some(registered) => Ok(registered.clone()),
            None => Ok(registered.insert(Arc::new(watch(self.socket.clone(), Interest::READABLE)?)).clone()),
        }
    }

    /// Accepts what is there: returns what is for `own`, hands on what is for others.
    fn take(
        &self,
        pool: &Arc<PassivePool>,
        own: &Arc<Waiter>,
        on_stranger: &mut impl FnMut(Stranger),
    ) -> io::Result<Option<Arrived>> {
        let mut found = None;
        while let Some((socket, from)) = accept_one(&self.socket)? {
            if pool.proxies.iter().any(|network| network.contains(&from.ip())) {
                pool.await_header(socket, from, self.waiting.clone());
                continue;
            }
            let arrived = Arrived { socket, from, relayed_for: None };
            let waiting = lock(&self.waiting);
            match waiting.whose(from.ip()) {
                Whose::Waiter(waiter) if Arc::ptr_eq(waiter, own) => {
                    // One connection is what was negotiated: the first.
                    found = found.or(Some(arrived));
                    // Others may have come with it, of whom the reactor has told us alone.
                    if waiting.all.len() == 1 {
                        break;
                    }
                }
                Whose::Waiter(waiter) => waiter.deliver(arrived),
                Whose::OneOfSeveral => pool.await_hello(arrived, from, self.waiting.clone()),
                Whose::Nobody => {
                    drop(waiting);
                    on_stranger(Stranger { from });
                }
            }
        }
        Ok(found)
    }
}

impl Waiter {
    fn deliver(&self, arrived: Arrived) {
        lock(&self.delivered).get_or_insert(arrived);
        self.arrival.notify_one();
    }
}

/// Whether a connection tells which of the two it is for: by its address, or else by the TLS session that it resumes. Two
/// sessions of one user at one address are likely one program's, which may share its tickets among them.
fn can_share(one: &ExpectedPeer, other: &ExpectedPeer) -> bool {
    let takes_anyone = |peer: &ExpectedPeer| matches!(peer.third_parties, ThirdParties::Anyone);
    let told_apart = match (&one.session, &other.session) {
        _ if one.client != other.client => true,
        (Some(one), Some(other)) => one.user != other.user,
        _ => false,
    };
    told_apart && !takes_anyone(one) && !takes_anyone(other)
}

/// Whose a connection is.
enum Whose<'a> {
    /// This session's.
    Waiter(&'a Arc<Waiter>),
    /// That of a session at this address, and its ClientHello says which.
    OneOfSeveral,
    /// A stranger's.
    Nobody,
}

impl Waiting {
    /// Who waits for a connection from `address`: its own client's session, else the only one that takes third parties
    /// from there.
    fn whose(&self, address: IpAddr) -> Whose<'_> {
        let mut own = self.all.iter().filter(|waiter| waiter.expected.client == address);
        match (own.next(), own.next()) {
            (Some(_), Some(_)) => return Whose::OneOfSeveral,
            // One that left may have had this connection.
            (Some(waiter), None) if self.by_session && waiter.expected.session.is_some() => {
                return Whose::OneOfSeveral;
            }
            (Some(waiter), None) => return Whose::Waiter(waiter),
            (None, _) => {}
        }
        let mut takers = self.all.iter().filter(|waiter| waiter.expected.third_parties.include(address));
        match (takers.next(), takers.next()) {
            (Some(waiter), None) => Whose::Waiter(waiter),
            _ => Whose::Nobody,
        }
    }
}

impl PooledListener {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Waits for the client's connection. Strangers are dropped and told to `on_stranger`, and the wait goes on (threat 4:
    /// the rightful client still gets its data), but not for long: a client's own connection comes as soon as that of a
    /// stranger, or never, since the stranger was the client under another address.
    ///
    /// # Errors
    /// When the client has not connected within `deadline`.
    pub async fn accept(
        self,
        deadline: Duration,
        stall: Duration,
        mut on_stranger: impl FnMut(Stranger),
    ) -> Result<(DataStream, PeerVerified), ConnectError> {
        let strangers = || self.waiter.strangers.load(Ordering::Relaxed);
        let mut count = |stranger| {
            self.waiter.strangers.fetch_add(1, Ordering::Relaxed);
            on_stranger(stranger);
        };
        let mut started = None;
        let mut deadline = deadline;
        loop {
            // Most clients have connected before they send the transfer command: no need to wait then. This comes first even
            // where another session has delivered: the reactor may have told us alone what came for others.
            let taken = self.port.take(&self.pool, &self.waiter, &mut count)?;
            let accepted = lock(&self.waiter.delivered).take().or(taken);
            if let Some(Arrived { socket, from, relayed_for }) = accepted {
                let stream = DataStream::between(self.address(), from, socket, stall);
                let stream = match relayed_for {
                    Some(client) => stream.relayed_for(client),
                    None => stream,
                };
                return Ok((stream, PeerVerified(())));
            }
            let started = *started.get_or_insert_with(Instant::now);
            if strangers() > 0 {
                deadline = deadline.min(limits::DATA_CONNECTION_BEHIND_STRANGER_TIME);
            }
            let arrived = async {
                tokio::select! {
                    () = self.waiter.arrival.notified() => Ok(()),
                    readable = self.port.readable() => readable,
                }
            };
            match timeout_at(started + deadline, arrived).await {
                Ok(woken) => woken?,
                Err(_) => break,
            }
        }
        let (listener, strangers) = (self.address(), strangers());
        Err(ConnectError::NothingConnected { listener, waited: deadline, strangers })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut places = lock(&self.pool.places);
        let Some(place) = places.get_mut(&self.local) else { return };
        let Some(port) = place.busy.get(&self.number) else { return };
        let mut waiting = lock(&port.waiting);
        waiting.all.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        let is_last = waiting.all.is_empty();
        drop(waiting);
        if is_last {
            // This closes the listener, before the port can be drawn again.
            place.busy.remove(&self.number);
            place.free.push_back(self.number);
        }
    }
}

/// A lock that a panic elsewhere does not take from the other sessions.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
