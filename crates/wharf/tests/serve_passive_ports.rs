//! A narrow passive range (S11): never a port outside it, every port of it used, and what happens when it is full.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

use wharf_testkit::TestDirectory;
use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::process::run;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A server with a range of `count` ports, and a file in its directory.
fn serve(count: u16) -> (TestDirectory, Served, RangeInclusive<u16>) {
    let directory = TestDirectory::new();
    directory.write("file", sample(50_000));
    let ports = free_ports(Ipv4Addr::LOCALHOST.into(), count);
    let range = format!("{}-{}", ports.start(), ports.end());
    let served = Served::start(WHARF, directory.path(), &["--passive-ports", &range]);
    (directory, served, ports)
}

fn log_in(served: &Served) -> Conversation {
    ScriptedClient::log_in(served.address(), "anonymous", "guest")
}

/// Asks for a passive port, in both ways by turns.
fn negotiate(client: &mut Conversation, number: usize) -> u16 {
    let passage =
        if number.is_multiple_of(2) { "C: PASV\nS: 227 *({six})*" } else { "C: EPSV\nS: 229 *(|||{port}|)*" };
    client.play(passage);
    client.data_target().unwrap().port()
}

fn fetch(client: &mut Conversation) {
    client.play("C: TYPE I\nS: 200\nC: RETR file\nS: 150").open_data();
    client.expect_data(sample(50_000)).expect_data_end().play("S: 226");
}

#[test]
fn every_port_of_eight_is_used_and_the_ninth_client_is_told_why_there_is_none() {
    let (_directory, served, range) = serve(8);
    let mut clients: Vec<_> = (0..9).map(|_| log_in(&served)).collect();
    let (late, holders) = clients.split_last_mut().unwrap();
    let used: BTreeSet<u16> =
        holders.iter_mut().enumerate().map(|(number, client)| negotiate(client, number)).collect();
    assert_eq!(used, range.clone().collect(), "all eight, the last one too");
    for command in ["PASV", "EPSV"] {
        let reply = late.send_line(command).expect_reply("425");
        let (first, last) = (range.start().to_string(), range.end().to_string());
        assert!(reply.contains(&first) && reply.contains(&last) && reply.contains("in use"), "{reply}");
    }
    // Active mode is still there for it.
    late.play("C: PORT {six}\nS: 200");
    fetch(late);
    // A transfer ends: its port is the next one's.
    let freed = holders[3].data_target().unwrap().port();
    fetch(&mut holders[3]);
    assert_eq!(negotiate(late, 0), freed);
    fetch(late);
    // A client that leaves gives its port back too; the other free one is taken meanwhile.
    negotiate(&mut holders[3], 0);
    let freed = holders[5].data_target().unwrap().port();
    holders[5].play("C: QUIT\nS: 221").expect_close();
    assert_eq!(negotiate(late, 1), freed);
    fetch(late);
    let log = served.stop();
    assert!(log.contains("range-exhausted"), "{log}");
}

#[test]
fn a_range_of_one_port_serves_one_transfer_after_the_other() {
    let (_directory, served, range) = serve(1);
    let mut client = log_in(&served);
    for number in 0..20 {
        assert_eq!(negotiate(&mut client, number), *range.start());
        fetch(&mut client);
    }
    let mut other = log_in(&served);
    negotiate(&mut client, 0);
    other.play("C: PASV\nS: 425 *");
    fetch(&mut client);
    negotiate(&mut other, 0);
    fetch(&mut other);
}

#[test]
fn a_port_is_free_again_as_soon_as_its_data_connection_is_up() {
    let (_directory, served, range) = serve(1);
    let (mut first, mut second) = (log_in(&served), log_in(&served));
    negotiate(&mut first, 0);
    // The data connection is up, and nothing is read from it yet.
    first.play("C: TYPE I\nS: 200\nC: RETR file\nS: 150").open_data().expect_data(&sample(50_000)[..1]);
    assert_eq!(negotiate(&mut second, 0), *range.start());
    fetch(&mut second);
    first.expect_data(&sample(50_000)[1..]).expect_data_end().play("S: 226");
}

#[test]
fn a_port_that_another_program_has_is_passed_over() {
    let (_directory, served, range) = serve(3);
    let taken: Vec<_> =
        [*range.start(), *range.end()].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap()).into();
    let mut client = log_in(&served);
    for number in 0..10 {
        assert_eq!(negotiate(&mut client, number), range.start() + 1);
        fetch(&mut client);
    }
    drop(taken);
}

#[test]
fn ports_of_a_wide_range_stay_in_it() {
    let (_directory, served, range) = serve(50);
    let mut client = log_in(&served);
    let used: BTreeSet<u16> = (0..200).map(|number| negotiate(&mut client, number)).collect();
    assert!(used.iter().all(|port| range.contains(port)), "{used:?} outside {range:?}");
    // Drawn at random from 50, 200 times: fewer than 40 different ones come up once in a million million runs.
    assert!(used.len() >= 40, "only {} different ports", used.len());
}

#[test]
fn real_clients_work_with_one_port() {
    let (_directory, served, _range) = serve(1);
    let address = served.address();
    let url = format!("ftp://{address}/file");
    let script = format!("open ftp://{address}; cat file");
    for (program, mut command) in [
        ("wget", clients::wget()),
        ("curl", clients::curl()),
        ("lftp", clients::lftp(LftpMode::Passive, &script)),
    ] {
        if !clients::is_installed(program) {
            wharf_testkit::skip(&format!("{program} is not installed"));
            continue;
        }
        match program {
            "wget" => _ = command.args(["-O", "-", &url]),
            "curl" => _ = command.args([&url, &url, &url]),
            _ => {}
        }
        let run = run(&mut command);
        let content = sample(50_000).repeat(if program == "curl" { 3 } else { 1 });
        assert!(run.assert_success().stdout == content, "{program} got other bytes");
    }
}
