//! A data connection that does not come up is explained: the client's 425 and the server's log say the same sentence, and
//! the log names the cause of the catalogue. What can be foreseen is said at the start.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::process::Command;

use wharf_testkit::clients;
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::{Run, run};
use wharf_testkit::scripted::{Conversation, ScriptedClient};
use wharf_testkit::served::Served;
use wharf_testkit::{TestDirectory, skip};

const WHARF: &str = env!("CARGO_BIN_EXE_wharf");

/// A network of the test's own, or the test is skipped.
macro_rules! namespace {
    () => {
        match NetworkNamespace::new() {
            Ok(namespace) => namespace,
            Err(reason) => skip!("{reason}"),
        }
    };
}

fn command(directory: &TestDirectory, toml: &str, flags: &[&str]) -> Command {
    directory.write("wharf.toml", format!("root = '.'\n{toml}"));
    let mut command = Command::new(WHARF);
    command.arg("serve").arg("--config").arg(directory.join("wharf.toml")).args(flags);
    command
}

/// A server in a namespace that waits no longer than a second for data connections, seen by a client.
fn with_client(
    namespace: &NetworkNamespace,
    toml: &str,
    work: impl FnOnce(&mut Conversation) + Send,
) -> String {
    let directory = TestDirectory::new();
    directory.write("file", vec![7; 1 << 20]);
    let toml = format!(
        "listen = ['127.0.0.1:2121']\nproxy_protocol = '127.0.0.5'\n{toml}\n[times]\ndata_connection = 1\n"
    );
    let served = Served::from_command(&mut namespace.adopt(&command(&directory, &toml, &[])));
    namespace.enter(|| work(&mut ScriptedClient::log_in(served.address(), "anonymous", "guest")));
    served.stop()
}

/// A client that a balancer says comes from outside.
fn from_outside(address: &str) -> Conversation {
    let from = ([127, 0, 0, 5], 0).into();
    let mut client = ScriptedClient::connect_from(from, ([127, 0, 0, 1], 2121).into());
    client.send_line(&format!("PROXY TCP4 {address} 198.51.100.2 4711 21"));
    client.play("S: 220\nC: USER anonymous\nS: 331\nC: PASS x\nS: 230");
    client
}

/// The final reply of the transfer, which the log repeats with the cause.
fn explained(client: &mut Conversation, code: &str, sentence: &str) -> String {
    let reply = client.expect_reply(code);
    assert!(reply.contains(sentence), "{sentence} in {reply}");
    reply
}

