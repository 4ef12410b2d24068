//! Sessions on lent threads, which may wait for the disk as well as for the client.

use std::future::{Future, poll_fn};
use std::pin::pin;

use wharf_net::driver;
use wharf_storage::may_wait_here;

/// Runs a session beside whatever else runs.
pub(crate) fn spawn_session(session: impl Future<Output = ()> + Send + 'static) {
    driver::spawn_session(async move {
        let mut session = pin!(session);
        poll_fn(|context| {
            if driver::is_lent() {
                may_wait_here(|| session.as_mut().poll(context))
            } else {
                session.as_mut().poll(context)
            }
        })
        .await;
    });
}
