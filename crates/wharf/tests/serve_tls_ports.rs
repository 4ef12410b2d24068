//! Passive ports that sessions of one address share under TLS, when the range is full (S11): the tickets with which a
//! data connection begins tell whose it is.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::thread;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, Negotiated, TLS12, TLS13, TestCertificate, TlsOptions};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

struct Serving {
    directory: TestDirectory,
    served: Served,
}

impl Serving {
    /// With so many passive ports.
    fn start(ports: u16) -> Self {
        let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
        let range = free_ports(IpAddr::V4(Ipv4Addr::LOCALHOST), ports);
        let range = format!("{}-{}", range.start(), range.end());
        let given = certificate.flags();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let flags = [&given[..], &["--write", "-v", "--passive-ports", &range]].concat();
        let served = Served::start(WHARF, directory.path(), &flags);
        Self { directory, served }
    }

    fn log_in(&self, options: &TlsOptions) -> FtpsClient {
        let mut client = FtpsClient::connect(self.served.address(), options);
        client.auth().log_in("anonymous", "guest");
        client
    }
}

fn port_of(negotiated: &Negotiated) -> u16 {
    match negotiated {
        Negotiated::Connected(stream) => stream.peer_addr().unwrap().port(),
        Negotiated::Listening(_) => panic!("passive mode only"),
    }
}

/// All of one user and one address, connected to one port before any of them asks for its file, in any order.
#[test]
fn each_session_on_one_port_gets_its_own_file() {
    const SESSIONS: usize = 6;
    let serving = Serving::start(1);
    for number in 0..SESSIONS {
        serving.directory.write(format!("file{number}"), sample(20_000 + number));
    }
    for versions in [TLS12, TLS13] {
        let options = TlsOptions { versions, ..TlsOptions::default() };
        let mut clients: Vec<FtpsClient> = (0..SESSIONS).map(|_| serving.log_in(&options)).collect();
        let modes = [Mode::Pasv, Mode::Epsv];
        let waiting: Vec<Negotiated> = clients
            .iter_mut()
            .enumerate()
            .map(|(number, client)| client.negotiate(modes[number % 2]))
            .collect();
        let first = port_of(&waiting[0]);
        assert!(waiting.iter().all(|negotiated| port_of(negotiated) == first), "there is one port");
        // A stranger from the same address, in clear, and one that says nothing and goes away.
        let mut stranger = TcpStream::connect(("127.0.0.1", first)).unwrap();
        stranger.write_all(b"give me that file\r\n").unwrap();
        drop(TcpStream::connect(("127.0.0.1", first)).unwrap());
        // The last asks first, and the handshakes come in yet another order.
        for (number, client) in clients.iter_mut().enumerate().rev() {
            client.expect(&format!("RETR file{number}"), 150);
        }
        let mut turns: Vec<_> = clients.iter_mut().zip(waiting).enumerate().collect();
        turns.rotate_left(SESSIONS / 2);
        for (number, (client, negotiated)) in turns {
            let stream = client.open(negotiated);
            let mut data = client.handshake(stream).unwrap();
            let mut content = Vec::new();
            data.read_to_end(&mut content).unwrap();
            assert!(content == sample(20_000 + number), "session {number} got {} bytes", content.len());
            assert_eq!(client.reply().0, 226);
        }
        assert_eq!(stranger.read(&mut [0; 1]).unwrap_or(0), 0, "nothing for the stranger");
        // The port is free again, and is had without sharing.
        assert_eq!(clients[0].fetch(Mode::Epsv, "RETR file1").0, sample(20_001));
    }
}

#[test]
fn many_transfers_from_one_address_over_two_ports_meet_no_full_range() {
    let serving = Serving::start(2);
    thread::scope(|scope| {
        for number in 0..24 {
            let serving = &serving;
            scope.spawn(move || {
                let versions = if number % 2 == 0 { TLS12 } else { TLS13 };
                let mut client = serving.log_in(&TlsOptions { versions, ..TlsOptions::default() });
                let content = sample(3000 + number);
                for turn in 0..20 {
                    let mode = if turn % 4 < 2 { Mode::Pasv } else { Mode::Epsv };
                    if turn % 2 == 0 {
                        assert!(client.store(mode, &format!("STOR file{number}"), &content));
                    } else {
                        let (got, resumed) = client.fetch(mode, &format!("RETR file{number}"));
                        assert!(got == content && resumed, "{number}, turn {turn}");
                    }
                }
            });
        }
    });
    let log = serving.served.stop();
    assert!(!log.contains("WARN"), "{log}");
}

/// Without a ticket there is nothing to tell them apart.
#[test]
fn sessions_in_clear_from_one_address_do_not_share_a_port() {
    let serving = Serving::start(1);
    let mut holder = serving.log_in(&TlsOptions::default());
    let waiting = holder.negotiate(Mode::Epsv);
    let mut clear = FtpsClient::connect(serving.served.address(), &TlsOptions::default());
    clear.expect("USER anonymous", 331);
    clear.expect("PASS guest", 230);
    let reply = clear.expect("EPSV", 425);
    assert!(reply.contains("All 1 passive ports"), "{reply}");
    drop(waiting);
}
