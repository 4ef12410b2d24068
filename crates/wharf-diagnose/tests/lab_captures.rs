//! The lab's own captures, taken at both ends of every scenario: the cause that the lab set up is named from the capture
//! alone, at the end where it can be seen; where another looks the same from there, both are named; and what is healthy has
//! no finding.
//!
//! `WHARF_LAB_WRITE=captures cargo nextest run -p wharf --test lab a_capture_of_the_lab` takes them anew.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use wharf_diagnose::capture::{Outcome, Reading, What, compare};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn reading(scenario: &str, end: &str) -> Reading {
    let file = folder().join(format!("{scenario}-{end}.pcap.gz"));
    common::explained_from(File::open(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        .unwrap()
}

fn causes(reading: &Reading) -> BTreeSet<&'static str> {
    let of_conversations = reading.conversations.iter().flat_map(|conversation| &conversation.findings);
    of_conversations.chain(&reading.findings).map(|finding| finding.cause().id()).collect()
}

/// A scenario, what is wrong in it, and at each end all that may be named: the cause itself and what looks the same there.
struct Expected {
    scenario: &'static str,
    cause: &'static [&'static str],
    client: &'static [&'static str],
    server: &'static [&'static str],
}

const fn expected(
    scenario: &'static str,
    cause: &'static [&'static str],
    client: &'static [&'static str],
    server: &'static [&'static str],
) -> Expected {
    Expected { scenario, cause, client, server }
}

/// The client's PORT names a private address behind a NAT that does not change it.
const UNROUTABLE: &[&str] = &["alg-not-attached", "port-unroutable"];
/// From the client's side nothing came: it was not sent, or did not get through.
const NOTHING_CAME: &[&str] = &["client-refuses-inbound", "server-egress-blocked"];
/// From the server's side nobody connected: it was dropped or refused on the way, or led elsewhere.
const NOBODY_CAME: &[&str] =
    &["passive-port-filtered", "passive-port-refused", "port-renumbered", "ports-unpublished"];
const FILTERED: &[&str] = &["passive-port-filtered", "port-renumbered"];
const REFUSED: &[&str] = &["passive-port-refused", "port-renumbered"];

const FAULTS: &[Expected] = &[
    expected("client-firewall", &["client-refuses-inbound"], NOTHING_CAME, NOTHING_CAME),
    expected("client-nat", UNROUTABLE, UNROUTABLE, UNROUTABLE),
    expected("client-nat-exposed-host", UNROUTABLE, UNROUTABLE, UNROUTABLE),
    expected("client-nat-helper-on-another-port", UNROUTABLE, UNROUTABLE, UNROUTABLE),
    expected(
        "data-from-another-address",
        &["data-peer-mismatch"],
        &["alg-not-attached", "data-peer-mismatch", "port-unroutable"],
        &["alg-not-attached", "data-peer-mismatch", "port-unroutable"],
    ),
    expected(
        "client-firewall-wants-port-20-in-vain",
        &["source-port-filtered"],
        NOTHING_CAME,
        &["client-refuses-inbound", "server-egress-blocked", "source-port-filtered"],
    ),
    expected(
        "client-nat-forgets",
        &["control-cut-idle"],
        &["alg-not-attached", "control-cut-idle", "port-unroutable"],
        &["alg-not-attached", "control-cut-idle", "port-unroutable"],
    ),
    expected("server-firewall-for-passive-mode", &["server-egress-blocked"], NOTHING_CAME, NOTHING_CAME),
    expected("server-firewall-for-active-mode", &["passive-port-filtered"], FILTERED, NOBODY_CAME),
    expected("passive-range-reset", &["passive-port-refused"], REFUSED, &[]),
    expected("passive-range-prohibited", &["passive-port-refused"], &["passive-port-refused"], NOBODY_CAME),
    expected("server-egress-blocked", &["server-egress-blocked"], NOTHING_CAME, NOTHING_CAME),
    expected("server-nat-control-port-only", &["passive-port-refused"], REFUSED, &[]),
    expected("server-nat-renumbers", &["port-renumbered"], REFUSED, &[]),
    expected(
        "server-nat-private-address",
        &["pasv-private-address"],
        &["pasv-private-address"],
        &["pasv-private-address"],
    ),
    expected(
        "server-nat-wrong-address",
        &["pasv-wrong-address"],
        &["pasv-wrong-address", "passive-port-filtered", "port-renumbered"],
        &[
            "pasv-wrong-address",
            "passive-port-filtered",
            "passive-port-refused",
            "port-renumbered",
            "ports-unpublished",
        ],
    ),
    expected("client-beside-server", &["hairpin"], &["hairpin", "pasv-wrong-address"], &[]),
    expected("epsv-filtered", &["extended-unsupported"], &["alg-drops", "extended-unsupported"], &[]),
    expected("mtu-black-hole", &["mtu-black-hole"], &["mtu-black-hole", "transfer-cut"], &["mtu-black-hole"]),
    expected(
        "nothing-works",
        &["passive-port-filtered", "port-unroutable"],
        &["alg-not-attached", "passive-port-filtered", "port-renumbered", "port-unroutable"],
        // With nothing but control connections in it, the capture may have been filtered.
        UNROUTABLE,
    ),
    expected("active-only", &["mode-disabled"], &["mode-disabled"], &["mode-disabled"]),
    expected("passive-only", &["mode-disabled"], &["mode-disabled"], &["mode-disabled"]),
];

