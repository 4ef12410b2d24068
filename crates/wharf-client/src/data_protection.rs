//! TLS on data connections: begun as soon as TCP is up, while the reply to the transfer is on its way, and ended so that
//! nobody can cut anything off.
//!
//! Some servers say 150 and then shake hands, others shake hands and then say 150: a client that waits for one before the
//! other waits for ever with half of them (root cause tls-order-deadlock).

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use wharf_findings::{Cause, Confidence, Evidence, Finding, Side};
use wharf_net::dtp::{DataStream, PeerVerified, PumpError, Transfer};
use wharf_net::tls::{ClientTls, HandshakeError, Secured};
use wharf_proto::user_pi::Answer;
use wharf_proto::{Command, Reply, ReplyCode};

use crate::attempt::{Attempt, Outcome};
use crate::data_connection::{Step, is_about_data};
use crate::error::{ClientError, ControlFailure};
use crate::session::{Session, accepted};
use crate::transfer::Final;

/// How long the end of a handshake is waited for when the server has given its data connection up.
const REASON_TIME: Duration = Duration::from_millis(200);
/// How long the server's words are waited for when TLS has failed.
const WORDS_TIME: Duration = Duration::from_secs(2);

/// A reply to a transfer.
enum Word {
    First(Reply),
    Final(Reply),
}

/// What came of TLS on a data connection that was up.
pub(crate) enum Protected {
    /// The transfer has begun.
    Begun { stream: DataStream, secured: Secured, first: Reply, said: Option<Final> },
    /// The server gave the data connection up.
    NoData { reply: Reply, secured: Option<Secured> },
    /// TLS failed.
    Failed { error: HandshakeError, reply: Option<Reply> },
}

impl Session {
    /// Shakes hands on `stream`, and waits for the reply to the transfer `command` beside it; `verdict` is what came
    /// of that already.
    pub(crate) async fn protect(
        &mut self,
        tls: &ClientTls,
        mut stream: DataStream,
        command: &Command,
        mut verdict: Option<(Reply, Option<Final>)>,
    ) -> Result<Protected, ClientError> {
        let mut secured = None;
        let limit = self.options.times.reply;
        let deadline = Instant::now() + limit;
        let failed = {
            // Before its 150 a server may be busy with the file.
            let mut shaking = pin!(stream.connect_tls(tls, limit));
            let mut shaken_by = verdict.as_ref().map(|_| Instant::now() + self.handshake_limit());
            loop {
                match (&secured, &verdict) {
                    (Some(_), Some(_)) => break None,
                    (None, Some(_)) => _ = shaken_by.get_or_insert(Instant::now() + self.handshake_limit()),
                    _ => {}
                }
                let is_over = verdict.as_ref().is_some_and(|(_, said)| said.is_some());
                tokio::select! {
                    biased;
                    shaken = &mut shaking, if secured.is_none() => match shaken {
                        Ok(shaken) => secured = Some(shaken),
                        Err(error) => break Some(error),
                    },
                    () = tokio::time::sleep_until(shaken_by.unwrap_or(deadline)), if secured.is_none() => {
                        break Some(HandshakeError::Silent { waited: shaken_by.map_or(limit, |_| self.handshake_limit()) });
                    }
                    answer = self.answer_before(deadline, limit), if !is_over => {
                        let said = match answer.and_then(|answer| self.first_or_final(answer)) {
                            Ok(None) => continue,
                            Ok(Some(Word::First(reply))) => {
                                verdict.get_or_insert((reply, None));
                                continue;
                            }
                            Ok(Some(Word::Final(reply))) => Ok(reply),
                            Err(failure) => Err(failure),
                        };
                        match (verdict.take(), said) {
                            (_, Ok(reply)) if is_about_data(&reply) && secured.is_some() => {
                                return Ok(Protected::NoData { reply, secured });
                            }
                            (_, Ok(reply)) if is_about_data(&reply) => {
                                // The reply may have overtaken the alert that tells the reason.
                                return Ok(match timeout(REASON_TIME, shaking).await {
                                    Ok(Err(error)) => Protected::Failed { error, reply: Some(reply) },
                                    Ok(Ok(secured)) => Protected::NoData { reply, secured: Some(secured) },
                                    Err(_) => Protected::NoData { reply, secured },
                                });
                            }
                            // What it means is judged when the data have ended.
                            (Some((first, _)), said) => verdict = Some((first, Some(said))),
                            (None, said) => {
                                let reply = accepted(command, said?)?;
                                verdict = Some((reply.clone(), Some(Ok(reply))));
                            }
                        }
                    }
                }
            }
        };
        if let Some(error) = failed {
            // Some servers say nothing before their end of it is closed.
            drop(stream);
            return match self.words_after_failure(verdict).await {
                (false, Some(reply)) if !is_about_data(&reply) => {
                    // A refusal may come behind the end of the data connection that it is the reason of.
                    Err(ClientError::Refused { command: command.to_string(), reply })
                }
                (_, reply) => Ok(Protected::Failed { error, reply }),
            };
        }
        match (secured, verdict) {
            (Some(secured), Some((first, said))) => {
                stream.tolerate_plain_end(); // it is judged when it has come
                self.security.resumes |= secured.is_resumed;
                Ok(Protected::Begun { stream, secured, first, said })
            }
            _ => Ok(Protected::Failed { error: HandshakeError::Closed, reply: None }), // the loop ends with both
        }
    }

