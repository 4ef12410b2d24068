//! Many sessions, and many operations: short here, long in `cargo xtask soak`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test says where")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::run;
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip, soak_rounds};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Longest wait for a reply; a hang fails the test.
const PATIENCE: Duration = Duration::from_secs(60);
const CONTENT: &[u8] = b"one small file\n";

/// The thinnest client there is.
struct Client {
    control: BufReader<TcpStream>,
}

impl Client {
    fn log_in(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // The replies of these sessions are short; ten thousand of them must fit.
        let mut client = Self { control: BufReader::with_capacity(256, stream) };
        client.expect("220");
        client.command("USER anonymous", "331");
        client.command("PASS soak@", "230");
        client.command("TYPE I", "200");
        client
    }

    fn expect(&mut self, code: &str) -> String {
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "wanted {code}, got {line:?}");
        line
    }

    fn command(&mut self, line: &str, code: &str) -> String {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.expect(code)
    }

    fn passive(&mut self) -> TcpStream {
        let reply = self.command("EPSV", "229");
        let port: u16 = reply.rsplit('|').nth(1).unwrap().parse().unwrap();
        TcpStream::connect((self.control.get_ref().peer_addr().unwrap().ip(), port)).unwrap()
    }

    fn active(&mut self) -> TcpListener {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        self.command(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255), "200");
        listener
    }

    /// One operation of the mix.
    fn operate(&mut self, number: u64, name: &str) {
        match number % 8 {
            0 => self.download_passive(),
            1 => {
                let listener = self.active();
                self.command("RETR file", "150");
                let mut received = Vec::new();
                listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
                assert_eq!(received, CONTENT);
                self.expect("226");
            }
            2 => {
                let mut data = self.passive();
                self.command(&format!("STOR {name}"), "150");
                data.write_all(CONTENT).unwrap();
                drop(data);
                self.expect("226");
            }
            3 => {
                let mut data = self.passive();
                self.command("LIST", "150");
                let mut listing = String::new();
                data.read_to_string(&mut listing).unwrap();
                assert!(listing.contains(" file\r\n"), "{listing}");
                self.expect("226");
            }
            4 => drop(self.command("SIZE file", "213")),
            5 => drop(self.command("RETR missing", "425")),
            6 => drop(self.passive()),
            _ => drop(self.command("NOOP", "200")),
        }
    }

    fn download_passive(&mut self) {
        let mut data = self.passive();
        self.command("RETR file", "150");
        let mut received = Vec::new();
        data.read_to_end(&mut received).unwrap();
        assert_eq!(received, CONTENT);
        self.expect("226");
    }
}

/// A fact of /proc/PID/status, in KiB.
fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn directory() -> TestDirectory {
    let directory = TestDirectory::new();
    directory.write("file", CONTENT);
    directory
}

fn serve() -> (TestDirectory, Served) {
    let directory = directory();
    let served = Served::start(WHARF, directory.path(), &["--write"]);
    (directory, served)
}

#[test]
fn soak_sessions_are_held_without_an_error() {
    let count = soak_rounds(300);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum },
    )
    .unwrap();
    let (_directory, mut served) = serve();
    let pid = served.program().id();
    let (address, before) = (served.address(), memory(pid, "RssAnon:"));
    let mut sessions: Vec<Client> = (0..count).map(|_| Client::log_in(address)).collect();
    let each = (memory(pid, "RssAnon:") - before) as f64 / count as f64;
    let mut waits: Vec<Duration> = sessions
        .iter_mut()
        .map(|session| {
            let asked = Instant::now();
            session.command("NOOP", "200");
            asked.elapsed()
        })
        .collect();
    waits.sort_unstable();
    println!("{count} sessions, {each:.1} KiB each, NOOP p99 {:?}", waits[waits.len() * 99 / 100]);
    for session in sessions.iter_mut().step_by(10) {
        session.download_passive();
    }
    // A thread's stack or a buffer for each would show.
    assert!(each < 16.0, "{each:.1} KiB for an idle session");
}

/// So many clients at once, each with its rounds of the mix.
fn work(server: SocketAddr, clients: u64, rounds: u64) {
    // Threads that are started here live in the namespace of the one that starts them.
    thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                let mut session = Client::log_in(server);
                for number in 0..rounds {
                    session.operate(number, &format!("up-{client}"));
                }
                session.command("QUIT", "221");
            });
        }
    });
}

/// Clients at once.
const CLIENTS: u64 = 4;

#[test]
fn soak_operations_leave_nothing_behind() {
    let rounds = soak_rounds(4000) / CLIENTS;
    // Millions of short connections use up the ports of the machine by TIME_WAIT; a namespace of its own forgets them.
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => skip!("{reason}"),
    };
    run(namespace.command("sysctl").args(["-qw", "net.ipv4.tcp_max_tw_buckets=1"])).assert_success();
    let directory = directory();
    let mut command = namespace.command(WHARF);
    command.arg("serve").arg(directory.path()).args(["--listen", "127.0.0.1:0", "--write"]);
    let mut served = Served::from_command(&mut command);
    let pid = served.program().id();
    let address = served.address();
    let operate = |rounds: u64| {
        namespace.enter(|| work(address, CLIENTS, rounds));
    };
    operate(200); // what is allocated once, is allocated
    let (before, open) = (memory(pid, "RssAnon:"), descriptors(pid));
    let started = Instant::now();
    operate(rounds);
    let (after, hours) = (memory(pid, "RssAnon:"), started.elapsed().as_secs_f64() / 3600.0);
    println!("{} operations, {before} KiB before, {after} KiB after {hours:.3} h", rounds * CLIENTS);
    // Four sessions more or less, and what the allocator keeps, but nothing that grows with the operations.
    assert!(after < before + 2048, "memory grew from {before} to {after} KiB");
    let (mut served, deadline) = (served, Instant::now() + PATIENCE);
    while descriptors(served.program().id()) > open {
        assert!(Instant::now() < deadline, "descriptors are left over");
        thread::yield_now();
    }
}
