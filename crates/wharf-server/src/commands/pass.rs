//! PASS (RFC 959 §4.1.1): "must be immediately preceded by the user name command".

use wharf_findings::Cause;
use wharf_proto::Reply;
use wharf_proto::command::Password;
use wharf_proto::limits;
use wharf_storage::StoragePath;

use crate::config::TlsPolicy;
use crate::replies;
use crate::session::Session;

/// Logs in, or refuses in the same words whatever was wrong.
pub(crate) fn run(session: &mut Session, password: &Password) -> Reply {
    let Some(user) = session.user().cloned() else { return replies::login_refused() };
    let identity = session.shared.config.accounts.authenticate(user.as_bytes(), password);
    // Told only to those who know the password.
    let wants_tls =
        session.tls().is_some_and(|tls| tls.settings.control_for(user.as_bytes()) == TlsPolicy::Require);
    if identity.is_some() && wants_tls && !session.is_secured() {
        let cause = Cause::TlsRequired.id();
        tracing::warn!(session = session.number, client = %session.client(), user = %user, cause, "a login in clear was refused");
        return replies::tls_required_for_user();
    }
    session.set_identity(identity);
    if session.identity.is_some() {
        // Somebody else's directory, after a second USER, is not this one's.
        session.directory = StoragePath::root();
        session.rename_from = None;
        tracing::info!(session = session.number, client = %session.client(), user = %user, "logged in");
        return replies::logged_in();
    }
    tracing::warn!(session = session.number, client = %session.client(), user = %user, "login refused");
    session.login_failures = session.login_failures.saturating_add(1);
    if session.login_failures >= limits::LOGIN_FAILURES {
        return replies::too_many_failures(); // behind a 421 the core closes
    }
    replies::login_refused()
}
