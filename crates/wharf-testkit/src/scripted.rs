//! The scripted peer: it knows no protocol, only what to send and what to wait for.
//!
//! A script is a closure that is handed a [`Conversation`]; [`play`](Conversation::play) takes whole passages as they
//! stand in an RFC, the rest is one method a step. Each step has a deadline. What goes wrong is a panic with the
//! transcript of both connections up to there.
//!
//! ```
//! use wharf_testkit::scripted::{ScriptedClient, ScriptedServer};
//!
//! let server = ScriptedServer::start(|server| {
//!     server
//!         .play(
//!             "S: 220 ready
//!              C: USER *
//!              S: 230 in
//!              C: PASV
//!              S: 227 Entering Passive Mode ({six})
//!              C: RETR file
//!              S: 150 here it comes",
//!         )
//!         .open_data()
//!         .send_data(b"hello")
//!         .close_data()
//!         .play("S: 226 done")
//!         .expect_close();
//! });
//!
//! let mut client = ScriptedClient::connect(server.address());
//! client.play(
//!     "S: 220
//!      C: USER anonymous
//!      S: 230
//!      C: PASV
//!      S: 227 *({six})*
//!      C: RETR file
//!      S: 150",
//! );
//! client.open_data().expect_data(b"hello").expect_data_end().play("S: 226").close();
//! server.finish();
//! ```
//!
//! In a passage, lines that start with `#` are comments. The peer's lines are patterns: `*` stands for anything. A
//! client that waits for `S: 220` or `S: 220 text*` takes a whole reply, of several lines too, and compares its last
//! line; `S: 220-text` is exactly one line.
//!
//! Addresses of data connections go into `{six}` (the six numbers of PORT and 227), `{eprt}` (`|1|127.0.0.1|5000|`)
//! and `{port}`. In a line of one's own they are those of the listening socket, which is opened there and then unless
//! [`listen`](Conversation::listen_data) did that; in the peer's line they are taken from it, and
//! [`open_data`](Conversation::open_data) goes there.

mod control;
mod data;
mod pattern;
mod transcript;

pub(crate) use data::accept_within;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use control::Conversation;
use control::Role;
use transcript::Transcript;

/// How long each step may take unless the script says otherwise.
pub const STEP_LIMIT: Duration = Duration::from_secs(10);

/// A server that plays a script to whoever connects.
pub struct ScriptedServer {
    address: SocketAddr,
    transcripts: Vec<Arc<Mutex<Transcript>>>,
    threads: Vec<JoinHandle<Conversation>>,
}

impl ScriptedServer {
    /// One connection on 127.0.0.1.
    #[track_caller]
    pub fn start(script: impl FnOnce(&mut Conversation) + Send + 'static) -> Self {
        Self::start_on(Ipv4Addr::LOCALHOST, script)
    }

    /// One connection on `address`, at a free port.
    #[track_caller]
    pub fn start_on(
        address: impl Into<IpAddr>,
        script: impl FnOnce(&mut Conversation) + Send + 'static,
    ) -> Self {
        let script = Mutex::new(Some(script));
        Self::start_many(SocketAddr::new(address.into(), 0), 1, move |_, conversation| {
            let script = script.lock().unwrap().take();
            script.unwrap()(conversation);
        })
    }

