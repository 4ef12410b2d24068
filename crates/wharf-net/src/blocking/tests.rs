use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

/// A connection, and its other end.
fn pair(limit: Duration) -> (BlockingStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = BlockingStream::connect(listener.local_addr().unwrap(), limit).unwrap();
    (stream, listener.accept().unwrap().0)
}

#[test]
fn everything_that_comes_is_counted_and_thrown_away() {
    let (mut stream, mut peer) = pair(LIMIT);
    let writer = thread::spawn(move || peer.write_all(&vec![7; 3_000_001]).unwrap());
    let (mut room, mut total) = (vec![0; 1 << 20], 0);
    loop {
        match stream.discard(&mut room, false).unwrap() {
            0 => break,
            count => total += count,
        }
    }
    writer.join().unwrap();
    assert_eq!(total, 3_000_001);
    assert!(!cfg!(target_os = "linux") || room.iter().all(|byte| *byte == 0), "it was copied");
}

#[test]
fn a_file_is_sent_from_any_place() {
    let (mut stream, mut peer) = pair(LIMIT);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"0123456789").unwrap();
    file.rewind().unwrap();
    let mut offset = 4;
    assert_eq!(stream.send_file(&file, &mut offset, 3).unwrap(), 3);
    assert_eq!(offset, 7);
    assert_eq!(stream.send_file(&file, &mut 10, 3).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    stream.finish().unwrap();
    let mut came = String::new();
    peer.read_to_string(&mut came).unwrap();
    assert_eq!(came, "456");
}

#[test]
fn nothing_is_waited_for_longer_than_was_said() {
    let (mut stream, _peer) = pair(Duration::from_millis(50));
    let error = stream.receive(|_| {}).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{error}");
}
