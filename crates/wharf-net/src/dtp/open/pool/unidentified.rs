//! Data connections whose address does not tell whose they are: they say so first, and nobody else waits for that.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::net::TcpStream;
use wharf_findings::Cause;
use wharf_proto::limits;

use super::{Arrived, PassivePool, Waiter, Waiting, Whose, lock};
use crate::proxy_protocol::{ProxyError, read_header};
use crate::tls::await_client_hello;

impl PassivePool {
    /// Waits for a balancer's header, and hands the connection to the session of its client.
    pub(super) fn await_header(
        self: &Arc<Self>,
        socket: OwnedFd,
        from: SocketAddr,
        waiting: Arc<Mutex<Waiting>>,
    ) {
        let Ok(permit) = self.unidentified.clone().try_acquire_owned() else { return };
        let pool = self.clone();
        tokio::spawn(async move {
            let header = async {
                let stream = TcpStream::from_std(socket.into())?;
                let relayed = read_header(&stream).await?;
                Ok::<_, ProxyError>((stream.into_std()?, relayed))
            };
            let (socket, client) = match header.await {
                Ok((stream, Some(relayed))) => (stream.into(), relayed.client),
                // A health check; it says no more than that the port is open.
                Ok((_, None)) => return,
                Err(error) => {
                    tracing::warn!(%error, "a data connection from a balancer was refused");
                    return;
                }
            };
            drop(permit);
            let arrived = Arrived { socket, from, relayed_for: Some(client) };
            let sessions = lock(&waiting);
            match sessions.whose(client.ip()) {
                Whose::Waiter(waiter) => waiter.deliver(arrived),
                Whose::OneOfSeveral => pool.await_hello(arrived, client, waiting.clone()),
                Whose::Nobody => sessions.drop_stranger(client),
            }
        });
    }

    /// Waits for the ClientHello, and hands the connection to the session that it names: the control connection's own and
    /// no other, whatever that would take.
    pub(super) fn await_hello(&self, arrived: Arrived, client: SocketAddr, waiting: Arc<Mutex<Waiting>>) {
        let Ok(permit) = self.unidentified.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _permit = permit;
            let Arrived { socket, from, relayed_for } = arrived;
            let named = async {
                let stream = TcpStream::from_std(socket.into())?;
                let hello = await_client_hello(&stream).await?;
                Ok::<_, std::io::Error>((stream.into_std()?, hello))
            };
            let Ok(Ok((stream, hello))) = tokio::time::timeout(limits::TLS_HANDSHAKE_TIME, named).await
            else {
                return;
            };
            let sessions = lock(&waiting);
            let is_named = |waiter: &&Arc<Waiter>| {
                let session =
                    waiter.expected.session.as_ref().filter(|_| waiter.expected.client == client.ip());
                session.zip(hello.as_ref()).is_some_and(|(session, hello)| session.mark.is_named_in(hello))
            };
            match sessions.all.iter().find(is_named) {
                Some(waiter) => waiter.deliver(Arrived { socket: stream.into(), from, relayed_for }),
                None => sessions.drop_stranger(client),
            }
        });
    }
}

impl Waiting {
    /// Counts one that came for none of the sessions.
    fn drop_stranger(&self, from: SocketAddr) {
        let mut is_first = !self.all.is_empty();
        for waiter in &self.all {
            is_first &= waiter.strangers.fetch_add(1, Ordering::Relaxed) == 0;
            // It waits less long from now on.
            waiter.arrival.notify_one();
        }
        // One line says it; a scanner must not fill the log.
        if is_first {
            tracing::warn!(
                %from, cause = Cause::StolenAccept.id(),
                "a data connection said that it is nobody's who waits there, and was dropped"
            );
        }
    }
}
