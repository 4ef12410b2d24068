//! A finding needs evidence, and says it in JSON and to people.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_findings::{Cause, Confidence, Evidence, EvidenceKind, Finding, Language, Side, Unfounded};

fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn private_address_told() -> Evidence {
    Evidence::PrivateAddressTold { told: endpoint("10.0.0.5:40001"), control_peer: address("198.51.100.2") }
}

fn syn_unanswered() -> Evidence {
    Evidence::SynUnanswered { endpoint: endpoint("10.0.0.5:40001"), waited: Duration::from_millis(2500) }
}

#[test]
fn a_cause_is_not_named_without_evidence() {
    let cause = Cause::PasvPrivateAddress;
    let error = Finding::new(cause, Confidence::Possible, Vec::new()).unwrap_err();
    assert_eq!(error, Unfounded::NoEvidence { cause });
    assert_eq!(error.to_string(), "`pasv-private-address` was named without evidence");
}

#[test]
fn a_hint_makes_a_cause_possible_and_no_more() {
    let hint = || vec![syn_unanswered()];
    let cause = Cause::PasvPrivateAddress;
    assert!(Finding::new(cause, Confidence::Possible, hint()).is_ok());
    for confidence in [Confidence::Likely, Confidence::Certain] {
        let kinds = vec![EvidenceKind::SynUnanswered];
        assert_eq!(
            Finding::new(cause, confidence, hint()),
            Err(Unfounded::NotDecisive { cause, confidence, kinds })
        );
    }
}

#[test]
fn evidence_of_something_else_does_not_carry_a_cause() {
    for &cause in Cause::ALL {
        for fact in samples() {
            let decides = cause.decided_by().contains(&fact.kind());
            let hints = cause.hinted_by().contains(&fact.kind());
            for confidence in [Confidence::Possible, Confidence::Likely, Confidence::Certain] {
                let named = Finding::new(cause, confidence, vec![fact.clone()]).is_ok();
                assert_eq!(
                    named,
                    decides || (hints && confidence == Confidence::Possible),
                    "{cause} on {fact}"
                );
            }
        }
    }
}

#[test]
fn a_text_of_vsftpd_alone_cannot_make_resumption_certain() {
    let said = Evidence::ReplyReceived {
        verb: "LIST".into(),
        reply: "522 SSL connection failed; session reuse required".into(),
    };
    let cause = Cause::TlsResumptionRequired;
    assert!(Finding::new(cause, Confidence::Likely, vec![said.clone()]).is_err());
    let seen = Evidence::SessionNotResumed { endpoint: endpoint("192.0.2.1:40000") };
    assert!(Finding::new(cause, Confidence::Certain, vec![said, seen]).is_ok());
}

fn finding() -> Finding {
    Finding::new(Cause::PasvPrivateAddress, Confidence::Certain, vec![private_address_told()])
        .unwrap()
        .with(syn_unanswered())
}

#[test]
fn json_has_the_shape_of_interfaces_md() {
    let expected = serde_json::json!({
        "cause": "pasv-private-address",
        "confidence": "certain",
        "summary": "The server's PASV reply carries a private address, which cannot be reached from where the client is.",
        "evidence": [
            "The reply names 10.0.0.5:40001, which is a private address, while the control connection goes to 198.51.100.2.",
            "A connection attempt to 10.0.0.5:40001 got no answer within 2.5 s.",
        ],
        "fix": {
            "client": "Connect to the address of the control connection instead of the one in the reply, or use EPSV.",
            "server": "Advertise the outside address in passive mode, by number or by a name that follows it.",
            "middle": null,
        },
    });
    assert_eq!(serde_json::to_value(finding()).unwrap(), expected);
}

#[test]
fn the_same_is_told_in_chinese() {
    let told = serde_json::to_value(finding().report(Language::Chinese)).unwrap();
    let expected = serde_json::json!({
        "cause": "pasv-private-address",
        "confidence": "certain",
        "summary": "服务器的 PASV 应答中携带私有地址，从客户端所在的网络无法到达该地址。",
        "evidence": [
            "应答给出的 10.0.0.5:40001 是私有地址，而控制连接的对端是 198.51.100.2。",
            "向 10.0.0.5:40001 发起的连接在 2.5 秒内没有任何应答。",
        ],
        "fix": {
            "client": "改为连接控制连接所用的地址，不使用应答中的地址；或改用 EPSV。",
            "server": "为被动模式配置对外公布的公网地址，可填写 IP，也可填写随地址更新的域名。",
            "middle": null,
        },
    });
    assert_eq!(told, expected);
    assert_eq!(
        finding().report(Language::Chinese).to_string().lines().next(),
        Some(
            "服务器的 PASV 应答中携带私有地址，从客户端所在的网络无法到达该地址。（pasv-private-address，确定）"
        )
    );
}

