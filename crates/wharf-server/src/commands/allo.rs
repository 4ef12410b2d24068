//! ALLO (RFC 959 §4.1.3): room is not set aside, but a wrong number is told, and the size is remembered for the upload
//! behind it.

use wharf_proto::Reply;
use wharf_proto::command::Text;

use crate::replies;
use crate::session::Session;

/// `ALLO n [R n]`.
pub(crate) fn run(session: &mut Session, argument: &Text) -> Reply {
    let words: Vec<&[u8]> =
        argument.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let size = match words.as_slice() {
        [size] if is_number(size) => size,
        [size, r, record] if is_number(size) && r.eq_ignore_ascii_case(b"R") && is_number(record) => size,
        _ => return replies::allocation_wants_a_number(),
    };
    session.announced = std::str::from_utf8(size).ok().and_then(|size| size.parse().ok()).unwrap_or(0);
    replies::superfluous()
}
