//! AUTH (RFC 2228 §3, RFC 4217 §4): TLS on the control connection.

use wharf_proto::Reply;
use wharf_proto::command::Text;

use super::Carried;
use crate::replies;
use crate::session::Session;

/// 234 to `AUTH TLS` and its old name `TLS-C` (RFC 4217 §2). The handshake follows behind that reply.
pub(crate) fn run(session: &Session, mechanism: &Text) -> Carried<Reply> {
    let tls = session.tls().ok_or_else(replies::no_tls)?;
    if !tls.offers_auth() {
        return Err(replies::auth_switched_off());
    }
    let is_tls = |name: &[u8]| mechanism.as_bytes().eq_ignore_ascii_case(name);
    if is_tls(b"TLS") || is_tls(b"TLS-C") { Ok(replies::begin_tls()) } else { Err(replies::only_tls()) }
}
