//! Getting a data connection: the ladder of [`strategy`](crate::strategy) climbed with real sockets.
//!
//! A rung is left for the next one by what the *connect* did, not only by the reply: the negotiation refused or not
//! answered, the connect refused or silent, 425 to the transfer.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::time::{Instant, timeout};
use wharf_net::dtp::{
    ConnectError, DataListener, DataStream, PeerVerified, Progress, Transfer, connect_passive_with,
    connect_through,
};
use wharf_proto::command::{ByteCount, EpsvArgument, Representation};
use wharf_proto::dialogue::{DataEvent, DataMode, NegotiationCommand, Side, canonical_endpoint};
use wharf_proto::host_port::{ExtendedHostPort, HostPort};
use wharf_proto::{Command, Reply, ReplyCode};

use crate::attempt::{Attempt, Outcome};
use crate::data_protection::Protected;
use crate::diagnosis;
use crate::error::{ClientError, ControlFailure, NoDataConnection};
use crate::passed_by::{after_passing_by, passed_by};
use crate::proxy::Target;
use crate::session::{Session, accepted};
use crate::strategy::{WorkingMode, passive_endpoints, rungs};
use crate::transfer::Final;

/// Longest wait for the answer to a negotiation while there is another rung: some filters swallow EPSV and EPRT.
/// What a slow server has needed for its other replies comes on top.
const NEGOTIATION_TIME: Duration = Duration::from_secs(3);
/// How long a data connection may still take after the server has confirmed the transfer already.
const LATE_DATA_TIME: Duration = Duration::from_secs(1);
/// How long the first byte of a passive data connection, or its end, is waited for before it counts as open.
const FIRST_SIGN_TIME: Duration = Duration::from_secs(1);
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

