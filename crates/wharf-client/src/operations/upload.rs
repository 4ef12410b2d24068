//! STOR and APPE: a file of this machine to the server (RFC 959 §4.1.3).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wharf_net::dtp::{PumpError, Transfer};
use wharf_proto::command::Representation;
use wharf_proto::dialogue::DataMode;
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, ReplyCode, limits};

use super::OVERLAP;
use crate::attempt::{Attempt, Outcome};
use crate::data_connection::{Request, Running};
use crate::diagnosis;
use crate::digest::Sum;
use crate::error::{ClientError, ControlFailure, Incomplete, IncompleteReason, WayOn};
use crate::observer::TransferStarted;
use crate::session::Session;
use crate::times::modified;
use crate::transfer::{DataEnd, Final, completion, is_about_the_file};

/// Bytes that may be on their way, in the buffers of both systems, without that the server has taken any.
const MOST_IN_FLIGHT: u64 = 16 * 1024 * 1024;

/// Where an upload comes from.
#[derive(Debug)]
pub enum UploadSource {
    /// This file.
    File(PathBuf),
    /// Whatever can be read from an open file, such as standard input: to its end, once.
    Stream(File),
}

/// How to upload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// Go on with what the server has: send only what is missing there.
    pub resume: bool,
    /// Text: LF becomes CR LF on the wire, and the size is not compared.
    pub ascii: bool,
    /// Make the directories that lead to the file.
    pub make_parents: bool,
    /// Under a temporary name (`name.wharf-part`) until all of it is there and confirmed.
    pub atomic: bool,
}

/// An upload that is complete.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// The length of the whole file on the wire, in bytes.
    pub bytes: u64,
    /// Where it began: above 0 for one that was gone on with.
    pub offset: u64,
    /// How the data connection was made; none where nothing was missing.
    pub attempt: Option<Attempt>,
    /// The checksum that both sides have, where that was asked for and the server has one.
    pub verified: Option<Sum>,
    /// How long it took.
    pub took: Duration,
}

