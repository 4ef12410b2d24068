//! OPTS (RFC 2389 §4) and LANG (RFC 2640 §4.1).

use wharf_proto::command::Text;
use wharf_proto::listing::mlsx::FactSelection;
use wharf_proto::{Reply, ReplyCode};

use crate::listing::FACTS;
use crate::replies;
use crate::session::Session;

/// `OPTS MLST facts` (RFC 3659 §7.9) and `OPTS UTF8 ON`.
pub(crate) fn run(session: &mut Session, argument: &Text) -> Reply {
    let words: Vec<&[u8]> =
        argument.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [verb, facts @ ..] if verb.eq_ignore_ascii_case(b"MLST") && facts.len() <= 1 => {
            session.facts = FactSelection::parse_options(facts.first().copied().unwrap_or_default(), FACTS);
            Reply::new(ReplyCode::COMMAND_OKAY, session.facts.options_text())
        }
        [verb] if verb.eq_ignore_ascii_case(b"UTF8") || verb.eq_ignore_ascii_case(b"UTF-8") => {
            replies::utf8_always()
        }
        [verb, state] if verb.eq_ignore_ascii_case(b"UTF8") && state.eq_ignore_ascii_case(b"ON") => {
            replies::utf8_always()
        }
        _ => replies::unknown_option(),
    }
}

/// English, whatever the country.
pub(crate) fn language(tag: Option<&Text>) -> Reply {
    match tag {
        None => replies::okay(),
        Some(tag) if tag.as_bytes().len() >= 2 && tag.as_bytes()[..2].eq_ignore_ascii_case(b"en") => {
            replies::okay()
        }
        Some(_) => replies::english_only(),
    }
}
