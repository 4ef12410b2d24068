//! docs/active-and-passive.md and its Chinese twin: the ladders are real exchanges, the rules what `wharf rules` prints.
//! `WHARF_LAB_WRITE=1` writes both anew.

use std::fs::{self, File};
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};
use wharf_testkit::clients;
use wharf_testkit::lab::path::{CLIENT, CLIENT_LAN, PASSIVE_PORTS, Path};
use wharf_testkit::lab::scenario::Scenario;
use wharf_testkit::lab::server::{ServerKind, ServerSetup};
use wharf_testkit::process::run;

use crate::{scenario, stand, wharf};

const DOCUMENTS: [(&str, [&str; 2]); 2] =
    [("active-and-passive.md", ["client", "server"]), ("active-and-passive.zh.md", ["客户端", "服务器"])];

/// The port that the 227 tells: 8 × 256 + 86.
const PASSIVE: u16 = 2134;
/// The port that PORT tells: 8 × 256 + 77.
const ACTIVE: u16 = 2125;

/// Compares what stands between `<!-- NAME -->` and the next `<!-- end -->` with a code block of `text`, or writes it.
#[track_caller]
fn compare(document: &str, name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(document);
    let file = File::options().read(true).append(true).open(&path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    let start = format!("<!-- {name} -->\n");
    let begin =
        whole.find(&start).unwrap_or_else(|| panic!("{document} has no place for {name}")) + start.len();
    let end = begin + whole[begin..].find("<!-- end -->").unwrap();
    let block = format!("```text\n{}\n```\n", text.trim_end());
    if std::env::var_os("WHARF_LAB_WRITE").is_some_and(|value| value == "1") {
        fs::write(&path, format!("{}{block}{}", &whole[..begin], &whole[end..])).unwrap();
        return;
    }
    let why = format!("{document}, {name}: WHARF_LAB_WRITE=1 writes it anew");
    assert_eq!(&whole[begin..end], block, "{why}");
}

/// What passed between client and server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    by_client: bool,
    client_port: u16,
    server_port: u16,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Syn,
    SynAck,
    Ack,
    Line(String),
    Data(u32),
    Fin,
}

impl Event {
    /// Reads a line of tcpdump: `IP A.PORT > B.PORT: Flags [P.], …, length 20: FTP: 220 ready`.
    fn read(line: &str, client: &str) -> Vec<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let endpoint = |word: &str| {
            let (address, port) = word.trim_end_matches(':').rsplit_once('.')?;
            Some((address.to_owned(), port.parse::<u16>().ok()?))
        };
        let (Some(from), Some(to)) =
            (words.get(1).and_then(|word| endpoint(word)), words.get(3).and_then(|word| endpoint(word)))
        else {
            return Vec::new();
        };
        let by_client = from.0 == client;
        let (client_port, server_port) = if by_client { (from.1, to.1) } else { (to.1, from.1) };
        let flags = words.get(5).map_or("", |flags| flags.trim_matches(['[', ']', ',']));
        let length: u32 = line
            .split("length ")
            .nth(1)
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .unwrap_or(0);
        let mut seen = Vec::new();
        match (flags, line.split("FTP: ").nth(1)) {
            ("S", _) => seen.push(What::Syn),
            ("S.", _) => seen.push(What::SynAck),
            (".", _) if length == 0 => seen.push(What::Ack),
            (_, Some(text)) if length > 0 => seen.push(What::Line(text.trim().to_owned())),
            // `seq 1449:2897`: the end counts, whatever came twice.
            (_, None) if length > 0 => {
                let end = line
                    .split("seq ")
                    .nth(1)
                    .and_then(|rest| rest.split([':', ',']).nth(1)?.parse::<u32>().ok());
                seen.push(What::Data(end.map_or(length, |end| end - 1)));
            }
            _ => {}
        }
        if flags.contains('F') {
            seen.push(What::Fin);
        }
        seen.into_iter().map(|what| Self { by_client, client_port, server_port, what }).collect()
    }

    fn is_control(&self) -> bool {
        self.server_port == 21
    }
}

