//! Behind a balancer that speaks the PROXY protocol: the client is whoever the header names, on control and data
//! connections, and nobody but the balancer is believed.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use wharf_testkit::clients;
use wharf_testkit::directory::sample;
use wharf_testkit::ports::free_ports;
use wharf_testkit::process::{Background, run};
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
/// Where the balancer connects from.
const BALANCER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 5));

fn serve(toml: &str) -> (TestDirectory, Served) {
    serve_on("127.0.0.1:0", toml)
}

fn serve_on(listen: &str, toml: &str) -> (TestDirectory, Served) {
    let directory = TestDirectory::new();
    directory.write(
        "wharf.toml",
        format!("listen = ['{listen}']\nproxy_protocol = '{BALANCER}'\nroot = 'files'\n{toml}"),
    );
    std::fs::create_dir(directory.join("files")).unwrap();
    directory.write("files/file", sample(100_000));
    let mut command = Command::new(WHARF);
    command.arg("serve").arg("--config").arg(directory.join("wharf.toml"));
    let served = Served::from_command(&mut command);
    (directory, served)
}

/// A header of either version.
fn header(version: u8, client: &str, destination: &str) -> Vec<u8> {
    let (client, destination): (SocketAddr, SocketAddr) =
        (client.parse().unwrap(), destination.parse().unwrap());
    if version == 1 {
        let family = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        let ports = format!("{} {}", client.port(), destination.port());
        return format!("PROXY {family} {} {} {ports}\r\n", client.ip(), destination.ip()).into_bytes();
    }
    let mut addresses = Vec::new();
    for end in [client, destination] {
        match end.ip() {
            IpAddr::V4(v4) => addresses.extend(v4.octets()),
            IpAddr::V6(v6) => addresses.extend(v6.octets()),
        }
    }
    addresses.extend([client.port(), destination.port()].map(u16::to_be_bytes).concat());
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    header.push(if client.is_ipv4() { 0x11 } else { 0x21 });
    header.extend(u16::try_from(addresses.len()).unwrap().to_be_bytes());
    header.extend(addresses);
    header
}

/// Connects as the balancer and says whom it connects for.
fn connect(served: &Served, header: &[u8]) -> Conversation {
    let mut client = ScriptedClient::connect_from((BALANCER, 0).into(), served.address());
    client.send(header);
    client
}

fn log_in(served: &Served, header: &[u8]) -> Conversation {
    let mut client = connect(served, header);
    client.play("S: 220\nC: USER anonymous\nS: 331\nC: PASS x\nS: 230\nC: TYPE I\nS: 200");
    client
}

/// Connects the data connection as the balancer does, for this client.
fn open_data(client: &mut Conversation, header: &[u8]) {
    client.connect_data_from(BALANCER).send_data(header);
}

#[test]
fn the_client_is_whom_the_header_names_on_control_and_data() {
    let (_directory, served) = serve(
        "passive.advertise = [{ clients = '203.0.113.0/24', address = 'proxy' }, { address = '192.0.2.9' }]",
    );
    for version in [1, 2] {
        let mut client = log_in(&served, &header(version, "203.0.113.9:4711", "198.51.100.2:21"));
        client.send_line("STAT").expect_reply("211");
        assert!(client.transcript().contains("Connected from 203.0.113.9"), "{}", client.transcript());
        // The address is the one that the client reached; in the test it leads nowhere.
        client.play("C: PASV\nS: 227 *(198,51,100,2,*)*\nC: PASV\nS: 227 *({six})*");
        let told = client.data_target().unwrap();
        assert_eq!(told.ip(), IpAddr::from([198, 51, 100, 2]));
        client.play("C: EPSV\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150");
        // The header may come late, and in pieces.
        let data = header(version, "203.0.113.9:4712", "198.51.100.2:40000");
        let (first, second) = data.split_at(9);
        open_data(&mut client, first);
        client.pause(Duration::from_millis(20)).send_data(second);
        client.expect_data(sample(100_000)).expect_data_end().play("S: 226");
    }
    // A client of another family than the balancer's, and one that no rule about the balancer is for.
    let mut six = log_in(&served, &header(2, "[2001:db8::9]:4711", "[2001:db8::21]:21"));
    six.play("C: PASV\nS: 522 *EPSV*\nC: EPSV 1\nS: 522 *(2)*\nC: EPSV 2\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150");
    open_data(&mut six, &header(2, "[2001:db8::9]:5", "[2001:db8::21]:6"));
    six.expect_data(sample(100_000)).expect_data_end().play("S: 226");
    log_in(&served, &header(1, "198.51.100.77:1", "198.51.100.2:21")).play("C: PASV\nS: 227 *(192,0,2,9,*)*");
}

#[test]
fn a_stranger_behind_the_balancer_is_a_stranger() {
    let (_directory, served) = serve("");
    let mut client = log_in(&served, &header(1, "203.0.113.9:4711", "198.51.100.2:21"));
    client.play("C: EPSV\nS: 229 *(|||{port}|)*\nC: RETR file\nS: 150");
    let target = client.data_target().unwrap();
    let as_balancer = |header: &[u8]| {
        let mut data = ScriptedClient::connect_from((BALANCER, 0).into(), target);
        data.send(header);
        data
    };
    as_balancer(&header(2, "203.0.113.10:4711", "198.51.100.2:40000")).expect_close();
    as_balancer(b"GET / HTTP/1.0\r\n\r\n").expect_close();
    // Its health checks come and go; one that says nothing keeps nobody from anything.
    as_balancer(b"PROXY UNKNOWN\r\n").expect_close();
    let silent = as_balancer(b"");
    // Nobody comes in without the balancer.
    ScriptedClient::connect(target).expect_close();
    open_data_for(&mut client, target);
    client.expect_data(sample(100_000)).expect_data_end().play("S: 226");
    drop((silent, client));
    let log = served.stop();
    assert!(log.contains("203.0.113.10:4711") && log.contains("no PROXY header"), "{log}");
}

