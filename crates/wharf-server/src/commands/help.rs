//! HELP (RFC 959 §4.1.3), written from the verb table.

use wharf_proto::command::Text;
use wharf_proto::{Reply, ReplyCode, Verb};

use super::UNSUPPORTED_VERBS;
use crate::replies;

/// Verbs a line of the list.
const PER_LINE: usize = 8;

/// All verbs, or the syntax of one.
pub(crate) fn run(verb: Option<&Text>) -> Reply {
    let Some(name) = verb else { return all() };
    match Verb::from_name(name.as_bytes()) {
        Some(verb) => {
            let specification = verb.specification();
            Reply::new(
                ReplyCode::HELP_MESSAGE,
                format!("{} ({})", specification.syntax, specification.source),
            )
        }
        None => replies::unknown_verb(name),
    }
}

fn all() -> Reply {
    let mark = |verb: &Verb| if UNSUPPORTED_VERBS.contains(verb) { "*" } else { "" };
    let names: Vec<String> = Verb::ALL.iter().map(|verb| format!("{verb}{}", mark(verb))).collect();
    let lines = names.chunks(PER_LINE).map(|chunk| format!(" {}", chunk.join(" ")));
    Reply::multi_line(
        ReplyCode::HELP_MESSAGE,
        std::iter::once("The commands known here (* not supported):".to_owned())
            .chain(lines)
            .chain(["HELP <SP> verb tells the syntax of one.".to_owned()])
            .map(String::into_bytes),
    )
}
