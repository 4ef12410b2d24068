//! A server in a container that waited in vain says what is probably not published, to the client and in its log.

use wharf_testkit::lab::path::CLIENT;
use wharf_testkit::lab::server::ServerSetup;
use wharf_testkit::scripted::ScriptedClient;

use crate::doctor::logged;
use crate::{scenario, stand};

#[test]
fn the_server_says_that_its_range_is_not_published() {
    let mut scenario = scenario("container-publishes-no-range");
    scenario.setup = ServerSetup { wharf_toml: "[times]\ndata_connection = 1\n", ..scenario.setup };
    let Some(standing) = stand(&scenario) else { return };
    let server = &standing.servers[0];
    standing.lab.host(CLIENT).enter(|| {
        let mut client = ScriptedClient::log_in(server.outside, server.user, server.password);
        client.play("C: EPSV\nS: 229 *").send_line("LIST");
        client.play("S: 150 *\nS: 425 Nothing connected to 172.17.0.21:* a container, *not publish the passive range 50000-50099 *");
        client.play("C: QUIT\nS: 221");
    });
    let log = server.log();
    assert!(logged(&log).is_empty() && log.contains("possible_cause=\"ports-unpublished\""), "{log}");
}
