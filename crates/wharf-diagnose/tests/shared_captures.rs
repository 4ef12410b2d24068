//! Real captures of other people's programs, where they are: each is explained as its row of INDEX.md says, and none of the
//! traps makes a finding.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;

use wharf_diagnose::capture::{DataConnection, Explainer, FoundBy, Options, Outcome, Reading, TlsUse, read};
use wharf_findings::Language;
use wharf_proto::dialogue::{DataMode, NegotiationCommand, Side};

/// Where the captures lie, beside the repository.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures")
}

fn explained(name: &str) -> Option<Reading> {
    let Ok(file) = File::open(folder().join(name)) else {
        wharf_testkit::skip(&format!("the captures of other programs are not here ({name})"));
        return None;
    };
    let mut explainer = Explainer::new(Options::default());
    read(file, &mut |packet| {
        explainer.packet(packet);
        ControlFlow::Continue(())
    })
    .unwrap();
    Some(explainer.finish())
}

/// The ids of all causes that were named.
fn causes(reading: &Reading) -> Vec<&'static str> {
    let of_conversations = reading.conversations.iter().flat_map(|conversation| &conversation.findings);
    of_conversations.chain(&reading.findings).map(|finding| finding.cause().id()).collect()
}

/// Verb, command, outcome and bytes of every transfer.
fn transfers(reading: &Reading) -> Vec<(String, Option<NegotiationCommand>, Outcome, Option<u64>)> {
    let of_conversation = |conversation: &wharf_diagnose::capture::Conversation| {
        conversation
            .transfers
            .iter()
            .map(|transfer| {
                (
                    transfer.verb.map(|verb| verb.to_string()).unwrap_or_default(),
                    conversation.negotiation_of(transfer).map(|negotiation| negotiation.command),
                    transfer.outcome,
                    conversation.data_of(transfer).map(DataConnection::bytes),
                )
            })
            .collect::<Vec<_>>()
    };
    reading.conversations.iter().flat_map(of_conversation).collect()
}

const PASV: Option<NegotiationCommand> = Some(NegotiationCommand::Pasv);
const PORT: Option<NegotiationCommand> = Some(NegotiationCommand::Port);
const EPSV: Option<NegotiationCommand> = Some(NegotiationCommand::Epsv);
const EPRT: Option<NegotiationCommand> = Some(NegotiationCommand::Eprt);

