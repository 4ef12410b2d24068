//! S11: a narrow passive range, many clients at once, and a firewall that lets nothing else in.

use std::thread;

use wharf_testkit::TestDirectory;
use wharf_testkit::lab::path::{CLIENT, INTERNET, SERVER_ROUTER};
use wharf_testkit::lab::scenario::Standing;
use wharf_testkit::lab::server::ServerKind;
use wharf_testkit::process::{Run, run};

use crate::{client, doctor, document, scenario, stand};

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
    let (first, last) = (scenario.setup.passive_ports.start(), scenario.setup.passive_ports.end());
    let mut table = "| server | fetched | connections outside the range |\n|---|---|---|\n".to_owned();
    for server in &standing.servers {
        let Some(capture) = standing.lab.capture_or_skip(SERVER_ROUTER, INTERNET) else { return };
        fetch_at_once(&standing, &server.url(scenario.file));
        let captured = capture.stop();
        // Who opens a connection, and to which port: the control connection, passive, active.
        let opened = |what: String| captured.packets(&format!("tcp[tcpflags] == tcp-syn and {what}"));
        let passive = opened(format!("dst portrange {first}-{last}"));
        let active = opened("src port 20".to_owned());
        let outside = opened(format!("not (dst port 21 or dst portrange {first}-{last} or src port 20)"));
        assert!(!passive.is_empty(), "{}", server.kind);
        let seen = if server.kind == ServerKind::Wharf {
            assert_eq!(outside, Vec::<String>::new(), "a connection that the firewall knows nothing of");
            assert!(
                passive.len() + active.len() >= CLIENTS * FILES,
                "{} and {}",
                passive.len(),
                active.len()
            );
            "none"
        } else {
            "not looked at"
        };
        table += &format!("| {} | all | {seen} |\n", server.kind);
    }
    let diagnosed = doctor::examine(&scenario, &standing);
    doctor::check_all(&diagnosed, &scenario, &standing);
    if standing.missing.is_empty() {
        let all = format!("works (all {CLIENTS})");
        let ours: Vec<_> = standing.servers.iter().map(|server| (server.kind, all.clone())).collect();
        // How often the range was full before is chance.
        let table_of_doctor = doctor::table(&diagnosed, &ours, |_| String::new());
        let told = format!("When the clients are done:\n\n{table_of_doctor}");
        document::compare(document::DIAGNOSIS, &scenario, &told);
        let about = format!("{CLIENTS} × `wharf get` at once, {FILES} files each.");
        document::compare(document::LAB, &scenario, &format!("{about}\n\n{table}"));
    }
}

/// Has all clients fetch all their files from `url` at once; each has to succeed.
fn fetch_at_once(standing: &Standing, url: &str) {
    let runs: Vec<Run> = thread::scope(|scope| {
        let client = || {
            let directory = TestDirectory::new();
            let mut get = client();
            get.args(["get", "-v", "-o"]).arg(directory.path()).args([url; FILES]);
            run(&mut standing.lab.host(CLIENT).adopt(&get))
        };
        let running: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        running.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for run in &runs {
        run.assert_success();
    }
}
