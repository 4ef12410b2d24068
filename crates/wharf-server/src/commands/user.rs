//! USER (RFC 959 §4.1.1): "the argument field is a Telnet string identifying the user".

use wharf_findings::Cause;
use wharf_proto::Reply;
use wharf_proto::command::Text;

use crate::config::TlsPolicy;
use crate::replies;
use crate::session::Session;

/// Always asks for a password, so that nobody learns which names exist (threat 10). A login from before is void.
pub(crate) fn run(session: &mut Session, name: &Text) -> Reply {
    session.set_login(None);
    session.follow_reload();
    // Before any password goes over in clear (RFC 4217 §12.1). Users who may do without TLS are let through; that others
    // may not is told to all alike, whether they exist or not.
    let is_required =
        session.tls().is_some_and(|tls| tls.settings.control_for(name.as_bytes()) == TlsPolicy::Require);
    let is_for_all = session.tls().is_some_and(|tls| tls.settings.control == TlsPolicy::Require);
    if is_required && is_for_all && !session.is_secured() {
        let cause = Cause::TlsRequired.id();
        tracing::warn!(session = session.number, client = %session.client(), cause, "a login in clear was refused");
        return replies::tls_required();
    }
    if session.shared.gate.lets_in_anybody_as(name.as_bytes()) {
        replies::guest_password_wanted()
    } else {
        replies::password_wanted()
    }
}
