//! FXP: both servers are told what to do, and do it without us. All that is seen of the data are the replies.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;
use wharf_proto::user_pi::Answer;
use wharf_proto::{Command, Reply, limits};

use super::introduce::{Protection, exchange, introduce, not_together, raw, refusal};
use super::{Failure, Listener, ThirdPartyOptions};
use crate::data_connection::is_about_data;
use crate::error::{ClientError, ControlFailure, Incomplete, IncompleteReason, WayOn};
use crate::session::Session;
use crate::transfer::{Final, is_about_the_file};

/// How long the first word about the transfer is waited for: until then a server may be trying to connect in vain.
const FIRST_WORD_TIME: Duration = Duration::from_secs(20);
/// How long one server is listened to after the other has given up.
const LAST_WORD_TIME: Duration = Duration::from_secs(2);

/// Moves a file, with `listener` listening.
pub(super) async fn transfer(
    source: &mut Session,
    destination: &mut Session,
    from: &Pathname,
    to: &Pathname,
    expected: Option<u64>,
    listener: Listener,
    options: ThirdPartyOptions,
) -> Result<(), Failure> {
    for session in [&mut *source, &mut *destination] {
        session.revive().await?;
        session.set_representation(Representation::Image).await?;
    }
    let protection = agree(source, destination, listener)?;
    // Only what it was told holds until it is told otherwise, and our own data connections want it otherwise.
    let told =
        if protection == Protection::ToldBefore { tell_client(source, destination).await? } else { None };
    let outcome = meet(source, destination, from, to, expected, listener, protection, options).await;
    if let Some(end) = told {
        let session = if end == Listener::Source { source } else { destination };
        let is_off = session.is_usable() && exchange(session, &raw(b"SSCN OFF")?).await?.code().is_positive();
        if !is_off {
            session.abandon();
        }
    }
    outcome
}

/// How two sessions that may be under TLS can exchange anything: in TLS one has to play the client.
fn agree(source: &Session, destination: &Session, listener: Listener) -> Result<Protection, Failure> {
    let (from, to) = (source.data_tls()?.is_some(), destination.data_tls()?.is_some());
    let listening = if listener == Listener::Source { source } else { destination };
    match (from, to) {
        (false, false) => Ok(Protection::Clear),
        (true, true) if source.features().has("SSCN") || destination.features().has("SSCN") => {
            Ok(Protection::ToldBefore)
        }
        (true, true) if listening.features().has("CPSV") => Ok(Protection::ClientListens),
        (true, true) => Err(not_together(
            "both encrypt files, and neither knows SSCN or CPSV, by which one would play the client of TLS"
                .to_owned(),
        )),
        _ => {
            let clear = if from { destination } else { source };
            Err(not_together(format!(
                "{} does not encrypt files, and the other server does",
                clear.server.host
            )))
        }
    }
}

/// SSCN ON: this server plays the client of TLS.
async fn tell_client(source: &mut Session, destination: &mut Session) -> Result<Option<Listener>, Failure> {
    let (session, end) = match source.features().has("SSCN") {
        true => (source, Listener::Source),
        false => (destination, Listener::Destination),
    };
    let command = raw(b"SSCN ON")?;
    let reply = exchange(session, &command).await?;
    if reply.code().is_negative() {
        return Err(refusal(session, &command, &reply));
    }
    Ok(Some(end))
}

#[allow(clippy::too_many_arguments, reason = "one transfer's parts, handed on once")]
async fn meet(
    source: &mut Session,
    destination: &mut Session,
    from: &Pathname,
    to: &Pathname,
    expected: Option<u64>,
    listener: Listener,
    protection: Protection,
    options: ThirdPartyOptions,
) -> Result<(), Failure> {
    let (listening, connecting) = match listener {
        Listener::Source => (&mut *source, &mut *destination),
        Listener::Destination => (&mut *destination, &mut *source),
    };
    introduce(listening, connecting, protection, options.foreign_address).await?;
    let (retrieve, store) = (Command::Retr(from.clone()), Command::Stor(to.clone()));
    destination.send(&store);
    source.send(&retrieve);
    let said = both_say(source, destination, longest(expected)).await;
    match said {
        (Some(Ok(one)), Some(Ok(other))) if one.code().is_positive() && other.code().is_positive() => Ok(()),
        said => {
            // Whoever has not answered is still at it.
            source.abort().await;
            destination.abort().await;
            let arrived = match destination.is_usable() {
                true => destination.size(to).await.ok().flatten().unwrap_or(0),
                false => 0,
            };
            let refusals =
                [(&source.server.host, retrieve, said.0), (&destination.server.host, store, said.1)];
            Err(why(refusals, arrived, to, expected))
        }
    }
}

/// A server that sends less than this in a second on average has stopped.
fn longest(expected: Option<u64>) -> Duration {
    let slowest = expected.map(|bytes| Duration::from_secs(bytes / limits::THIRD_PARTY_SLOWEST_RATE));
    slowest.unwrap_or(limits::THIRD_PARTY_TIME).max(limits::DATA_STALL_TIME)
}

