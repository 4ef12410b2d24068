//! S11: a narrow passive range, many clients at once, and a firewall that lets nothing else in.

use std::process::Command;
use std::thread;

use wharf_testkit::TestDirectory;
use wharf_testkit::lab::path::{CLIENT, INTERNET, SERVER_ROUTER};
use wharf_testkit::process::{Run, run};

use crate::{document, scenario, stand, wharf};

pub(crate) const EIGHT: &str = "range-of-8";
pub(crate) const FIFTY: &str = "range-of-50";

/// Clients at once, and files that each fetches in one session.
const CLIENTS: usize = 24;
const FILES: usize = 8;

#[test]
fn range_of_8() {
    many_clients(EIGHT);
}

#[test]
fn range_of_50() {
    many_clients(FIFTY);
}

fn many_clients(name: &str) {
    let scenario = scenario(name);
    let Some(standing) = stand(&scenario) else { return };
    let Some(capture) = standing.lab.capture_or_skip(SERVER_ROUTER, INTERNET) else { return };
    let url = standing.servers[0].url(scenario.file);
    let runs: Vec<Run> = thread::scope(|scope| {
        let client = || {
            let directory = TestDirectory::new();
            let mut get = Command::new(wharf());
            get.args(["get", "-v", "-o"]).arg(directory.path()).args(vec![&url; FILES]);
            run(&mut standing.lab.host(CLIENT).adopt(&get))
        };
        let running: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        running.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let captured = capture.stop();
    for run in &runs {
        run.assert_success();
    }
    let range = &scenario.setup.passive_ports;
    let (first, last) = (range.start(), range.end());
    // Who opens a connection, and to which port: the control connection, passive, active.
    let opened = |what: String| captured.packets(&format!("tcp[tcpflags] == tcp-syn and {what}"));
    let passive = opened(format!("dst portrange {first}-{last}"));
    let active = opened("src port 20".to_owned());
    let strange = opened(format!("not (dst port 21 or dst portrange {first}-{last} or src port 20)"));
    assert_eq!(strange, Vec::<String>::new(), "a connection that the firewall knows nothing of");
    assert!(!passive.is_empty());
    assert!(passive.len() + active.len() >= CLIENTS * FILES, "{} and {}", passive.len(), active.len());
    document::compare(
        &scenario,
        &format!(
            "| clients at once | files of each | passive ports | fetched | connections outside the range |\n|---|---|---|---|---|\n\
             | {CLIENTS} × wharf get | {FILES} | {} | all | none |\n",
            range.len()
        ),
    );
}
