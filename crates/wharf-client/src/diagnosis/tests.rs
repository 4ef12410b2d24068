//! Each outcome has its cause, and no other.

use std::time::Duration;

use wharf_proto::dialogue::NegotiationCommand::{Eprt, Epsv, Pasv, Port};

use super::*;

fn endpoints(client: &str, server: &str) -> Endpoints {
    Endpoints::new(format!("{client}:5000").parse().unwrap(), format!("{server}:21").parse().unwrap())
}

fn attempt(command: NegotiationCommand, outcome: Outcome) -> Attempt {
    Attempt {
        command,
        endpoint: Some("203.0.113.5:4000".parse().unwrap()),
        told: None,
        outcome,
        secured: None,
        reply: Some(Reply::new(ReplyCode::NOT_IMPLEMENTED, "No.")),
        took: Duration::from_secs(3),
    }
}

fn causes(attempts: &[Attempt]) -> Vec<(Cause, Confidence)> {
    let found = findings(attempts, endpoints("198.51.100.9", "203.0.113.5"), ModeChoice::Auto);
    found.iter().map(|finding| (finding.cause(), finding.confidence())).collect()
}

#[test]
fn each_outcome_has_its_cause() {
    use Confidence::{Certain, Likely};
    let refused = Outcome::NegotiationRefused;
    let both = [attempt(Epsv, refused.clone()), attempt(Pasv, refused.clone())];
    assert_eq!(causes(&both), [(Cause::ModeDisabled, Likely)]);
    let silent = attempt(Pasv, Outcome::ConnectUnanswered);
    assert_eq!(
        causes(&[attempt(Epsv, refused.clone()), silent.clone()]),
        [(Cause::ExtendedUnsupported, Likely), (Cause::PassivePortFiltered, Likely)]
    );
    let connect = attempt(Epsv, Outcome::ConnectRefused { error: "no".into() });
    assert_eq!(causes(&[connect]), [(Cause::PassivePortRefused, Likely)]);
    let closed = attempt(Epsv, Outcome::ClosedAtOnce);
    assert_eq!(causes(&[closed]), [(Cause::DataPeerMismatch, Confidence::Possible)]);
    let private = Attempt { told: Some("10.0.0.5:4000".parse().unwrap()), ..silent };
    assert_eq!(
        causes(&[private]),
        [(Cause::PasvPrivateAddress, Certain), (Cause::PassivePortFiltered, Likely)]
    );
    let garbage = attempt(Epsv, Outcome::ReplyUnreadable { problem: "no port".into() });
    assert_eq!(causes(&[garbage]), [(Cause::MalformedReply, Certain)]);
}

#[test]
fn a_refusal_is_told_by_its_code_and_words() {
    use Confidence::{Certain, Likely, Possible};
    let refused = |command, code, text: &'static str| Attempt {
        reply: Some(Reply::new(ReplyCode::new(code).unwrap(), text)),
        endpoint: None,
        ..attempt(command, Outcome::NegotiationRefused)
    };
    let off = "Passive mode is switched off on this server: use active mode (EPRT or PORT).";
    assert_eq!(causes(&[refused(Epsv, 502, off), refused(Pasv, 502, off)]), [(Cause::ModeDisabled, Certain)]);
    let full = "All 1 passive ports 4000-4000 are in use; try again later.";
    let full = [refused(Epsv, 425, full), refused(Pasv, 425, full)];
    assert_eq!(causes(&full), [(Cause::RangeExhausted, Possible)]);
    let own = Some("198.51.100.9:4000".parse().unwrap());
    let foreign = |command, told: &str| Attempt {
        endpoint: own,
        told: Some(told.parse().unwrap()),
        ..refused(command, 504, "No.")
    };
    let other = [foreign(Eprt, "192.0.2.1:4000"), foreign(Port, "192.0.2.1:4000")];
    assert_eq!(causes(&other), [(Cause::BounceRefused, Likely)]);
    let private = [foreign(Eprt, "10.0.0.1:4000"), foreign(Port, "10.0.0.1:4000")];
    assert_eq!(causes(&private), [(Cause::PortUnroutable, Likely)]);
    assert!(private[0].to_string().contains("(told 10.0.0.1:4000)"), "{}", private[0]);
    assert_eq!(causes(&[refused(Epsv, 522, "No.")]), [(Cause::FamilyMismatch, Likely)]);
    assert_eq!(causes(&[refused(Epsv, 501, "No."), refused(Pasv, 504, "No.")]), []);
}

