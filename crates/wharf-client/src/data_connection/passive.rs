//! A passive rung: the server listens, and we connect.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use wharf_net::dtp::{ConnectError, DataStream, PeerVerified, connect_passive_with, connect_through};
use wharf_proto::command::EpsvArgument;
use wharf_proto::dialogue::{DataEvent, NegotiationCommand, Side, canonical_endpoint};
use wharf_proto::{Command, Reply, ReplyCode};

use super::{Request, Step, Verdict};
use crate::attempt::{Attempt, Outcome};
use crate::error::ClientError;
use crate::passed_by::passed_by;
use crate::proxy::Target;
use crate::session::Session;
use crate::strategy::passive_endpoints;
use crate::transfer::Final;

/// How long the first byte of a passive data connection, or its end, is waited for before it counts as open.
const FIRST_SIGN_TIME: Duration = Duration::from_secs(1);

impl Session {
    pub(super) async fn try_passive(
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

fn failed_connect(error: &ConnectError) -> (DataEvent, Outcome) {
    match error {
        ConnectError::Unanswered { .. } => (DataEvent::Unanswered, Outcome::ConnectUnanswered),
        ConnectError::Refused { source, .. } => {
            (DataEvent::Refused, Outcome::ConnectRefused { error: source.to_string() })
        }
        other => (DataEvent::Refused, Outcome::ConnectRefused { error: other.to_string() }),
    }
}