/// The final words of both; none of one that said nothing in time.
async fn both_say(
    source: &mut Session,
    destination: &mut Session,
    longest: Duration,
) -> (Option<Final>, Option<Final>) {
    let reply_time = source.options.times.reply;
    let first_word = FIRST_WORD_TIME.min(reply_time);
    let mut deadline = Instant::now() + first_word;
    let (mut one, mut other) = (None, None);
    while one.is_none() || other.is_none() {
        let word = tokio::select! {
            answer = source.next_answer(), if one.is_none() => {
                let word = heard(source, answer);
                word.map(|said| one.insert(said).is_ok_and_positive())
            }
            answer = destination.next_answer(), if other.is_none() => {
                let word = heard(destination, answer);
                word.map(|said| other.insert(said).is_ok_and_positive())
            }
            () = sleep_until(deadline) => break,
        };
        match word {
            // It has begun.
            None if one.is_none() && other.is_none() => deadline = Instant::now() + longest,
            None => {}
            Some(true) => deadline = Instant::now() + reply_time,
            Some(false) => deadline = Instant::now() + LAST_WORD_TIME,
        }
    }
    (one, other)
}

/// The final word in an answer; none in one that announces more.
fn heard(session: &mut Session, answer: Result<Answer, ControlFailure>) -> Option<Final> {
    match answer.and_then(|answer| session.final_of(answer)) {
        Ok(None) => None,
        Ok(Some(reply)) => Some(Ok(reply)),
        Err(failure) => Some(Err(failure)),
    }
}

trait Positive {
    fn is_ok_and_positive(&self) -> bool;
}

impl Positive for Final {
    fn is_ok_and_positive(&self) -> bool {
        self.as_ref().is_ok_and(|reply| reply.code().is_positive())
    }
}

/// What it means that not both have confirmed the transfer.
fn why(
    said: [(&String, Command, Option<Final>); 2],
    arrived: u64,
    path: &Pathname,
    expected: Option<u64>,
) -> Failure {
    // A refusal of the file itself would be one any other way.
    for (_, command, said) in &said {
        if let Some(Ok(reply)) = said
            && is_refusal(reply)
        {
            return Failure::Other(ClientError::Refused {
                command: command.to_string(),
                reply: reply.clone(),
            });
        }
    }
    let told: Vec<String> = said
        .iter()
        .filter_map(|(host, command, said)| match said {
            Some(Ok(reply)) if reply.code().is_positive() => None,
            Some(Ok(reply)) => Some(format!("{host} answered {command} with \"{reply}\"")),
            Some(Err(failure)) => Some(format!("the control connection to {host} was lost: {failure}")),
            None => Some(format!("{host} said nothing about {command}")),
        })
        .collect();
    if arrived == 0 {
        // Some end the session with a data connection that they do not like. If it is lost indeed, any other way shows.
        return not_together(told.join("; "));
    }
    let reason = IncompleteReason::DataBroke(told.join("; "));
    let (path, kept, bytes) = (path.to_string(), None, arrived);
    let incomplete = Incomplete { path, bytes, expected, reason, kept, way_on: WayOn::Again };
    Failure::Other(ClientError::Incomplete(Box::new(incomplete)))
}

/// Whether a final reply is about the file, and not about the way to the other server.
fn is_refusal(reply: &Reply) -> bool {
    reply.code().is_negative()
        && is_about_the_file(reply)
        && !is_about_data(reply)
        && !(500..=504).contains(&reply.code().get())
}

#[cfg(test)]
mod tests {
    use wharf_proto::ReplyCode;

    use super::*;

    fn judged(one: Option<(u16, &'static str)>, other: Option<(u16, &'static str)>, arrived: u64) -> Failure {
        let host = "h".to_owned();
        let path = Pathname::new("x").unwrap();
        let said = |said: Option<(u16, &'static str)>| {
            said.map(|(code, text)| Ok(Reply::new(ReplyCode::new(code).unwrap(), text)))
        };
        let retrieve = (&host, Command::Retr(path.clone()), said(one));
        let store = (&host, Command::Stor(path.clone()), said(other));
        why([retrieve, store], arrived, &path, None)
    }

    #[test]
    fn a_refused_file_is_told_from_servers_that_do_not_meet() {
        let (done, no, data) = (Some((226, "done")), Some((550, "no")), Some((425, "Bad IP connecting.")));
        for (one, other) in [(no, done), (done, no), (no, data), (data, no), (no, None)] {
            let failure = judged(one, other, 0);
            assert!(matches!(failure, Failure::Other(ClientError::Refused { .. })));
        }
        for (one, other) in [(data, done), (done, data), (data, None), (None, None), (done, None)] {
            assert!(matches!(judged(one, other, 0), Failure::NotTogether(_)));
            // What had begun and broke is tried again as it is.
            assert!(matches!(judged(one, other, 5), Failure::Other(ClientError::Incomplete(_))));
        }
    }
}