#[test]
fn an_active_attempt_that_fails_leaves_two_causes_possible() {
    let nobody = attempt(Port, Outcome::NothingConnected { strangers: 0, last: None });
    let found: Vec<_> = causes(&[nobody]).into_iter().map(|(cause, _)| cause).collect();
    assert_eq!(found, [Cause::ClientRefusesInbound, Cause::ServerEgressBlocked]);
    let reply = Reply::new(ReplyCode::CANNOT_OPEN_DATA_CONNECTION, "Failed to establish connection.");
    let given_up = attempt(Eprt, Outcome::GivenUp { reply });
    let found: Vec<_> = causes(&[given_up]).into_iter().map(|(cause, _)| cause).collect();
    assert!(found.contains(&Cause::ClientRefusesInbound), "{found:?}");
}

#[test]
fn what_works_tells_why_the_rest_does_not() {
    let (told, peer) = ("192.0.2.99:4000".parse().ok(), "203.0.113.5:4000".parse().ok());
    let open = Attempt { endpoint: peer, told, ..attempt(Pasv, Outcome::Open) };
    let elsewhere = Attempt { endpoint: told, ..attempt(Pasv, Outcome::ConnectUnanswered) };
    assert_eq!(causes(&[elsewhere.clone(), open.clone()]), [(Cause::PasvWrongAddress, Confidence::Certain)]);
    let inside = endpoints("10.1.0.2", "10.2.0.21");
    let at_peer = Attempt { endpoint: "10.2.0.21:4000".parse().ok(), ..open.clone() };
    let found = findings(&[elsewhere, at_peer], inside, ModeChoice::Auto);
    assert_eq!(found[0].cause(), Cause::Hairpin);
    let dead = attempt(Epsv, Outcome::ConnectUnanswered);
    let plain = Attempt { told: None, ..open };
    assert_eq!(causes(&[dead, plain]), [(Cause::EpsvOnlyText, Confidence::Likely)]);
    assert_eq!(causes(&[attempt(Epsv, Outcome::Open), attempt(Port, Outcome::Open)]), []);
}

#[test]
fn a_server_that_names_both_addresses_proves_that_nothing_was_rewritten() {
    let refused = |told: &str| Attempt {
        reply: Some(Reply::new(
            ReplyCode::SYNTAX_ERROR,
            "I won't open a connection to 10.1.0.2 (only to 198.51.100.1)",
        )),
        endpoint: told.parse().ok(),
        ..attempt(Port, Outcome::NegotiationRefused)
    };
    let found = causes(&[refused("10.1.0.2:4000")]);
    assert!(found.contains(&(Cause::AlgNotAttached, Confidence::Certain)), "{found:?}");
    let other = causes(&[refused("10.1.0.9:4000")]);
    assert!(other.iter().all(|(cause, _)| *cause != Cause::AlgNotAttached), "{other:?}");
}

#[test]
fn the_servers_own_system_and_a_stranger_leave_no_other_cause() {
    let words = "The server's own system forbids connections to 198.51.100.9:4000.";
    let reply = Reply::new(ReplyCode::CANNOT_OPEN_DATA_CONNECTION, words);
    let forbidden = attempt(Port, Outcome::GivenUp { reply });
    assert_eq!(causes(&[forbidden]), [(Cause::ServerEgressBlocked, Confidence::Likely)]);
    let last = "203.0.113.77:20".parse().ok();
    let stranger = attempt(Eprt, Outcome::NothingConnected { strangers: 1, last });
    assert_eq!(causes(&[stranger]), [(Cause::DataPeerMismatch, Confidence::Likely)]);
}

