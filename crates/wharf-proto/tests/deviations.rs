//! What peers do that no RFC says, seen by a bystander who feeds both directions.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use wharf_proto::dialogue::{
    Authenticated, Deadlines, Deviation, Dialogue, Endpoints, Event, NegotiationCommand, Side,
    canonical_endpoint, is_of_container, is_private,
};
use wharf_proto::{Command, Reply, ReplyCode, Timestamp, Verb};

/// A dialogue between 192.0.2.7 and 192.0.2.1 (or their IPv6 twins) that has come as far as the login.
fn logged_in_between(client: &str, server: &str) -> Dialogue {
    let endpoints = Endpoints::new(client.parse().unwrap(), server.parse().unwrap());
    let mut dialogue = Dialogue::new(Timestamp::START, endpoints, Deadlines::default());
    for (side, line) in
        [("S", "220 Ready."), ("C", "USER a"), ("S", "331 ?"), ("C", "PASS b"), ("S", "230 In.")]
    {
        feed(&mut dialogue, side, line);
    }
    assert!(deviations(&mut dialogue).is_empty());
    dialogue
}

fn logged_in() -> Dialogue {
    logged_in_between("192.0.2.7:50000", "192.0.2.1:21")
}

fn feed(dialogue: &mut Dialogue, side: &str, line: &str) {
    let at = Timestamp::START;
    if side == "C" {
        dialogue.command(at, &Command::parse(line.as_bytes()).unwrap());
    } else {
        let code = ReplyCode::new(line[..3].parse().unwrap()).unwrap();
        dialogue.reply(at, &Reply::new(code, line[4..].to_owned()));
    }
}

/// Feeds `C: …` and `S: …` lines, then tells what deviated.
fn after(mut dialogue: Dialogue, script: &[&str]) -> Vec<Deviation> {
    for line in script {
        feed(&mut dialogue, &line[..1], &line[3..]);
    }
    deviations(&mut dialogue)
}

fn deviations(dialogue: &mut Dialogue) -> Vec<Deviation> {
    std::iter::from_fn(|| dialogue.poll_event())
        .filter_map(|event| match event {
            Event::Deviation(deviation) => Some(deviation),
            _ => None,
        })
        .collect()
}

fn code(code: u16) -> ReplyCode {
    ReplyCode::new(code).unwrap()
}

#[test]
fn a_227_with_another_address_is_noted_and_its_plan_kept() {
    let mut dialogue = logged_in();
    feed(&mut dialogue, "C", "PASV");
    feed(&mut dialogue, "S", "227 Entering Passive Mode (10,0,0,5,156,64)");
    assert_eq!(dialogue.plan().unwrap().endpoint, "10.0.0.5:40000".parse().unwrap());
    assert_eq!(
        deviations(&mut dialogue),
        [Deviation::PassiveAddressDiffers {
            told: "10.0.0.5:40000".parse().unwrap(),
            control: "192.0.2.1".parse().unwrap()
        }]
    );
}

#[test]
fn a_227_or_229_that_cannot_be_read_makes_no_plan() {
    let mut dialogue = logged_in();
    for (line, reply) in [("PASV", "227 no numbers here"), ("EPSV", "229 nor here")] {
        feed(&mut dialogue, "C", line);
        feed(&mut dialogue, "S", reply);
        assert!(dialogue.plan().is_none());
    }
    assert!(matches!(
        deviations(&mut dialogue)[..],
        [Deviation::MalformedPassiveReply { .. }, Deviation::MalformedExtendedReply { .. }]
    ));
}

#[test]
fn a_bounce_is_seen() {
    let seen = after(logged_in(), &["C: PORT 2,2,2,3,0,80", "S: 200 OK"]);
    let told = "2.2.2.3:80".parse().unwrap();
    assert_eq!(
        seen,
        [
            Deviation::ActiveAddressDiffers { told, control: "192.0.2.7".parse().unwrap() },
            Deviation::ActivePortBelow1024 { told }
        ]
    );
}

#[test]
fn families_are_compared() {
    let ipv6 = || logged_in_between("[2001:db8::7]:50000", "[2001:db8::1]:21");
    assert_eq!(after(ipv6(), &["C: PASV"]), [Deviation::PassiveOnIpv6]);
    let told = "192.0.2.7:5000".parse().unwrap();
    assert_eq!(after(ipv6(), &["C: EPRT |1|192.0.2.7|5000|"]), [Deviation::FamilyDiffers { told }]);
}

#[test]
fn replies_that_nobody_asked_for() {
    assert_eq!(
        after(logged_in(), &["S: 200 Surprise."]),
        [Deviation::ReplyWithoutCommand { code: code(200) }]
    );
    assert_eq!(
        after(logged_in(), &["C: PWD", "S: 331 What?"]),
        [Deviation::ReplyNotForVerb { verb: Verb::Pwd, code: code(331) }]
    );
}

