//! `wharf doctor` at every server of a scenario: it names what is wrong, nothing else, and nothing where all is well.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::lab::path::CLIENT;
use wharf_testkit::lab::scenario::{Scenario, Standing};
use wharf_testkit::lab::server::{LabServer, ServerKind};
use wharf_testkit::process::{Run, run_within};

use crate::client;

/// The longest that it may take without --deep, and a moment for a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// What it said of one server.
pub(crate) struct Diagnosed {
    pub(crate) server: Option<ServerKind>,
    json: Value,
    run: Run,
}

/// Goes to all servers at once.
pub(crate) fn examine(scenario: &Scenario, standing: &Standing) -> Vec<Diagnosed> {
    thread::scope(|scope| {
        let running: Vec<_> = standing
            .servers
            .iter()
            .map(|server| scope.spawn(move || examine_one(scenario, standing, server)))
            .collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

fn examine_one(scenario: &Scenario, standing: &Standing, server: &LabServer) -> Diagnosed {
    let mut command = client();
    command.args(["doctor", "--json", "--lang", "en"]).args(scenario.doctor_flags).arg(server.url(""));
    let run = run_within(LIMIT, &mut standing.lab.host(CLIENT).adopt(&command));
    Diagnosed { server: Some(server.kind), ..Diagnosed::from_run(run) }
}

/// What it said of each server is right.
#[track_caller]
pub(crate) fn check_all(diagnosed: &[Diagnosed], scenario: &Scenario, standing: &Standing) {
    for told in diagnosed {
        let log = told.server.map(|server| log_of(standing, server)).unwrap_or_default();
        told.check(scenario, &log);
    }
}

/// What the server has said so far.
pub(crate) fn log_of(standing: &Standing, server: ServerKind) -> String {
    standing.servers.iter().find(|it| it.kind == server).map(LabServer::log).unwrap_or_default()
}

/// A line for each server: what the doctor saw and concluded, what `ours`, our client, came to, what the server did by its
/// replies and, where it is ours, by what `log` gives.
pub(crate) fn table(
    diagnosed: &[Diagnosed],
    ours: &[(ServerKind, String)],
    log: impl Fn(ServerKind) -> String,
) -> String {
    let mut table =
        "| server | the ways | the doctor | `wharf get` | the server's words |\n|---|---|---|---|---|\n"
            .to_owned();
    for (told, server) in diagnosed.iter().filter_map(|told| Some((told, told.server?))) {
        let mut words = told.words();
        if server == ServerKind::Wharf {
            words.extend(logged(&log(server)).iter().map(|cause| format!("log: {cause}")));
        }
        let words = if words.is_empty() { "–".to_owned() } else { words.join("; ") };
        table += &format!(
            "| {} | {} | {} | {} | {} |\n",
            server,
            told.ways(),
            told.causes(),
            ours.iter().find(|(kind, _)| *kind == server).map_or("–", |(_, seen)| seen),
            words.replace('|', "\\|")
        );
    }
    table
}

impl Diagnosed {
    /// What a run of it said.
    pub(crate) fn from_run(run: Run) -> Self {
        let json = serde_json::from_str(run.output().trim()).unwrap_or(Value::Null);
        Self { server: None, json, run }
    }

    /// That it names a cause of the scenario, and no other; that it exits as it says.
    #[track_caller]
    pub(crate) fn check(&self, scenario: &Scenario, log: &str) {
        let allowed = self.server.map_or(scenario.diagnosed, |server| scenario.diagnosed_with(server));
        let place = self.server.map_or_else(String::new, |server| format!(" at {server}"));
        self.check_against(&format!("{}{place}", scenario.name), allowed, log);
    }

    /// That it names some of `allowed`, and nothing else; nothing where none is.
    #[track_caller]
    pub(crate) fn check_against(&self, name: &str, allowed: &[&str], log: &str) {
        let named: Vec<&str> = self.findings().filter_map(|finding| finding["cause"].as_str()).collect();
        let is_right =
            named.iter().all(|cause| allowed.contains(cause)) && named.is_empty() == allowed.is_empty();
        let exit_is_right = if self.json["control"]["ok"] == true {
            self.run.code() == i32::from(!named.is_empty())
        } else {
            (3..=5).contains(&self.run.code())
        };
        assert!(
            !self.run.timed_out && is_right && exit_is_right,
            "{name}: the doctor named {named:?}, of {allowed:?}\n{}\n--- the server\n{log}",
            self.run
        );
    }

    fn findings(&self) -> impl Iterator<Item = &Value> {
        self.json["findings"].as_array().into_iter().flatten()
    }

    fn cells(&self) -> impl Iterator<Item = &Value> {
        self.json["cells"].as_array().into_iter().flatten()
    }

    /// The ways by what came of them, such as `ok: EPSV, PASV; filtered: EPRT, PORT`.
    pub(crate) fn ways(&self) -> String {
        if self.json["control"]["ok"] != true {
            return format!("no session (exit {})", self.run.code());
        }
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for cell in self.cells() {
            let text = |name: &str| cell[name].as_str().unwrap_or("?").to_owned();
            let way =
                if cell["tls"] == true { format!("{} under TLS", text("command")) } else { text("command") };
            match groups.iter_mut().find(|(outcome, _)| *outcome == text("outcome")) {
                Some((_, ways)) => ways.push(way),
                None => groups.push((text("outcome"), vec![way])),
            }
        }
        let groups = groups.into_iter().map(|(outcome, ways)| format!("{outcome}: {}", ways.join(", ")));
        groups.collect::<Vec<_>>().join("; ")
    }

    /// The causes with how sure they are.
    pub(crate) fn causes(&self) -> String {
        let told = self.findings().map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap_or("?");
            format!("{} ({})", text("cause"), text("confidence"))
        });
        let told: Vec<String> = told.collect();
        if told.is_empty() { "–".to_owned() } else { told.join(", ") }
    }

    /// What the server said no with, without the numbers that differ from run to run.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for cell in self.cells().filter(|cell| cell["outcome"] != "ok") {
            let reply = cell["reply"].as_str().unwrap_or_default();
            if reply.starts_with(['4', '5']) {
                let told = without_numbers(reply);
                if !words.contains(&told) {
                    words.push(told);
                }
            }
        }
        words
    }
}

/// The code stays; behind it each port and each list of numbers is `…`.
fn without_numbers(reply: &str) -> String {
    let (code, text) = reply.split_at(3.min(reply.len()));
    let mut told = String::from(code);
    let mut digits = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        told += if digits.len() > 3 { "…" } else { &digits };
        digits.clear();
        if c != '\0' {
            told.push(c);
        }
    }
    told
}

/// The causes in the log of our server, each once.
pub(crate) fn logged(log: &str) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    for piece in log.split(" cause=").skip(1) {
        let cause: String = piece
            .trim_start_matches(['"', '\\'])
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')
            .collect();
        if !cause.is_empty() && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes.sort();
    causes
}

#[test]
fn numbers_that_differ_from_run_to_run_are_left_out() {
    assert_eq!(without_numbers("425 to 10.1.0.2:50123."), "425 to 10.1.0.2:….");
    assert_eq!(without_numbers("500"), "500");
}
