//! What was learnt about a server is used the next time, until something changes.

use std::process::Command;

use wharf_testkit::TestDirectory;
use wharf_testkit::lab::path::{CLIENT, SERVER_ROUTER};
use wharf_testkit::lab::scenario::Standing;
use wharf_testkit::process::run;

use crate::{scenario, stand, wharf};

/// Runs our client with a state directory of its own, and returns all it says.
fn client(standing: &Standing, state: &TestDirectory, arguments: &[&str]) -> String {
    let mut command = Command::new(wharf());
    command.args(arguments).env("XDG_STATE_HOME", state.path());
    let run = run(&mut standing.lab.host(CLIENT).adopt(&command));
    run.assert_success();
    run.output() + &run.errors()
}

/// The commands by which data connections were tried, in their order.
fn tried(talk: &str) -> Vec<&str> {
    let commands = talk.lines().filter_map(|line| line.strip_prefix("* data connection by "));
    commands.filter_map(|rest| rest.split([' ', ':']).next()).collect()
}

#[test]
fn the_mode_that_worked_is_tried_first_until_it_fails() {
    let scenario = scenario("server-firewall-for-active-mode");
    let Some(standing) = stand(&scenario) else { return };
    let (state, files) = (TestDirectory::new(), TestDirectory::new());
    let url = standing.servers[0].url(scenario.file);
    let file = files.join("fetched").to_str().unwrap().to_owned();
    let get = || client(&standing, &state, &["get", "-v", "-o", &file, &url]);

    assert_eq!(tried(&get()), ["EPSV", "PASV", "EPRT"]);
    assert_eq!(tried(&get()), ["EPRT"]);
    let known = client(&standing, &state, &["hosts"]);
    assert!(known.contains("203.0.113.21:21") && known.contains("EPRT  from 192.0.2.0/24"), "{known}");
    assert!(!known.contains("secret") && !known.contains("test"), "{known}");

    // The firewall is turned round: what is known is wrong, and is replaced.
    let passive = crate::scenario("server-firewall-for-passive-mode").path.server_router_rules;
    standing.lab.load_rules(SERVER_ROUTER, &passive);
    assert_eq!(tried(&get()), ["EPRT", "EPSV"]);
    assert_eq!(tried(&get()), ["EPSV"]);

    client(&standing, &state, &["hosts", "--forget", "203.0.113.21"]);
    assert_eq!(client(&standing, &state, &["hosts"]), "");
    // A file that nobody can read is no reason to fail.
    state.write("wharf/hosts.toml", "[[host]]\nname = 7\n");
    assert_eq!(tried(&get()), ["EPSV"]);
}
