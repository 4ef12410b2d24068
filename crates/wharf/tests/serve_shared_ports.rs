//! More transfers at once than the passive range has ports (S11): sessions of different clients share them.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Barrier;
use std::thread;

use wharf_testkit::clients;
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::process::run;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A server with a range of `count` ports and a file for each of `files` clients, no two the same.
fn serve(count: u16, files: usize) -> (TestDirectory, Served) {
    let directory = TestDirectory::new();
    for number in 0..files {
        directory.write(format!("file{number}"), content(number));
    }
    let ports = free_ports(Ipv4Addr::LOCALHOST.into(), count);
    let range = format!("{}-{}", ports.start(), ports.end());
    let served = Served::start(WHARF, directory.path(), &["--passive-ports", &range]);
    (directory, served)
}

fn content(number: usize) -> Vec<u8> {
    sample(20_000 + number * 7)
}

fn address(number: usize) -> IpAddr {
    [127, 0, 2, 1 + u8::try_from(number).unwrap()].into()
}

fn log_in(server: SocketAddr, from: IpAddr) -> Conversation {
    let mut client = ScriptedClient::connect_from((from, 0).into(), server);
    client.play("S: 220\nC: USER anonymous\nS: 331\nC: PASS x\nS: 230\nC: TYPE I\nS: 200");
    client
}

/// `clients` sessions from `addresses` addresses, each of which has negotiated before the first connects.
fn all_at_once(server: SocketAddr, clients: usize, addresses: usize, rounds: usize) {
    let negotiated = Barrier::new(clients);
    thread::scope(|scope| {
        for number in 0..clients {
            let negotiated = &negotiated;
            scope.spawn(move || {
                let from = address(number % addresses);
                let mut client = log_in(server, from);
                for round in 0..rounds {
                    let extended = (number + round).is_multiple_of(2);
                    client.play(if extended {
                        "C: EPSV\nS: 229 *(|||{port}|)*"
                    } else {
                        "C: PASV\nS: 227 *({six})*"
                    });
                    negotiated.wait();
                    // Some connect before they ask, as curl does, some after.
                    if number.is_multiple_of(3) {
                        client.connect_data_from(from).play(&format!("C: RETR file{number}\nS: 150"));
                    } else {
                        client.play(&format!("C: RETR file{number}\nS: 150")).connect_data_from(from);
                    }
                    client.expect_data(content(number)).expect_data_end().play("S: 226");
                }
                client.play("C: QUIT\nS: 221");
            });
        }
    });
}

#[test]
fn sixty_four_clients_from_eight_addresses_share_eight_ports() {
    let (_directory, served) = serve(8, 64);
    all_at_once(served.address(), 64, 8, 5);
    assert_eq!(served.stop(), "");
}

#[test]
fn five_hundred_clients_from_fifty_addresses_share_fifty_ports() {
    let (_directory, served) = serve(50, 500);
    all_at_once(served.address(), 500, 50, 2);
    assert_eq!(served.stop(), "");
}

#[test]
fn real_clients_share_a_port() {
    let (_directory, served) = serve(1, 12);
    let url = |number| format!("ftp://{}/file{number}", served.address());
    for program in ["wget", "curl"] {
        if !clients::is_installed(program) {
            skip!("{program} is not installed");
        }
        thread::scope(|scope| {
            for number in 0..12 {
                let (from, url) = (address(number).to_string(), url(number));
                scope.spawn(move || {
                    let mut command = if program == "wget" { clients::wget() } else { clients::curl() };
                    match program {
                        "wget" => command.args(["--bind-address", &from, "-O", "-", &url]),
                        _ => command.args(["--interface", &from, &url]),
                    };
                    let run = run(&mut command);
                    assert!(run.assert_success().stdout == content(number), "{program} got other bytes");
                });
            }
        });
    }
    assert_eq!(served.stop(), "");
}

#[test]
fn a_client_that_has_every_port_already_is_told_so_at_once_and_others_are_served() {
    let (_directory, served) = serve(2, 3);
    let mut holders: Vec<_> = (0..3).map(|_| log_in(served.address(), address(0))).collect();
    holders[0].play("C: PASV\nS: 227 *({six})*");
    holders[1].play("C: EPSV\nS: 229 *(|||{port}|)*");
    holders[2].play("C: PASV\nS: 425 All 2 passive ports *in use*\nC: EPSV\nS: 425 *");
    let mut other = log_in(served.address(), address(1));
    other.play("C: PASV\nS: 227 *({six})*\nC: RETR file1\nS: 150").connect_data_from(address(1));
    other.expect_data(content(1)).expect_data_end().play("S: 226");
    for (number, holder) in holders[..2].iter_mut().enumerate() {
        holder.play(&format!("C: RETR file{number}\nS: 150")).connect_data_from(address(0));
        holder.expect_data(content(number)).expect_data_end().play("S: 226");
    }
    holders[2].play("C: PASV\nS: 227 *({six})*");
}
