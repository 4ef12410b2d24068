//! PASS (RFC 959 §4.1.1): "must be immediately preceded by the user name command".

use std::time::Instant;

use wharf_findings::Cause;
use wharf_proto::Reply;
use wharf_proto::command::{Password, Text};
use wharf_proto::limits;
use wharf_storage::StoragePath;

use super::Carried;
use crate::auth::{Asker, Identity, Login, UserSettings, Verdict, storage_of};
use crate::config::TlsPolicy;
use crate::metrics::LoginOutcome;
use crate::replies;
use crate::session::Session;

/// Logs in, or refuses in the same words whatever was wrong.
pub(crate) async fn run(session: &mut Session, password: &Password) -> Reply {
    let Some(user) = session.user().cloned() else { return replies::login_refused() };
    match judge(session, &user, password).await {
        Verdict::Allowed { identity, settings } => {
            log_in(session, &user, identity, settings).await.unwrap_or_else(|refusal| refusal)
        }
        Verdict::Refused => refused(session, &user).await,
        Verdict::Unavailable => {
            session.shared.common.metrics.login(LoginOutcome::Unavailable);
            replies::logins_cannot_be_checked() // behind a 421 the core closes
        }
    }
}

/// Whether name and password fit, and the name may be used from there at all: who guesses cannot tell one from the other.
async fn judge(session: &mut Session, user: &Text, password: &Password) -> Verdict {
    let shared = session.shared.clone();
    let (client, number) = (session.client(), session.number);
    let asker = Asker { client, server: session.server_endpoint(), tls: session.is_secured() };
    // Hashes wait for their turn, and programs for whatever they wait for: no longer than a login may take.
    let judged = shared.gate.judge(user.as_bytes(), password, asker);
    let Ok(judged) = tokio::time::timeout(shared.config.times.login, judged).await else {
        tracing::error!(session = number, "a login could not be checked within its time");
        return Verdict::Unavailable;
    };
    let Verdict::Allowed { identity, settings } = judged else { return judged };
    let bans = &shared.common.bans;
    let why = if !settings.enabled {
        "the user is switched off"
    } else if !settings.networks.is_empty() && !crate::advertised::is_in(&settings.networks, client) {
        "the user may not come from there"
    } else if bans.is_name_banned(user.as_bytes(), client, &shared.config.bans, Instant::now()) {
        "too many wrong logins came under this name"
    } else {
        return Verdict::Allowed { identity, settings };
    };
    tracing::warn!(session = number, %client, %user, why, "a login with the right password was refused");
    Verdict::Refused
}

/// What is told here is told only to those who know the password.
async fn log_in(
    session: &mut Session,
    user: &Text,
    identity: Identity,
    settings: std::sync::Arc<UserSettings>,
) -> Carried<Reply> {
    let (number, client, shared) = (session.number, session.client(), session.shared.clone());
    let by_name = || session.tls().map_or(TlsPolicy::Allow, |tls| tls.settings.control_for(user.as_bytes()));
    let wants_tls = settings.tls.unwrap_or_else(by_name) == TlsPolicy::Require;
    if wants_tls && !session.is_secured() {
        let cause = Cause::TlsRequired.id();
        tracing::warn!(session = number, %client, %user, cause, "a login in clear was refused");
        shared.common.metrics.login(LoginOutcome::Refused);
        return Err(replies::tls_required_for_user());
    }
    let seat = shared.common.occupancy.seat(identity.name(), &settings, &shared.config.sessions);
    let seat = seat.map_err(|full| {
        let reply = replies::full(full);
        let cause = Cause::SessionLimit.id();
        tracing::warn!(session = number, %client, %user, %reply, cause, "a session too many was refused");
        shared.common.metrics.login(LoginOutcome::Full);
        reply
    })?;
    let storage = storage_of(&shared.common.roots, &settings, identity.name(), &shared.storage).await;
    let storage = storage.map_err(|error| {
        tracing::error!(session = number, %client, %user, %error, "a login comes to nothing: no directory");
        shared.common.metrics.login(LoginOutcome::Refused);
        replies::no_directory()
    })?;
    let purse = settings.quota.is_set().then(|| {
        let place = shared.common.roots.place_of(&storage).unwrap_or_default();
        shared.common.ledgers.purse(place, settings.quota)
    });
    session.set_login(Some(Box::new(Login { identity, settings, storage, seat, purse })));
    // Somebody else's directory, after a second USER, is not this one's.
    session.directory = StoragePath::root();
    session.rename_from = None;
    shared.common.metrics.login(LoginOutcome::Complete);
    tracing::info!(session = number, %client, %user, "logged in");
    Ok(replies::logged_in())
}

/// Says no, after the wait that makes guessing slow. No thread waits, only this session.
async fn refused(session: &mut Session, user: &Text) -> Reply {
    session.set_login(None);
    let client = session.client();
    tracing::warn!(session = session.number, %client, %user, "login refused");
    let common = &session.shared.common;
    common.metrics.login(LoginOutcome::Refused);
    let wait = common.bans.failed(user.as_bytes(), client, &session.shared.config.bans, Instant::now());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    session.login_failures = session.login_failures.saturating_add(1);
    if session.login_failures >= limits::LOGIN_FAILURES {
        return replies::too_many_failures(); // behind a 421 the core closes
    }
    replies::login_refused()
}
