//! What is heard in a session.

use std::mem;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use wharf_client::{Attempt, Observer};
use wharf_proto::Reply;

/// Most attempts that are kept of one step.
const MOST: usize = 64;

/// What was heard since it was last asked for; shared with the session that says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Watching(Arc<Mutex<Heard>>, Arc<Notify>);

/// See [`Watching`].
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The first reply on a control connection.
    pub(super) greeting: Option<Reply>,
    /// Each attempt at a data connection.
    pub(super) attempts: Vec<Attempt>,
    /// The last negative reply.
    pub(super) refusal: Option<Reply>,
    /// Bytes behind which data under TLS ended without close_notify.
    pub(super) ended_plainly: Option<u64>,
    awaits_greeting: bool,
}

impl Watching {
    /// What was heard, which is forgotten with that.
    pub(super) fn take(&self) -> Heard {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the next 1yz reply.
    pub(super) async fn begun(&self) {
        self.1.notified().await;
    }

    fn hear(&self, what: impl FnOnce(&mut Heard)) {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Observer for Watching {
    fn connected(&mut self, _: SocketAddr) {
        self.hear(|heard| heard.awaits_greeting = true);
    }

    fn reply(&mut self, reply: &Reply) {
        if reply.code().is_preliminary() {
            self.1.notify_waiters();
        }
        self.hear(|heard| {
            if mem::take(&mut heard.awaits_greeting) {
                heard.greeting = Some(reply.clone());
            }
            if reply.code().is_negative() {
                heard.refusal = Some(reply.clone());
            }
        });
    }

    fn data_connection(&mut self, attempt: &Attempt) {
        self.hear(|heard| {
            if heard.attempts.len() < MOST {
                heard.attempts.push(attempt.clone());
            }
        });
    }

    fn ended_plainly(&mut self, bytes: u64) {
        self.hear(|heard| heard.ended_plainly = Some(bytes));
    }
}