#[test]
fn transfers_that_skip_a_step() {
    let negotiated = ["C: EPSV", "S: 229 (|||40000|)", "C: RETR x"];
    let with = |more: &[&str]| after(logged_in(), &[&negotiated[..], more].concat());
    assert_eq!(
        with(&["S: 226 Done."]),
        [Deviation::CompletionWithoutPreliminary { verb: Verb::Retr, code: code(226) }]
    );
    assert_eq!(
        with(&["S: 150 Now.", "S: 226 Done."]),
        [Deviation::CompletionBeforeData { verb: Verb::Retr, code: code(226) }]
    );
    assert_eq!(
        with(&["S: 150 Now.", "S: 150 Again."]),
        [Deviation::RepeatedPreliminary { verb: Verb::Retr }]
    );
    assert_eq!(with(&["C: RETR y"]), [Deviation::TransferDuringTransfer { verb: Verb::Retr }]);
    assert_eq!(
        after(logged_in(), &["C: RETR x", "S: 150 Now."]),
        [Deviation::TransferWithoutNegotiation { verb: Verb::Retr }]
    );
}

#[test]
fn negotiations_after_epsv_all() {
    let seen = after(logged_in(), &["C: EPSV ALL", "S: 200 OK", "C: PASV", "S: 503 No."]);
    assert_eq!(seen, [Deviation::NegotiationAfterEpsvAll { command: NegotiationCommand::Pasv }]);
}

#[test]
fn commands_before_the_greeting_are_paired_all_the_same() {
    let endpoints = Endpoints::new(([192, 0, 2, 7], 50_000).into(), ([192, 0, 2, 1], 21).into());
    let mut dialogue = Dialogue::new(Timestamp::START, endpoints, Deadlines::default());
    for line in ["USER a", "PASS b", "PASV"] {
        feed(&mut dialogue, "C", line);
    }
    for line in ["220 Hello.", "331 ?", "230 In.", "227 (192,0,2,1,156,64)"] {
        feed(&mut dialogue, "S", line);
    }
    assert!(dialogue.authenticated().is_some());
    assert!(dialogue.plan().is_some());
    assert_eq!(deviations(&mut dialogue), [Deviation::CommandBeforeGreeting { verb: Some(Verb::User) }]);
}

#[test]
fn the_data_connection_is_compared_with_the_control_connection() {
    let mut dialogue = logged_in();
    feed(&mut dialogue, "C", "PASV");
    feed(&mut dialogue, "S", "227 (192,0,2,1,156,64)");
    dialogue.data(
        Timestamp::START,
        wharf_proto::dialogue::DataEvent::Opened {
            by: Side::Server,
            client: "192.0.2.99:1".parse().unwrap(),
            server: "192.0.2.1:40000".parse().unwrap(),
        },
    );
    assert_eq!(
        deviations(&mut dialogue),
        [
            Deviation::DataPeerDiffers {
                data: "192.0.2.99".parse().unwrap(),
                control: "192.0.2.7".parse().unwrap()
            },
            Deviation::OpenedByWrongSide { by: Side::Server }
        ]
    );
}

#[test]
fn the_proof_of_a_login_is_there_only_after_it() {
    let endpoints = Endpoints::new(([192, 0, 2, 7], 50_000).into(), ([192, 0, 2, 1], 21).into());
    let dialogue = Dialogue::new(Timestamp::START, endpoints, Deadlines::default());
    assert!(dialogue.authenticated().is_none());
    let _proof: Authenticated = logged_in().authenticated().unwrap();
}

#[test]
fn a_healthy_session_deviates_in_nothing() {
    let mut dialogue = logged_in();
    for line in ["C: EPSV", "S: 229 (|||40000|)", "C: RETR x", "S: 150 Now."] {
        feed(&mut dialogue, &line[..1], &line[3..]);
    }
    dialogue.data(
        Timestamp::START,
        wharf_proto::dialogue::DataEvent::Opened {
            by: Side::Client,
            client: "192.0.2.7:50001".parse().unwrap(),
            server: "192.0.2.1:40000".parse().unwrap(),
        },
    );
    dialogue.data(Timestamp::START, wharf_proto::dialogue::DataEvent::Closed);
    feed(&mut dialogue, "S", "226 Done.");
    assert_eq!(deviations(&mut dialogue), []);
}

#[test]
fn addresses_are_canonical_and_private_ones_known() {
    assert_eq!(canonical_endpoint("[::ffff:192.0.2.1]:21".parse().unwrap()), "192.0.2.1:21".parse().unwrap());
    for private in [
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "::1",
        "fe80::1",
        "fd00::1",
    ] {
        assert!(is_private(private.parse().unwrap()), "{private}");
    }
    for public in ["198.51.100.2", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
        assert!(!is_private(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn addresses_of_containers_are_those_that_engines_give_by_themselves() {
    for given in ["172.17.0.2", "::ffff:172.18.0.3", "172.30.1.1", "10.88.0.5", "10.42.1.7", "10.244.2.9"] {
        assert!(is_of_container(given.parse().unwrap()), "{given}");
    }
    for other in ["172.16.0.2", "172.31.0.2", "10.2.0.21", "192.168.1.5", "203.0.113.21", "fd00::1"] {
        assert!(!is_of_container(other.parse().unwrap()), "{other}");
    }
}