impl Session {
    /// Uploads `source` to the file `path`.
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] and [`ClientError::Unconfirmed`] leave a part at the server, which a later call with
    /// `resume` goes on with. [`ClientError::NotRenamed`] leaves all of it, under its temporary name.
    pub async fn upload(
        &mut self,
        source: UploadSource,
        path: &Pathname,
        options: UploadOptions,
    ) -> Result<Uploaded, ClientError> {
        match options.atomic {
            true => self.upload_atomically(source, path, options).await,
            false => self.upload_in_place(source, path, options).await,
        }
    }

    /// As [`upload`](Self::upload), under the name `path` from the beginning.
    pub(super) async fn upload_in_place(
        &mut self,
        source: UploadSource,
        path: &Pathname,
        options: UploadOptions,
    ) -> Result<Uploaded, ClientError> {
        let started = Instant::now();
        let (shown, file) = match source {
            UploadSource::File(file) => {
                let shown = file.display().to_string();
                (shown.clone(), File::open(&file).map_err(ClientError::local(shown))?)
            }
            UploadSource::Stream(file) => ("the input".to_owned(), file),
        };
        let metadata = file.metadata().map_err(ClientError::local(shown.clone()))?;
        if metadata.is_dir() {
            return Err(ClientError::Local { what: shown, source: io::ErrorKind::IsADirectory.into() });
        }
        let length = (metadata.is_file() && !options.ascii).then_some(metadata.len());
        let time = metadata.is_file().then(|| modified(&metadata)).flatten();
        let copy = length.and_then(|_| file.try_clone().ok());
        if options.make_parents {
            self.make_parents(path).await?;
        }
        let offset =
            if options.resume { self.part_at_server(path, length, &shown, options).await? } else { 0 };
        if offset > 0 && !self.server_has_our_beginning(&file, path, offset, &shown).await? {
            return Err(ClientError::CannotResume(format!(
                "{path} at the server is no part of {shown}: the bytes before its end differ; leave --continue out to \
                 replace it"
            )));
        }
        let (bytes, attempt) = if length == Some(offset) && offset > 0 {
            (offset, None)
        } else {
            let sent = self.send_whole(file, &shown, path, offset, length, options.ascii).await?;
            (sent.0, Some(sent.1))
        };
        // The server's own count, where it tells one.
        if attempt.is_some() && !options.ascii {
            let way_on = if length.is_some() { WayOn::Upload } else { WayOn::Again };
            match self.size(path).await? {
                Some(size) => check_size(path, bytes, size, way_on).map_err(|error| self.as_text(error))?,
                None => self.is_moved_as_it_is()?,
            }
        }
        if let Some(time) = time.filter(|_| self.options.transfers.keep_times)
            && let Some(command) = self.setting_time(path, time)
        {
            let reply = self.execute(&command).await?;
            self.note_time(path, &reply);
        }
        let verified = match options.ascii {
            true => None,
            false => self.verify(path, copy, bytes).await?,
        };
        Ok(Uploaded { bytes, offset, attempt, verified, took: started.elapsed() })
    }

    /// Sends what is in `file` from `offset` on, and tells the length of the whole file on the wire. `length` is that of a
    /// regular file in image type.
    pub(super) async fn send_whole(
        &mut self,
        mut file: File,
        shown: &str,
        path: &Pathname,
        offset: u64,
        length: Option<u64>,
        ascii: bool,
    ) -> Result<(u64, Attempt), ClientError> {
        let request = Request {
            // APPE goes on at the end of what is there, which SIZE has just told.
            command: if offset > 0 { Command::Appe(path.clone()) } else { Command::Stor(path.clone()) },
            representation: if ascii { Representation::Ascii } else { Representation::Image },
            offset: 0,
            expected: None,
        };
        // Of a stream nobody knows where to go on.
        let way_on = if length.is_some() { WayOn::Upload } else { WayOn::Again };
        let mut given_up = Vec::new();
        let (progress, attempt, end, said) = loop {
            let running = self.begin_beyond(&request, given_up).await?;
            let Running { transfer, progress, attempt, before, said, .. } = running;
            self.observer.transfer_started(&TransferStarted {
                name: shown.as_bytes().to_vec(),
                to_standard_output: false,
                kept: None,
                way_on,
                offset,
                total: length,
                progress: progress.clone(),
            });
            let again = length.and_then(|_| file.try_clone().ok());
            let work = give_all(transfer, file, offset, length, ascii);
            let (end, said) = self.attend(work, said).await;
            let sent = progress.bytes();
            if let Some(error) = self.rejected(&attempt, &said, sent) {
                return Err(error);
            }
            match again {
                Some(again) if self.was_dropped(&attempt, path, offset, sent, &end, &said).await => {
                    given_up = before;
                    self.leave_rung(&mut given_up, attempt, said);
                    file = again;
                }
                None if is_given_up(&attempt, &said) => {
                    let mut attempts = before;
                    self.leave_rung(&mut attempts, attempt, said);
                    return Err(self.no_data_connection(attempts));
                }
                _ => break (progress, attempt, end, said),
            }
        };
        let bytes = offset + progress.bytes();
        if let DataEnd::Local(source) = end {
            return Err(ClientError::Local { what: shown.to_owned(), source });
        }
        let incomplete = |reason, expected| {
            let path = path.to_string();
            let incomplete = Incomplete { path, bytes, expected, reason, kept: None, way_on };
            ClientError::Incomplete(Box::new(incomplete))
        };
        match (completion(&end, &said, bytes, length), said) {
            (Ok(()), _) => {}
            (Err(None), Err(failure)) => {
                let verb = request.command.verb().map(|verb| verb.to_string()).unwrap_or_default();
                let failure = diagnosis::unfinished(failure, &verb, progress.bytes());
                return Err(ClientError::Unconfirmed { path: path.to_string(), bytes, kept: None, failure });
            }
            (Err(None), Ok(reply)) => return Err(incomplete(IncompleteReason::ServerGaveUp(reply), length)),
            (Err(Some(IncompleteReason::ServerGaveUp(reply))), _) if is_about_the_file(&reply) => {
                return Err(ClientError::Refused { command: request.command.to_string(), reply });
            }
            (Err(Some(reason)), _) => return Err(incomplete(reason, length)),
        }
        Ok((bytes, attempt))
    }

    /// Whether the server dropped our data connection as a stranger's, as one does that wants it from another address: it
    /// shuts it and waits for the rightful one, and of an upload that shows in the end only, by a 425, or by another failure
    /// with which none of our bytes arrived. A transfer that was cut for another reason before its first byte has lost
    /// nothing by a try in another mode.
    async fn was_dropped(
        &mut self,
        attempt: &Attempt,
        path: &Pathname,
        offset: u64,
        sent: u64,
        end: &DataEnd,
        said: &Final,
    ) -> bool {
        if attempt.mode() != DataMode::Passive || sent > MOST_IN_FLIGHT {
            return false;
        }
        match (said, end) {
            _ if is_given_up(attempt, said) => true,
            (Ok(reply), _) if reply.code() != ReplyCode::TRANSFER_ABORTED => false,
            (Ok(_), _) | (Err(ControlFailure::Silent(_)), DataEnd::Broken(_)) if sent > 0 => {
                // Where nobody can tell, it is what it looks like: a transfer that was cut.
                self.size(path).await.is_ok_and(|size| size.unwrap_or(0) == offset)
            }
            _ => false,
        }
    }

    /// A wrong length, with its cause where that is known.
    fn as_text(&self, error: ClientError) -> ClientError {
        match (error, self.went_as_text()) {
            (ClientError::Incomplete(mut incomplete), Some(reason)) => {
                incomplete.reason = reason;
                incomplete.way_on = WayOn::Again;
                ClientError::Incomplete(incomplete)
            }
            (error, _) => error,
        }
    }

    /// Leaves a data connection for the next rung of the ladder.
    fn leave_rung(&mut self, attempts: &mut Vec<Attempt>, attempt: Attempt, said: Final) {
        self.working = None;
        let outcome = match said {
            Ok(reply) => Outcome::GivenUp { reply },
            Err(_) => Outcome::ClosedAtOnce,
        };
        self.note(attempts, Attempt { outcome, ..attempt });
    }

    /// Whether the last bytes of what the server has are ours (threat 30). A server that lets nobody read what was
    /// uploaded cannot be asked; its part is trusted then, as its size fits.
    pub(super) async fn server_has_our_beginning(
        &mut self,
        file: &File,
        path: &Pathname,
        length: u64,
        shown: &str,
    ) -> Result<bool, ClientError> {
        let from = length.saturating_sub(OVERLAP);
        let request = Request {
            command: Command::Retr(path.clone()),
            representation: Representation::Image,
            offset: from,
            expected: None,
        };
        let mut running = match self.begin(&request).await {
            Err(ClientError::Refused { .. }) => {
                self.observer.note("the server does not let us compare what it has; going on at its end");
                return Ok(true);
            }
            other => other?,
        };
        let mut ours = vec![0; (length - from) as usize];
        file.read_exact_at(&mut ours, from).map_err(ClientError::local(shown))?;
        let mut transfer = running.transfer;
        let mut same = false;
        let work = async {
            let mut theirs = vec![0; ours.len() + 1];
            let mut got = 0;
            while got < theirs.len() {
                match transfer.receive(&mut theirs[got..]).await? {
                    0 => break,
                    count => got += count,
                }
            }
            same = theirs[..got] == ours[..];
            // One that sends more than it has is not listened to any longer; either way nothing is missing.
            let _ = transfer.finish().await;
            Ok(())
        };
        let (_, said) = self.attend(work, running.said.take()).await;
        Ok(same && said.is_ok_and(|reply| reply.code().is_positive()))
    }

    /// How much of the file the server has; 0 where it cannot tell, so that all is sent.
    async fn part_at_server(
        &mut self,
        path: &Pathname,
        length: Option<u64>,
        shown: &str,
        options: UploadOptions,
    ) -> Result<u64, ClientError> {
        let Some(length) = length.filter(|_| !options.ascii) else {
            return Err(ClientError::Usage(format!(
                "{shown} cannot be continued: only a regular file in binary transfer can"
            )));
        };
        let size = self.size(path).await?.unwrap_or(0);
        if size > length {
            return Err(ClientError::CannotResume(format!(
                "{path} has {size} bytes at the server, {shown} has {length}: it is no part of it; leave --continue out \
                 to replace it"
            )));
        }
        Ok(size)
    }
}