fn open_data_for(client: &mut Conversation, target: SocketAddr) {
    client.connect_data_to(target, Some((BALANCER, 0).into()));
    client.send_data(header(1, "203.0.113.9:4712", "198.51.100.2:40000"));
}

#[test]
fn clients_behind_the_balancer_share_a_port_too() {
    let port = *free_ports(std::net::Ipv4Addr::LOCALHOST.into(), 1).start();
    let (_directory, served) = serve(&format!("passive.ports = '{port}-{port}'"));
    let from = |last: usize, port: u16| header(2, &format!("203.0.113.{last}:{port}"), "198.51.100.2:21");
    let mut clients: Vec<_> = (1..=5).map(|last| (last, log_in(&served, &from(last, 1)))).collect();
    for (_, client) in &mut clients {
        client.play("C: EPSV\nS: 229 *(|||{port}|)*");
    }
    clients.reverse();
    for (last, client) in &mut clients {
        open_data(client, &from(*last, 2));
    }
    clients.rotate_left(2);
    for (_, client) in &mut clients {
        client.play("C: RETR file\nS: 150").expect_data(sample(100_000)).expect_data_end().play("S: 226");
    }
}

#[test]
fn a_header_is_taken_from_the_balancer_alone_and_there_has_to_be_one() {
    let (_directory, served) = serve("");
    // Somebody else claims to be somebody else: for the server it is an unknown command, and nothing more.
    let mut liar = ScriptedClient::connect(served.address());
    liar.expect_reply("220");
    liar.send(header(1, "203.0.113.9:4711", "198.51.100.2:21")).expect_reply("500 PROXY: command not known*");
    liar.play("C: USER anonymous\nS: 331\nC: PASS x\nS: 230\nC: STAT\nS: 211");
    assert!(liar.transcript().contains("Connected from 127.0.0.1"), "{}", liar.transcript());
    // In an upload or a download it is no header either: the connection is the client's own.
    liar.play("C: TYPE I\nS: 200\nC: PASV\nS: 227 *({six})*\nC: RETR file\nS: 150").open_data();
    liar.expect_data(sample(100_000)).expect_data_end().play("S: 226");
    let mut liar = ScriptedClient::connect(served.address());
    liar.expect_reply("220");
    liar.send(header(2, "203.0.113.9:4711", "198.51.100.2:21"))
        .within(Duration::from_secs(10))
        .read_to_close();
    // The balancer has to say it, before the greeting.
    for instead in [&b"USER anonymous\r\n"[..], b"PROXY TCP4 203.0.113.9\r\n", &[b'x'; 2000]] {
        assert_eq!(connect(&served, instead).read_to_close(), "");
    }
    assert_eq!(
        connect(&served, b"").within(Duration::from_secs(20)).read_to_close(),
        "",
        "it waits for ever"
    );
    let log = served.stop();
    assert_eq!(log.matches("a connection from a balancer was refused").count(), 4, "{log}");
    assert!(log.contains("did not come within 5 s"), "{log}");
}

#[test]
fn haproxy_relays_control_and_data() {
    if !clients::is_installed("haproxy") || !clients::is_installed("curl") {
        skip!("haproxy or curl is not installed");
    }
    for version in ["send-proxy", "send-proxy-v2"] {
        let ports = free_ports(std::net::Ipv4Addr::UNSPECIFIED.into(), 5);
        let (control, first, last) = (ports.start(), ports.start() + 1, ports.end());
        let (directory, served) = serve_on(
            &format!("127.0.0.1:{control}"),
            &format!("[passive]\nports = '{first}-{last}'\nadvertise = [{{ address = 'proxy' }}]\n"),
        );
        // As docs/behind-a-load-balancer.md has it: without a port behind the server's address the client's is taken.
        let text = format!(
            "defaults\n timeout connect 5s\n timeout client 30s\n timeout server 30s\nlisten ftp\n mode tcp\n \
             bind {BALANCER}:{control},{BALANCER}:{first}-{last}\n source {BALANCER}\n server wharf {} {version}\n",
            served.address().ip()
        );
        let file = directory.write("haproxy.cfg", text);
        let _haproxy = Background::start(Command::new("haproxy").arg("-db").arg("-f").arg(&file));
        let balancer = SocketAddr::new(BALANCER, *control);
        wait_for(balancer);
        for flags in
            [&["--disable-epsv", "--ftp-skip-pasv-ip"][..], &["--disable-epsv", "--no-ftp-skip-pasv-ip"], &[]]
        {
            let mut curl = clients::curl();
            curl.args(["--interface", "127.0.0.7"]).args(flags).arg(format!("ftp://{balancer}/file"));
            let run = run(&mut curl);
            assert!(run.assert_success().stdout == sample(100_000), "{version} {flags:?}: other bytes");
        }
    }
}

/// Until somebody listens there.
fn wait_for(address: SocketAddr) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(address).is_err() {
        assert!(std::time::Instant::now() < deadline, "nobody listens on {address}");
        std::thread::yield_now();
    }
}
