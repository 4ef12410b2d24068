//! `wharf explain` and `wharf demo` as somebody uses them: files, pipes, exit codes.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use wharf_testkit::TestDirectory;
use wharf_testkit::process::{Run, run};

/// A capture of the lab.
fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../wharf-diagnose/tests/captures")
        .join(format!("{name}.pcap.gz"))
}

fn explain() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.arg("explain");
    command
}

fn explained(arguments: &[&str], captures: &[&str]) -> Run {
    run(explain().args(arguments).args(captures.iter().map(|name| capture(name))))
}

#[test]
fn the_exit_code_tells_whether_something_is_wrong() {
    assert_eq!(explained(&[], &["plain-client"]).code(), 0);
    let wrong = explained(&[], &["client-nat-server"]);
    assert_eq!(wrong.code(), 1, "{wrong}");
    assert!(wrong.output().contains("port-unroutable") && wrong.output().contains("frames"), "{wrong}");
    assert_eq!(run(&mut explain()).code(), 2);
    assert_eq!(run(explain().args(["-", "-"])).code(), 2);
    let directory = TestDirectory::new();
    directory.write("notes.txt", "This is a text file, and longer than any header of a capture.\n");
    for (file, says) in [("notes.txt", "no capture"), ("nothing", "No such file")] {
        let run = run(explain().arg(directory.join(file)));
        assert_eq!(run.code(), 9, "{run}");
        assert!(run.errors().contains(says) && run.errors().contains(file), "{run}");
    }
}

#[test]
fn json_has_the_shape_of_interfaces_md() {
    let run = explained(&["--json"], &["server-nat-private-address-client"]);
    assert_eq!(run.code(), 1, "{run}");
    let json: serde_json::Value = serde_json::from_str(&run.output()).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&json), ["conversations", "findings"]);
    let conversations = json["conversations"].as_array().unwrap();
    let conversation =
        conversations.iter().find(|it| !it["transfers"].as_array().unwrap().is_empty()).unwrap();
    assert_eq!(keys(conversation), ["client", "complete", "findings", "server", "tls", "transfers", "user"]);
    assert_eq!(
        keys(&conversation["transfers"][0]),
        [
            "bytes",
            "command",
            "destination",
            "mode",
            "negotiated",
            "opened_by",
            "outcome",
            "path",
            "reply",
            "source",
            "source_port_is_20",
            "verb"
        ]
    );
    let failed = conversations.iter().find(|it| !it["findings"].as_array().unwrap().is_empty()).unwrap();
    let finding = &failed["findings"][0];
    assert_eq!(keys(finding), ["cause", "confidence", "evidence", "fix", "summary"]);
    assert_eq!(
        (&finding["cause"], &finding["confidence"]),
        (&"pasv-private-address".into(), &"certain".into())
    );
    let active = conversations
        .iter()
        .flat_map(|it| it["transfers"].as_array().unwrap())
        .find(|it| it["command"] == "PORT")
        .unwrap();
    assert_eq!(active["mode"], "active");
    assert_eq!((&active["opened_by"], &active["source_port_is_20"]), (&"server".into(), &true.into()));
    assert_eq!((&active["bytes"], &active["outcome"]), (&13.into(), &"complete".into()));
    assert_eq!(active["destination"], active["negotiated"]);
}

#[test]
fn two_captures_are_laid_side_by_side() {
    let run = explained(&["--json"], &["client-nat-with-helper-client", "client-nat-with-helper-server"]);
    assert_eq!(run.code(), 0, "{run}");
    let json: serde_json::Value = serde_json::from_str(&run.output()).unwrap();
    assert!(json["a"]["conversations"].is_array() && json["b"]["conversations"].is_array());
    let difference = &json["differences"][0];
    assert_eq!(difference["what"], "rewritten");
    assert!(difference["frame_a"].is_u64() && difference["frame_b"].is_u64());
    assert!(
        difference["a"].as_str().unwrap().contains("10") && difference["b"].as_str().unwrap().contains("198")
    );
    let run = explained(&[], &["client-firewall-client", "client-firewall-server"]);
    assert_eq!(run.code(), 1);
    assert!(run.output().contains("lost: SYN 203.0.113.2"), "{run}");
}

#[test]
fn pages_and_pictures_go_into_files() {
    let directory = TestDirectory::new();
    let (page, picture) = (directory.join("page.html"), directory.join("picture.svg"));
    let run = run(explain()
        .arg("--html")
        .arg(&page)
        .arg("--svg")
        .arg(&picture)
        .args(["--lang", "zh"])
        .arg(capture("client-nat-server")));
    assert_eq!((run.code(), run.output().as_str()), (1, ""), "{run}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("服务器") && !page.contains("http"));
    let picture = std::fs::read_to_string(picture).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("客户端"));
}

#[test]
fn a_live_capture_tells_each_transfer_as_it_ends() {
    let mut zipped = flate2::read::GzDecoder::new(std::fs::File::open(capture("plain-client")).unwrap());
    let mut bytes = Vec::new();
    zipped.read_to_end(&mut bytes).unwrap();
    let mut wharf = explain().arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = wharf.stdin.take().unwrap();
    let mut output = BufReader::new(wharf.stdout.take().unwrap());
    // All but the end, and the pipe stays open: the transfers have ended, the capture has not.
    let (most, end) = bytes.split_at(bytes.len() - 10);
    input.write_all(most).unwrap();
    input.flush().unwrap();
    for _ in 0..8 {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains("RETR hello.txt") && line.contains("complete"), "{line}");
    }
    input.write_all(end).unwrap();
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(rest.starts_with("Conversation 1: client 192.0.2.2"), "{rest}");
    assert_eq!(wharf.wait().unwrap().code(), Some(0));
}