    /// Whether the server had announced the transfer, and its negative reply, when the handshake has failed.
    async fn words_after_failure(
        &mut self,
        verdict: Option<(Reply, Option<Final>)>,
    ) -> (bool, Option<Reply>) {
        let negative = |reply: Reply| reply.code().is_negative().then_some(reply);
        let mut has_begun = verdict.is_some();
        if let Some((_, Some(said))) = verdict {
            return (has_begun, said.ok().and_then(negative));
        }
        let deadline = Instant::now() + WORDS_TIME;
        loop {
            let answer = self.answer_before(deadline, WORDS_TIME).await;
            match answer.and_then(|answer| self.first_or_final(answer)) {
                Ok(None) => {}
                Ok(Some(Word::First(_))) => has_begun = true,
                Ok(Some(Word::Final(reply))) => return (has_begun, negative(reply)),
                Err(_) => return (has_begun, None),
            }
        }
    }

    /// The first reply to a transfer that announces more, or the final one.
    fn first_or_final(&mut self, answer: Answer) -> Result<Option<Word>, ControlFailure> {
        if answer.attribution.is_preliminary && answer.attribution.command.is_some() {
            return Ok(Some(Word::First(answer.reply)));
        }
        Ok(self.final_of(answer)?.map(Word::Final))
    }

    /// What a rung comes to.
    pub(crate) fn protected_step(
        &mut self,
        protected: Protected,
        verified: PeerVerified,
        attempt: impl FnOnce(Outcome) -> Attempt,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Step, ClientError> {
        let attempt = match protected {
            Protected::Begun { stream, secured, first, said } => {
                let attempt = attempt(Outcome::Open).with_tls(Some(secured));
                let attempt = self.note(attempts, attempt);
                return self.running(attempt, stream, verified, first, said);
            }
            Protected::NoData { reply, secured } => attempt(Outcome::GivenUp { reply }).with_tls(secured),
            Protected::Failed { error, reply } => attempt(Outcome::HandshakeFailed { error, reply }),
        };
        let attempt = self.note(attempts, attempt);
        Ok(if attempt.is_hopeless() { Step::Hopeless } else { Step::Next })
    }

    /// The error of a transfer whose data connection the server did not want after all: it saw only behind the handshake
    /// that the session was not resumed.
    pub(crate) fn rejected(&self, attempt: &Attempt, said: &Final, bytes: u64) -> Option<ClientError> {
        let (Some(secured), Ok(reply)) = (attempt.secured, said) else { return None };
        let is_about_tls = match reply.code() {
            ReplyCode::DATA_PROTECTION_UNACCEPTABLE | ReplyCode::NETWORK_PROTOCOL_NOT_SUPPORTED => true,
            ReplyCode::CANNOT_OPEN_DATA_CONNECTION => !secured.is_resumed && bytes == 0,
            _ => false,
        };
        is_about_tls.then(|| {
            let attempt = Attempt { outcome: Outcome::GivenUp { reply: reply.clone() }, ..attempt.clone() };
            self.no_data_connection(vec![attempt])
        })
    }

    /// How the end of a transfer's data is to be judged.
    pub(crate) fn end_of_data(&self, expected: Option<u64>, is_listing: bool) -> EndOfData {
        EndOfData {
            expected,
            is_strict: self.security.says_close_notify,
            is_listing,
            bytes: 0,
            seen: Seen::Nothing,
        }
    }

    /// Remembers what this server does at the end of its data, and tells of what was let pass.
    pub(crate) fn note_end(&mut self, end: &EndOfData) {
        match end.seen {
            Seen::Nothing => {}
            Seen::CloseNotify => self.security.says_close_notify = true,
            Seen::PlainEnd { is_tolerated: true } => {
                self.observer.ended_plainly(end.bytes);
                self.observer.note(if end.is_listing {
                    "the data connection ended without close_notify; a listing is taken for complete by the reply alone"
                } else {
                    "the data connection ended without close_notify; the size shows that nothing is missing"
                });
            }
            Seen::PlainEnd { is_tolerated: false } => {}
        }
    }
}

/// What is known of the end of a transfer's data, and what it is worth.
#[derive(Debug)]
pub(crate) struct EndOfData {
    /// The bytes that are to come, where that is known.
    expected: Option<u64>,
    /// This server has said close_notify before.
    is_strict: bool,
    /// Nobody knows the size of a listing.
    is_listing: bool,
    /// The bytes that have come.
    bytes: u64,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    CloseNotify,
    PlainEnd { is_tolerated: bool },
}

impl EndOfData {
    /// To be asked when no more data comes: without close_notify anybody on the way may have ended them. `bytes` have
    /// come.
    ///
    /// # Errors
    /// When nothing else shows that these are all.
    pub(crate) fn judge(&mut self, transfer: &Transfer, bytes: u64) -> Result<(), PumpError> {
        self.bytes = bytes;
        if !transfer.is_secured() {
            return Ok(());
        }
        if !transfer.ended_plainly() {
            self.seen = Seen::CloseNotify;
            return Ok(());
        }
        let is_tolerated = !self.is_strict && (self.is_listing || self.expected == Some(bytes));
        self.seen = Seen::PlainEnd { is_tolerated };
        if is_tolerated { Ok(()) } else { Err(PumpError::CloseNotifyMissing) }
    }

    /// The root cause, if that is why the transfer is not complete.
    pub(crate) fn finding(&self, bytes: u64) -> Option<Box<Finding>> {
        let evidence = Evidence::ClosedWithoutNotify { by: Side::Server, bytes };
        let finding = || Finding::new(Cause::MissingCloseNotify, Confidence::Likely, vec![evidence]).ok();
        (self.seen == Seen::PlainEnd { is_tolerated: false }).then(finding).flatten().map(Box::new)
    }
}
