//! What the 227 and the 229 tell (S13): rules by the client's network, names that are followed, ports that are renumbered.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use wharf_testkit::clients;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::Background;
use wharf_testkit::scripted::{Conversation, STEP_LIMIT, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");
const NAME: &str = "ftp.example.net";

/// A network of the test's own, or the test is skipped.
macro_rules! namespace {
    () => {
        match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(reason) => skip!("{reason}"),
        }
    };
}

/// A server in a namespace, on port 21 of all its addresses, with this wharf.toml.
fn serve(namespace: &NetworkNamespace, directory: &TestDirectory, toml: &str) -> Served {
    directory.write("wharf.toml", format!("listen = ['0.0.0.0:21']\nroot = '.'\n{toml}"));
    let mut command = Command::new(WHARF);
    command.arg("serve").arg("--config").arg(directory.join("wharf.toml"));
    Served::from_command(&mut namespace.adopt(&command))
}

fn log_in(namespace: &NetworkNamespace, from: &str) -> Conversation {
    let server = SocketAddr::from(([127, 0, 0, 1], 21));
    let from = SocketAddr::new(from.parse().unwrap(), 0);
    namespace.enter(|| {
        let mut client = ScriptedClient::connect_from(from, server);
        client.play("S: 220\nC: USER anonymous\nS: 331\nC: PASS x\nS: 230");
        client
    })
}

#[test]
fn each_network_is_told_its_own_address_and_its_own_ports() {
    let namespace = namespace!();
    let directory = TestDirectory::new();
    let _served = serve(
        &namespace,
        &directory,
        "[passive]\nports = '40000-40000'\n\
         advertise = [{ clients = '127.0.0.2', address = 'local' }, { clients = ['127.0.0.3', '127.0.1.0/24'], address = '203.0.113.3' }, \
         { clients = '127.0.0.0/24', address = '203.0.113.7' }]\n\
         port_map = [{ clients = '127.0.0.2', outside = '40000-40000', inside = '40000-40000' }, { outside = '51000-51999', inside = '39500-40499' }]\n",
    );
    for (client, told, port) in [
        ("127.0.0.2", "127,0,0,1", 40000),
        ("127.0.0.3", "203,0,113,3", 51500),
        ("127.0.1.9", "203,0,113,3", 51500),
        ("127.0.0.4", "203,0,113,7", 51500),
        ("127.0.9.9", "127,0,0,1", 51500),
    ] {
        let mut client = log_in(&namespace, client);
        // The wording is the one that NAT helpers read.
        client.play(&format!(
            "C: PASV\nS: 227 Entering Passive Mode ({told},{},{}).\n\
             C: EPSV\nS: 229 Entering Extended Passive Mode (|||{port}|)",
            port / 256,
            port % 256
        ));
    }
}

/// A folder of /etc/netns, whose files a namespace sees in /etc; removed at the end.
struct Etc(PathBuf);

impl Etc {
    fn of(namespace: &NetworkNamespace, file: &str, content: &str) -> Self {
        let folder = PathBuf::from("/etc/netns").join(namespace.name());
        fs::create_dir_all(&folder).unwrap();
        let etc = Self(folder);
        etc.set(file, content);
        etc
    }

    /// In place: the namespace has mounted this very file.
    fn set(&self, file: &str, content: &str) {
        fs::write(self.0.join(file), content).unwrap();
    }
}

