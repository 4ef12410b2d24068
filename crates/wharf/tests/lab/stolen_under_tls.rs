//! A stranger under TLS says nothing, and the server waits for its handshake: what that looks like is told by what happens in
//! clear.

use wharf_testkit::lab::server::ServerSetup;

use crate::{doctor, scenario, stand};

#[test]
fn a_stranger_is_no_deadlock_under_tls() {
    let mut scenario = scenario("stolen-accept");
    scenario.setup = ServerSetup { tls: true, ..scenario.setup };
    let Some(standing) = stand(&scenario) else { return };
    for reason in &standing.missing {
        wharf_testkit::skip(reason);
    }
    let diagnosed = doctor::examine(&scenario, &standing);
    doctor::check_all(&diagnosed, &scenario, &standing);
}
