//! The ports that all sessions of a server share (S11).
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use wharf_net::dtp::{ConnectError, ExpectedPeer, PassivePool, PooledListener, ThirdParties};
use wharf_net::passive_ports::{ListenError, PassivePorts};
use wharf_testkit::ports::free_ports;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LONG: Duration = Duration::from_secs(30);

fn pool(count: u16) -> (Arc<PassivePool>, RangeInclusive<u16>) {
    let range = free_ports(LOOPBACK, count);
    (PassivePool::new(PassivePorts::Range(range.clone()), Vec::new()), range)
}

fn client(number: u8) -> IpAddr {
    [127, 0, 1, number].into()
}

fn listen(pool: &Arc<PassivePool>, number: u8) -> Result<PooledListener, ListenError> {
    pool.listen((LOOPBACK, 0).into(), expected(number, ThirdParties::Nobody))
}

fn expected(number: u8, third_parties: ThirdParties) -> ExpectedPeer {
    ExpectedPeer { client: client(number), third_parties, session: None }
}

fn connect(from: IpAddr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

async fn accept(listener: PooledListener) -> IpAddr {
    let accepted = listener.accept(LONG, LONG, |stranger| panic!("{stranger:?}")).await.unwrap();
    accepted.0.peer().ip()
}

#[tokio::test]
async fn a_port_that_was_just_used_rests_while_half_of_the_others_have_not_had_their_turn() {
    let (pool, range) = pool(9);
    let mut recent: Vec<u16> = Vec::new();
    let mut used = BTreeSet::new();
    for _ in 0..200 {
        let port = listen(&pool, 1).unwrap().address().port();
        assert!(range.contains(&port) && !recent.contains(&port), "{port} again after {recent:?}");
        recent.push(port);
        if recent.len() > 4 {
            recent.remove(0);
        }
        used.insert(port);
    }
    assert_eq!(used, range.collect());
}

#[tokio::test]
async fn a_full_range_is_shared_by_clients_of_different_addresses_only() {
    let (pool, range) = pool(2);
    let first = listen(&pool, 1).unwrap();
    let second = listen(&pool, 1).unwrap();
    assert_ne!(first.address(), second.address());
    let error = listen(&pool, 1).unwrap_err();
    assert!(matches!(&error, ListenError::AllInUse(full) if *full == range), "{error}");
    let others = [listen(&pool, 2).unwrap(), listen(&pool, 2).unwrap(), listen(&pool, 3).unwrap()];
    assert_ne!(others[0].address(), others[1].address(), "one port cannot tell two of one client apart");
    assert!(listen(&pool, 2).is_err());
    // The port lives until the last has gone, and can be had alone again then.
    let shared = first.address();
    drop((first, second));
    let connection = connect(client(3), others[2].address());
    let [one, two, three] = others;
    assert_eq!(accept(three).await, client(3));
    drop(connection);
    drop((one, two));
    assert!(TcpStream::connect(shared).is_err(), "somebody still listens");
    assert!(listen(&pool, 1).is_ok() && listen(&pool, 1).is_ok());
}

#[tokio::test]
async fn each_connection_on_a_shared_port_goes_to_the_session_of_its_client() {
    let (pool, _range) = pool(1);
    // Whoever waits first or last, whoever connects first or last, before or during the wait.
    for round in 0..60_u8 {
        let mut waiting: Vec<_> = (1..=6).map(|number| (number, listen(&pool, number).unwrap())).collect();
        let address = waiting[0].1.address();
        let turn = usize::from(round % 6);
        waiting.rotate_left(turn);
        let early: Vec<_> = (1..=3).map(|number| connect(client(number), address)).collect();
        let tasks: Vec<_> = waiting
            .into_iter()
            .map(|(number, listener)| (number, tokio::spawn(async move { accept(listener).await })))
            .collect();
        tokio::task::yield_now().await;
        let late: Vec<_> = (4..=6).rev().map(|number| connect(client(number), address)).collect();
        for (number, task) in tasks {
            assert_eq!(task.await.unwrap(), client(number), "round {round}");
        }
        drop((early, late));
    }
}

#[tokio::test]
async fn a_session_that_never_looks_does_not_keep_the_others_from_theirs_nor_its_connection_from_it() {
    let (pool, _range) = pool(1);
    let (idle, busy) = (listen(&pool, 1).unwrap(), listen(&pool, 2).unwrap());
    let address = idle.address();
    let _first = connect(client(1), address);
    let _second = connect(client(2), address);
    assert_eq!(accept(busy).await, client(2));
    // What was accepted for it meanwhile is there.
    assert_eq!(accept(idle).await, client(1));
    assert!(TcpListener::bind(address).is_ok(), "the listener is still open");
}

#[tokio::test]
async fn strangers_of_a_shared_port_are_dropped_and_counted() {
    let (pool, _range) = pool(1);
    let (first, second) = (listen(&pool, 1).unwrap(), listen(&pool, 2).unwrap());
    let mut stranger = connect(client(9), first.address());
    let mut seen = Vec::new();
    let short = Duration::from_millis(50);
    let error = first.accept(short, LONG, |stranger| seen.push(stranger.from.ip())).await.unwrap_err();
    assert!(matches!(error, ConnectError::NothingConnected { strangers: 1, .. }), "{error}");
    assert_eq!(seen, [client(9)]);
    assert_eq!(stranger.read(&mut [0]).unwrap_or(0), 0);
    let _connection = connect(client(2), second.address());
    assert_eq!(accept(second).await, client(2));
}

#[tokio::test]
async fn third_parties_come_in_where_they_may_and_never_take_the_place_of_a_client() {
    let (pool, _range) = pool(1);
    let networks = ThirdParties::Networks(vec![format!("{}/32", client(7)).parse().unwrap()].into());
    let fxp = |number| pool.listen((LOOPBACK, 0).into(), expected(number, networks.clone()));
    let alone = fxp(1).unwrap();
    let stranger = connect(client(8), alone.address());
    let third = connect(client(7), alone.address());
    let mut strangers = 0;
    let (stream, _) = alone.accept(LONG, LONG, |_| strangers += 1).await.unwrap();
    assert_eq!((stream.peer().ip(), strangers), (client(7), 1));
    drop((stranger, third));
    // Of two who would take it nobody knows which one it is for; a client of its own is known.
    let (one, two) = (fxp(1).unwrap(), fxp(7).unwrap());
    let address = one.address();
    let own = connect(client(7), address);
    assert_eq!(accept(two).await, client(7));
    drop(own);
    let (two, third) = (fxp(2).unwrap(), connect(client(7), address));
    let short = Duration::from_millis(50);
    let error = one.accept(short, LONG, |_| {}).await.unwrap_err();
    assert!(matches!(error, ConnectError::NothingConnected { strangers: 1, .. }), "{error}");
    drop((two, third));
    // Who takes anyone needs a port alone.
    let anyone = pool.listen((LOOPBACK, 0).into(), expected(1, ThirdParties::Anyone)).unwrap();
    assert!(listen(&pool, 2).is_err());
    let _third = connect(client(9), anyone.address());
    assert_eq!(accept(anyone).await, client(9));
}
