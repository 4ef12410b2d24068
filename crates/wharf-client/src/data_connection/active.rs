//! An active rung: we listen, and the server connects.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::time::Instant;
use wharf_net::dtp::{DataListener, DataStream, PeerVerified};
use wharf_proto::dialogue::{DataEvent, NegotiationCommand, Side, canonical_endpoint};
use wharf_proto::host_port::{ExtendedHostPort, HostPort};
use wharf_proto::{Command, Reply};

use super::{Request, Step, Verdict, judge};
use crate::attempt::{Attempt, Outcome};
use crate::data_protection::Protected;
use crate::error::ClientError;
use crate::session::Session;
use crate::transfer::Final;

/// How long a data connection may still take after the server has confirmed the transfer already.
const LATE_DATA_TIME: Duration = Duration::from_secs(1);

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

impl Session {
    pub(super) async fn try_active(
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
