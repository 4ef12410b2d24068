//! How often the server asks for memory: never for a NOOP, and a bounded number of times for a small file.
//!
//! The counting allocator serves this whole program, which is why there is one test in it: a second one's threads would be
//! counted too. The client's thread takes itself out.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]
#![allow(unsafe_code, reason = "an allocator can only be made so; it hands everything on to the system's")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use common::Serving;

/// Most times that memory is asked for by a download of a small file in passive mode: EPSV, RETR, and all of their replies.
const A_SMALL_FILE: u64 = 40;
/// Most memory that a session keeps of what it did, in bytes.
const LEFT_OVER: i64 = 1024;
const ROUNDS: u64 = 100;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
/// Bytes that are held by whoever is counted.
static HELD: AtomicI64 = AtomicI64::new(0);

thread_local! {
    /// This thread is not the server's.
    static IS_CLIENT: Cell<bool> = const { Cell::new(false) };
}

fn count(allocations: u64, bytes: i64) {
    // A thread that ends has no such variable any more; it is the server's.
    if !IS_CLIENT.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(allocations, Ordering::Relaxed);
        HELD.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn bytes(layout: Layout) -> i64 {
    i64::try_from(layout.size()).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to the system's allocator as it came, and its answer back; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: what the caller promises of `layout` is what the system's allocator wants.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, bytes(layout));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: what the caller promises of `pointer` and `layout` is what the system's allocator wants.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, -bytes(layout));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    // SAFETY: what the caller promises of all three is what the system's allocator wants.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, i64::try_from(size).unwrap_or(i64::MAX) - bytes(layout));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn allocations() -> u64 {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// A client that says one thing at a time.
struct Client {
    control: TcpStream,
    said: String,
}

impl Client {
    fn log_in(server: SocketAddr) -> Self {
        let mut client = Self { control: TcpStream::connect(server).unwrap(), said: String::new() };
        client.expect("220");
        for (command, code) in [("USER anonymous", "331"), ("PASS x", "230"), ("TYPE I", "200")] {
            client.ask(command, code);
        }
        client
    }

    fn ask(&mut self, command: &str, code: &str) {
        self.control.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.expect(code);
    }

    /// Waits for a reply that begins like this; more may stand behind it.
    fn expect(&mut self, code: &str) {
        let mut piece = [0; 512];
        while !self.said.contains("\r\n") {
            let count = self.control.read(&mut piece).unwrap();
            assert!(count > 0, "the server closed");
            self.said += std::str::from_utf8(&piece[..count]).unwrap();
        }
        let (line, rest) = self.said.split_once("\r\n").unwrap();
        assert!(line.starts_with(code), "{line}");
        self.said = rest.to_owned();
    }

    fn download(&mut self) {
        self.control.write_all(b"EPSV\r\n").unwrap();
        let mut piece = [0; 512];
        let count = self.control.read(&mut piece).unwrap();
        let reply = std::str::from_utf8(&piece[..count]).unwrap();
        let port: u16 = reply.split('|').nth(3).unwrap().parse().unwrap();
        let mut data = TcpStream::connect(("127.0.0.1", port)).unwrap();
        self.ask("RETR small", "150");
        let mut content = Vec::new();
        data.read_to_end(&mut content).unwrap();
        assert_eq!(content.len(), 1024);
        self.expect("226");
    }

    fn noops(&mut self, count: u64) {
        for _ in 0..count {
            self.ask("NOOP", "200");
        }
    }
}

#[test]
fn a_noop_asks_for_no_memory_and_a_small_file_for_little() {
    IS_CLIENT.set(true);
    let serving = Serving::start(common::UNHURRIED);
    serving.root.write("small", vec![7; 1024]);
    let mut client = Client::log_in(serving.address);

    client.noops(10);
    let before = allocations();
    client.noops(ROUNDS);
    assert_eq!(allocations() - before, 0, "in {ROUNDS} NOOPs of a warm session");

    // What the first ones need stays: threads, the reactor's slots.
    for _ in 0..10 {
        client.download();
    }
    client.noops(10);
    let (before, held) = (allocations(), HELD.load(Ordering::Relaxed));
    for _ in 0..ROUNDS {
        client.download();
    }
    // When the NOOP is answered, the download before it is forgotten.
    client.noops(10);
    let each = (allocations() - before) / ROUNDS;
    let left = HELD.load(Ordering::Relaxed) - held;
    println!(
        "a download of a small file asks {each} times for memory; {left} bytes more are held after {ROUNDS}"
    );
    assert!(each <= A_SMALL_FILE, "{each} allocations for a small file");
    assert!(left <= LEFT_OVER, "{left} bytes more are held after {ROUNDS} downloads");
}
