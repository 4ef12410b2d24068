//! The tickets that a client was given on one control connection and its data connections: the newest is used first.
//!
//! rustls has stores of its own; they are for many servers, and forget.

use std::sync::{Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Most tickets of TLS 1.3 that are kept. Each is used once; a server usually gives one or two with each connection.
const KEPT: usize = 16;

/// What one server gave to one control connection, whatever the name in it.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// The newest last. No ticket is used twice (RFC 8446 appendix C.4), nor does rustls let us.
    tls13: Vec<Tls13ClientSessionValue>,
    were_given: bool,
}

impl Tickets {
    /// Whether the next connection can resume.
    pub(super) fn has_any(&self) -> bool {
        self.with(|kept| kept.tls12.is_some() || !kept.tls13.is_empty())
    }

    /// Whether the server ever gave one.
    pub(super) fn were_given(&self) -> bool {
        self.with(|kept| kept.were_given)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.with(|kept| kept.group = Some(group));
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.with(|kept| kept.group)
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.with(|kept| {
            kept.tls12 = Some(value);
            kept.were_given = true;
        });
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with(|kept| kept.tls12.clone())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.with(|kept| kept.tls12 = None);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.with(|kept| {
            if kept.tls13.len() == KEPT {
                kept.tls13.remove(0);
            }
            kept.tls13.push(value);
            kept.were_given = true;
        });
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.with(|kept| kept.tls13.pop())
    }
}
