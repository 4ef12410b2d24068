//! Somebody who connects to whatever port opens, as a scanner or the health check of a balancer does.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::namespace::NetworkNamespace;

/// Between two rounds.
const TURN: Duration = Duration::from_millis(20);
/// Longest wait for a connection; a port that is shut says so at once.
const LIMIT: Duration = Duration::from_millis(200);

/// One who is at work, and stops with its guard.
#[derive(Debug)]
pub struct Stranger {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    /// Connects from `host` to each of `targets` as soon as it opens, reads what comes, and says nothing.
    #[must_use]
    pub(super) fn start(host: &NetworkNamespace, targets: Vec<SocketAddr>) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let ends = is_over.clone();
        let work = move || {
            let mut held = HashMap::new();
            while !ends.load(Ordering::Relaxed) {
                held.retain(|_, stream| is_open(stream));
                for target in &targets {
                    if !held.contains_key(target)
                        && let Ok(stream) = TcpStream::connect_timeout(target, LIMIT)
                    {
                        held.insert(*target, stream);
                    }
                }
                thread::sleep(TURN);
            }
        };
        // A thread that is started in a namespace lives there.
        let thread = host.enter(|| thread::spawn(work));
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads what is there, and sees whether more can come.
fn is_open(stream: &mut TcpStream) -> bool {
    let mut piece = [0; 4096];
    loop {
        let read = stream.set_nonblocking(true).and_then(|()| stream.read(&mut piece));
        match read {
            Ok(1..) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
            Ok(0) => return false,
        }
    }
}
