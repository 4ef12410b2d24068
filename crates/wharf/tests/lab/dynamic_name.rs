//! S13: the outside address changes, a name follows it, and the server advertises the name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wharf_testkit::lab::path::{CLIENT, INTERNET, SERVER, SERVER_ROUTER, SERVER_ROUTER_INSIDE};
use wharf_testkit::lab::scenario::{Scenario, Standing};
use wharf_testkit::lab::server::Advertise;
use wharf_testkit::process::run;
use wharf_testkit::scripted::ScriptedClient;
use wharf_testkit::{TestDirectory, clients, skip};

use crate::programs::Program;
use crate::{doctor, document, scenario, wharf};

pub(crate) const SCENARIO: &str = "server-nat-dynamic-name";

/// The outside address after the change.
const NEW: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 31);
/// The name's answers live for one second. This is a bound for a machine that is busy.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn server_nat_dynamic_name() {
    if !clients::is_installed("wget") {
        skip!("wget is not installed");
    }
    let scenario = scenario(SCENARIO);
    let Advertise::Name(name) = scenario.setup.advertise else { panic!("the scenario advertises a name") };
    let old = scenario.path.server_outside(scenario.servers[0].number());
    let mut names = None;
    let standing = scenario.set_up_with(wharf(), |lab| {
        lab.host(SERVER).resolve_names_at(SERVER_ROUTER_INSIDE.into());
        names = lab.name_server_or_skip(SERVER_ROUTER, SERVER_ROUTER_INSIDE, name, old);
    });
    let mut standing = match standing {
        Ok(standing) => standing,
        Err(reason) => skip!("{reason}"),
    };
    let Some(names) = names else { return };
    assert_eq!(told(&standing, old), old);
    wget(&standing, old);
    let at_first = examined(&scenario, &standing);

    // The provider gives another address, the NAT goes on with it, and so does the name.
    standing.lab.add_address(SERVER_ROUTER, INTERNET, &format!("{NEW}/24"));
    let rules = &scenario.path.server_router_rules;
    standing.lab.load_rules(SERVER_ROUTER, &rules.replace(&old.to_string(), &NEW.to_string()));
    names.change(NEW);
    let deadline = Instant::now() + LIMIT;
    while told(&standing, NEW) != NEW {
        assert!(Instant::now() < deadline, "it still tells the old address\n{}", standing.servers[0].log());
    }
    wget(&standing, NEW);
    standing.servers[0].outside.set_ip(NEW.into());
    let afterwards = examined(&scenario, &standing);
    document::compare(
        document::DIAGNOSIS,
        &scenario,
        &format!("At first:\n\n{at_first}\nThe address has changed, and the name with it:\n\n{afterwards}"),
    );
    document::compare(
        document::LAB,
        &scenario,
        &format!(
            "| | the 227 tells | wget, which connects there |\n|---|---|---|\n| at first | {old} | works |\n\
             | the address has changed, and the name with it | {NEW} | works |\n"
        ),
    );
}

/// What the doctor and our client say, where clients reach the server now.
#[track_caller]
fn examined(scenario: &Scenario, standing: &Standing) -> String {
    let diagnosed = doctor::examine(scenario, standing);
    doctor::check_all(&diagnosed, scenario, standing);
    let server = &standing.servers[0];
    let directory = TestDirectory::new();
    let file = directory.join("fetched");
    let command = Program::Wharf.command(scenario, server, &file);
    let run = run(&mut standing.lab.host(CLIENT).adopt(&command));
    run.assert_success();
    let is_right = directory.read("fetched") == b"hello, world\n";
    doctor::table(&diagnosed, &[(server.kind, Program::Wharf.seen(&run, is_right))], |kind| {
        doctor::log_of(standing, kind)
    })
}

/// The address in the 227 of the server that is reached at `outside`.
fn told(standing: &Standing, outside: Ipv4Addr) -> IpAddr {
    let server = &standing.servers[0];
    standing.lab.host(CLIENT).enter(|| {
        let control = SocketAddr::new(outside.into(), server.outside.port());
        let mut client = ScriptedClient::log_in(control, server.user, server.password);
        client.play("C: PASV\nS: 227 *({six})*");
        let told = client.data_target().unwrap().ip();
        client.play("C: QUIT\nS: 221");
        told
    })
}

fn wget(standing: &Standing, outside: Ipv4Addr) {
    let server = &standing.servers[0];
    let directory = TestDirectory::new();
    let url = server.url("hello.txt").replace(&server.outside.ip().to_string(), &outside.to_string());
    let mut wget = clients::wget();
    wget.arg("--output-document").arg(directory.join("fetched")).arg(url);
    run(&mut standing.lab.host(CLIENT).adopt(&wget)).assert_success();
    assert_eq!(directory.read("fetched"), b"hello, world\n");
}
