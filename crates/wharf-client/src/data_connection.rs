//! Getting a data connection: the ladder of [`strategy`](crate::strategy) climbed with real sockets.
//!
//! A rung is left for the next one by what the *connect* did, not only by the reply: the negotiation refused or not
//! answered, the connect refused or silent, 425 to the transfer. `passive.rs` and `active.rs` climb one rung each.

mod active;
mod passive;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wharf_net::dtp::{DataStream, PeerVerified, Progress, Transfer};
use wharf_proto::command::{ByteCount, Representation};
use wharf_proto::dialogue::{DataMode, NegotiationCommand};
use wharf_proto::{Command, Reply, ReplyCode};

use crate::attempt::{Attempt, Outcome};
use crate::diagnosis;
use crate::error::{ClientError, ControlFailure, NoDataConnection};
use crate::passed_by::after_passing_by;
use crate::rate::RateLimit;
use crate::session::{Session, accepted};
use crate::strategy::{WorkingMode, rungs};
use crate::transfer::Final;

pub(crate) use active::Listening;

/// Longest wait for the answer to a negotiation while there is another rung: some filters swallow EPSV and EPRT.
/// What a slow server has needed for its other replies comes on top.
const NEGOTIATION_TIME: Duration = Duration::from_secs(3);

/// What is to be transferred.
pub(crate) struct Request {
    /// RETR, STOR, MLSD, …
    pub(crate) command: Command,
    /// TYPE.
    pub(crate) representation: Representation,
    /// REST, in bytes; none is sent for 0.
    pub(crate) offset: u64,
    /// The length of the whole file, where it is known before it is fetched.
    pub(crate) expected: Option<u64>,
}

/// A transfer that the server has taken on, with its data connection.
pub(crate) struct Running {
    /// The data connection, good for this one transfer.
    pub(crate) transfer: Transfer,
    /// Counts its bytes.
    pub(crate) progress: Arc<Progress>,
    /// How it was made.
    pub(crate) attempt: Attempt,
    /// What failed before.
    pub(crate) before: Vec<Attempt>,
    /// The first reply: 1yz, or 2yz from a server that skips it.
    pub(crate) first: Reply,
    /// The final reply, or what came in its place, if it has come already.
    pub(crate) said: Option<Final>,
}

/// What came of a rung.
pub(crate) enum Step {
    Running(Box<Running>),
    /// The attempt failed; the next rung may work.
    Next,
    /// The attempt failed, and so would all others.
    Hopeless,
}

/// What the server answered to a transfer command.
enum Verdict {
    /// 1yz, or 2yz at once.
    Begun { first: Reply, said: Option<Final> },
    /// It is about the data connection.
    NoData(Reply),
}

impl Session {
    /// Has the transfer begun, over the first way that works.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the server says no to the transfer itself, [`ClientError::NoDataConnection`]
    /// when no way works, or what happened to the control connection.
    pub(crate) async fn begin(&mut self, request: &Request) -> Result<Running, ClientError> {
        self.begin_beyond(request, Vec::new()).await
    }

    /// As [`begin`](Self::begin), without the rungs of these `attempts`, which have failed already.
    pub(crate) async fn begin_beyond(
        &mut self,
        request: &Request,
        mut attempts: Vec<Attempt>,
    ) -> Result<Running, ClientError> {
        let begun = self.climb(request, &mut attempts).await;
        begun.map_err(|error| after_passing_by(error, request, &attempts))
    }