#[test]
fn a_capture_that_breaks_off_is_told_up_to_there() {
    let directory = TestDirectory::new();
    let mut bytes = std::fs::read(capture("plain-client")).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(directory.join("half.pcap.gz"), bytes).unwrap();
    let run = run(explain().arg(directory.join("half.pcap.gz")));
    assert!(run.errors().contains("breaks off"), "{run}");
    assert!(run.output().contains("USER"), "{run}");
}

#[test]
fn the_demonstration_draws_both_modes() {
    for (mode, negotiation, opens) in
        [("passive", "── PASV ─", "══ SYN"), ("active", "── PORT 127,0,0,1,", "<═ SYN")]
    {
        let run = run(Command::new(env!("CARGO_BIN_EXE_wharf")).args(["demo", mode]));
        let said = run.assert_success().output();
        // In the order of the textbook.
        let mut rest = said.as_str();
        for step in ["SYN →", "220 ", "USER", "230 ", negotiation, " × 256 + ", "RETR", "226 ", "221 "] {
            let Some(at) = rest.find(step) else { panic!("no {step} behind what came before:\n{said}") };
            rest = &rest[at + step.len()..];
        }
        assert!(said.contains(opens), "{said}");
    }
}

/// A packet of raw IP from the client (true) or the server, as a record of a capture.
fn record(from_client: bool, ports: (u16, u16), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([192, 0, 2, 2], [192, 0, 2, 1]);
    let (source, target) = if from_client { (client, server) } else { (server, client) };
    let (from, to) = if from_client { ports } else { (ports.1, ports.0) };
    let length = 40 + payload.len();
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(length).unwrap().to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(source);
    packet.extend(target);
    packet.extend(from.to_be_bytes());
    packet.extend(to.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([0x50, flags, 0xFF, 0xFF]);
    // No two packets are copies of each other.
    packet.extend(sequence.to_le_bytes());
    packet.extend_from_slice(payload);
    let captured = u32::try_from(length).unwrap().to_le_bytes();
    [[0; 8].as_slice(), &captured, &captured, &packet].concat()
}

#[test]
fn memory_does_not_grow_with_the_capture() {
    const SYN: u8 = 2;
    const DATA: u8 = 0x10;
    const FIN: u8 = 0x11;
    const SEGMENT: usize = 60_000;
    const MOST: u64 = 64 * 1024; // KiB
    let segments = u32::try_from(300 * 1024 * 1024 / SEGMENT).unwrap();
    let mut wharf =
        explain().args(["--json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = std::io::BufWriter::new(wharf.stdin.take().unwrap());
    let header = [0xA1B2_C3D4_u32, 2 | 4 << 16, 0, 0, 262_144, 101].map(u32::to_le_bytes).concat();
    input.write_all(&header).unwrap();
    let (control, data) = ((40_000, 21), (40_001, 2134));
    let mut next = [1_u32, 1];
    let mut records = vec![record(true, control, 0, SYN, b""), record(false, control, 0, SYN | DATA, b"")];
    let mut say = |from_client: bool, line: &str| {
        let sequence = &mut next[usize::from(from_client)];
        let said = record(from_client, control, *sequence, DATA, format!("{line}\r\n").as_bytes());
        *sequence += u32::try_from(line.len() + 2).unwrap();
        said
    };
    records.push(say(false, "220 ready"));
    records.push(say(true, "PASV"));
    records.push(say(false, "227 Entering Passive Mode (192,0,2,1,8,86)"));
    records.push(record(true, data, 0, SYN, b""));
    records.push(record(false, data, 0, SYN | DATA, b""));
    records.push(say(true, "RETR big"));
    records.push(say(false, "150 here it comes"));
    records.iter().for_each(|record| input.write_all(record).unwrap());
    let payload = vec![7; SEGMENT];
    let length = u32::try_from(SEGMENT).unwrap();
    for index in 0..segments {
        let sequence = length.wrapping_mul(index).wrapping_add(1);
        input.write_all(&record(false, data, sequence, DATA, &payload)).unwrap();
    }
    let sequence = length.wrapping_mul(segments).wrapping_add(1);
    input.write_all(&record(false, data, sequence, FIN, b"")).unwrap();
    input.write_all(&say(false, "226 done")).unwrap();
    input.flush().unwrap();
    // Before its end, which the closed pipe tells.
    let status = std::fs::read_to_string(format!("/proc/{}/status", wharf.id())).unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap()
        .parse()
        .unwrap();
    assert!(peak < MOST, "{peak} KiB");
    drop(input);
    let mut output = String::new();
    wharf.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    wharf.wait().unwrap();
    let json: serde_json::Value = serde_json::from_str(&output).unwrap();
    let transfer = &json["conversations"][0]["transfers"][0];
    assert_eq!(transfer["bytes"], u64::from(segments) * u64::from(length));
    assert_eq!(transfer["outcome"], "complete");
}