#[test]
fn people_read_what_happened_how_it_is_known_and_who_must_change_what() {
    assert_eq!(
        finding().to_string(),
        "The server's PASV reply carries a private address, which cannot be reached from where the client is. \
         (pasv-private-address, certain)\n\
         \x20 Seen:       The reply names 10.0.0.5:40001, which is a private address, while the control connection goes \
         to 198.51.100.2.\n\
         \x20 Seen:       A connection attempt to 10.0.0.5:40001 got no answer within 2.5 s.\n\
         \x20 Client:     Connect to the address of the control connection instead of the one in the reply, or use EPSV.\n\
         \x20 Server:     Advertise the outside address in passive mode, by number or by a name that follows it."
    );
}

#[test]
fn every_fact_is_one_sentence_on_one_line() {
    let samples = samples();
    let kinds: Vec<_> = samples.iter().map(Evidence::kind).collect();
    for kind in EvidenceKind::ALL {
        assert!(kinds.contains(kind), "no sample of {kind:?}");
    }
    for fact in samples {
        let sentence = fact.to_string();
        assert!(sentence.ends_with('.') && !sentence.ends_with(".."), "{sentence}");
        assert!(sentence.split_whitespace().count() >= 5, "{sentence}");
        assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
        let chinese = fact.sentence(Language::Chinese);
        assert!(chinese.ends_with('。') && !chinese.chars().any(char::is_control), "{chinese:?}");
        assert!(chinese.chars().any(is_han), "{chinese} is not translated");
    }
}

#[test]
fn a_peer_cannot_forge_a_line_or_colour_a_terminal() {
    let fact = Evidence::ReplyReceived { verb: "PA\nSV".into(), reply: "500 x\r\n200 y\x1b[31m\r\n".into() };
    let expected = "The server answered PA\\u{a}SV with \"500 x\\u{d}\\u{a}200 y\\u{1b}[31m\".";
    assert_eq!(fact.to_string(), expected);
}

#[test]
fn facts_that_differ_are_told_differently() {
    let reset = |ttl| {
        let endpoint = endpoint("192.0.2.1:40000");
        Evidence::ResetReceived { endpoint, ttl, control_ttl: 52 }.to_string()
    };
    assert!(reset(52).contains("came as far as the host's other packets"));
    assert!(reset(250).contains("somebody in between"));
    let taken = |last| Evidence::AllPortsInUse { first: 40_000, last }.to_string();
    assert_eq!(taken(40_000), "The only passive port, 40000, is in use.");
    assert_eq!(taken(40_009), "All passive ports from 40000 to 40009 are in use.");
    let greeting = Evidence::ReplyReceived { verb: String::new(), reply: "421 too many".into() };
    assert_eq!(greeting.to_string(), "The server said \"421 too many\".");
}

#[test]
fn confidence_grows_from_possible_to_certain() {
    assert!(Confidence::Possible < Confidence::Likely && Confidence::Likely < Confidence::Certain);
    assert_eq!(serde_json::to_string(&Confidence::Likely).unwrap(), "\"likely\"");
}

/// One fact of each kind.
fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