    async fn climb(
        &mut self,
        request: &Request,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Running, ClientError> {
        self.expressible(&request.command)?;
        self.make_ready(request).await?;
        self.provide_tickets().await?;
        let is_proxied = self.options.proxy.is_some();
        let mut rungs = rungs(self.options.mode, !is_proxied && self.peer().is_ipv6(), self.working);
        // A proxy takes no connections for us.
        rungs.retain(|command| !is_proxied || command.mode() == DataMode::Passive);
        rungs.retain(|command| attempts.iter().all(|attempt| attempt.command != *command));
        for (index, command) in rungs.iter().enumerate() {
            // A rung may have been left deaf or closing.
            self.make_ready(request).await?;
            let is_last = index + 1 == rungs.len();
            let step = match command.mode() {
                DataMode::Passive => self.try_passive(*command, is_last, request, attempts).await?,
                DataMode::Active => self.try_active(*command, is_last, request, attempts).await?,
            };
            let running = match step {
                Step::Running(running) => running,
                Step::Next => continue,
                Step::Hopeless => break,
            };
            let advertised = *command == NegotiationCommand::Pasv
                && running.attempt.endpoint.map(|endpoint| endpoint.ip()) != Some(self.peer().ip());
            self.working = Some(WorkingMode { command: *command, advertised });
            attempts.pop(); // the one that is open
            return Ok(Running { before: std::mem::take(attempts), ..*running });
        }
        Err(self.no_data_connection(attempts.clone()))
    }

    /// The error of a transfer for which none of these attempts was good.
    pub(crate) fn no_data_connection(&self, attempts: Vec<Attempt>) -> ClientError {
        let findings = diagnosis::findings(&attempts, self.control.endpoints(), self.options.mode);
        Box::new(NoDataConnection { attempts, findings }).into()
    }

    /// Sends the negotiation; in active mode of where we listen, and what is told in its place. None if it failed, with
    /// the attempt noted.
    async fn negotiate(
        &mut self,
        command: NegotiationCommand,
        verb: &Command,
        listening: Option<(SocketAddr, Option<SocketAddr>)>,
        is_last: bool,
        attempts: &mut Vec<Attempt>,
    ) -> Option<Reply> {
        let started = Instant::now();
        let failed = |outcome| {
            let attempt = Attempt::new(command, outcome, started);
            match listening {
                Some((endpoint, told)) => attempt.with_endpoint(endpoint, told),
                None => attempt,
            }
        };
        let limit = self.options.times.reply;
        let limit = if is_last { limit } else { limit.min(NEGOTIATION_TIME + self.slowest_reply) };
        let answer = if self.was_negotiated_ahead(command) {
            self.final_reply(limit).await
        } else {
            self.unreadable = None;
            self.exchange_within(verb, limit).await
        };
        match answer {
            Ok(reply) if reply.code().is_positive() => Some(reply),
            Ok(reply) => {
                self.note(attempts, failed(Outcome::NegotiationRefused).with_reply(&reply));
                None
            }
            Err(failure) => {
                let outcome = Outcome::NegotiationUnanswered { problem: failure.to_string() };
                self.note(attempts, failed(outcome));
                None
            }
        }
    }

    /// REST (RFC 3659 §5), right before the transfer.
    async fn restart_at(&mut self, offset: u64) -> Result<(), ClientError> {
        let Some(count) = ByteCount::new(offset).filter(|_| offset > 0) else { return Ok(()) };
        let command = Command::Rest(count);
        accepted(&command, self.exchange(&command).await?).map(|_| ())
    }

    /// The answer to a transfer command whose data connection is up.
    async fn transfer_verdict(&mut self, command: &Command) -> Result<Verdict, ClientError> {
        let limit = self.options.times.reply;
        let deadline = Instant::now() + limit;
        loop {
            let answer = self.answer_before(deadline, limit).await?;
            let is_preliminary = answer.attribution.is_preliminary && answer.attribution.command.is_some();
            if is_preliminary {
                return Ok(Verdict::Begun { first: answer.reply, said: None });
            }
            if let Some(reply) = self.final_of(answer)? {
                return judge(command, reply);
            }
        }
    }

    pub(crate) fn running(
        &mut self,
        attempt: Attempt,
        stream: DataStream,
        verified: PeerVerified,
        first: Reply,
        said: Option<Final>,
    ) -> Result<Step, ClientError> {
        let Some(authenticated) = self.pi.authenticated() else {
            return Err(ControlFailure::Broken("the server took the login back".to_owned()).into());
        };
        let rate = self.options.transfers.rate.as_ref();
        let progress = Arc::new(rate.map_or_else(Progress::default, RateLimit::progress));
        let transfer = Transfer::open(stream, authenticated, verified, progress.clone());
        Ok(Step::Running(Box::new(Running { transfer, progress, attempt, before: Vec::new(), first, said })))
    }

    pub(crate) fn note(&mut self, attempts: &mut Vec<Attempt>, attempt: Attempt) -> Attempt {
        self.observer.data_connection(&attempt);
        attempts.push(attempt.clone());
        attempt
    }
}

/// What a final reply to a transfer command means that no 1yz announced.
fn judge(command: &Command, reply: Reply) -> Result<Verdict, ClientError> {
    if is_about_data(&reply) {
        return Ok(Verdict::NoData(reply));
    }
    let reply = accepted(command, reply)?;
    Ok(Verdict::Begun { first: reply.clone(), said: Some(Ok(reply)) })
}

/// Whether a transfer was given up for its data connection.
pub(crate) fn is_about_data(reply: &Reply) -> bool {
    matches!(
        reply.code(),
        ReplyCode::CANNOT_OPEN_DATA_CONNECTION
            | ReplyCode::DATA_PROTECTION_UNACCEPTABLE
            | ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED
    )
}