#[test]
fn behind_nat64_that_is_the_cause() {
    let control = endpoints("[2001:db8::1]", "[64:ff9b::cb00:7105]");
    let found = findings(&[attempt(Epsv, Outcome::NegotiationRefused)], control, ModeChoice::Auto);
    assert!(found.iter().any(|finding| finding.cause() == Cause::Nat64));
}

#[test]
fn no_rung_at_all_is_a_matter_of_families() {
    let found = findings(&[], endpoints("[2001:db8::1]", "[2001:db8::2]"), ModeChoice::Only(Port));
    assert_eq!(found[0].cause(), Cause::FamilyMismatch);
}

#[test]
fn a_long_silence_behind_a_transfer_may_have_been_too_long() {
    let silent = || ControlFailure::Silent(Duration::from_secs(60));
    assert_eq!(forgotten(silent(), Duration::from_secs(3)), silent());
    let ControlFailure::SilentBehindData { finding, .. } = forgotten(silent(), Duration::from_secs(90))
    else {
        panic!("90 s are long");
    };
    assert_eq!(finding.cause(), Cause::ControlCutIdle);
    assert_eq!(forgotten(ControlFailure::Closed, Duration::from_secs(90)), ControlFailure::Closed);
    assert_eq!(nothing_came("stalled").unwrap().cause(), Cause::MtuBlackHole);
}

#[test]
fn silence_behind_data_may_be_a_server_that_is_not_done() {
    let silent = || ControlFailure::Silent(Duration::from_secs(4));
    let ControlFailure::SilentBehindData { finding, .. } = unfinished(silent(), "STOR", 5) else {
        panic!("5 bytes are data");
    };
    assert_eq!((finding.cause(), finding.confidence()), (Cause::SlowCompletion, Confidence::Possible));
    assert_eq!(unfinished(silent(), "STOR", 0), silent());
    assert_eq!(unfinished(ControlFailure::Closed, "STOR", 5), ControlFailure::Closed);
}

#[test]
fn epsv_all_is_in_the_words_or_in_what_is_refused() {
    use Confidence::{Likely, Possible};
    let refused = |command, code, text: &'static str| Attempt {
        reply: Some(Reply::new(ReplyCode::new(code).unwrap(), text)),
        ..attempt(command, Outcome::NegotiationRefused)
    };
    let epsv = || attempt(Epsv, Outcome::Open);
    // A private address to a public server, and a code that is of parameters: the words come first.
    for (code, text) in [(500, "Illegal PORT command, EPSV ALL in effect"), (501, "Active mode is disabled")]
    {
        assert_eq!(causes(&[epsv(), refused(Port, code, text)]), [(Cause::EpsvAll, Likely)], "{text}");
    }
    let silent = |command| refused(command, 550, "Permission denied.");
    assert_eq!(
        causes(&[epsv(), silent(Pasv), attempt(Eprt, Outcome::Open), silent(Port)]),
        [(Cause::EpsvAll, Possible)]
    );
    assert!(causes(&[epsv(), silent(Pasv)]).is_empty());
}

#[test]
fn what_was_agreed_and_is_not_known_any_more() {
    let agreed = Reply::new(ReplyCode::COMMAND_OKAY, "PORT command successful.");
    let reply = Reply::new(ReplyCode::CANNOT_OPEN_DATA_CONNECTION, "Use PORT or PASV first.");
    let lost = Attempt { reply: Some(agreed), ..attempt(Port, Outcome::GivenUp { reply }) };
    assert_eq!(causes(&[lost]), [(Cause::NoNegotiation, Confidence::Likely)]);
}