/// Whether the server says that a data connection that we opened is none.
fn is_given_up(attempt: &Attempt, said: &Final) -> bool {
    attempt.mode() == DataMode::Passive
        && said.as_ref().is_ok_and(|reply| reply.code() == ReplyCode::CANNOT_OPEN_DATA_CONNECTION)
}

/// Sends all of a regular file from `offset` on, or of anything else, and ends in order.
async fn give_all(
    mut transfer: Transfer,
    file: File,
    offset: u64,
    length: Option<u64>,
    ascii: bool,
) -> Result<(), PumpError> {
    if let Some(length) = length {
        transfer.send_file(file, offset, length).await?;
    } else {
        let mut reader = tokio::fs::File::from_std(file);
        transfer.send_reader(&mut reader, ascii).await?;
    }
    transfer.finish_both(limits::TLS_END_TIME).await
}

/// Compares what went over with the server's own count.
pub(super) fn check_size(path: &Pathname, sent: u64, size: u64, way_on: WayOn) -> Result<(), ClientError> {
    if size == sent {
        return Ok(());
    }
    Err(ClientError::Incomplete(Box::new(Incomplete {
        path: path.to_string(),
        bytes: size,
        expected: Some(sent),
        reason: IncompleteReason::WrongSize,
        kept: None,
        way_on,
    })))
}
