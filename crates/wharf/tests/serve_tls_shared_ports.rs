//! More transfers at once than passive ports, from one address (S11): under TLS the session that a data connection resumes
//! tells whose it is.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::thread;

use wharf_testkit::clients;
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::process::run;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::served::Served;
use wharf_testkit::tls::{FtpsClient, Mode, TLS12, TLS13, TestCertificate, TlsOptions, is_resumed};
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const USERS: usize = 6;

struct Serving {
    _directory: TestDirectory,
    _certificate: TestCertificate,
    served: Served,
}

/// A server with users of its own, a file for each, and a range of `count` ports.
fn serve(count: u16, more: &[&str]) -> Serving {
    let (directory, certificate) = (TestDirectory::new(), TestCertificate::new(&["localhost"]));
    let mut flags: Vec<String> = certificate.flags().into();
    for number in 0..USERS {
        directory.write(format!("file{number}"), content(number));
        flags.extend(["--user".to_owned(), format!("user{number}:secret")]);
    }
    let ports = free_ports(Ipv4Addr::LOCALHOST.into(), count);
    flags.extend([
        "--passive-ports".to_owned(),
        format!("{}-{}", ports.start(), ports.end()),
        "--write".to_owned(),
    ]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    let served = Served::start(WHARF, directory.path(), &flags);
    Serving { _directory: directory, _certificate: certificate, served }
}

fn content(number: usize) -> Vec<u8> {
    sample(50_000 + number * 7)
}

fn log_in(serving: &Serving, options: &TlsOptions, number: usize) -> FtpsClient {
    let mut client = FtpsClient::connect(serving.served.address(), options);
    client.auth().log_in(&format!("user{number}"), "secret");
    client
}

/// Both versions.
fn each_version() -> impl Iterator<Item = TlsOptions> {
    [TLS12, TLS13].into_iter().map(|versions| TlsOptions { versions, ..TlsOptions::default() })
}

#[test]
fn users_at_one_address_share_a_port_and_each_gets_what_is_its_own() {
    let serving = serve(1, &[]);
    for options in each_version() {
        let negotiated = Barrier::new(USERS);
        thread::scope(|scope| {
            for number in 0..USERS {
                let (serving, options, negotiated) = (&serving, &options, &negotiated);
                scope.spawn(move || {
                    let mut client = log_in(serving, options, number);
                    for round in 0..4 {
                        let mode = if (number + round).is_multiple_of(2) { Mode::Epsv } else { Mode::Pasv };
                        let agreed = client.negotiate(mode);
                        negotiated.wait();
                        client.expect(&format!("RETR file{number}"), 150);
                        let stream = client.open(agreed);
                        let mut secure = client.handshake(stream).unwrap();
                        assert!(is_resumed(&secure));
                        let mut received = Vec::new();
                        secure.read_to_end(&mut received).unwrap();
                        assert!(received == content(number), "{number} got another's bytes");
                        assert_eq!(client.reply().0, 226);
                    }
                });
            }
        });
    }
    assert_eq!(serving.served.stop(), "");
}

#[test]
fn whoever_cannot_be_told_apart_is_told_that_there_is_no_port() {
    let serving = serve(1, &[]);
    let options = TlsOptions::default();
    let mut first = log_in(&serving, &options, 0);
    first.expect("EPSV", 229);
    // Another session of the same user may be of the same program, which shares its tickets.
    log_in(&serving, &options, 0).expect("EPSV", 425);
    // One in clear says nothing of itself.
    ScriptedClient::log_in(serving.served.address(), "user1", "secret").play("C: EPSV\nS: 425");
    log_in(&serving, &options, 1).expect("EPSV", 229);
    // Where nobody has to resume, nobody is known by it.
    let serving = serve(1, &["--tls-resumption", "prefer"]);
    let mut held = log_in(&serving, &options, 0);
    held.expect("EPSV", 229);
    log_in(&serving, &options, 1).expect("EPSV", 425);
}

#[test]
fn what_one_session_left_behind_is_not_anothers() {
    let serving = serve(1, &[]);
    let options = TlsOptions::default();
    let (mut gone, mut stays) = (log_in(&serving, &options, 0), log_in(&serving, &options, 1));
    let (left, agreed) = (gone.negotiate(Mode::Epsv), stays.negotiate(Mode::Epsv));
    // A data connection that is up, of a session that thinks better of it.
    let left = gone.open(left);
    drop(gone);
    stays.expect("RETR file1", 150);
    let mut secure = stays.handshake(stays.open(agreed)).unwrap();
    let mut received = Vec::new();
    secure.read_to_end(&mut received).unwrap();
    assert!(received == content(1));
    assert_eq!(stays.reply().0, 226);
    drop(left);
}

#[test]
fn curl_for_several_users_shares_a_port() {
    if !clients::is_installed("curl") {
        skip!("curl is not installed");
    }
    let serving = serve(1, &[]);
    thread::scope(|scope| {
        for number in 0..USERS {
            let serving = &serving;
            scope.spawn(move || {
                let url = format!("ftp://user{number}:secret@{}/file{number}", serving.served.address());
                let urls = vec![url.as_str(); 4];
                let run = run(clients::curl().args(["--ssl-reqd", "--insecure"]).args(urls));
                assert!(run.assert_success().stdout == content(number).repeat(4), "{number} got other bytes");
            });
        }
    });
    assert_eq!(serving.served.stop(), "");
}
