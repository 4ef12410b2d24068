//! While data flows: the control connection is read as well, and the end is judged.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use wharf_net::dtp::PumpError;
use wharf_proto::dialogue::DataEvent;
use wharf_proto::{Reply, ReplyCode};

use crate::diagnosis;
use crate::error::{ControlFailure, IncompleteReason};
use crate::session::Session;

/// How long data that is under way is still taken after the server gave the transfer up.
const GRACE: Duration = Duration::from_secs(2);

/// What the control connection said about a transfer, or what became of it instead.
pub(crate) type Final = Result<Reply, ControlFailure>;

/// How the data of a transfer ended.
pub(crate) enum DataEnd {
    /// In order: everything the sender had.
    Complete,
    /// Out of order, or not in time.
    Broken(String),
    /// Nothing moved for too long.
    Stalled(String),
    /// The local file made trouble.
    Local(std::io::Error),
}

impl Session {
    /// Runs `work`, which moves the data, and reads the control connection beside it. `said` is what is known of the
    /// final reply already. Returns how the data ended, and the final reply.
    pub(crate) async fn attend(
        &mut self,
        work: impl Future<Output = Result<(), PumpError>>,
        said: Option<Final>,
    ) -> (DataEnd, Final) {
        self.attend_for(work, said, GRACE).await
    }

    /// As [`attend`](Self::attend), where the server's words about data that did not end in order are waited for so long.
    pub(crate) async fn attend_for(
        &mut self,
        work: impl Future<Output = Result<(), PumpError>>,
        mut said: Option<Final>,
        grace: Duration,
    ) -> (DataEnd, Final) {
        let began = Instant::now();
        let end = self.watch(work, &mut said).await;
        let event = match &end {
            DataEnd::Complete => DataEvent::Closed,
            DataEnd::Broken(_) | DataEnd::Stalled(_) | DataEnd::Local(_) => DataEvent::Cut,
        };
        self.pi.handle_data(self.clock.now(), event);
        let limit = match &end {
            DataEnd::Complete => self.options.times.completion,
            // The server's words are worth a moment; its confirmation would change nothing.
            DataEnd::Broken(_) | DataEnd::Stalled(_) => grace,
            DataEnd::Local(_) => Duration::ZERO,
        };
        let ended = Instant::now();
        let idle = ended.duration_since(began);
        let said = match said {
            Some(said) => said,
            None => {
                let said = self.final_reply(limit).await;
                if said.is_ok() {
                    self.slowest_completion = self.slowest_completion.max(ended.elapsed());
                }
                said
            }
        };
        let said = said.map_err(|failure| diagnosis::forgotten(failure, idle));
        self.observer.transfer_ended();
        (end, self.judge_order(said))
    }

    async fn watch(
        &mut self,
        work: impl Future<Output = Result<(), PumpError>>,
        said: &mut Option<Final>,
    ) -> DataEnd {
        let mut work = pin!(work);
        let mut grace = given_up(said);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return match outcome {
                    Ok(()) => DataEnd::Complete,
                    Err(PumpError::Local(error)) => DataEnd::Local(error),
                    Err(error @ PumpError::Stalled) => DataEnd::Stalled(error.to_string()),
                    Err(error) => DataEnd::Broken(error.to_string()),
                },
                answer = self.next_answer(), if said.is_none() => {
                    // Kept until the data has ended: a 226 may overtake it, and so may the end of the control
                    // connection.
                    *said = match answer.and_then(|answer| self.final_of(answer)) {
                        Ok(None) => None,
                        Ok(Some(reply)) => Some(Ok(reply)),
                        Err(failure) => Some(Err(failure)),
                    };
                    grace = given_up(said);
                }
                () = tokio::time::sleep_until(grace.unwrap_or_else(Instant::now)), if grace.is_some() => {
                    return DataEnd::Broken("the server gave the transfer up".to_owned());
                }
            }
        }
    }
}

/// Until when data that is under way is still taken, if the server has given the transfer up.
fn given_up(said: &Option<Final>) -> Option<Instant> {
    let is_over = match said {
        Some(Ok(reply)) => reply.code().is_negative(),
        Some(Err(ControlFailure::Dismissed(_))) => true,
        _ => false,
    };
    is_over.then(|| Instant::now() + GRACE)
}