impl Drop for Etc {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks for passive mode until this address is told.
#[track_caller]
fn wait_until_told(client: &mut Conversation, address: &str) {
    let deadline = Instant::now() + STEP_LIMIT;
    loop {
        let reply = client.send_line("PASV").expect_reply("227");
        if reply.contains(&format!("({address},")) {
            return;
        }
        assert!(Instant::now() < deadline, "still {reply}");
    }
}

#[test]
fn a_name_of_etc_hosts_is_looked_up_anew() {
    let namespace = namespace!();
    let hosts = Etc::of(&namespace, "hosts", &format!("198.51.100.7 {NAME}\n"));
    let directory = TestDirectory::new();
    let served = serve(&namespace, &directory, &format!("passive.advertise = [{{ address = '{NAME}' }}]"));
    let mut client = log_in(&namespace, "127.0.0.1");
    client.play("C: PASV\nS: 227 *(198,51,100,7,*)*");
    hosts.set("hosts", &format!("198.51.100.8 {NAME}\n"));
    wait_until_told(&mut client, "198,51,100,8");
    // While nobody knows the name, its last address is the best guess; that is said once.
    hosts.set("hosts", "");
    while !served.log().contains("has no IPv4 address now") {
        client.play("C: PASV\nS: 227 *(198,51,100,8,*)*");
    }
    client.play("C: PASV\nS: 227 *(198,51,100,8,*)*\nC: PASV\nS: 227 *(198,51,100,8,*)*");
    let log = served.stop();
    assert_eq!((log.matches(NAME).count(), log.matches("198.51.100.8").count()), (1, 1), "{log}");
}

/// A name server whose one answer can be changed.
struct NameServer {
    program: Background,
    records: PathBuf,
}

impl NameServer {
    fn start(namespace: &NetworkNamespace, directory: &TestDirectory, address: &str, ttl: u32) -> Self {
        let records = directory.write("records", format!("{address} {NAME}\n"));
        let mut command = Command::new("dnsmasq");
        command.args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--user=root",
            "--pid-file",
        ]);
        command.args(["--conf-file=/dev/null", "--listen-address=127.0.0.1", "--log-facility=-"]);
        command.arg(format!("--local-ttl={ttl}")).arg(format!("--addn-hosts={}", records.display()));
        let program = Background::start(&mut namespace.adopt(&command));
        let server = Self { program, records };
        server.wait_for_reading(1);
        server
    }

    fn set(&self, address: &str) {
        fs::write(&self.records, format!("{address} {NAME}\n")).unwrap();
        self.program.signal(Signal::HUP);
        self.wait_for_reading(2);
    }

    /// Until it has read its records this often.
    fn wait_for_reading(&self, times: usize) {
        let deadline = Instant::now() + STEP_LIMIT;
        while self.program.errors().matches(" - 1 names").count() < times {
            assert!(Instant::now() < deadline, "{:?}", self.program);
            thread::yield_now();
        }
    }
}

#[test]
fn a_name_is_followed_as_its_ttl_says() {
    if !clients::is_installed("dnsmasq") {
        skip!("dnsmasq is not installed");
    }
    // With a TTL of an hour the first answer holds; with one of a second the next one is found.
    for ttl in [3600, 1] {
        let namespace = namespace!();
        let _etc = Etc::of(&namespace, "resolv.conf", "nameserver 127.0.0.1\n");
        let directory = TestDirectory::new();
        let mut names = NameServer::start(&namespace, &directory, "198.51.100.7", ttl);
        let served =
            serve(&namespace, &directory, &format!("passive.advertise = [{{ address = '{NAME}' }}]"));
        let mut client = log_in(&namespace, "127.0.0.1");
        client.play("C: PASV\nS: 227 *(198,51,100,7,*)*");
        names.set("198.51.100.8");
        let told = if ttl == 1 { "198,51,100,8" } else { "198,51,100,7" };
        wait_until_told(&mut client, told);
        for _ in 0..10 {
            client.play(&format!("C: PASV\nS: 227 *({told},*)*"));
        }
        // The resolver is gone: the last good answer goes on.
        names.program.kill();
        if ttl == 1 {
            while !served.log().contains("has no IPv4 address now") {
                client.play(&format!("C: PASV\nS: 227 *({told},*)*"));
            }
        }
        for _ in 0..10 {
            client.play(&format!("C: PASV\nS: 227 *({told},*)*"));
        }
        let log = served.stop();
        assert_eq!(log.lines().count(), usize::from(ttl == 1), "{log}");
    }
}

#[test]
fn a_name_that_nobody_knows_delays_no_start_and_the_servers_own_address_is_told() {
    let namespace = namespace!();
    // A name server that never answers.
    let _etc = Etc::of(&namespace, "resolv.conf", "nameserver 127.0.0.1\n");
    let _deaf = namespace.enter(|| std::net::UdpSocket::bind("127.0.0.1:53").unwrap());
    let directory = TestDirectory::new();
    let toml = format!("passive.advertise = [{{ address = '{NAME}' }}]\nlog.level = 'debug'");
    let served = serve(&namespace, &directory, &toml);
    let mut client = log_in(&namespace, "127.0.0.1");
    client.play("C: PASV\nS: 227 *(127,0,0,1,*)*\nC: EPSV\nS: 229");
    // Nor does the library that asks fill the log.
    while !served.log().contains("has no IPv4 address now") {
        client.play("C: NOOP\nS: 200");
    }
    drop(client);
    let log = served.stop();
    assert!(log.lines().count() < 10, "{log}");
}
