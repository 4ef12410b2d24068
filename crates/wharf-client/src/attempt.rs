//! What was tried for a data connection, and what came of it.

use core::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;
use wharf_net::tls::{HandshakeError, Secured};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::{Reply, ReplyCode};

/// One try to get a data connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How it was negotiated.
    pub command: NegotiationCommand,
    /// Where the listening side listens: the server in passive mode, this machine in active mode. `None` if it did not
    /// come so far.
    pub endpoint: Option<SocketAddr>,
    /// Where 227 or PORT said that it listens, if that is another endpoint.
    pub told: Option<SocketAddr>,
    /// What came of it.
    pub outcome: Outcome,
    /// What its TLS handshake agreed on; none in clear, and where it did not come so far.
    pub secured: Option<Secured>,
    /// The reply that the negotiation got.
    pub reply: Option<Reply>,
    /// How long it took.
    pub took: Duration,
}

impl Attempt {
    /// An attempt that came to its end now.
    pub(crate) fn new(command: NegotiationCommand, outcome: Outcome, started: Instant) -> Self {
        let took = started.elapsed();
        Self { command, endpoint: None, told: None, outcome, secured: None, reply: None, took }
    }

    pub(crate) fn with_reply(self, reply: &Reply) -> Self {
        Self { reply: Some(reply.clone()), ..self }
    }

    pub(crate) fn with_endpoint(self, endpoint: SocketAddr, told: Option<SocketAddr>) -> Self {
        Self { endpoint: Some(endpoint), told, ..self }
    }

    pub(crate) fn with_tls(self, secured: Option<Secured>) -> Self {
        Self { secured, ..self }
    }
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The data connection is up.
    Open,
    /// The negotiation was refused; the reply is the attempt's.
    NegotiationRefused,
    /// No reply to the negotiation: silence, or the control connection was lost.
    NegotiationUnanswered {
        /// What happened in its place.
        problem: String,
    },
    /// The reply does not say where to connect.
    ReplyUnreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// Our connect was refused.
    ConnectRefused {
        /// The operating system's words.
        error: String,
    },
    /// Our connect got no answer.
    ConnectUnanswered,
    /// The server took our connection, closed it at once, and did not answer.
    ClosedAtOnce,
    /// The server confirmed the transfer, and not a byte came over our connection: somebody else had them.
    PassedBy {
        /// Bytes that should have come, where that is known.
        announced: Option<u64>,
    },
    /// We cannot listen.
    CannotListen {
        /// Why.
        error: String,
    },
    /// We listened and nobody connected.
    NothingConnected {
        /// How many others connected and were dropped.
        strangers: u32,
        /// The last of them.
        last: Option<SocketAddr>,
    },
    /// It came up in TCP, and TLS failed on it.
    HandshakeFailed {
        /// Why.
        error: HandshakeError,
        /// What the server said about the transfer.
        reply: Option<Reply>,
    },
    /// The server gave the data connection up.
    GivenUp {
        /// With this reply to the transfer.
        reply: Reply,
    },
}

impl Attempt {
    /// Active or passive.
    #[must_use]
    pub fn mode(&self) -> DataMode {
        self.command.mode()
    }

    /// Whether it failed for a reason that holds in every other mode as well: TLS that the two sides do not agree on.
    pub(crate) fn is_hopeless(&self) -> bool {
        match &self.outcome {
            Outcome::HandshakeFailed { error, .. } => !matches!(
                error,
                // Somebody else may have answered, or somebody in between did not let it through.
                HandshakeError::Closed
                    | HandshakeError::Silent { .. }
                    | HandshakeError::Slow { .. }
                    | HandshakeError::Network(_)
            ),
            Outcome::GivenUp { reply } => self.secured.is_some_and(|secured| {
                !secured.is_resumed || reply.code() != ReplyCode::CANNOT_OPEN_DATA_CONNECTION
            }),
            _ => false,
        }
    }

    /// Whether the data connection came up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.outcome == Outcome::Open
    }
}

/// TLS as it is told to people.
#[must_use]
pub fn described(secured: &Secured) -> String {
    let session = if secured.is_resumed { "session resumed" } else { "new session" };
    let verified = if secured.is_verified { "verified" } else { "not verified" };
    format!("TLS {}, {session}, certificate {verified}", secured.version)
}

/// On one line, as `EPSV 192.0.2.7:4000: no answer in 3.0 s`.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.command)?;
        if let Some(endpoint) = self.endpoint {
            write!(f, " {endpoint}")?;
        }
        if let Some(told) = self.told {
            write!(f, " (told {told})")?;
        }
        let seconds = self.took.as_secs_f32();
        match &self.outcome {
            Outcome::Open => {
                f.write_str(match self.mode() {
                    DataMode::Passive => ": connected (passive: opened by us)",
                    DataMode::Active => ": connected (active: opened by the server)",
                })?;
                self.secured.iter().try_for_each(|secured| write!(f, ", {}", described(secured)))
            }
            Outcome::NegotiationRefused => match &self.reply {
                Some(reply) => write!(f, ": refused with \"{reply}\""),
                None => f.write_str(": refused"),
            },
            Outcome::NegotiationUnanswered { problem } => write!(f, ": {problem}"),
            Outcome::ReplyUnreadable { problem } => {
                write!(f, ": the reply says no endpoint ({problem})")?;
                self.reply.iter().try_for_each(|reply| write!(f, ": \"{reply}\""))
            }
            Outcome::ConnectRefused { error } => write!(f, ": {error}"),
            Outcome::ConnectUnanswered => write!(f, ": no answer in {seconds:.1} s"),
            Outcome::ClosedAtOnce => {
                write!(f, ": the server closed it at once and did not answer in {seconds:.1} s")
            }
            Outcome::PassedBy { announced: Some(bytes) } => {
                write!(f, ": the server confirmed {bytes} bytes, and none of them came")
            }
            Outcome::PassedBy { announced: None } => f.write_str(
                ": the server confirmed the transfer, and reset our connection before its first byte",
            ),
            Outcome::CannotListen { error } => write!(f, ": {error}"),
            Outcome::NothingConnected { strangers: 0, .. } => {
                write!(f, ": the server did not connect in {seconds:.1} s")
            }
            Outcome::NothingConnected { strangers, .. } => write!(
                f,
                ": the server did not connect in {seconds:.1} s, but {strangers} others did and were dropped"
            ),
            Outcome::HandshakeFailed { error, reply } => {
                write!(f, ": {error}")?;
                reply.iter().try_for_each(|reply| write!(f, "; the server says \"{reply}\""))
            }
            Outcome::GivenUp { reply } => write!(f, ": the server gave it up with \"{reply}\""),
        }
    }
}