/// The steps that a textbook has: of the acknowledgements only the third of each handshake, data in one, and the two ends
/// of a data connection together, which cross on the way.
fn textbook(events: Vec<Event>) -> Vec<Event> {
    let mut steps: Vec<Event> = Vec::new();
    for event in events {
        let same =
            |other: &&Event| (other.client_port, other.server_port) == (event.client_port, event.server_port);
        let last = steps.iter().rev().find(same).map(|last| last.what.clone());
        match &event.what {
            // It is sent before the first byte, which may overtake it.
            What::Line(line) if line.starts_with("150") => {
                let at = steps.iter().position(|it| matches!(it.what, What::Data(_))).unwrap_or(steps.len());
                steps.insert(at, event);
            }
            What::Ack if last != Some(What::SynAck) => {}
            What::Data(end) => match steps.iter_mut().rev().find(|it| matches!(it.what, What::Data(_))) {
                Some(Event { what: What::Data(reached), .. }) => *reached = (*reached).max(*end),
                _ => steps.push(event),
            },
            // What was lost on a busy machine, and sent again.
            _ if steps.contains(&event) => {}
            What::Fin if !event.is_control() => {
                // The confirmation may overtake the end of the data.
                let done = |it: &Event| matches!(&it.what, What::Line(line) if line.starts_with("226"));
                let at = steps.iter().position(done).unwrap_or(steps.len());
                steps.insert(at, event);
            }
            _ => steps.push(event),
        }
    }
    // The end of the control connection tells nothing more.
    let end = steps.iter().position(|it| it.is_control() && it.what == What::Fin).unwrap_or(steps.len());
    steps.truncate(end);
    steps
}

/// Width of an arrow.
const WIDTH: usize = 76;

fn ladder(steps: &[Event], [client, server]: [&str; 2]) -> String {
    let cells = |text: &str| {
        text.chars().map(|c| if ('\u{2e80}'..'\u{ffff}').contains(&c) { 2 } else { 1 }).sum::<usize>()
    };
    let mut text = format!("{client}{}{server}\n", " ".repeat(WIDTH + 12 - cells(client)));
    for step in steps {
        // Ports that the system gave are no news.
        let port = |port: u16| match port {
            20 | 21 | PASSIVE | ACTIVE => port.to_string(),
            _ if step.is_control() => "c".to_owned(),
            _ => "d".to_owned(),
        };
        let what = match &step.what {
            What::Syn => "SYN".to_owned(),
            What::SynAck => "SYN, ACK".to_owned(),
            What::Ack => "ACK".to_owned(),
            What::Line(line) => line.clone(),
            What::Data(bytes) => format!("{bytes} bytes"),
            What::Fin => "FIN".to_owned(),
        };
        let dashes = "─".repeat(WIDTH.saturating_sub(what.chars().count() + 5));
        let arrow = if step.by_client {
            format!("── {what} {dashes}>")
        } else {
            format!("<{dashes} {what} ──")
        };
        text += &format!("{:>5} {arrow} {}\n", port(step.client_port), port(step.server_port));
    }
    text
}

#[track_caller]
fn exchange(flags: &[&str]) -> Option<Vec<Event>> {
    if !clients::is_installed("curl") {
        wharf_testkit::skip("the exchange is curl's");
        return None;
    }
    let plain = Scenario {
        servers: vec![ServerKind::Wharf],
        setup: ServerSetup { passive_ports: PASSIVE..=PASSIVE, ..ServerSetup::default() },
        ..scenario("plain")
    };
    let standing = stand(&plain)?;
    let capture = standing.lab.capture_or_skip(CLIENT, CLIENT_LAN)?;
    let mut curl = clients::curl();
    curl.args(flags)
        .args(["--output", "/dev/null"])
        .arg(standing.servers[0].url(wharf_testkit::peers::BIG.0));
    run(&mut standing.lab.host(CLIENT).adopt(&curl)).assert_success();
    let captured = capture.stop();
    let client = Path::default().client_address().to_string();
    let lines = captured.packets("tcp");
    let events: Vec<Event> = lines.iter().flat_map(|line| Event::read(line, &client)).collect();
    Some(textbook(events))
}

#[test]
fn passive() {
    let Some(steps) = exchange(&["--disable-epsv"]) else { return };
    for (document, names) in DOCUMENTS {
        compare(document, "ladder: passive", &ladder(&steps, names));
    }
}

#[test]
fn active() {
    let port = format!("{}:{ACTIVE}-{ACTIVE}", Path::default().client_address());
    let Some(steps) = exchange(&["--disable-eprt", "--ftp-port", &port]) else { return };
    for (document, names) in DOCUMENTS {
        compare(document, "ladder: active", &ladder(&steps, names));
    }
}

#[test]
fn rules() {
    let ports = format!("{}-{}", PASSIVE_PORTS.start(), PASSIVE_PORTS.end());
    for (name, flags) in [
        ("rules: active", &["--modes", "active"][..]),
        ("rules: passive", &["--modes", "passive"]),
        ("rules: stateless", &["--stateless"]),
    ] {
        let mut command = std::process::Command::new(wharf());
        command.args(["rules", "--listen", "0.0.0.0:21", "--passive-ports", &ports]).args(flags);
        let printed = run(&mut command);
        // What the file is for is told in the document.
        let told = printed.assert_success().output();
        let body: Vec<&str> = told.lines().skip_while(|line| !line.is_empty()).skip(1).collect();
        for (document, _) in DOCUMENTS {
            compare(document, name, &body.join("\n"));
        }
    }
}
