//! OPTS (RFC 2389 §4) and LANG (RFC 2640 §4.1).

use wharf_proto::command::Text;
use wharf_proto::listing::mlsx::FactSelection;
use wharf_proto::{Reply, ReplyCode};
use wharf_storage::digest::Algorithm;

use crate::charset::Charset;
use crate::listing::FACTS;
use crate::replies;
use crate::session::Session;

/// `OPTS MLST facts` (RFC 3659 §7.9), `OPTS HASH algorithm` (draft-ietf-ftpext2-hash §3.3) and `OPTS UTF8 ON|OFF`.
pub(crate) fn run(session: &mut Session, argument: &Text) -> Reply {
    let words: Vec<&[u8]> =
        argument.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [verb, facts @ ..] if verb.eq_ignore_ascii_case(b"MLST") && facts.len() <= 1 => {
            session.facts = FactSelection::parse_options(facts.first().copied().unwrap_or_default(), FACTS);
            Reply::new(ReplyCode::COMMAND_OKAY, session.facts.options_text())
        }
        [verb] if is_utf8(verb) => utf8(session, true),
        [verb, state] if is_utf8(verb) && state.eq_ignore_ascii_case(b"ON") => utf8(session, true),
        [verb, state] if is_utf8(verb) && state.eq_ignore_ascii_case(b"OFF") => utf8(session, false),
        [verb] if verb.eq_ignore_ascii_case(b"HASH") => {
            Reply::new(ReplyCode::COMMAND_OKAY, session.hash.name())
        }
        [verb, name] if verb.eq_ignore_ascii_case(b"HASH") => match Algorithm::from_name(name) {
            Some(algorithm) => {
                session.hash = algorithm;
                Reply::new(ReplyCode::COMMAND_OKAY, algorithm.name())
            }
            None => replies::unknown_hash(),
        },
        _ => replies::unknown_option(),
    }
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"UTF8") || name.eq_ignore_ascii_case(b"UTF-8")
}

/// UTF-8, or back to what the network or the user has.
fn utf8(session: &mut Session, is_on: bool) -> Reply {
    session.wants_utf8 = is_on;
    if session.charset() == Charset::UTF8 {
        replies::utf8_on()
    } else {
        replies::charset_is(session.charset())
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
