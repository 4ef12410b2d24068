//! ALLO (RFC 959 §4.1.3): room is not set aside, but a wrong number is told.

use wharf_proto::Reply;
use wharf_proto::command::Text;

use crate::replies;

/// `ALLO n [R n]`.
pub(crate) fn run(argument: &Text) -> Reply {
    let words: Vec<&[u8]> =
        argument.as_bytes().split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    let is_number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    match words.as_slice() {
        [size] if is_number(size) => replies::superfluous(),
        [size, r, record] if is_number(size) && r.eq_ignore_ascii_case(b"R") && is_number(record) => {
            replies::superfluous()
        }
        _ => replies::allocation_wants_a_number(),
    }
}