const HEALTHY: &[&str] = &[
    "plain",
    "ipv6",
    "tls",
    "client-nat-with-helper",
    "server-firewall-for-both-modes",
    "server-nat",
    "small-mtu",
    "client-nat-exposed-host-and-control-peer",
    "client-firewall-wants-port-20",
    "server-nat-renumbers-and-port-map",
    "client-beside-server-and-address-by-network",
    "server-connects-from-elsewhere",
    BLINDED,
];

/// What fails there under TLS is hidden: PORT, and the server's refusal.
const BLINDED: &str = "client-nat-helper-blinded-by-tls";

#[test]
fn the_cause_that_was_set_up_is_named() {
    let mut wrong = Vec::new();
    for expected in FAULTS {
        for (end, allowed) in [("client", expected.client), ("server", expected.server)] {
            let named = causes(&reading(expected.scenario, end));
            let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
            if named != allowed {
                wrong.push(format!("{} at the {end}: {named:?}, and not {allowed:?}", expected.scenario));
            }
        }
        let seen: Vec<&str> = [expected.client, expected.server].concat();
        assert!(expected.cause.iter().all(|cause| seen.contains(cause)), "{}", expected.scenario);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_healthy_has_no_finding() {
    for scenario in HEALTHY {
        for end in ["client", "server"] {
            let reading = reading(scenario, end);
            assert_eq!(causes(&reading), BTreeSet::new(), "{scenario} at the {end}");
            for conversation in &reading.conversations {
                let outcomes: Vec<Outcome> =
                    conversation.transfers.iter().map(|transfer| transfer.outcome).collect();
                // Each client fetches one file. What a client gives up under TLS leaves no trace.
                let is_fine =
                    outcomes == [Outcome::Complete] || (*scenario == BLINDED && outcomes.is_empty());
                assert!(is_fine, "{scenario} at the {end}: {:?}", conversation.transfers);
            }
        }
    }
}

#[test]
fn every_capture_is_of_a_known_scenario() {
    let known: BTreeSet<String> = FAULTS
        .iter()
        .map(|expected| expected.scenario)
        .chain(HEALTHY.iter().copied())
        .flat_map(|scenario| ["client", "server"].map(|end| format!("{scenario}-{end}.pcap.gz")))
        .collect();
    let files = std::fs::read_dir(folder()).unwrap();
    let there: BTreeSet<String> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, known);
}

#[test]
fn two_captures_show_what_a_helper_rewrote() {
    let (client, server) =
        (reading("client-nat-with-helper", "client"), reading("client-nat-with-helper", "server"));
    let comparison = compare(&client, &server);
    assert_eq!(comparison.pairs.len(), client.conversations.len());
    let rewritten: Vec<_> =
        comparison.differences.iter().filter(|difference| difference.what == What::Rewritten).collect();
    assert!(!rewritten.is_empty());
    for difference in &rewritten {
        assert!(
            difference.a.starts_with("PORT 10,1,0,2,") || difference.a.starts_with("EPRT |1|10.1.0.2|"),
            "{difference:?}"
        );
        assert!(
            difference.b.starts_with("PORT 198,51,100,1,")
                || difference.b.starts_with("EPRT |1|198.51.100.1|"),
            "{difference:?}"
        );
    }
    assert_eq!(rewritten.len(), comparison.differences.len(), "{:?}", comparison.differences);
    // It was rewritten for good.
    assert!(comparison.findings.is_empty());
    // Both were taken on one machine, with one clock.
    assert!(comparison.offset.unwrap().abs() < 0.005, "{:?}", comparison.offset);
}

#[test]
fn two_captures_show_what_was_dropped_and_who_made_up_an_answer() {
    let compared = |scenario: &str| compare(&reading(scenario, "client"), &reading(scenario, "server"));
    let all = |scenario: &str| compared(scenario).differences;
    let named = |scenario: &str| -> Vec<&str> {
        compared(scenario).findings.iter().map(|finding| finding.cause().id()).collect()
    };
    assert_eq!(named("client-firewall"), ["client-refuses-inbound"]);
    assert_eq!(named("passive-range-reset"), ["passive-port-refused"]);
    assert_eq!(named("server-firewall-for-active-mode"), ["passive-port-filtered"]);
    assert_eq!(named("plain"), Vec::<&str>::new());
    // A told address that is wrong is nobody's filter.
    assert_eq!(named("server-nat-wrong-address"), Vec::<&str>::new());
    let lost = |what: What| move |difference: &wharf_diagnose::capture::Difference| difference.what == what;
    // The server's SYN did not get to the client.
    let differences = all("client-firewall");
    assert!(differences.iter().all(lost(What::Lost)), "{differences:?}");
    assert!(
        differences.iter().all(|it| it.frame_a.is_none() && it.b.starts_with("SYN 203.0.113.2")),
        "{differences:?}"
    );
    assert!(!differences.is_empty());
    // The client's SYN did not get to the server, and neither sent the RST that answered it.
    let differences = all("passive-range-reset");
    let injected: Vec<_> = differences.iter().filter(|it| it.what == What::Injected).collect();
    assert!(
        !injected.is_empty() && injected.iter().all(|it| it.a.starts_with("RST 203.0.113.2")),
        "{differences:?}"
    );
    assert!(
        differences.iter().any(|it| it.what == What::Lost && it.a.starts_with("SYN 192.0.2.2")),
        "{differences:?}"
    );
    // EPSV was swallowed.
    let differences = all("epsv-filtered");
    assert!(
        differences.iter().any(|it| it.what == What::Lost && it.a == "EPSV" && it.frame_b.is_none()),
        "{differences:?}"
    );
    // Nothing at all.
    assert_eq!(all("plain"), []);
}
