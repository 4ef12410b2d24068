//! Beside tshark, on the same files: every command, reply and data connection that it finds is found here too.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_diagnose::capture::{LineKind, Reading};
use wharf_testkit::clients::is_installed;

fn reading(file: &Path) -> Reading {
    common::explained_from(File::open(file).unwrap()).unwrap()
}

/// Some of the lab's captures, in every mode and with every family (tshark takes seconds for each), and those of other
/// programs where they are.
fn files() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_lab = ["plain-client", "ipv6-server", "client-nat-with-helper-server", "epsv-filtered-client"];
    let mut files: Vec<PathBuf> =
        of_lab.iter().map(|name| here.join(format!("tests/captures/{name}.pcap.gz"))).collect();
    let others = std::fs::read_dir(here.join("../../../shared/captures")).into_iter().flatten();
    files.extend(
        others.map(|file| file.unwrap().path()).filter(|file| file.to_string_lossy().contains(".pcap")),
    );
    files
}

/// What tshark prints of a file, a line a packet or connection.
fn tshark(file: &Path, arguments: &[&str]) -> Vec<String> {
    let run =
        wharf_testkit::process::run(Command::new("tshark").arg("-n").arg("-r").arg(file).args(arguments));
    run.assert_success().output().lines().map(str::to_owned).collect()
}

#[test]
fn every_command_and_reply_that_tshark_finds() {
    if !is_installed("tshark") {
        wharf_testkit::skip!("the test compares with tshark");
    }
    let (mut commands, mut replies) = (0, 0);
    for file in files() {
        let reading = reading(&file);
        let lines = || reading.conversations.iter().flat_map(|conversation| &conversation.lines);
        let filter = "ftp && !tcp.analysis.retransmission && !tcp.analysis.out_of_order";
        let fields = [
            "-Y",
            filter,
            "-T",
            "fields",
            "-e",
            "frame.number",
            "-e",
            "ftp.request.command",
            "-e",
            "ftp.response.code",
        ];
        for found in tshark(&file, &fields) {
            let mut fields = found.split('\t');
            let frame: u64 = fields.next().unwrap().parse().unwrap();
            let (verbs, codes) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            // Behind AUTH tshark takes bytes of TLS for verbs.
            let is_verb =
                |verb: &&str| verb.len() >= 3 && verb.bytes().all(|byte| byte.is_ascii_alphabetic());
            for verb in verbs.split(',').filter(is_verb) {
                let is_it = |line: &&wharf_diagnose::capture::Line| {
                    line.sight.frame == frame
                        && matches!(line.kind, LineKind::Command(_))
                        && line.text.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(verb))
                };
                assert!(lines().any(|line| is_it(&line)), "{}: {verb} in frame {frame}", file.display());
                commands += 1;
            }
            for code in codes.split(',').filter_map(|code| code.parse::<u16>().ok()) {
                // A reply of several lines is there with its last one.
                const LONGEST: u64 = 40;
                let is_it = |line: &&wharf_diagnose::capture::Line| {
                    (frame..frame + LONGEST).contains(&line.sight.frame)
                        && matches!(line.kind, LineKind::Reply(said) if said.get() == code)
                };
                let is_unreadable = code < 100;
                assert!(
                    is_unreadable || lines().any(|line| is_it(&line)),
                    "{}: {code} in frame {frame}",
                    file.display()
                );
                replies += 1;
            }
        }
    }
    assert!(commands > 150 && replies > 150, "{commands} commands and {replies} replies were compared");
}

#[test]
fn every_data_connection_that_tshark_finds() {
    if !is_installed("tshark") {
        wharf_testkit::skip!("the test compares with tshark");
    }
    let mut compared = 0;
    for file in files() {
        let reading = reading(&file);
        let control = |endpoint: SocketAddr| matches!(endpoint.port(), 21 | 2121);
        for found in tshark(&file, &["-q", "-z", "conv,tcp"]) {
            let mut words = found.split_whitespace();
            let ends = (words.next(), words.next(), words.next());
            let (Some(one), Some("<->"), Some(other)) = ends else { continue };
            let (one, other) = (endpoint(one), endpoint(other));
            if control(one) || control(other) {
                continue;
            }
            let is_it = |ends: &[SocketAddr; 2]| ends.contains(&one) && ends.contains(&other);
            let is_data = reading
                .conversations
                .iter()
                .flat_map(|conversation| &conversation.data)
                .any(|data| is_it(&data.facts.ends));
            assert!(is_data, "{}: {one} and {other} belong to no conversation", file.display());
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared} data connections were compared");
}

/// tshark writes IPv6 addresses without brackets.
fn endpoint(text: &str) -> SocketAddr {
    let (address, port) = text.rsplit_once(':').unwrap();
    SocketAddr::new(address.parse().unwrap(), port.parse().unwrap())
}