#[test]
fn both_modes_over_ipv4() {
    let Some(reading) = explained("zeek__ipv4.pcap") else { return };
    let complete = |verb: &str, command, bytes| (verb.to_owned(), command, Outcome::Complete, Some(bytes));
    assert_eq!(
        transfers(&reading),
        [
            complete("LIST", PASV, 342),
            complete("RETR", PASV, 77),
            complete("LIST", PORT, 342),
            complete("RETR", PORT, 77)
        ]
    );
    let conversation = &reading.conversations[0];
    let sources: Vec<u16> = conversation.data[2..].iter().map(|data| data.facts.ends[0].port()).collect();
    assert_eq!(sources, [61920, 61918], "the server's data connections do not come from 20");
    assert!(conversation.data[2..].iter().all(|data| data.opened_by() == Some(Side::Server)));
    // The SYN of active mode comes before the 150.
    let transfer = &conversation.transfers[2];
    assert!(conversation.data[2].facts.syns[0] < transfer.begun.as_ref().unwrap().sight);
    let welcome = conversation.lines.iter().find(|line| line.text.starts_with("230-")).unwrap();
    assert!(welcome.text.lines().count() > 4, "{}", welcome.text);
    assert!(conversation.is_complete());
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn both_modes_over_ipv6() {
    let Some(reading) = explained("zeek__ipv6.pcap") else { return };
    let commands: Vec<_> =
        transfers(&reading).into_iter().map(|(verb, command, ..)| (verb, command)).collect();
    let expected = [("LIST", EPSV), ("NLST", EPSV), ("RETR", EPSV), ("RETR", EPRT), ("LIST", EPRT)];
    assert_eq!(commands, expected.map(|(verb, command)| (verb.to_owned(), command)));
    assert!(transfers(&reading).iter().all(|(.., outcome, _)| *outcome == Outcome::Complete));
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn another_address_in_every_227_and_every_transfer_confirmed() {
    let Some(reading) = explained("zeek__cwd-navigation.pcap") else { return };
    let transfers = transfers(&reading);
    assert_eq!(transfers.len(), 689);
    for (_, command, outcome, bytes) in transfers {
        assert_eq!((command, outcome, bytes), (PASV, Outcome::NotCaptured, None));
    }
    let conversation = &reading.conversations[0];
    assert!(conversation.gaps > 0 && !conversation.is_complete());
    let told = conversation.negotiations[0].told.unwrap();
    assert_eq!(
        (told.ip().to_string(), conversation.server.ip().to_string()),
        ("205.167.25.101".into(), "10.167.25.101".into())
    );
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn a_capture_that_begins_in_the_middle() {
    let Some(reading) = explained("zeek__ftp-with-numbers-in-filename.pcap") else { return };
    let conversation = &reading.conversations[0];
    assert!(conversation.control.syns.is_empty() && !conversation.is_complete());
    assert_eq!((conversation.server.port(), conversation.client.port()), (21, 54089));
    let transfers = transfers(&reading);
    assert_eq!(transfers.len(), 4);
    assert!(
        transfers.iter().all(|(_, command, outcome, _)| (*command, *outcome) == (PASV, Outcome::Complete))
    );
    assert_eq!(transfers[3].3, Some(154_427));
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn a_control_connection_under_tls() {
    let Some(reading) = explained("zeek__ftp-auth-tls.pcap") else { return };
    let conversation = &reading.conversations[0];
    assert_eq!((conversation.tls, conversation.is_hidden), (TlsUse::Explicit, true));
    let ladder = wharf_diagnose::report::text::reading(&reading, wharf_diagnose::report::Style::default());
    assert!(ladder.contains("TLS ClientHello") && ladder.contains("TLS 1.3 ServerHello"), "{ladder}");
    assert!(transfers(&reading).is_empty());
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn eight_commands_before_the_greeting() {
    let Some(reading) = explained("zeek__fake-server-delays-all.pcap") else { return };
    let conversation = &reading.conversations[0];
    // Each answer went to its command.
    assert_eq!(conversation.user.as_deref(), Some("anonymous"));
    let transfer = &conversation.transfers[0];
    let reply = transfer.reply.as_ref().unwrap();
    assert_eq!((reply.code.get(), transfer.outcome), (225, Outcome::Unknown));
    assert_eq!(causes(&reading), ["malformed-reply"]);
}

#[test]
fn a_reply_without_a_code() {
    let Some(reading) = explained("zeek__ftp-invalid-reply-code.pcap") else { return };
    assert_eq!(causes(&reading), ["malformed-reply"]);
    let finding = &reading.conversations[0].findings[0];
    assert!(finding.to_string().contains("99 PASV invalid"), "{finding}");
    assert_eq!(finding.frames(0), [14, 16]);
}

#[test]
fn tls_and_then_clear_again_with_every_packet_twice() {
    let Some(reading) = explained("ndpi__ftp-start-tls.pcap") else { return };
    let conversation = &reading.conversations[0];
    assert_eq!(conversation.tls, TlsUse::Explicit);
    assert!(conversation.control.copies > 0);
    let said: Vec<&str> = conversation.lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(said.iter().filter(|text| **text == "PASV").count(), 1, "{said:?}");
    let [(verb, command, outcome, bytes)] = transfers(&reading).try_into().unwrap();
    assert_eq!((verb.as_str(), command, outcome, bytes), ("STOR", PASV, Outcome::Unknown, None));
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn seven_verbs_in_each_mode_and_125() {
    let name = "suricata-verify__firewall__ruletype-firewall-116-ftp-all-data-ipv4__input.pcap";
    let Some(reading) = explained(name) else { return };
    let transfers = transfers(&reading);
    let verbs = ["STOR", "APPE", "STOU", "LIST", "NLST", "MLSD", "RETR"];
    let expected: Vec<_> =
        [PASV, PORT].iter().flat_map(|command| verbs.map(|verb| (verb.to_owned(), *command))).collect();
    let seen: Vec<_> = transfers.iter().map(|(verb, command, ..)| (verb.clone(), *command)).collect();
    assert_eq!(seen, expected);
    assert!(transfers.iter().all(|(.., outcome, bytes)| *outcome == Outcome::Complete && *bytes > Some(30)));
    assert_eq!(reading.conversations.len(), 2);
    assert_eq!(reading.conversations[0].transfers[0].begun.as_ref().unwrap().code.get(), 125);
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn ten_sessions_with_a_payload_that_nobody_rewrote() {
    let Some(reading) = explained("suricata-verify__ftp__ftp-ippair-leak-5204__input.pcap") else { return };
    assert_eq!(reading.conversations.len(), 10);
    assert_eq!(transfers(&reading).len(), 20);
    for conversation in &reading.conversations {
        for transfer in &conversation.transfers {
            let data = conversation.data_of(transfer).unwrap();
            assert_eq!(transfer.outcome, Outcome::Complete);
            assert_eq!(data.facts.ends[1].ip(), conversation.client.ip());
            assert_eq!(data.facts.ends[0].port(), 20);
            assert!(matches!(data.found_by, FoundBy::Endpoint | FoundBy::Port));
            assert_eq!(conversation.mode_of(transfer), Some(DataMode::Active));
        }
    }
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn a_bounce_that_was_never_used() {
    let Some(reading) = explained("suricata-verify__ftp__ftp-bounce__test.pcap") else { return };
    assert_eq!(reading.conversations.len(), 2);
    let told = reading.conversations[1].negotiations[0].told.unwrap();
    assert_eq!(told.to_string(), "2.2.2.3:80");
    let ladder = wharf_diagnose::report::text::reading(&reading, wharf_diagnose::report::Style::default());
    assert!(ladder.contains("a port below 1024"), "{ladder}");
    // It was accepted and never used: nothing failed.
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn another_host_in_port_and_a_server_that_does_not_answer() {
    let Some(reading) = explained("snort3_demo__client__ftp_port_non_match_ip.pcap") else { return };
    let conversation = &reading.conversations[0];
    assert!(conversation.negotiations[0].reply.is_none(), "the 221 is QUIT's answer");
    let mut named = causes(&reading);
    named.sort_unstable();
    assert_eq!(named, ["bounce-refused", "port-unroutable"]);
    for finding in &conversation.findings {
        assert_eq!(finding.confidence(), wharf_findings::Confidence::Possible);
    }
}

#[test]
fn a_server_that_is_not_there() {
    let Some(reading) = explained("chrissanders-packets__ppa1e__ftpclientdenied.pcap") else { return };
    assert!(reading.conversations.is_empty());
    let [finding] = reading.findings.as_slice() else { panic!("{:?}", reading.findings) };
    assert_eq!(finding.cause().id(), "control-unreachable");
    assert_eq!(finding.frames(0), [1, 2, 3]);
}

#[test]
fn three_listings_whose_data_connections_are_not_there() {
    let Some(reading) = explained("chrissanders-packets__tickedoffdeveloper.pcapng") else { return };
    let list = || ("LIST".to_owned(), PASV, Outcome::NotCaptured, None);
    let stor = ("STOR".to_owned(), PASV, Outcome::Complete, Some(19_832));
    assert_eq!(transfers(&reading), [list(), list(), list(), stor]);
    assert_eq!(causes(&reading), Vec::<&str>::new());
}

#[test]
fn every_capture_can_be_told_in_every_way() {
    let Ok(files) = std::fs::read_dir(folder()) else {
        wharf_testkit::skip("the captures of other programs are not here");
        return;
    };
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        if !name.contains(".pcap") {
            continue;
        }
        let Some(reading) = explained(&name) else { return };
        for language in [Language::English, Language::Chinese] {
            let json =
                serde_json::to_value(wharf_diagnose::report::json::document(&reading, language)).unwrap();
            assert!(json["conversations"].is_array() && json["findings"].is_array());
            let page = wharf_diagnose::report::html::page(&reading, language);
            assert!(
                !page.contains("http://") && !page.contains("https://"),
                "{name}: the page wants the network"
            );
            assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
            assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
            let picture = wharf_diagnose::report::svg::picture(&reading, language);
            assert!(picture.starts_with("<svg"));
        }
    }
}
