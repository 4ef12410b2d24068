//! Servers that do one thing wrong: what the doctor says of each, and what `wharf get` says.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::Value;
use wharf_testkit::clients;
use wharf_testkit::faulty::{Fault, FaultyServer};
use wharf_testkit::namespace::NetworkNamespace;
use wharf_testkit::process::{self, run_within};
use wharf_testkit::tls::TestCertificate;

use crate::client;
use crate::doctor::Diagnosed;
use crate::document::{self, DIAGNOSIS};
use crate::programs;

const LIMIT: Duration = Duration::from_secs(90);

/// Their names in docs/diagnosis.md, in its order.
pub(crate) const NAMES: &[&str] = &[
    "server-without-fault",
    "server-without-fault-under-tls",
    "server-does-not-greet",
    "server-has-too-many-sessions",
    "server-is-misconfigured",
    "server-wants-tls",
    "server-replies-malformed",
    "server-knows-no-epsv",
    "server-epsv-port-dead",
    "server-behind-nat64",
    "server-forbids-listing",
    "server-cuts-data",
    "server-range-full",
    "server-wrong-backend",
    "server-one-port-dead",
    "server-data-in-clear",
    "server-without-close-notify",
    "server-gives-no-ticket",
    "server-shakes-hands-first",
    "server-never-shakes-hands",
    "server-tls-too-old",
    "server-certificate-expired",
];

struct Case {
    name: &'static str,
    about: &'static str,
    fault: Fault,
    scheme: &'static str,
    certificate: Option<TestCertificate>,
    flags: &'static [&'static str],
    diagnosed: &'static [&'static str],
}

impl Case {
    fn new(
        name: &'static str,
        about: &'static str,
        fault: Fault,
        diagnosed: &'static [&'static str],
    ) -> Self {
        Self { name, about, fault, scheme: "ftp", certificate: None, flags: &[], diagnosed }
    }

    fn under_tls(self) -> Self {
        Self { certificate: Some(TestCertificate::new(&["127.0.0.1"])), ..self }
    }

    fn flags(self, flags: &'static [&'static str]) -> Self {
        Self { flags, ..self }
    }

    #[track_caller]
    fn run(self) {
        self.run_at(Ipv4Addr::LOCALHOST.into(), None);
    }

    #[track_caller]
    fn run_at(self, address: IpAddr, namespace: Option<&NetworkNamespace>) {
        let start = || FaultyServer::start(address, self.fault, self.certificate.as_ref());
        let server = match namespace {
            Some(namespace) => namespace.enter(start),
            None => start(),
        };
        let url = format!("{}://test:secret@{}/", self.scheme, server.address());
        let mut doctor = client();
        doctor.args(["doctor", "--json", "--lang", "en"]).args(self.flags).arg(&url);
        // One of its own, which has told no port yet.
        let fresh = match namespace {
            Some(namespace) => namespace.enter(start),
            None => start(),
        };
        let url = format!("{}://test:secret@{}/hello.txt", self.scheme, fresh.address());
        let mut get = client();
        get.args(["get", "--json", "--timeout", "4", "-o", "/dev/null"]).arg(url);
        if let Some(namespace) = namespace {
            (doctor, get) = (namespace.adopt(&doctor), namespace.adopt(&get));
        }
        let told = Diagnosed::from_run(run_within(LIMIT, &mut doctor));
        told.check_against(self.name, self.diagnosed, "");
        let fetched = run_within(LIMIT, &mut get);
        let events: Vec<Value> =
            fetched.output().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let is_right = events.iter().any(|event| event["event"] == "done" && event["bytes"] == 5);
        let words = told.words();
        let words = if words.is_empty() { "–".to_owned() } else { words.join("; ") };
        let section = format!(
            "## {}\n\n{}\n\n| the ways | the doctor | `wharf get` | the server's words |\n|---|---|---|---|\n| {} | {} | {} | {} |",
            self.name,
            self.about,
            told.ways(),
            told.causes(),
            programs::ours(&fetched, is_right),
            words.replace('|', "\\|")
        );
        document::compare_section(DIAGNOSIS, self.name, section);
    }
}

#[test]
fn without_fault() {
    Case::new("server-without-fault", "A plain server that does nothing wrong.", Fault::None, &[]).run();
    let about = "The same with TLS; data connections need not resume.";
    Case::new("server-without-fault-under-tls", about, Fault::None, &[]).under_tls().run();
}

#[test]
fn no_session() {
    Case::new(
        "server-does-not-greet",
        "The server takes the connection and says nothing, as one does that waits for TLS or for a PROXY header.",
        Fault::SilentGreeting,
        &["control-unreachable"],
    )
    .run();
    let about = "The server has as many sessions as it allows.";
    Case::new("server-has-too-many-sessions", about, Fault::TooManySessions, &["session-limit"]).run();
    let about = "The server says of itself that its configuration is wrong.";
    Case::new("server-is-misconfigured", about, Fault::Misconfigured, &["server-misconfigured"]).run();
    let about = "The server wants TLS before the login; the clients are told to do without.";
    let case = Case::new("server-wants-tls", about, Fault::WantsTls, &["tls-required"]);
    case.flags(&["--tls", "off"]).run();
}

