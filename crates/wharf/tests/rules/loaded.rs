//! The rules loaded under default drop: the mode they are for works, with ordinary clients too, and nothing else is open.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use wharf_testkit::TestDirectory;
use wharf_testkit::clients::{self, LftpMode};
use wharf_testkit::lab::{Host, Lab, Topology};
use wharf_testkit::process::run_within;
use wharf_testkit::served::Served;

use crate::wharf;

/// In either family.
const SERVER: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(of_lab(1))];
const CLIENT: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), IpAddr::V6(of_lab(2))];
const PREFIX_LENGTHS: [u8; 2] = [24, 64];
const PASSIVE: std::ops::RangeInclusive<u16> = 50_000..=50_004;
/// How long an answer to a scan is waited for; between two machines that are one it takes no time.
const ANSWER: Duration = Duration::from_millis(800);

const fn of_lab(host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host)
}

/// A table as distributions have it, with nothing in it but loopback and ICMPv6.
const NFT_DROP: &str = "\
table inet filter {
    chain input { type filter hook input priority filter; policy drop; iif lo accept; meta l4proto ipv6-icmp accept; }
    chain forward { type filter hook forward priority filter; policy drop; }
    chain output { type filter hook output priority filter; policy drop; oif lo accept; meta l4proto ipv6-icmp accept; }
}
";
const IPTABLES_DROP: &str = "\
for program in iptables ip6tables; do
    for chain in INPUT OUTPUT FORWARD; do $program -P $chain DROP; done
done
for chain in INPUT OUTPUT; do ip6tables -A $chain -p ipv6-icmp -j ACCEPT; done
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Active,
    Passive,
}

/// Feeds a program in a host of the lab.
#[track_caller]
fn feed(command: &mut Command, input: &str) {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\nin:\n{input}", String::from_utf8_lossy(&output.stderr));
}

/// Loads what `wharf rules` prints for `mode` on `side` behind a policy of dropping everything.
#[track_caller]
fn load(lab: &Lab, side: &str, firewall: &str, mode: Mode, flags: &[&str]) {
    let mode = format!("{mode:?}").to_lowercase();
    let ports = format!("{}-{}", PASSIVE.start(), PASSIVE.end());
    let mut command = wharf();
    command.args(["rules", "--side", side, "--for", firewall, "--modes", &mode]);
    command.args(["--listen", "[::]:21", "--passive-ports", &ports]).args(flags);
    let printed = wharf_testkit::process::run(&mut command);
    let rules = printed.assert_success().output();
    let host = lab.host(side);
    if firewall == "nftables" {
        feed(host.command("nft").args(["-f", "-"]), &format!("{NFT_DROP}{rules}"));
    } else {
        feed(host.command("sh").arg("-e"), &format!("{IPTABLES_DROP}{rules}"));
    }
}

/// A client and a server next to each other.
fn stand() -> Option<Lab> {
    let topology = Topology::new()
        .host(Host::new("client"))
        .host(Host::new("server"))
        .link("cable", [("server", &ends(SERVER)), ("client", &ends(CLIENT))]);
    match Lab::start(&topology) {
        Ok(lab) => Some(lab),
        Err(reason) => {
            wharf_testkit::skip(&reason);
            None
        }
    }
}

fn ends(addresses: [IpAddr; 2]) -> [String; 2] {
    [0, 1].map(|family| format!("{}/{}", addresses[family], PREFIX_LENGTHS[family]))
}

#[track_caller]
fn serve(lab: &Lab, directory: &TestDirectory) -> Served {
    directory.write("hello.txt", "hello");
    let mut command = wharf();
    command.arg("serve").arg(directory.path()).args(["--anonymous", "--listen", "[::]:21"]);
    command.arg("--passive-ports").arg(format!("{}-{}", PASSIVE.start(), PASSIVE.end()));
    Served::from_command(&mut lab.host("server").adopt(&command))
}

