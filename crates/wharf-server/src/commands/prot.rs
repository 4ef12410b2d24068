//! PBSZ and PROT (RFC 2228 §3, RFC 4217 §8 and §9): what protects the data connections; CCC (RFC 2228 §3) for the control
//! connection.

use wharf_findings::Cause;
use wharf_proto::command::ProtectionLevel;
use wharf_proto::dialogue::SecurityState;
use wharf_proto::{Reply, Verb};

use super::Carried;
use crate::config::TlsPolicy;
use crate::replies;
use crate::session::Session;

/// TLS needs no buffer size: whatever is asked for, it is 0 (RFC 4217 §8).
pub(crate) fn buffer_size(asked: u64) -> Reply {
    if asked == 0 { replies::okay() } else { replies::buffer_size_zero() }
}

/// PROT P or C, as the policy allows.
pub(crate) fn run(session: &Session, level: ProtectionLevel) -> Carried<Reply> {
    let Some(tls) = session.tls() else { return Err(replies::no_tls()) };
    let policy = data_policy(session);
    let present = session.pi.dialogue().state().protection;
    match level {
        ProtectionLevel::Private if policy == TlsPolicy::Off => Err(replies::data_tls_switched_off()),
        ProtectionLevel::Private => Ok(replies::data_protected()),
        ProtectionLevel::Clear if policy == TlsPolicy::Require => Err(replies::clear_data_denied()),
        ProtectionLevel::Clear if present == ProtectionLevel::Private && !tls.settings.clear_data_again => {
            Err(replies::stays_protected())
        }
        ProtectionLevel::Clear => Ok(replies::data_in_clear()),
        // TLS knows no such difference (RFC 4217 §9).
        ProtectionLevel::Safe | ProtectionLevel::Confidential => Err(replies::only_c_and_p()),
    }
}

/// Stops a transfer that the policy does not allow as it would go (RFC 4217 §9: 521).
pub(crate) fn may_transfer(session: &Session, verb: Verb) -> Carried<()> {
    if session.tls().is_none() || !verb.role().is_transfer() {
        return Ok(());
    }
    let is_protected = session.pi.dialogue().state().protection == ProtectionLevel::Private;
    match data_policy(session) {
        TlsPolicy::Require if !is_protected => {
            let cause = Cause::TlsRequired.id();
            tracing::warn!(session = session.number, user = %session.who(), %verb, cause, "a transfer in clear was refused");
            Err(replies::data_must_be_protected())
        }
        TlsPolicy::Off if is_protected => Err(replies::data_must_be_clear()),
        _ => Ok(()),
    }
}

/// CCC: back to clear on the control connection, for firewalls that have to read it.
pub(crate) fn clear_control(session: &Session) -> Carried<Reply> {
    let is_allowed = session.tls().is_some_and(|tls| tls.settings.clear_control);
    if session.pi.dialogue().state().security != SecurityState::Protected {
        Err(replies::not_under_tls())
    } else if is_allowed {
        Ok(replies::control_in_clear())
    } else {
        Err(replies::clear_control_denied())
    }
}

fn data_policy(session: &Session) -> TlsPolicy {
    let Some(tls) = session.tls() else { return TlsPolicy::Off };
    let own = session.login.as_ref().and_then(|login| login.settings.tls);
    let by_name = || session.user().map_or(tls.settings.data, |user| tls.settings.data_for(user.as_bytes()));
    own.unwrap_or_else(by_name)
}