#[test]
fn commands() {
    let about = "Neither 227 nor 229 says where to connect.";
    Case::new("server-replies-malformed", about, Fault::MalformedPassive, &["malformed-reply"]).run();
    let about = "The server is older than EPSV and EPRT.";
    Case::new("server-knows-no-epsv", about, Fault::ExtendedUnknown, &["extended-unsupported"]).run();
    let about = "The port that the 229 tells is dead, as behind a box that reads 227 only.";
    Case::new("server-epsv-port-dead", about, Fault::ExtendedPortDead, &["epsv-only-text"]).run();
}

#[test]
fn behind_nat64() {
    let namespace = match NetworkNamespace::new() {
        Ok(namespace) => namespace,
        Err(reason) => wharf_testkit::skip!("{reason}"),
    };
    let address = "64:ff9b::cb00:7115";
    let add = ["address", "add", &format!("{address}/128"), "dev", "lo", "nodad"].map(str::to_owned);
    process::run(namespace.command("ip").args(add)).assert_success();
    let case = Case::new(
        "server-behind-nat64",
        "The server's address is one of NAT64, and it refuses EPSV and EPRT, which it knows for IPv4 only.",
        Fault::WrongFamily,
        &["nat64"],
    );
    case.run_at(address.parse().unwrap(), Some(&namespace));
}

#[test]
fn transfers() {
    let about = "The user may neither list nor fetch.";
    Case::new("server-forbids-listing", about, Fault::Forbidden, &["not-network"]).run();
    let about = "The server gives each transfer up in its middle, as it does when the network fails it.";
    Case::new("server-cuts-data", about, Fault::CutsData, &["transfer-cut"]).run();
    let about = "Every port of the passive range is in use.";
    Case::new("server-range-full", about, Fault::RangeFull, &["range-exhausted"]).run();
}

#[test]
fn now_and_then() {
    let about = "Each third passive port is one of another machine, as behind a balancer without affinity. (The doctor with --deep.)";
    let case = Case::new("server-wrong-backend", about, Fault::EveryThirdPortDead, &["wrong-backend"]);
    case.flags(&["--deep", "--idle", "1"]).run();
    let about = "One port of the range is dead, always the same. (The doctor with --deep.)";
    let case = Case::new("server-one-port-dead", about, Fault::OnePortDead, &["port-taken-by-other-alg"]);
    case.flags(&["--deep", "--idle", "1"]).run();
}

#[test]
fn data_under_tls() {
    let about = "Behind PROT P the server sends its data in clear.";
    Case::new("server-data-in-clear", about, Fault::DataInClear, &["prot-mismatch"]).under_tls().run();
    let about = "The server ends its data connections without close_notify.";
    Case::new("server-without-close-notify", about, Fault::PlainEnd, &["missing-close-notify"])
        .under_tls()
        .run();
    let about =
        "The server wants the session of the control connection resumed, and gave no ticket for that.";
    let case =
        Case::new("server-gives-no-ticket", about, Fault::NothingToResume, &["tls-resumption-required"]);
    case.under_tls().run();
}

#[test]
fn order_of_tls() {
    let about = "The server shakes hands on the data connection before it says 150. A client that waits for the 150 first, as \
                 Python's ftplib does, waits for ever.";
    let case = Case::new("server-shakes-hands-first", about, Fault::ShakesFirst, &["tls-order-deadlock"]);
    case.under_tls().run();
}

#[test]
fn no_handshake() {
    let about = "The server takes the data connection, and then neither shakes hands nor says 150.";
    let case = Case::new("server-never-shakes-hands", about, Fault::NeverShakes, &["tls-order-deadlock"]);
    case.under_tls().flags(&["--timeout", "2"]).run();
}

/// What the doctor plays is what a real client does.
#[test]
fn pythons_ftplib_waits_for_a_server_that_shakes_hands_first() {
    if !clients::is_installed("python3") {
        wharf_testkit::skip!("python3 is not installed");
    }
    let certificate = TestCertificate::new(&["127.0.0.1"]);
    let listing = |fault| {
        let server = FaultyServer::start(Ipv4Addr::LOCALHOST.into(), fault, Some(&certificate));
        let script = "ftp.sock.settimeout(2)\ntry:\n    ftp.retrlines('LIST')\nexcept TimeoutError:\n    print('no 150')\n";
        process::run(&mut clients::ftplib_tls(server.address(), "test", "secret", script)).output()
    };
    assert!(listing(Fault::None).ends_with("hello.txt\n"));
    assert_eq!(listing(Fault::ShakesFirst), "no 150\n");
}

#[test]
fn tls_of_the_control_connection() {
    let about = "The server speaks no version of TLS that the client speaks.";
    Case::new("server-tls-too-old", about, Fault::OldTls, &["tls-no-common-version"]).under_tls().run();
    let about = "The certificate expired long ago, and the URL (ftpes://) wants a valid one.";
    let case = Case::new("server-certificate-expired", about, Fault::None, &["certificate-invalid"]);
    let certificate = Some(TestCertificate::expired(&["127.0.0.1"]));
    Case { certificate, scheme: "ftpes", ..case }.run();
}
