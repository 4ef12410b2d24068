//! The ladders in docs/explain.md are what the explainer says of the lab's captures. `WHARF_LAB_WRITE=ladders` writes them
//! anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod common;

use std::fs::File;
use std::path::Path;

use wharf_diagnose::capture::Conversation;
use wharf_diagnose::report::{Style, text};
use wharf_proto::dialogue::NegotiationCommand;

/// What is told of the first conversation with vsftpd that uses `command`.
fn ladder(capture: &str, command: NegotiationCommand) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(capture);
    let reading = common::explained_from(File::open(file).unwrap()).unwrap();
    let is_it = |conversation: &&Conversation| {
        conversation.server.ip().to_string() == "203.0.113.22"
            && conversation.negotiations.iter().any(|negotiation| negotiation.command == command)
    };
    let conversation = reading.conversations.iter().find(is_it).unwrap();
    text::conversation(1, conversation, Style::default())
}

#[test]
fn the_ladders_of_the_document_are_real() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explain.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let mut written = document.clone();
    for (name, ladder) in [
        ("passive", ladder("plain-client.pcap.gz", NegotiationCommand::Pasv)),
        ("active", ladder("client-firewall-server.pcap.gz", NegotiationCommand::Port)),
    ] {
        let begin = format!("<!-- ladder: {name} -->\n");
        let start = written.find(&begin).unwrap() + begin.len();
        let end = start + written[start..].find("<!-- /ladder -->").unwrap();
        let lines: Vec<&str> = ladder.lines().map(str::trim_end).collect();
        written.replace_range(start..end, &format!("```text\n{}\n```\n", lines.join("\n")));
    }
    if std::env::var("WHARF_LAB_WRITE").is_ok_and(|what| what == "ladders") {
        std::fs::write(&path, written).unwrap();
    } else {
        assert_eq!(document, written, "write it anew with WHARF_LAB_WRITE=ladders");
    }
}