    /// `count` connections on `address` (a port of 0 stands for any), which may come at the same time; the script is
    /// told the number of each, from 0. Further ones are refused.
    #[track_caller]
    pub fn start_many(
        address: SocketAddr,
        count: usize,
        script: impl Fn(usize, &mut Conversation) + Send + Sync + 'static,
    ) -> Self {
        let listener =
            TcpListener::bind(address).unwrap_or_else(|error| panic!("cannot listen on {address}: {error}"));
        let address = listener.local_addr().unwrap();
        let listener = Arc::new(listener);
        let script = Arc::new(script);
        // Handed out one by one, so that the numbers follow the order in which connections came.
        let turn = Arc::new(Mutex::new(0));
        let transcripts: Vec<_> = (0..count).map(|_| Arc::<Mutex<Transcript>>::default()).collect();
        let waiting = transcripts.clone();
        let threads = (0..count).map(|_| {
            let (listener, script, turn, waiting) =
                (Arc::clone(&listener), Arc::clone(&script), Arc::clone(&turn), waiting.clone());
            thread::spawn(move || {
                let (number, stream) = {
                    let mut turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                    let stream = data::accept_within(&listener, STEP_LIMIT)
                        .unwrap_or_else(|| panic!("nobody connected to the scripted server at {address}"));
                    *turn += 1;
                    (*turn - 1, stream)
                };
                drop(listener);
                let mut conversation = Conversation::new(Role::Server, stream, Arc::clone(&waiting[number]));
                script(number, &mut conversation);
                conversation
            })
        });
        let threads = threads.collect();
        Self { address, transcripts, threads }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all scripts are through and returns the conversation of the first connection, for a look at what
    /// was received.
    ///
    /// # Panics
    /// When a script failed, with its transcript.
    #[track_caller]
    pub fn finish(self) -> Conversation {
        self.finish_all().swap_remove(0)
    }

    /// As [`finish`](Self::finish), for the conversations of all connections, in no particular order.
    #[track_caller]
    pub fn finish_all(mut self) -> Vec<Conversation> {
        let outcomes: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    }
}

impl Drop for ScriptedServer {
    /// A script that was not waited for must not fail in silence; and when the test fails for another reason, the
    /// transcript tells why.
    fn drop(&mut self) {
        if !thread::panicking() {
            for outcome in self.threads.drain(..).map(JoinHandle::join) {
                outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        } else if !self.threads.is_empty() {
            for transcript in &self.transcripts {
                eprintln!(
                    "the scripted server's side:\n{}",
                    transcript.lock().unwrap_or_else(PoisonError::into_inner)
                );
            }
        }
    }
}

/// Makes the client's side of a [`Conversation`].
pub struct ScriptedClient;

impl ScriptedClient {
    /// Connects to `server`.
    #[track_caller]
    pub fn connect(server: SocketAddr) -> Conversation {
        let stream = TcpStream::connect_timeout(&server, STEP_LIMIT)
            .unwrap_or_else(|error| panic!("cannot connect to {server}: {error}"));
        Conversation::new(Role::Client, stream, Arc::default())
    }

    /// Connects to `server` from the address `local`; its port may be 0.
    #[track_caller]
    pub fn connect_from(local: SocketAddr, server: SocketAddr) -> Conversation {
        let stream = data::connect_within(Some(local), server, STEP_LIMIT)
            .unwrap_or_else(|error| panic!("cannot connect from {local} to {server}: {error}"));
        Conversation::new(Role::Client, stream, Arc::default())
    }

    /// Connects to `server`, takes its greeting and logs in.
    #[track_caller]
    pub fn log_in(server: SocketAddr, user: &str, password: &str) -> Conversation {
        let mut client = Self::connect(server);
        client.expect_reply("220");
        let reply = client.send_line(&format!("USER {user}")).expect_reply("*");
        if reply.starts_with("331") {
            client.send_line(&format!("PASS {password}")).expect_reply("230");
        } else {
            assert!(reply.starts_with("230"), "the login was answered with {reply}");
        }
        client
    }
}

/// Something that happens once and that other threads wait for: to order what several scripts do.
#[derive(Clone, Default)]
pub struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    /// One that was not given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all who wait go on.
    pub fn give(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits for it.
    ///
    /// # Panics
    /// When it is not given within [`STEP_LIMIT`].
    #[track_caller]
    pub fn wait(&self) {
        let deadline = Instant::now() + STEP_LIMIT;
        let mut given = self.0.0.lock().unwrap();
        while !*given {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the signal was never given");
            given = self.0.1.wait_timeout(given, left).unwrap().0;
        }
    }
}

#[cfg(test)]
mod tests;
