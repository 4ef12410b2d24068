//! Situations from the field, in real kernels: what ordinary clients do in them, and what ours does.
//!
//! Each test sets up a scenario of `wharf_testkit::lab`, has every client fetch a file from every server, and compares what
//! came of it with what the scenario says must work and with what docs/lab.md tells. `WHARF_LAB_WRITE=1` writes that
//! document anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod captures;
mod doctor;
mod document;
mod dynamic_name;
mod exposed_ports;
mod faulty_servers;
mod matrix;
mod meddled_servers;
mod memory;
mod modes_document;
mod programs;
mod ranges;
mod stolen_under_tls;
mod unpublished;
mod waiting_client;

use std::path::Path;
use std::process::Command;

use wharf_testkit::lab::scenario::{Scenario, Standing};

/// Our program.
fn wharf() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_wharf"))
}

/// Our client, which remembers nothing of what other tests learnt.
fn client() -> Command {
    let mut command = Command::new(wharf());
    command.env("XDG_STATE_HOME", "/dev/null");
    command
}

/// The scenario, set up; or the calling test is noted as skipped.
fn stand(scenario: &Scenario) -> Option<Standing> {
    match scenario.set_up(wharf()) {
        Ok(standing) => Some(standing),
        Err(reason) => {
            wharf_testkit::skip(&reason);
            None
        }
    }
}

/// The scenario of the catalogue that has this name.
#[track_caller]
fn scenario(name: &str) -> Scenario {
    Scenario::named(name).unwrap_or_else(|| panic!("the catalogue has no scenario {name}"))
}

/// A test for each scenario in which every client goes to every server.
macro_rules! scenarios {
    ($($test:ident)*) => {
        $(#[test]
        fn $test() {
            matrix::run(&scenario(&stringify!($test).replace('_', "-")));
        })*

        /// Names of the scenarios that have such a test.
        const IN_MATRIX: &[&str] = &[$(stringify!($test)),*];
    };
}

scenarios! {
    plain
    ipv6
    tls
    client_nat_with_helper
    server_firewall_for_both_modes
    server_nat
    small_mtu
    client_firewall
    client_nat
    client_nat_exposed_host
    client_nat_exposed_host_and_control_peer
    client_nat_helper_on_another_port
    client_nat_helper_blinded_by_tls
    data_from_another_address
    client_firewall_wants_port_20
    client_firewall_wants_port_20_in_vain
    client_nat_forgets
    server_firewall_for_passive_mode
    server_firewall_for_active_mode
    passive_range_reset
    passive_range_prohibited
    server_egress_blocked
    server_nat_control_port_only
    server_nat_renumbers
    server_nat_renumbers_and_port_map
    server_nat_private_address
    server_nat_wrong_address
    client_beside_server
    client_beside_server_and_address_by_network
    server_connects_from_elsewhere
    epsv_filtered
    mtu_black_hole
    nothing_works
    client_own_firewall
    client_own_firewall_wants_port_20
    ipv6_client_firewall
    server_own_firewall_forbids
    ipv6_passive_range_prohibited
    server_nat_with_helper
    server_nat_helper_blinded_by_tls
    alg_rewrites_227
    alg_rewrites_227_in_clear
    port_swallowed
    tls_required
    control_port_filtered
    control_port_prohibited
    nat64
    container_publishes_range
    container_publishes_control_port_only
    container_publishes_no_range
    first_syn_lost
    stolen_accept
    stolen_accept_by_anybody
    active_only
    passive_only
}

#[test]
fn every_scenario_of_the_catalogue_is_tested() {
    let tested = IN_MATRIX.iter().map(|name| name.replace('_', "-"));
    let apart = [dynamic_name::SCENARIO, ranges::EIGHT, ranges::FIFTY].map(str::to_owned);
    let mut tested: Vec<String> = tested.chain(apart).collect();
    let mut catalogue: Vec<_> = Scenario::catalogue().iter().map(|it| it.name.to_owned()).collect();
    tested.sort();
    catalogue.sort();
    assert_eq!(tested, catalogue);
}
