//! USER (RFC 959 §4.1.1): "the argument field is a Telnet string identifying the user".

use wharf_proto::Reply;
use wharf_proto::command::Text;

use crate::auth::is_anonymous;
use crate::replies;
use crate::session::Session;

/// Always asks for a password, so that nobody learns which names exist (threat 10). A login from before is void.
pub(crate) fn run(session: &mut Session, name: &Text) -> Reply {
    session.identity = None;
    if session.shared.config.accounts.anonymous && is_anonymous(name.as_bytes()) {
        replies::guest_password_wanted()
    } else {
        replies::password_wanted()
    }
}
