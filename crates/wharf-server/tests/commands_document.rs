//! docs/commands.md is made from the verb table; this test tells when it is not.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::fmt::Write;
use std::path::Path;

use wharf_proto::Verb;
use wharf_proto::verb::{Login, Role};
use wharf_server::UNSUPPORTED_VERBS;

/// Set to write the document instead of comparing it.
const WRITE: &str = "WHARF_WRITE_DOCS";

fn document() -> String {
    let mut text = String::from(
        "# Commands\n\nMade from the verb table (`crates/wharf-proto/src/verb.rs`); to write it anew:\n\n    \
         WHARF_WRITE_DOCS=1 cargo test -p wharf-server --test commands_document\n\n\
         | command | defined in | before login | data connection | `wharf serve` |\n|---|---|---|---|---|\n",
    );
    for &verb in Verb::ALL {
        let specification = verb.specification();
        let data = match specification.role {
            Role::Negotiation => "agrees on one",
            Role::Download | Role::Listing => "to the client",
            Role::Upload => "from the client",
            Role::Lengthy => "takes its time; ABOR ends it",
            Role::Overtaking => "acts during a transfer",
            Role::Plain => "",
        };
        let before_login = if specification.login == Login::NotNeeded { "yes" } else { "no: 530" };
        let supported = if UNSUPPORTED_VERBS.contains(&verb) { "502" } else { "yes" };
        let syntax = specification.syntax.replace('|', "\\|");
        writeln!(text, "| `{syntax}` | {} | {before_login} | {data} | {supported} |", specification.source)
            .unwrap();
    }
    text
}

#[test]
fn the_document_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, document()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == document(), "docs/commands.md is out of date: run this test with {WRITE}=1");
}