/// A listener for an active data connection.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listener: DataListener,
    pub(crate) endpoint: SocketAddr,
    /// What is told in its place.
    pub(crate) told: Option<SocketAddr>,
    /// PORT or EPRT.
    pub(crate) verb: Command,
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

    async fn try_passive(
        &mut self,
        command: NegotiationCommand,
        is_last: bool,
        request: &Request,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Step, ClientError> {
        let verb = match command {
            NegotiationCommand::Pasv => Command::Pasv,
            _ => Command::Epsv(EpsvArgument::Same),
        };
        let started = Instant::now();
        let Some(reply) = self.negotiate(command, &verb, None, is_last, attempts).await else {
            return Ok(Step::Next);
        };
        let Some(plan) = self.pi.dialogue().plan().copied() else {
            let problem = self.unreadable.take().unwrap_or_else(|| "it has another code".to_owned());
            let outcome = Outcome::ReplyUnreadable { problem };
            self.note(attempts, Attempt::new(command, outcome, started).with_reply(&reply));
            return Ok(Step::Next);
        };
        let advertised_first = self.working.is_some_and(|working| working.advertised);
        let endpoints = match command {
            // A proxy leads to the server only (threat 27).
            NegotiationCommand::Pasv if self.options.proxy.is_none() => {
                passive_endpoints(plan.endpoint, self.peer(), advertised_first)
            }
            _ => vec![plan.endpoint],
        };
        for (index, endpoint) in endpoints.iter().enumerate() {
            let started = Instant::now();
            let told = (plan.endpoint != *endpoint).then_some(plan.endpoint);
            let attempt = |outcome| {
                Attempt::new(command, outcome, started).with_reply(&reply).with_endpoint(*endpoint, told)
            };
            let is_last = is_last && index + 1 == endpoints.len();
            let times = self.options.times;
            let budget = if is_last { times.last_rung } else { times.passive };
            let (mut stream, verified) = match self.connect_data(*endpoint, budget).await {
                Ok(opened) => opened,
                Err(error) => {
                    let (event, outcome) = failed_connect(&error);
                    self.pi.handle_data(self.clock.now(), event);
                    self.note(attempts, attempt(outcome));
                    continue;
                }
            };
            self.pi.handle_data(
                self.clock.now(),
                DataEvent::Opened {
                    by: Side::Client,
                    client: canonical_endpoint(stream.local()),
                    server: canonical_endpoint(stream.peer()),
                },
            );
            self.restart_at(request.offset).await?;
            self.send(&request.command);
            self.send_behind(command, &verb);
            if let Some(tls) = self.data_tls()? {
                let protected = self.protect(&tls, stream, &request.command, None).await?;
                return self.protected_step(protected, verified, attempt, attempts);
            }
            let Some(mut verdict) = self.passive_verdict(&mut stream, &request.command).await? else {
                self.note(attempts, attempt(Outcome::ClosedAtOnce));
                return Ok(Step::Next);
            };
            if let Verdict::Begun { first, said: None } = verdict {
                verdict = self.first_sign(&mut stream, &request.command, first).await;
            }
            return match verdict {
                Verdict::Begun { first, said } => {
                    if !is_last
                        && let Some(passed) = passed_by(&mut stream, request, &first, said.as_ref()).await
                    {
                        self.note(attempts, attempt(Outcome::PassedBy { announced: passed.announced }));
                        return Ok(Step::Next);
                    }
                    let attempt = self.note(attempts, attempt(Outcome::Open));
                    self.running(attempt, stream, verified, first, said)
                }
                Verdict::NoData(refusal) => {
                    self.note(attempts, attempt(Outcome::GivenUp { reply: refusal }));
                    Ok(Step::Next)
                }
            };
        }
        Ok(Step::Next)
    }

    async fn try_active(
        &mut self,
        command: NegotiationCommand,
        is_last: bool,
        request: &Request,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Step, ClientError> {
        let started = Instant::now();
        let ahead = self.take_dialled(command);
        let was_dialled = ahead.is_some();
        let Listening { listener, endpoint, told, verb } =
            match ahead.map_or_else(|| self.listen(command), Ok) {
                Ok(listening) => listening,
                Err(error) => {
                    let outcome = Outcome::CannotListen { error };
                    self.note(attempts, Attempt::new(command, outcome, started));
                    return Ok(Step::Next);
                }
            };
        if was_dialled {
            self.dial_upcoming(command);
        }
        let listening = Some((endpoint, told));
        let Some(reply) = self.negotiate(command, &verb, listening, is_last, attempts).await else {
            if was_dialled {
                // The transfer command was sent as well.
                self.abandon();
            }
            return Ok(Step::Next);
        };
        if !was_dialled {
            self.restart_at(request.offset).await?;
            self.send(&request.command);
            self.send_behind(command, &verb);
        }
        let times = self.options.times;
        let budget = if is_last { times.last_rung } else { times.active };
        let strangers = Strangers::default();
        let arrival = self.await_server(listener, &request.command, budget, &strangers).await?;
        let attempt = |outcome| {
            Attempt::new(command, outcome, started).with_reply(&reply).with_endpoint(endpoint, told)
        };
        match arrival {
            Arrival::Open { stream, verified, first, said } => {
                let attempt = self.note(attempts, attempt(Outcome::Open));
                self.running(attempt, stream, verified, first, said)
            }
            Arrival::Protected { protected, verified } => {
                self.protected_step(protected, verified, attempt, attempts)
            }
            Arrival::Refused(refusal) => {
                self.note(attempts, attempt(Outcome::GivenUp { reply: refusal }));
                Ok(Step::Next)
            }
            Arrival::Nobody => {
                // The server may be busy with its connect, and deaf, for a minute.
                self.abandon();
                self.pi.handle_data(self.clock.now(), DataEvent::Unanswered);
                let (strangers, last) = strangers.seen();
                self.note(attempts, attempt(Outcome::NothingConnected { strangers, last }));
                Ok(Step::Next)
            }
        }
    }

    /// Listens for the server, and knows how to tell it.
    pub(crate) fn listen(&self, command: NegotiationCommand) -> Result<Listening, String> {
        let local = self.control.data_address(Side::Client);
        let listener = self.options.active.ports.listen(local).map_err(|error| error.to_string())?;
        if let Some(bytes) = self.largest_segment {
            SockRef::from(&listener).set_tcp_mss(bytes).map_err(|error| error.to_string())?;
        }
        let listener = DataListener::new(listener).map_err(|error| error.to_string())?;
        let endpoint = listener.address();
        let told_address = self.options.active.told.unwrap_or(endpoint.ip());
        let told = SocketAddr::new(told_address, endpoint.port());
        let verb = match (command, told) {
            (NegotiationCommand::Port, SocketAddr::V4(told)) => Command::Port(HostPort::from(told)),
            _ => Command::Eprt(ExtendedHostPort::from(told)),
        };
        let told = (told.ip() != endpoint.ip()).then_some(told);
        Ok(Listening { listener, endpoint, told, verb })
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

    /// Connects to the port of `endpoint` at the server, through the proxy where there is one.
    pub(crate) async fn connect_data(
        &mut self,
        endpoint: SocketAddr,
        budget: Duration,
    ) -> Result<(DataStream, PeerVerified), ConnectError> {
        let stall = self.options.times.stall;
        let Some(proxy) = &self.options.proxy else {
            let local = self.control.data_address(Side::Client);
            return connect_passive_with(local, endpoint, budget, stall, self.largest_segment).await;
        };
        let at_server = SocketAddr::new(self.peer().ip(), endpoint.port());
        let target = proxy.target_of(&self.server.host, endpoint.port());
        let target = target.unwrap_or(Target::Address(at_server));
        let dial = async {
            let stream = proxy.connect(&target).await;
            stream
                .map_err(|error| std::io::Error::other(format!("the proxy {proxy} did not connect: {error}")))
        };
        connect_through(dial, at_server, budget, stall).await
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

    /// The answer to a transfer command whose data connection we opened. None from a server that closes one that does not
    /// come from where it expects it, and goes on waiting without a word.
    async fn passive_verdict(
        &mut self,
        stream: &mut DataStream,
        command: &Command,
    ) -> Result<Option<Verdict>, ClientError> {
        tokio::select! {
            biased;
            verdict = self.transfer_verdict(command) => return verdict.map(Some),
            () = closed(stream) => {}
        }
        // The end of an empty file may overtake the reply.
        let limit = self.options.times.passive;
        if let Ok(verdict) = timeout(limit, self.transfer_verdict(command)).await {
            return verdict.map(Some);
        }
        self.abandon();
        Ok(None)
    }

    /// A server may take our connection, close it as a stranger's and go on waiting for us: then the data end where they
    /// begin, and the reply is 425. Of an upload nobody can tell before it is over.
    async fn first_sign(&mut self, stream: &mut DataStream, command: &Command, first: Reply) -> Verdict {
        if matches!(command, Command::Stor(_) | Command::Appe(_)) {
            return Verdict::Begun { first, said: None };
        }
        {
            let mut sign = pin!(timeout(FIRST_SIGN_TIME, stream.is_at_end()));
            loop {
                tokio::select! {
                    biased;
                    is_at_end = &mut sign => match is_at_end {
                        Ok(Ok(true)) => break,
                        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => break,
                        // Data, or nothing in particular: what stalls shows when it is read.
                        _ => return Verdict::Begun { first, said: None },
                    },
                    answer = self.next_answer() => match answer.and_then(|answer| self.final_of(answer)) {
                        Ok(None) => {}
                        Ok(Some(reply)) => return ended_at_once(first, Ok(reply)),
                        Err(failure) => return ended_at_once(first, Err(failure)),
                    },
                }
            }
        }
        // ProFTPD confirms an empty file only when we have ended too, or after ten seconds. If this end is of no use any more,
        // and where it broke, that shows when it is read.
        let _ = stream.finish().await;
        let said = self.final_reply(self.options.times.reply).await;
        ended_at_once(first, said)
    }

    /// Waits for the server's connection and its first reply, in whichever order they come.
    async fn await_server(
        &mut self,
        listener: DataListener,
        command: &Command,
        budget: Duration,
        strangers: &Strangers,
    ) -> Result<Arrival, ClientError> {
        let stall = self.options.times.stall;
        let control_peer = self.peer().ip();
        let mut accepting = pin!(listener.accept(control_peer, budget, stall, |stranger| {
            strangers.note(stranger.from);
            tracing::debug!(from = %stranger.from, "somebody else connected to the data listener");
        }));
        let mut verdict: Option<(Reply, Option<Final>)> = None;
        let mut late = None;
        let (stream, verified) = loop {
            tokio::select! {
                biased;
                accepted = &mut accepting => match accepted {
                    Ok(opened) => break opened,
                    Err(_) => return Ok(Arrival::Nobody),
                },
                answer = self.next_answer(), if late.is_none() => {
                    let answer = answer?;
                    if answer.attribution.is_preliminary && answer.attribution.command.is_some() {
                        verdict = Some((answer.reply, None));
                    } else if let Some(reply) = self.final_of(answer)? {
                        if reply.code().is_negative() && strangers.seen().0 > 0 {
                            // It was the server, from another address, and this is about the connection that we dropped.
                            return Ok(Arrival::Nobody);
                        }
                        match judge(command, reply)? {
                            Verdict::NoData(reply) => return Ok(Arrival::Refused(reply)),
                            Verdict::Begun { first, said } => {
                                let first = verdict.take().map_or(first, |(first, _)| first);
                                verdict = Some((first, said));
                                // The connection may be in the queue; after this it will not come.
                                late = Some(Instant::now() + LATE_DATA_TIME);
                            }
                        }
                    }
                }
                () = tokio::time::sleep_until(late.unwrap_or_else(Instant::now)), if late.is_some() => {
                    return Ok(Arrival::Nobody);
                }
            }
        };
        self.pi.handle_data(
            self.clock.now(),
            DataEvent::Opened {
                by: Side::Server,
                client: canonical_endpoint(stream.local()),
                server: canonical_endpoint(stream.peer()),
            },
        );
        if let Some(tls) = self.data_tls()? {
            let protected = self.protect(&tls, stream, command, verdict).await?;
            return Ok(Arrival::Protected { protected, verified });
        }
        let (first, said) = match verdict {
            Some(verdict) => verdict,
            None => match self.transfer_verdict(command).await? {
                Verdict::Begun { first, said } => (first, said),
                Verdict::NoData(reply) => return Ok(Arrival::Refused(reply)),
            },
        };
        Ok(Arrival::Open { stream, verified, first, said })
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
        let progress = Arc::<Progress>::default();
        let transfer = Transfer::open(stream, authenticated, verified, progress.clone());
        Ok(Step::Running(Box::new(Running { transfer, progress, attempt, before: Vec::new(), first, said })))
    }

    pub(crate) fn note(&mut self, attempts: &mut Vec<Attempt>, attempt: Attempt) -> Attempt {
        self.observer.data_connection(&attempt);
        attempts.push(attempt.clone());
        attempt
    }
}

/// Others who connected where the server was expected, and were dropped.
#[derive(Debug, Default)]
struct Strangers(Mutex<(u32, Option<SocketAddr>)>);

impl Strangers {
    fn note(&self, from: SocketAddr) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = (seen.0.saturating_add(1), Some(from));
    }

    /// How many, and the last of them.
    fn seen(&self) -> (u32, Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came to the listener.
enum Arrival {
    /// The server, and its first reply.
    Open { stream: DataStream, verified: PeerVerified, first: Reply, said: Option<Final> },
    /// The server, and what came of TLS with it.
    Protected { protected: Protected, verified: PeerVerified },
    /// The server said that it cannot connect.
    Refused(Reply),
    /// Nobody, in time.
    Nobody,
}

/// Waits for the end of a connection on which no byte has come; for ever where one has.
async fn closed(stream: &mut DataStream) {
    if let Ok(false) = stream.is_at_end().await {
        std::future::pending::<()>().await;
    }
}

/// What a final reply means before which no byte of data came.
fn ended_at_once(first: Reply, said: Final) -> Verdict {
    match said {
        Ok(reply) if reply.code() == ReplyCode::CANNOT_OPEN_DATA_CONNECTION => Verdict::NoData(reply),
        said => Verdict::Begun { first, said: Some(said) },
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

fn failed_connect(error: &ConnectError) -> (DataEvent, Outcome) {
    match error {
        ConnectError::Unanswered { .. } => (DataEvent::Unanswered, Outcome::ConnectUnanswered),
        ConnectError::Refused { source, .. } => {
            (DataEvent::Refused, Outcome::ConnectRefused { error: source.to_string() })
        }
        other => (DataEvent::Refused, Outcome::ConnectRefused { error: other.to_string() }),
    }
}