/// Whether ours, curl and lftp fetch a file in `mode` over either family, each of which waits so many seconds for an answer.
fn fetches(lab: &Lab, mode: Mode, patience: u32) -> Vec<(String, bool)> {
    // lftp does not keep to its own time-outs.
    let limit = Duration::from_secs((4 * patience).into());
    let (patience, in_all) = (patience.to_string(), (2 * patience + 1).to_string());
    let url = |server: IpAddr| format!("ftp://{}/hello.txt", SocketAddr::new(server, 21));
    let ours = |server| {
        let mut command = wharf();
        let how = if mode == Mode::Active { "--active" } else { "--passive" };
        command.args(["get", "--timeout", &patience, how, "-o", "-", &url(server)]);
        command
    };
    let curl = |server| {
        let mut command = clients::curl();
        command.args(["--connect-timeout", &patience, "--max-time", &in_all, &url(server)]);
        if mode == Mode::Active {
            command.args(["--ftp-port", "-"]);
        }
        command
    };
    let lftp = |server| {
        let how = if mode == Mode::Active { LftpMode::Active } else { LftpMode::Passive };
        clients::lftp(how, &format!("set net:timeout {patience}; cat {}", url(server)))
    };
    let mut programs = Vec::new();
    for server in SERVER {
        programs.push((format!("wharf to {server}"), ours(server)));
        programs.extend(clients::is_installed("curl").then(|| (format!("curl to {server}"), curl(server))));
        programs.extend(clients::is_installed("lftp").then(|| (format!("lftp to {server}"), lftp(server))));
    }
    std::thread::scope(|scope| {
        let running: Vec<_> = programs
            .into_iter()
            .map(|(name, command)| {
                scope.spawn(move || {
                    let run = run_within(limit, &mut lab.host("client").adopt(&command));
                    (name, run.code() == 0 && run.output().contains("hello"))
                })
            })
            .collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

/// The ports of `target` that answer a SYN at all, with SYN-ACK or RST: those that the firewall lets through.
fn reachable(target: IpAddr, ports: impl Iterator<Item = u16>, source: Option<u16>) -> BTreeSet<u16> {
    let ports: Vec<u16> = ports.collect();
    let mut answered = BTreeSet::new();
    for batch in ports.chunks(800) {
        let sockets: Vec<(u16, Socket)> = batch
            .iter()
            .map(|port| {
                let domain = Domain::for_address(SocketAddr::new(target, *port));
                let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP)).unwrap();
                if let Some(source) = source {
                    socket.set_reuse_address(true).unwrap();
                    let any: IpAddr = if target.is_ipv4() {
                        Ipv4Addr::UNSPECIFIED.into()
                    } else {
                        Ipv6Addr::UNSPECIFIED.into()
                    };
                    socket.bind(&SockAddr::from(SocketAddr::new(any, source))).unwrap();
                }
                let _ = socket.connect(&SocketAddr::from((target, *port)).into());
                (*port, socket)
            })
            .collect();
        let deadline = std::time::Instant::now() + ANSWER;
        let mut waiting: Vec<&(u16, Socket)> = sockets.iter().collect();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            let mut polled: Vec<PollFd<'_>> =
                waiting.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::OUT)).collect();
            let time = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
            if poll(&mut polled, Some(&time)).unwrap() == 0 {
                break;
            }
            let ready: Vec<bool> = polled.iter().map(|it| !it.revents().is_empty()).collect();
            let mut index = 0;
            waiting.retain(|(port, _)| {
                let is_ready = ready[index];
                index += 1;
                if is_ready {
                    answered.insert(*port);
                }
                !is_ready
            });
        }
    }
    answered
}

/// Every port below 1200, and those around each that matters.
fn scanned() -> impl Iterator<Item = u16> {
    (1..1100).chain(2000..2150).chain(49_900..50_100).chain(65_500..=65_535)
}

