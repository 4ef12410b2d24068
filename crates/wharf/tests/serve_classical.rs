//! The classical sessions (S4), passive and active: codes and order, line by line, and the same bytes on disk.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// Both sessions, side by side. `C:` is said by the client, `S:` by the server, `D:` is what happens beside the control
/// connection: see [`beside`]. The port is p1 × 256 + p2: 8,86 is 8 × 256 + 86 = 2134.
const SESSIONS: &str = "
    passive                               | active
    S: 220                                | S: 220
    C: USER test                          | C: USER test
    S: 331                                | S: 331
    C: PASS secret                        | C: PASS secret
    S: 230                                | S: 230
    C: PWD                                | C: PWD
    S: 257 \"/\" *                        | S: 257 \"/\" *
    D: another connection                 | D: another connection
    S: 220                                | S: 220
    C: USER test                          | C: USER test
    S: 331                                | S: 331
    C: PASS secret                        | C: PASS secret
    S: 230                                | S: 230
    C: CWD /                              | C: CWD /
    S: 250                                | S: 250
    C: TYPE A                             | C: TYPE A
    S: 200                                | S: 200
    D: only 2134 is free                  | D: listen on 2124
    C: PASV                               | C: PORT 172,16,101,104,8,76
    S: 227 *(172,16,101,1,8,86)*          | S: 200
    D: connect to 2134                    |
    C: STOR 404.htm                       | C: STOR 404.htm
    S: 150                                | S: 150
                                          | D: accept from port 20
    D: send 404.htm                       | D: send 404.htm
    S: 226                                | S: 226
    C: TYPE I                             | C: TYPE I
    S: 200                                | S: 200
    D: only 2136 is free                  | D: listen on 2125
    C: PASV                               | C: PORT 172,16,101,104,8,77
    S: 227 *(172,16,101,1,8,88)*          | S: 200
    D: connect to 2136                    |
    C: MLSD                               | C: MLSD
    S: 150                                | S: 150
                                          | D: accept from port 20
    D: receive a listing with 404.htm     | D: receive a listing with 404.htm
    S: 226                                | S: 226
    C: QUIT                               | C: QUIT
    S: 221                                | S: 221
";

const SERVER: &str = "172.16.101.1";
const CLIENT: &str = "172.16.101.104";
/// The passive range; its odd port is never free.
const RANGE: std::ops::RangeInclusive<u16> = 2134..=2136;

#[test]
fn the_classical_passive_session() {
    let Some(stored) = play("passive") else { return };
    assert_eq!(String::from_utf8(stored).unwrap(), page());
}

#[test]
fn the_classical_active_session() {
    let Some(stored) = play("active") else { return };
    assert_eq!(String::from_utf8(stored).unwrap(), page());
}

/// 2,052 bytes as they lie on the disk, with a line end of one byte.
fn page() -> String {
    let line = "<p>The page that you look for is not here.</p>\n";
    let mut page = line.repeat(2052 / line.len());
    page.push_str(&"-".repeat(2052 - page.len() - 1));
    page.push('\n');
    assert_eq!(page.len(), 2052);
    page
}

/// Plays one column with the addresses of the textbook, in a network of its own. The file that is stored then.
fn play(column: &str) -> Option<Vec<u8>> {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => {
            wharf_testkit::skip(&reason);
            return None;
        }
    };
    for address in [SERVER, CLIENT] {
        let mut ip = namespace.command("ip");
        ip.args(["address", "add", &format!("{address}/32"), "dev", "lo"]);
        wharf_testkit::process::run(&mut ip).assert_success();
    }
    let directory = TestDirectory::new();
    let mut command = Command::new(WHARF);
    command.arg("serve").arg(directory.path()).args(["--listen", &format!("{SERVER}:21")]);
    command.args(["--user", "test:secret", "--write", "--passive-ports", "2134-2136"]);
    let served = Served::from_command(&mut namespace.adopt(&command));
    namespace.enter(|| {
        let mut session = Session::connect(served.address());
        for step in steps(column) {
            session.play(step);
        }
        session.control.expect_close();
    });
    Some(directory.read("404.htm"))
}

/// The steps of one column.
fn steps(column: &str) -> Vec<&'static str> {
    let rows: Vec<[&str; 2]> = SESSIONS
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(passive, active)| [passive.trim(), active.trim()])
        .collect();
    let place = rows[0].iter().position(|title| *title == column).unwrap();
    rows[1..].iter().map(|row| row[place]).filter(|step| !step.is_empty()).collect()
}

struct Session {
    server: SocketAddr,
    control: Conversation,
    /// Ports of the passive range that the server cannot have.
    taken: Vec<TcpListener>,
}

impl Session {
    fn connect(server: SocketAddr) -> Self {
        let control = ScriptedClient::connect_from(format!("{CLIENT}:0").parse().unwrap(), server);
        Self { server, control, taken: Vec::new() }
    }

    fn play(&mut self, step: &str) {
        match step.strip_prefix("D: ") {
            None => _ = self.control.play(step),
            Some(what) => self.beside(what),
        }
    }

    /// What happens beside the control connection.
    fn beside(&mut self, what: &str) {
        let number = || what.split(' ').find_map(|word| word.parse::<u16>().ok()).unwrap();
        match what {
            "another connection" => *self = Self::connect(self.server),
            "send 404.htm" => {
                _ = self.control.send_data(page().replace('\n', "\r\n")).close_data();
            }
            "receive a listing with 404.htm" => {
                let listing = String::from_utf8(self.control.receive_data()).unwrap();
                let line = listing.lines().find(|line| line.ends_with(" 404.htm")).unwrap();
                assert!(line.contains("type=file;") && line.contains("size=2052;"), "{listing}");
            }
            _ if what.starts_with("only ") => {
                self.taken.clear();
                let others = RANGE.filter(|port| *port != number());
                self.taken.extend(others.map(|port| TcpListener::bind((SERVER, port)).unwrap()));
            }
            _ if what.starts_with("connect to ") => {
                let target = format!("{SERVER}:{}", number()).parse().unwrap();
                self.control.connect_data_to(target, Some(format!("{CLIENT}:0").parse().unwrap()));
            }
            _ if what.starts_with("listen on ") => {
                self.control.listen_data_on(format!("{CLIENT}:{}", number()).parse().unwrap());
            }
            _ if what.starts_with("accept from port ") => {
                self.control.accept_data();
                let from = self.control.data_peers().last().unwrap();
                assert_eq!(from.to_string(), format!("{SERVER}:{}", number()));
            }
            _ => panic!("nobody knows how to {what}"),
        }
    }
}