fn samples() -> Vec<Evidence> {
    use Evidence as E;
    let told = endpoint("203.0.113.9:40001");
    let inside = endpoint("10.0.0.5:40001");
    let server = address("198.51.100.2");
    let client = address("192.0.2.44");
    let waited = Duration::from_secs(3);
    let error = || "Connection refused".to_owned();
    let verb = || "PASV".to_owned();
    vec![
        private_address_told(),
        E::OtherAddressConnects { told, connected: endpoint("198.51.100.2:40001") },
        E::SameNetwork { client: address("10.0.0.2"), server: address("10.0.0.5"), told },
        syn_unanswered(),
        E::ConnectRefused { endpoint: told, error: error() },
        E::ResetReceived { endpoint: told, ttl: 61, control_ttl: 52 },
        E::ProhibitedByIcmp { endpoint: told, sender: server, message: "administratively prohibited".into() },
        E::PortOutsideRange { told: 50_000, first: 40_000, last: 40_099 },
        E::PortsDiffer { told: 50_000, listening: 40_000 },
        E::TextRewritten { sent: "PORT 10,0,0,5,4,1".into(), received: "PORT 203,0,113,9,4,1".into() },
        E::FailsUnderTlsOnly { verb: verb(), endpoint: told },
        E::AddressNotRewritten { verb: "PORT".into(), told: inside, control_source: client },
        E::SegmentUnacknowledged { line: "PORT 10,0,0,5,4,1".into(), times: 4 },
        E::SamePortFails { port: 5060, failures: 3 },
        E::UnroutableAddressSent { told: inside, control_source: client },
        E::PrivateAddressSent { verb: verb(), told: inside, control_peer: server },
        E::NoSynArrived { endpoint: inside, waited },
        E::NothingSent { endpoint: inside, waited },
        E::ConnectForbidden { endpoint: inside, error: error() },
        E::SynDropped { source: endpoint("198.51.100.2:20"), endpoint: inside },
        E::SynFromOtherPort { source: endpoint("198.51.100.2:50123"), endpoint: inside },
        E::BindRefused { port: 20, error: "Permission denied".into() },
        E::ReplyReceived { verb: verb(), reply: "425 no".into() },
        E::SilenceAfter { verb: "EPSV".into(), waited },
        E::ExtendedPortDead { extended: told, classic: endpoint("203.0.113.9:40002") },
        E::RefusedAfterEpsvAll { verb: "PORT".into(), reply: "500 no".into() },
        E::ReplyUnreadable { reply: "227 (1,2,3)".into(), problem: "three numbers instead of six".into() },
        E::FamilyDiffers { verb: verb(), control_peer: address("2001:db8::1") },
        E::TranslatedPeer { control_peer: "64:ff9b::c633:6402".parse().unwrap() },
        E::NotNegotiated { verb: "RETR".into() },
        E::AgreementLost { verb: "PORT".into(), agreed: "200 yes".into(), reply: "425 what?".into() },
        E::PeerDiffers { control_peer: client, data_peer: told },
        E::FailsIntermittently { failed: 5, tried: 10 },
        E::ClosedWithoutReply { endpoint: told, waited },
        E::StrangerConnected { stranger: told, expected: client },
        E::TakenByAnother { verb: "LIST".into(), reply: "226 done".into(), endpoint: told },
        E::EmptyTransfers { empty: 2, tried: 40 },
        E::AllPortsInUse { first: 40_000, last: 40_009 },
        E::NeverAccepted { listening: inside, waited },
        E::ContainerAddress { address: address("172.17.0.2") },
        E::IllegalEndpoint { told, control_peer: client },
        E::SessionNotResumed { endpoint: told },
        E::ClearAgainstTls { clear: Side::Client },
        E::ClosedWithoutNotify { by: Side::Server, bytes: 1 << 20 },
        E::NoHandshake { endpoint: told, waited },
        E::TlsAlert { by: Side::Server, alert: "protocol_version".into() },
        E::CertificateRejected { reason: "it expired on 2024-01-01".into() },
        E::CompletionMissing { idle: Duration::from_secs(1800) },
        E::CompletionLate { after: Duration::from_secs(90), patience: Duration::from_secs(60) },
        E::SessionsAtLimit { open: 50, limit: 50 },
        E::FullSegmentsLost { size: 1460, times: 6 },
        E::SmallSegmentsPass { small: 536, full_bytes: 0, small_bytes: 65_536 },
        E::DeadAfterIdle { idle: Duration::from_secs(75) },
        E::DataCut { bytes: 4096, error: "Connection reset by peer".into() },
        E::SegmentsLost { duplicates: 300 },
        E::ConnectedWithoutBanner { endpoint: endpoint("198.51.100.2:990"), waited },
        E::BinaryInAscii { verb: "STOR".into(), sent: 1000, received: 1008 },
        E::StorageRefused { error: "Permission denied".into() },
    ]
}