#[track_caller]
fn works_and_nothing_else(firewall: &str, mode: Mode, flags: &[&str]) {
    let Some(lab) = stand() else { return };
    if firewall == "iptables" && !clients::is_installed("iptables") {
        return wharf_testkit::skip("the test loads rules with iptables");
    }
    let directory = TestDirectory::new();
    let served = serve(&lab, &directory);
    load(&lab, "server", firewall, mode, flags);
    for (program, works) in fetches(&lab, mode, 10) {
        assert!(works, "{program} in {mode:?} mode, {firewall} {flags:?}\n{}", served.log());
    }
    let other = if mode == Mode::Active { Mode::Passive } else { Mode::Active };
    for (program, works) in fetches(&lab, other, 2) {
        assert!(!works, "{program} in {other:?} mode through the rules of {mode:?}, {firewall} {flags:?}");
    }
    // From outside: the control port, and the passive range where that is the mode.
    let mut outside = BTreeSet::from([21]);
    if mode == Mode::Passive {
        outside.extend(PASSIVE);
    }
    // From inside: nothing but active mode's connections, from port 20.
    let high = || scanned().filter(|port| *port >= 1024);
    let inside: BTreeSet<u16> = if mode == Mode::Active { high().collect() } else { BTreeSet::new() };
    for (server, client) in SERVER.into_iter().zip(CLIENT) {
        let open = lab.host("client").enter(|| reachable(server, scanned(), None));
        assert_eq!(open, outside, "from outside to {server}, {firewall} {mode:?} {flags:?}");
        let from_anywhere = lab.host("server").enter(|| reachable(client, scanned(), None));
        assert!(from_anywhere.is_empty(), "from {server}: {from_anywhere:?}, {firewall} {mode:?} {flags:?}");
        let from_20 = lab.host("server").enter(|| reachable(client, scanned(), Some(20)));
        assert_eq!(from_20, inside, "from port 20 of {server}, {firewall} {mode:?} {flags:?}");
    }
}

#[test]
fn nftables_active() {
    works_and_nothing_else("nftables", Mode::Active, &[]);
}

#[test]
fn nftables_passive() {
    works_and_nothing_else("nftables", Mode::Passive, &[]);
}

#[test]
fn nftables_stateless_active() {
    works_and_nothing_else("nftables", Mode::Active, &["--stateless"]);
}

#[test]
fn nftables_stateless_passive_one_rule_a_port() {
    works_and_nothing_else("nftables", Mode::Passive, &["--stateless", "--one-rule-per-port"]);
}

#[test]
fn iptables_active() {
    works_and_nothing_else("iptables", Mode::Active, &[]);
}

#[test]
fn iptables_passive() {
    works_and_nothing_else("iptables", Mode::Passive, &[]);
}

#[test]
fn iptables_stateless_active() {
    works_and_nothing_else("iptables", Mode::Active, &["--stateless"]);
}

#[test]
fn iptables_stateless_passive_one_rule_a_port() {
    works_and_nothing_else("iptables", Mode::Passive, &["--stateless", "--one-rule-per-port"]);
}

/// At the client: the same two modes, and no way in but for the server's data connections.
#[test]
fn at_the_client() {
    for mode in [Mode::Active, Mode::Passive] {
        let Some(lab) = stand() else { return };
        let directory = TestDirectory::new();
        let served = serve(&lab, &directory);
        load(&lab, "client", "nftables", mode, &[]);
        for (program, works) in fetches(&lab, mode, 10) {
            assert!(works, "{program} in {mode:?} mode\n{}", served.log());
        }
        for client in CLIENT {
            let way_in = lab.host("server").enter(|| reachable(client, scanned(), None));
            assert!(way_in.is_empty(), "{mode:?}, {client}: {way_in:?}");
        }
    }
}

/// The scan finds what is there: without rules every port answers, with a listener or without.
#[test]
fn the_scan_sees_open_ports() {
    let Some(lab) = stand() else { return };
    for server in SERVER {
        let listener = lab.host("server").enter(|| TcpListener::bind((server, 2100)).unwrap());
        let open = lab.host("client").enter(|| {
            drop(TcpStream::connect((server, 2100)).unwrap());
            reachable(server, 2090..2110, None)
        });
        assert_eq!(open, (2090..2110).collect());
        drop(listener);
    }
}
