//! Captures of the scenarios, at both ends: what `wharf explain` is tried on.
//!
//! `WHARF_LAB_WRITE=captures` takes those of every scenario anew, into crates/wharf-diagnose/tests/captures. Else one
//! scenario is captured and explained, to see that the way from the wire to the words is whole.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use wharf_testkit::TestDirectory;
use wharf_testkit::lab::capture::Captured;
use wharf_testkit::lab::path::{CLIENT, CLIENT_LAN, SERVER, SERVER_LAN};
use wharf_testkit::lab::scenario::{Scenario, Standing};
use wharf_testkit::peers::{BIG, PeerKind};
use wharf_testkit::process::{run, run_within};

use crate::programs::Program;
use crate::{IN_MATRIX, scenario, stand, wharf};

/// What each client waits for an answer: two tries of the kernel to connect.
const PATIENCE: Duration = Duration::from_secs(4);
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_capture_of_the_lab_is_explained() {
    if std::env::var("WHARF_LAB_WRITE").is_ok_and(|what| what == "captures") {
        for name in IN_MATRIX {
            write(&scenario(&name.replace('_', "-")));
        }
        return;
    }
    let scenario = scenario("plain");
    let Some(standing) = stand(&scenario) else { return };
    let Some(ends) = captured(&scenario, &standing) else { return };
    for end in ends {
        let explained = run(Command::new(wharf()).args(["explain", "--json"]).arg(end.file()));
        assert_eq!(explained.code(), 0, "{explained}");
        let json: serde_json::Value = serde_json::from_str(&explained.output()).unwrap();
        let conversations = json["conversations"].as_array().unwrap();
        let transfers = conversations.iter().flat_map(|it| it["transfers"].as_array().unwrap());
        let modes: Vec<&str> = transfers.filter_map(|transfer| transfer["mode"].as_str()).collect();
        assert!(modes.contains(&"active") && modes.contains(&"passive"), "{json:#}");
    }
}

/// What passes at the client's and at the server's end while clients go through the scenario in every mode.
fn captured(scenario: &Scenario, standing: &Standing) -> Option<[Captured; 2]> {
    let lab = &standing.lab;
    let ends = [(CLIENT, CLIENT_LAN), (SERVER, SERVER_LAN)];
    let [client, server] = ends.map(|(host, link)| lab.capture_or_skip(host, link));
    let (client, server) = (client?, server?);
    fetch(scenario, standing);
    Some([client.stop(), server.stop()])
}

fn fetch(scenario: &Scenario, standing: &Standing) {
    let mut scenario = scenario.clone();
    // What is about a long silence needs its time.
    if scenario.file != BIG.0 {
        scenario.patience = PATIENCE;
    }
    let programs = if scenario.setup.tls {
        vec![Program::Curl, Program::LftpActive, Program::Wharf]
    } else {
        vec![Program::Curl, Program::CurlActive, Program::Wget, Program::WgetActive]
    };
    let scenario = &scenario;
    thread::scope(|scope| {
        for server in standing
            .servers
            .iter()
            .filter(|server| matches!(server.kind.number(), 21) || server.kind == PeerKind::Vsftpd.into())
        {
            for program in programs.iter().filter(|program| program.takes_part(scenario)) {
                scope.spawn(move || {
                    let directory = TestDirectory::new();
                    let command = program.command(scenario, server, &directory.join("fetched"));
                    run_within(LIMIT, &mut standing.lab.host(CLIENT).adopt(&command));
                });
            }
        }
    });
}

fn write(scenario: &Scenario) {
    let Some(standing) = stand(scenario) else { return };
    let Some(ends) = captured(scenario, &standing) else { return };
    for (end, captured) in ["client", "server"].iter().zip(ends) {
        let file = folder().join(format!("{}-{end}.pcap.gz", scenario.name));
        let is_big = scenario.file == BIG.0;
        let bytes = shortened(&std::fs::read(captured.file()).unwrap(), is_big);
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        zipped.write_all(&bytes).unwrap();
        std::fs::write(file, zipped.finish().unwrap()).unwrap();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-diagnose/tests/captures")
}

/// The same capture, with what nobody looks at cut off: the payload of full segments of a big file, behind the headers of
/// Ethernet, IP and TCP with its timestamps.
fn shortened(capture: &[u8], is_big: bool) -> Vec<u8> {
    const HEADER: usize = 24;
    const RECORD: usize = 16;
    const FULL: usize = 1000;
    const KEPT: usize = 66;
    let (header, mut rest) = capture.split_at(HEADER);
    let mut out = header.to_vec();
    while let Some((record, behind)) = rest.split_at_checked(RECORD) {
        let length = u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize;
        let (packet, behind) = behind.split_at(length);
        rest = behind;
        let kept = if is_big && length > FULL { KEPT } else { length };
        out.extend_from_slice(&record[..8]);
        out.extend_from_slice(&u32::try_from(kept).unwrap().to_le_bytes());
        out.extend_from_slice(&record[12..]);
        out.extend_from_slice(&packet[..kept]);
    }
    out
}
