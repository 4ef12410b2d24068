//! Every client to every server of a scenario, all at once.

use std::thread;

use wharf_testkit::TestDirectory;
use wharf_testkit::directory::sample;
use wharf_testkit::lab::path::CLIENT;
use wharf_testkit::lab::scenario::{Ours, Scenario, Standing};
use wharf_testkit::lab::server::{LabServer, ServerKind};
use wharf_testkit::peers::{BIG, CONTENT};
use wharf_testkit::process::{Run, run_within};

use crate::document::{self, DIAGNOSIS, LAB};
use crate::programs::Program;
use crate::{doctor, stand};

/// What one client did with one server.
struct Cell {
    server: ServerKind,
    program: Program,
    seen: String,
    run: Run,
}

/// Runs the scenario, and checks what it says, then what docs/lab.md says.
pub(crate) fn run(scenario: &Scenario) {
    let Some(standing) = stand(scenario) else { return };
    for reason in &standing.missing {
        wharf_testkit::skip(reason);
    }
    let cells = fetch_everything(scenario, &standing);
    for cell in &cells {
        check(scenario, cell, &standing);
    }
    let diagnosed = doctor::examine(scenario, &standing);
    doctor::check_all(&diagnosed, scenario, &standing);
    // A table with holes can be compared with nothing.
    if standing.missing.is_empty() && Program::ALL.into_iter().all(Program::is_installed) {
        document::compare(LAB, scenario, &table(&cells));
        let ours = cells.iter().filter(|cell| cell.program == Program::Wharf);
        let ours: Vec<_> = ours.map(|cell| (cell.server, cell.seen.clone())).collect();
        document::compare(
            DIAGNOSIS,
            scenario,
            &doctor::table(&diagnosed, &ours, |server| doctor::log_of(&standing, server)),
        );
    }
}

fn fetch_everything(scenario: &Scenario, standing: &Standing) -> Vec<Cell> {
    let programs: Vec<Program> =
        Program::ALL.into_iter().filter(|program| program.takes_part(scenario)).collect();
    thread::scope(|scope| {
        let pairs = standing.servers.iter().flat_map(|server| programs.iter().map(move |it| (server, *it)));
        let running: Vec<_> = pairs
            .map(|(server, program)| scope.spawn(move || fetch(scenario, standing, server, program)))
            .collect();
        running.into_iter().map(|cell| cell.join().unwrap()).collect()
    })
}

fn fetch(scenario: &Scenario, standing: &Standing, server: &LabServer, program: Program) -> Cell {
    let directory = TestDirectory::new();
    let file = directory.join("fetched");
    let mut command = standing.lab.host(CLIENT).adopt(&program.command(scenario, server, &file));
    let run = run_within(program.limit(scenario), &mut command);
    let is_right = std::fs::read(&file).is_ok_and(|content| content == expected(scenario.file));
    Cell { server: server.kind, program, seen: program.seen(&run, is_right), run }
}

/// What the servers of the lab have in this file.
fn expected(file: &str) -> Vec<u8> {
    if file == BIG.0 {
        return sample(BIG.1);
    }
    let content = CONTENT.iter().find(|(name, _)| *name == file);
    content.unwrap_or_else(|| panic!("no server has {file}")).1.as_bytes().to_vec()
}

/// What the scenario says must be so.
#[track_caller]
fn check(scenario: &Scenario, cell: &Cell, standing: &Standing) {
    let Cell { server, program, seen, run } = cell;
    let ways = scenario.works_with(*server);
    let works = seen.starts_with("works");
    let as_expected = match (*program, scenario.ours) {
        (Program::Wharf, _) if ways.any() => works,
        (Program::Wharf, Ours::GetsThrough) => works,
        (Program::Wharf, Ours::Fails { exit, causes, .. }) => {
            seen.starts_with(&format!("exit {exit}")) && causes.iter().all(|cause| seen.contains(cause))
        }
        _ if scenario.resourceful.contains(&program.to_string().as_str()) => works,
        _ => works == program.gets_through(scenario, ways),
    };
    let log = standing.servers.iter().find(|it| it.kind == *server).map(LabServer::log).unwrap_or_default();
    assert!(
        as_expected,
        "{}: {program} with {server}, where {ways} can work: {seen}\n{run}\n--- the server\n{log}",
        scenario.name
    );
}

/// A line for each server, a column for each client.
fn table(cells: &[Cell]) -> String {
    let mut table = format!("| server | {} |\n", Program::ALL.map(|program| program.to_string()).join(" | "));
    table += &format!("|---|{}\n", "---|".repeat(Program::ALL.len()));
    let mut servers: Vec<ServerKind> = cells.iter().map(|cell| cell.server).collect();
    servers.dedup();
    for server in servers {
        let of_server = Program::ALL.map(|program| {
            let cell = cells.iter().find(|cell| cell.server == server && cell.program == program);
            cell.map_or_else(|| "–".to_owned(), |cell| cell.seen.clone())
        });
        table += &format!("| {server} | {} |\n", of_server.join(" | "));
    }
    table
}
