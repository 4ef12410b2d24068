//! Data connections over real sockets of this machine.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use wharf_net::dtp::{
    ActiveTarget, ConnectError, DataListener, DataStream, PeerVerified, Progress, PumpError, SourcePort,
    Transfer, connect_active, connect_passive,
};
use wharf_net::passive_ports::PassivePorts;
use wharf_proto::dialogue::{Authenticated, Deadlines, Dialogue, Endpoints};
use wharf_proto::{Command, Reply, ReplyCode, Timestamp};
use wharf_testkit::TestDirectory;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(30);

fn any_port() -> SocketAddr {
    (LOOPBACK, 0).into()
}

fn listener() -> DataListener {
    DataListener::new(PassivePorts::Any.listen(any_port()).unwrap()).unwrap()
}

/// The proof that only a dialogue with a login gives.
fn authenticated() -> Authenticated {
    let endpoints = Endpoints::new(any_port(), any_port());
    let mut dialogue = Dialogue::new(Timestamp::START, endpoints, Deadlines::default());
    let mut say = |code, text: &'static str| {
        dialogue.reply(Timestamp::START, &Reply::new(ReplyCode::new(code).unwrap(), text));
    };
    say(220, "Ready.");
    dialogue.command(Timestamp::START, &Command::parse(b"USER x").unwrap());
    dialogue.reply(Timestamp::START, &Reply::new(ReplyCode::LOGGED_IN, "In."));
    dialogue.authenticated().unwrap()
}

fn transfer((stream, peer): (DataStream, PeerVerified)) -> (Transfer, Arc<Progress>) {
    let progress = Arc::new(Progress::default());
    (Transfer::open(stream, authenticated(), peer, progress.clone()), progress)
}

async fn accept(listener: DataListener) -> (DataStream, PeerVerified) {
    listener.accept(LOOPBACK, LONG, LONG, |_| {}).await.unwrap()
}

/// A thread that reads a socket to its end.
fn reader(mut socket: TcpStream) -> std::thread::JoinHandle<std::io::Result<Vec<u8>>> {
    std::thread::spawn(move || {
        let mut received = Vec::new();
        socket.read_to_end(&mut received).map(|_| received)
    })
}

#[tokio::test]
async fn strangers_are_dropped_and_the_rightful_peer_is_served() {
    let listener = listener();
    let address = listener.address();
    let mut strangers: Vec<TcpStream> = (0..3)
        .map(|_| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
            socket.connect(&address.into()).unwrap();
            socket.into()
        })
        .collect();
    let rightful = TcpStream::connect(address).unwrap();
    let mut seen = Vec::new();
    let (stream, _) =
        listener.accept(LOOPBACK, LONG, LONG, |stranger| seen.push(stranger.from.ip())).await.unwrap();
    assert_eq!(stream.peer(), rightful.local_addr().unwrap());
    assert_eq!(seen, [IpAddr::from([127, 0, 0, 2]); 3]);
    for stranger in &mut strangers {
        assert_eq!(stranger.read(&mut [0; 8]).unwrap_or(0), 0, "a stranger is told nothing");
    }
}

#[tokio::test]
async fn a_listener_that_nobody_comes_to_says_so() {
    let waited = Duration::from_millis(50);
    let error = listener().accept(LOOPBACK, waited, LONG, |_| {}).await.unwrap_err();
    assert!(matches!(error, ConnectError::NothingConnected { strangers: 0, .. }), "{error}");
}

#[tokio::test]
async fn a_refused_connect_is_told_apart() {
    let gone = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let error = connect_passive(any_port(), gone, LONG, LONG).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { target, .. } if target == gone), "{error}");
}

#[tokio::test]
async fn many_active_connections_leave_from_one_port() {
    let source = TcpListener::bind(any_port()).unwrap().local_addr().unwrap().port();
    let clients: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind(any_port()).unwrap()).collect();
    let mut open = Vec::new();
    for client in &clients {
        let target = client.local_addr().unwrap();
        let active = ActiveTarget {
            local: any_port(),
            source_port: SourcePort::Fixed(source),
            target,
            deadline: LONG,
            stall: LONG,
        };
        open.push(connect_active(active).await.unwrap());
    }
    for client in &clients {
        assert_eq!(client.accept().unwrap().1, (LOOPBACK, source).into());
    }
    assert_eq!(open.len(), 8);
}

#[tokio::test]
async fn a_pair_of_ports_that_is_still_in_use_is_named() {
    let source = TcpListener::bind(any_port()).unwrap().local_addr().unwrap().port();
    let client = TcpListener::bind(any_port()).unwrap();
    let active = ActiveTarget {
        local: any_port(),
        source_port: SourcePort::Fixed(source),
        target: client.local_addr().unwrap(),
        deadline: SECOND / 4,
        stall: LONG,
    };
    let first = connect_active(active).await.unwrap();
    let error = connect_active(active).await.unwrap_err();
    assert!(matches!(error, ConnectError::PairInUse { port, .. } if port == source), "{error}");
    drop(first);
}

