//! `wharf doctor` at servers that are well, and what it prints.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::TestDirectory;
use wharf_testkit::faulty::{Fault, FaultyServer};
use wharf_testkit::peers::{Peer, PeerKind, PeerOptions, UP};
use wharf_testkit::process::{Run, run_within};
use wharf_testkit::served::Served;
use wharf_testkit::tls::TestCertificate;

const LIMIT: Duration = Duration::from_secs(90);

fn doctor() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
    command.env("XDG_STATE_HOME", "/dev/null").env("LC_ALL", "C").arg("doctor");
    command
}

fn json(run: &Run) -> Value {
    serde_json::from_str(run.output().trim()).unwrap_or_else(|error| panic!("{error}: {run}"))
}

/// No finding, every way open, with a small upload too, and in clear with the checks that take longer.
#[track_caller]
fn is_well(url: &str, cells: usize) {
    let deep: &[&str] = if cells == 4 { &["--deep", "--idle", "1"] } else { &[] };
    let run = run_within(LIMIT, doctor().args(["--json", "--write"]).args(deep).arg(url));
    run.assert_code(0);
    let told = json(&run);
    assert_eq!(told["findings"], Value::Array(Vec::new()), "{run}");
    let tried = told["cells"].as_array().unwrap();
    assert!(tried.iter().all(|cell| cell["outcome"] == "ok"), "{run}");
    assert_eq!(tried.len(), cells, "{run}");
    assert_eq!(told["works"], serde_json::json!(["EPSV", "PASV", "EPRT", "PORT"]), "{run}");
}

#[test]
fn real_servers_in_clear_are_well() {
    for kind in [PeerKind::Vsftpd, PeerKind::Proftpd, PeerKind::PureFtpd, PeerKind::Pyftpdlib] {
        if let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new()) {
            is_well(&peer.url(&format!("{UP}/")), 4);
        }
    }
}

/// vsftpd and ProFTPD want the session of the control connection resumed. (pyftpdlib's own program knows no TLS.)
#[test]
fn real_servers_under_tls_are_well() {
    let certificate = TestCertificate::new(&["localhost"]);
    for kind in [PeerKind::Vsftpd, PeerKind::Proftpd, PeerKind::PureFtpd] {
        if let Some(peer) = Peer::start_or_skip(kind, &PeerOptions::new().tls(&certificate)) {
            is_well(&peer.url(&format!("{UP}/")), 8);
        }
    }
}

#[test]
fn ours_is_well() {
    let directory = TestDirectory::new();
    directory.write("a", vec![7; 100_000]);
    let certificate = TestCertificate::new(&["localhost"]);
    let mut flags = vec!["--write".to_owned(), "--user".to_owned(), "test:secret".to_owned()];
    let served = |flags: &[String]| {
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        Served::start(env!("CARGO_BIN_EXE_wharf"), directory.path(), &flags)
    };
    let url = |served: &Served| format!("ftp://test:secret@{}/", served.address());
    let clear = served(&flags);
    is_well(&url(&clear), 4);
    flags.extend(certificate.flags());
    let secured = served(&flags);
    is_well(&url(&secured), 8);
    // One that wants TLS: what is refused in clear is its policy.
    flags.extend(["--tls", "require"].map(str::to_owned));
    let strict = served(&flags);
    let run = run_within(LIMIT, doctor().args(["--json", &url(&strict)]));
    let told = json(run.assert_code(0));
    assert_eq!(told["findings"], Value::Array(Vec::new()), "{run}");
    let cells = told["cells"].as_array().unwrap();
    let of = |tls: bool, outcome: &str| {
        cells.iter().filter(|it| it["tls"] == tls && it["outcome"] == outcome).count()
    };
    assert_eq!((of(true, "ok"), of(false, "rejected")), (4, 4), "{run}");
    // With a certificate that is known, ftpes:// verifies it.
    let trusted = format!("ftpes://test:secret@localhost:{}/", strict.address().port());
    let run =
        run_within(LIMIT, doctor().arg("--json").arg("--ca").arg(certificate.certificate()).arg(trusted));
    assert_eq!(json(run.assert_code(0))["control"]["verified"], true, "{run}");
}

#[test]
fn the_text_can_be_pasted_into_a_mail() {
    let server = FaultyServer::start([127, 0, 0, 1].into(), Fault::ExtendedUnknown, None);
    let url = format!("ftp://test:top-secret@{}/", server.address());
    let run = run_within(LIMIT, doctor().arg(&url));
    let text = run.assert_code(1).output();
    assert!(!text.contains("top-secret") && !run.errors().contains("top-secret"), "{run}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("wharf doctor ftp://{}/", server.address()));
    let header = lines.iter().position(|line| line.trim_start().starts_with("EPSV")).unwrap();
    let words: Vec<&str> = lines[header + 1].split_whitespace().collect();
    assert!(words.starts_with(&["IPv4,", "in", "clear", "rejected", "ok"]), "{run}");
    assert!(text.contains("(extended-unsupported, likely)"), "{run}");
    assert!(text.contains("\nNext: As things are, use passive mode; what works: PASV, PORT."), "{run}");
    assert!(lines.iter().all(|line| !line.ends_with(' ')), "{run}");
}

#[test]
fn the_language_follows_the_flag_and_the_environment() {
    let server = FaultyServer::start([127, 0, 0, 1].into(), Fault::Forbidden, None);
    let url = format!("ftp://test:secret@{}/", server.address());
    let flagged = run_within(LIMIT, doctor().args(["--lang", "zh", &url]));
    assert!(flagged.assert_code(1).output().contains("诊断结果:\n网络没有问题"), "{flagged}");
    let named = run_within(LIMIT, doctor().env("LC_ALL", "zh_CN.UTF-8").args(["--json", &url]));
    let told = json(&named);
    assert!(told["findings"][0]["summary"].as_str().unwrap().starts_with("网络没有问题"), "{named}");
    assert!(told["recommend"].as_str().unwrap().contains("任何模式下"), "{named}");
}

#[test]
fn no_session_has_the_exit_codes_of_the_client() {
    let unused = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let refused = run_within(LIMIT, doctor().args(["--json", &format!("ftp://{unused}/")]));
    let told = json(refused.assert_code(3));
    assert_eq!(told["findings"][0]["cause"], "control-unreachable", "{refused}");
    assert_eq!(told["control"]["ok"], false);
    run_within(LIMIT, doctor().arg("ftp://no.such.name.invalid/")).assert_code(3);
    run_within(LIMIT, doctor().arg("http://localhost/")).assert_code(2);
}
