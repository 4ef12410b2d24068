//! A client that never begins its handshake, by a fault of its own: the server's log names what that is.

use wharf_testkit::clients;
use wharf_testkit::lab::path::CLIENT;
use wharf_testkit::lab::server::{ServerKind, ServerSetup};
use wharf_testkit::process::run;

use crate::{scenario, stand};

#[test]
fn the_log_names_the_deadlock_with_a_curl_that_waits() {
    if !clients::is_installed("curl") {
        wharf_testkit::skip!("curl is not installed");
    }
    let mut scenario = scenario("tls");
    scenario.servers = vec![ServerKind::Wharf];
    scenario.setup = ServerSetup { wharf_toml: "[times]\ntls_handshake = 1\n", ..scenario.setup };
    let Some(standing) = stand(&scenario) else { return };
    let server = &standing.servers[0];
    let mut curl = clients::curl();
    curl.args(["--ssl-reqd", "--insecure", "--ftp-port", "-", "--max-time", "4", "--output", "/dev/null"]);
    let run = run(&mut standing.lab.host(CLIENT).adopt(curl.arg(server.url("hello.txt"))));
    if run.code() == 0 {
        wharf_testkit::skip!("this curl shakes hands in active mode; 7.88 does not");
    }
    let log = server.log();
    assert!(log.contains("possible_cause=\"tls-order-deadlock\""), "{run}\n{log}");
}