#[tokio::test]
async fn a_file_arrives_whole_from_any_offset_and_size() {
    let directory = TestDirectory::new();
    for size in [0usize, 1, 1000, 300_000, 9_000_000] {
        let content = wharf_testkit::directory::sample(size);
        let path = directory.write("file", &content);
        for offset in [0, size / 3] {
            let listener = listener();
            let client = reader(TcpStream::connect(listener.address()).unwrap());
            let (mut transfer, progress) = transfer(accept(listener).await);
            let sent =
                transfer.send_file(File::open(&path).unwrap(), offset as u64, size as u64).await.unwrap();
            transfer.finish().await.unwrap();
            assert_eq!((sent, progress.bytes()), ((size - offset) as u64, (size - offset) as u64));
            assert!(client.join().unwrap().unwrap() == content[offset..], "{size} from {offset}");
        }
    }
}

#[tokio::test]
async fn a_file_ends_where_its_size_says_and_one_without_a_size_at_its_end() {
    let directory = TestDirectory::new();
    let grown = directory.write("grown", b"announced, and more");
    for (path, size, expected) in [
        (grown.as_path(), 9, b"announced".to_vec()),
        (std::path::Path::new("/proc/version"), 0, std::fs::read("/proc/version").unwrap()),
    ] {
        let listener = listener();
        let client = reader(TcpStream::connect(listener.address()).unwrap());
        let (mut transfer, _) = transfer(accept(listener).await);
        let sent = transfer.send_file(File::open(path).unwrap(), 0, size).await.unwrap();
        transfer.finish().await.unwrap();
        assert_eq!(sent, expected.len() as u64);
        assert_eq!(client.join().unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn an_upload_arrives_whole() {
    let directory = TestDirectory::new();
    for size in [0, 1000, 9_000_000] {
        let content = wharf_testkit::directory::sample(size);
        let listener = listener();
        let mut client = TcpStream::connect(listener.address()).unwrap();
        let sending = std::thread::spawn({
            let content = content.clone();
            move || client.write_all(&content).unwrap()
        });
        let (mut transfer, _) = transfer(accept(listener).await);
        let file = File::create(directory.join("upload")).unwrap();
        assert_eq!(transfer.receive_to_file(file).await.unwrap(), size as u64);
        sending.join().unwrap();
        assert!(directory.read("upload") == content);
    }
}

#[tokio::test]
async fn line_ends_are_converted_both_ways() {
    let listener_out = listener();
    let client = reader(TcpStream::connect(listener_out.address()).unwrap());
    let (mut out, _) = transfer(accept(listener_out).await);
    out.send_reader(&mut &b"one\ntwo\n"[..], true).await.unwrap();
    out.finish().await.unwrap();
    assert_eq!(client.join().unwrap().unwrap(), b"one\r\ntwo\r\n");

    let listener_in = listener();
    let mut client = TcpStream::connect(listener_in.address()).unwrap();
    client.write_all(b"one\r\ntwo\r\nlone\rend").unwrap();
    drop(client);
    let (mut transfer, _) = transfer(accept(listener_in).await);
    let mut received = Vec::new();
    transfer.receive_to_writer(&mut received, true).await.unwrap();
    assert_eq!(received, b"one\ntwo\nlone\rend");
}

#[tokio::test]
async fn a_cut_download_does_not_look_whole() {
    let listener = listener();
    let client = reader(TcpStream::connect(listener.address()).unwrap());
    let (mut transfer, _) = transfer(accept(listener).await);
    transfer.send_bytes(b"half of it").await.unwrap();
    transfer.cut();
    let error = client.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_peer_that_stalls_is_given_up() {
    let directory = TestDirectory::new();
    let path = directory.write("file", vec![7; 64 * 1024 * 1024]);
    let listener = listener();
    let _deaf = TcpStream::connect(listener.address()).unwrap();
    let accepted = listener.accept(LOOPBACK, LONG, SECOND / 5, |_| {}).await.unwrap();
    let (mut transfer, _) = transfer(accepted);
    let error = transfer.send_file(File::open(path).unwrap(), 0, 64 * 1024 * 1024).await.unwrap_err();
    assert!(matches!(error, PumpError::Stalled), "{error}");
}

#[tokio::test]
async fn a_peer_that_resets_an_upload_is_an_error() {
    let directory = TestDirectory::new();
    let listener = listener();
    let client = TcpStream::connect(listener.address()).unwrap();
    (&client).write_all(b"some of it").unwrap();
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    let (mut transfer, _) = transfer(accept(listener).await);
    drop(client);
    let file = File::create(directory.join("upload")).unwrap();
    let error = transfer.receive_to_file(file).await.unwrap_err();
    assert!(matches!(error, PumpError::Network(_)), "{error}");
}
