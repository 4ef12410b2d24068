//! The service manager (systemd): what it is told, and what it hands over. Without one all of this does nothing.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result};
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// How often the number of sessions is told, unless the watchdog wants a sign of life more often.
const STATUS_INTERVAL: Duration = Duration::from_secs(15);

/// The control listeners that it opened (`ListenStream=` of a .socket unit).
///
/// # Errors
/// When it handed over something else than TCP sockets that listen.
pub(crate) fn inherited_listeners() -> Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let listeners = (0..handed.len()).map(|index| {
        handed
            .take_tcp_listener(index)
            .with_context(|| format!("socket {index} of the service manager is no TCP socket that listens"))
    });
    Ok(listeners.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The server takes sessions.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] says when it has ended.
pub(crate) fn reloading() {
    // `Type=notify-reload` wants the time with it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The server drains.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("draining: running transfers are waited for")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

/// Tells from time to time that the runtime is alive, and how many sessions there are. Ends with the runtime.
pub(crate) async fn report(sessions: impl Fn() -> u32) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    // Half of the time in which it wants to hear from us, as sd_watchdog_enabled(3) has it.
    let watchdog = sd_notify::watchdog_enabled().map(|time| time / 2);
    let mut ticks = tokio::time::interval(watchdog.map_or(STATUS_INTERVAL, |time| time.min(STATUS_INTERVAL)));
    loop {
        ticks.tick().await;
        let status = format!("{} sessions", sessions());
        match watchdog {
            Some(_) => tell(&[NotifyState::Watchdog, NotifyState::Status(&status)]),
            None => tell(&[NotifyState::Status(&status)]),
        }
    }
}