/// Why a transfer is not complete, if `said` and the end of its data say so; else the final reply.
///
/// `bytes` are those of the whole file that are over, `expected` its length.
///
/// # Errors
/// `Err(None)` is the one case in between: everything is over, but nothing confirms it.
pub(crate) fn completion(
    end: &DataEnd,
    said: &Final,
    bytes: u64,
    expected: Option<u64>,
) -> Result<(), Option<IncompleteReason>> {
    let length_is_right = expected.is_none_or(|expected| expected == bytes);
    match (end, said) {
        // What the server says then is about our giving up.
        (DataEnd::Stalled(problem), _) if bytes == 0 => {
            let broke = || IncompleteReason::DataBroke(problem.clone());
            let came = |finding| IncompleteReason::NothingCame { problem: problem.clone(), finding };
            Err(Some(diagnosis::nothing_came(problem).map_or_else(broke, came)))
        }
        (_, Ok(reply)) if reply.code().is_negative() => {
            Err(Some(IncompleteReason::ServerGaveUp(reply.clone())))
        }
        (DataEnd::Broken(problem) | DataEnd::Stalled(problem), _) => {
            Err(Some(IncompleteReason::DataBroke(problem.clone())))
        }
        (DataEnd::Local(error), _) => Err(Some(IncompleteReason::DataBroke(error.to_string()))),
        (DataEnd::Complete, Ok(_)) if length_is_right => Ok(()),
        (DataEnd::Complete, Ok(_)) => Err(Some(IncompleteReason::WrongSize)),
        (DataEnd::Complete, Err(ControlFailure::Dismissed(reply))) => {
            Err(Some(IncompleteReason::ServerGaveUp(reply.clone())))
        }
        // All is there by the count; or nobody knows the count, but the server still holds the connection, as one that
        // was killed would not.
        (DataEnd::Complete, Err(ControlFailure::Silent(_) | ControlFailure::SilentBehindData { .. }))
            if length_is_right =>
        {
            Err(None)
        }
        (DataEnd::Complete, Err(_)) if expected == Some(bytes) => Err(None),
        (DataEnd::Complete, Err(failure)) => Err(Some(IncompleteReason::NotConfirmed(failure.clone()))),
    }
}

/// Whether a negative final reply is about the file (permission, quota, missing) and not about the transfer.
pub(crate) fn is_about_the_file(reply: &Reply) -> bool {
    !matches!(
        reply.code(),
        ReplyCode::SERVICE_NOT_AVAILABLE
            | ReplyCode::CANNOT_OPEN_DATA_CONNECTION
            | ReplyCode::TRANSFER_ABORTED
            | ReplyCode::LOCAL_ERROR
    )
}

/// The number in `150 Opening BINARY mode data connection for x (1234 bytes)`, which most servers say.
pub(crate) fn size_in_preliminary(reply: &Reply) -> Option<u64> {
    let text = String::from_utf8_lossy(reply.text());
    let (before, _) = text.rsplit_once(" bytes").or_else(|| text.rsplit_once(" Bytes"))?;
    let digits = before.rsplit_once('(').map(|(_, digits)| digits)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &'static str) -> Reply {
        Reply::new(ReplyCode::new(code).unwrap(), text)
    }

    #[test]
    fn complete_is_only_what_ended_was_confirmed_and_has_the_right_length() {
        let closed = || Err(ControlFailure::Closed);
        let silent = || Err(ControlFailure::Silent(GRACE));
        let done = || Ok(reply(226, "done"));
        let ended = DataEnd::Complete;
        assert!(completion(&ended, &done(), 5, Some(5)).is_ok());
        assert!(completion(&ended, &done(), 5, None).is_ok());
        assert!(matches!(completion(&ended, &done(), 4, Some(5)), Err(Some(IncompleteReason::WrongSize))));
        assert!(matches!(completion(&ended, &silent(), 5, Some(5)), Err(None)));
        assert!(matches!(completion(&ended, &closed(), 5, Some(5)), Err(None)));
        assert!(matches!(completion(&ended, &silent(), 5, None), Err(None)));
        assert!(completion(&ended, &closed(), 5, None).unwrap_err().is_some());
        assert!(completion(&ended, &silent(), 4, Some(5)).unwrap_err().is_some());
        assert!(completion(&ended, &Ok(reply(426, "cut")), 5, Some(5)).unwrap_err().is_some());
        let broken = DataEnd::Broken("reset".into());
        assert!(completion(&broken, &done(), 5, Some(5)).unwrap_err().is_some());
        let forgotten = || Err(diagnosis::forgotten(ControlFailure::Silent(GRACE), Duration::from_secs(60)));
        assert!(matches!(completion(&ended, &forgotten(), 5, Some(5)), Err(None)));
    }

    #[test]
    fn the_size_is_read_from_150() {
        for (text, size) in [
            ("Opening BINARY mode data connection for a (1) b (1234 bytes).", Some(1234)),
            ("Opening BINARY mode data connection for x (3 Bytes)", Some(3)),
            ("Accepted data connection", None),
            ("x (12 kilobytes bytes)", None),
            ("12 bytes", None),
        ] {
            assert_eq!(size_in_preliminary(&reply(150, text)), size, "{text}");
        }
    }
}