fn assert_logged(log: &str, reply: &str, cause: &str) {
    let line = log.lines().find(|line| line.contains(reply)).unwrap_or_else(|| panic!("{reply} in {log}"));
    for part in ["session=", "endpoint=", &format!("cause=\"{cause}\"")] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn nobody_who_comes_to_a_passive_port_is_a_firewall_before_the_range() {
    let namespace = namespace!();
    let mut replies = Vec::new();
    let log = with_client(&namespace, "passive.ports = '20000-20099'", |client| {
        for command in ["PASV\nS: 227 *({six})*", "EPSV\nS: 229 *(|||{port}|)*"] {
            client.play(&format!("C: {command}\nC: LIST\nS: 150"));
            let told = client.data_target().unwrap();
            let sentence = format!(
                "Nothing connected to {told} in 1 s: a firewall between you and this server probably blocks the passive range 20000-20099."
            );
            replies.push(explained(client, "425", &sentence));
        }
    });
    for reply in replies {
        assert_logged(&log, &reply, "passive-port-filtered");
    }
}

#[test]
fn somebody_else_who_comes_instead_is_a_client_with_two_addresses() {
    let namespace = namespace!();
    let mut reply = String::new();
    let log = with_client(&namespace, "", |client| {
        client.play("C: PASV\nS: 227 *({six})*\nC: LIST\nS: 150");
        let target = client.data_target().unwrap();
        ScriptedClient::connect_from(([127, 0, 0, 2], 0).into(), target).expect_close();
        reply = explained(client, "425", "from 127.0.0.1 in 1 s, but somebody did from elsewhere");
    });
    assert_logged(&log, &reply, "data-peer-mismatch");
    assert!(log.contains("from=127.0.0.2:"), "{log}");
}

#[test]
fn a_client_out_of_order_is_named() {
    let namespace = namespace!();
    let log = with_client(&namespace, "", |client| {
        client.play("C: RETR file\nS: 425 *before each transfer*");
        client.play("C: EPRT |2|::1|5000|\nS: 522 *IPv4*");
        client.play("C: EPSV ALL\nS: 200\nC: PASV\nS: 503 *EPSV ALL*");
    });
    for named in ["possible_cause=\"no-negotiation\"", " cause=\"family-mismatch\"", " cause=\"epsv-all\""] {
        assert_eq!(log.matches(named).count(), 1, "{named} in {log}");
    }
}

#[test]
fn a_private_address_in_a_227_that_goes_outside_is_named() {
    let namespace = namespace!();
    let mut replies = Vec::new();
    let log = with_client(&namespace, "", |_| {
        let mut client = from_outside("203.0.113.9");
        client.play("C: PASV\nS: 227 *({six})*\nC: LIST\nS: 150");
        replies.push(explained(&mut client, "425", "that address is private, and you come from 203.0.113.9"));
        // A 229 tells no address: it is not to blame.
        client.play("C: EPSV\nS: 229\nC: LIST\nS: 150");
        replies.push(explained(&mut client, "425", "probably blocks that port"));
    });
    assert_logged(&log, &replies[0], "pasv-private-address");
    assert_logged(&log, &replies[1], "passive-port-filtered");
}

#[test]
fn a_client_that_cannot_be_reached_in_active_mode_is_told_what_stands_between() {
    if !clients::is_installed("nft") {
        skip!("nft is not installed");
    }
    let namespace = namespace!();
    let rules = "add table inet test; add chain inet test input { type filter hook input priority 0; }; \
                 add rule inet test input tcp dport 5001 drop";
    run(namespace.command("nft").arg(rules)).assert_success();
    run(namespace.command("ip").args(["route", "add", "prohibit", "203.0.113.8"])).assert_success();
    let mut replies = Vec::new();
    let log = with_client(&namespace, "active.source_port = 'any'", |client| {
        for (port, sentence, cause) in [
            (
                5001,
                "127.0.0.1:5001 did not answer in 1 s: a firewall or NAT before you",
                "client-refuses-inbound",
            ),
            (5002, "127.0.0.1:5002 refused the connection: nothing listens there", "client-refuses-inbound"),
        ] {
            client.play(&format!("C: PORT 127,0,0,1,{},{}\nS: 200\nC: LIST\nS: 150", port / 256, port % 256));
            replies.push((explained(client, "425", sentence), cause));
        }
        // Outside, where this server may not go, and where it has no way to.
        for (last, sentence, cause) in [
            (8, "The server's own system forbids connections to 203.0.113.8:5000", "server-egress-blocked"),
            (9, "203.0.113.9:5000 cannot be reached from this server", "port-unroutable"),
        ] {
            let mut outside = from_outside(&format!("203.0.113.{last}"));
            outside.play(&format!("C: PORT 203,0,113,{last},19,136\nS: 200\nC: LIST\nS: 150"));
            replies.push((explained(&mut outside, "425", sentence), cause));
        }
    });
    for (reply, cause) in replies {
        assert_logged(&log, &reply, cause);
    }
}

#[test]
fn a_transfer_that_is_cut_is_logged_with_its_cause() {
    let namespace = namespace!();
    let mut reply = String::new();
    let log = with_client(&namespace, "write = true", |client| {
        client.play("C: PASV\nS: 227 *({six})*").open_data().play("C: STOR new\nS: 150");
        client.send_data(vec![7; 100_000]).reset_data();
        reply = explained(client, "426", "The data connection broke");
    });
    assert_logged(&log, &reply, "transfer-cut");
}

#[test]
fn what_can_be_foreseen_is_said_by_check_and_at_the_start() {
    let namespace = namespace!();
    run(namespace.command("ip").args(["address", "add", "10.0.0.5/24", "dev", "lo"])).assert_success();
    let directory = TestDirectory::new();
    let check = |toml: &str| -> Run {
        let run = run(&mut namespace.adopt(&command(&directory, toml, &["--check"])));
        run.assert_success();
        run
    };
    for (toml, cause, text) in [
        (
            "passive.ports = '40000-40099'",
            "range-exhausted",
            "100 of the passive ports 40000-40099 lie among",
        ),
        (
            "passive = { ports = '20000-20007', expected_sessions = 50 }",
            "range-exhausted",
            "50 sessions are expected, and there are 8",
        ),
        ("passive.ports = '5000-5100'", "port-taken-by-other-alg", "5060 (SIP), 5061 (SIP)"),
    ] {
        let run = check(&format!("listen = ['127.0.0.1:2121']\n{toml}"));
        assert_eq!(run.errors().lines().count(), 1, "{run}");
        assert!(run.errors().contains(text) && run.errors().contains(&format!("cause=\"{cause}\"")), "{run}");
        assert!(run.output().contains("the configuration is good"), "{run}");
    }
    // The address that clients are told, also of a server that listens everywhere.
    for listen in ["10.0.0.5:21", "0.0.0.0:21"] {
        let told = check(&format!("listen = ['{listen}']"));
        assert!(
            told.errors().contains("told 10.0.0.5, a private address")
                && told.errors().contains("pasv-private-address"),
            "{told}"
        );
        for rule in ["local", "203.0.113.7"] {
            let told =
                check(&format!("listen = ['{listen}']\npassive.advertise = [{{ address = '{rule}' }}]"));
            assert_eq!(told.errors(), "", "{told}");
        }
        assert_eq!(check(&format!("listen = ['{listen}']\nmodes = ['active']")).errors(), "");
    }
    // A name that nobody knows here.
    let told = check("listen = ['127.0.0.1:2121']\npassive.advertise = [{ address = 'ftp.example.net' }]");
    assert!(told.errors().contains("the advertised name has no IPv4 address now"), "{told}");
    // A port of a service that is taken, and at the start too.
    let _taken = namespace.enter(|| std::net::TcpListener::bind("127.0.0.1:20").unwrap());
    let toml = "listen = ['127.0.0.1:21']\nactive.source_port = 20";
    let told = check(toml);
    assert!(
        told.errors().contains("Source port 20 cannot be used")
            && told.errors().contains("source-port-filtered"),
        "{told}"
    );
    let served = Served::from_command(&mut namespace.adopt(&command(&directory, toml, &[])));
    assert!(served.stop().contains("Source port 20 cannot be used"));
}
