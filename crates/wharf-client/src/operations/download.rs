//! RETR: a file of the server to this machine (RFC 959 §4.1.3).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use wharf_net::dtp::{Progress, PumpError, Transfer};
use wharf_proto::Command;
use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;

use super::OVERLAP;
use super::segments::Segments;
use crate::attempt::Attempt;
use crate::data_connection::{Request, Running};
use crate::data_protection::EndOfData;
use crate::diagnosis;
use crate::digest::Sum;
use crate::error::{ClientError, Incomplete, IncompleteReason, WayOn};
use crate::local_target::{Destination, LocalTarget};
use crate::observer::TransferStarted;
use crate::session::Session;
use crate::transfer::{DataEnd, Final, completion, is_about_the_file, size_in_preliminary};

/// How long the last piece of a transfer that was given up may take to be written: a FIFO may take it never.
const LAST_PIECE: Duration = Duration::from_secs(1);

/// How to download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadOptions {
    /// Where it goes.
    pub destination: Destination,
    /// Go on with what is there.
    pub resume: bool,
    /// Text: CR LF on the wire becomes LF, and the size is not compared.
    pub ascii: bool,
}

/// A download that is complete.
#[derive(Clone, Debug)]
pub struct Downloaded {
    /// What it is called here.
    pub file: PathBuf,
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
    /// Downloads `path`. It takes its local name only after the end of the data, a positive reply and, where the size
    /// is known, with the right size.
    ///
    /// Dropping the future leaves `name.part`, which a later call with `resume` goes on with.
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] and [`ClientError::Unconfirmed`] leave `name.part`; all else leaves nothing.
    pub async fn download(
        &mut self,
        path: &Pathname,
        options: &DownloadOptions,
    ) -> Result<Downloaded, ClientError> {
        if options.resume && LocalTarget::is_in_segments(&options.destination, file_name(path)) {
            // What several sessions have begun has gaps.
            return self.download_in_segments(path, options, &Segments::one()).await;
        }
        self.download_whole(path, options).await
    }

    /// As [`download`](Self::download), in one stream.
    pub(super) async fn download_whole(
        &mut self,
        path: &Pathname,
        options: &DownloadOptions,
    ) -> Result<Downloaded, ClientError> {
        let started = Instant::now();
        if options.ascii && options.resume {
            return Err(ClientError::Usage(
                "a text transfer (;type=a) cannot be continued: its length here is not its length there"
                    .into(),
            ));
        }
        let size = if options.ascii { None } else { self.size(path).await? };
        if size.is_none() && !options.ascii {
            self.is_moved_as_it_is()?;
        }
        let mut target = LocalTarget::open(&options.destination, file_name(path), options.resume).await?;
        let time = if target.keeps_time() { self.time_to_keep(path).await? } else { None };
        let have = target.length();
        if let Some(size) = size.filter(|size| have > *size) {
            return Err(ClientError::CannotResume(format!(
                "{} has {have} bytes here, {path} has {size}: it is no part of it; move it away, or leave --continue out",
                target.written().display()
            )));
        }
        let overlap = OVERLAP.min(target.length());
        let request = Request {
            command: Command::Retr(path.clone()),
            representation: if options.ascii { Representation::Ascii } else { Representation::Image },
            offset: target.length() - overlap,
            expected: size,
        };
        let (running, offset) = self.begin_or_start_over(request, &mut target).await?;
        let expected = size.or_else(|| {
            let known = (offset == 0 && !options.ascii).then(|| size_in_preliminary(&running.first));
            known.flatten()
        });
        self.receive(path, options, running, target, offset, expected, time, started).await
    }

    /// A server without REST sends the file from its beginning.
    async fn begin_or_start_over(
        &mut self,
        mut request: Request,
        target: &mut LocalTarget,
    ) -> Result<(Running, u64), ClientError> {
        match self.begin(&request).await {
            Err(ClientError::Refused { command, .. }) if command.starts_with("REST") => {
                self.observer.note("the server cannot resume; beginning anew");
                target.start_over().map_err(ClientError::local(target.name().display().to_string()))?;
                request.offset = 0;
                Ok((self.begin(&request).await?, 0))
            }
            other => other.map(|running| (running, request.offset)),
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one transfer's state, handed on once")]
    async fn receive(
        &mut self,
        path: &Pathname,
        options: &DownloadOptions,
        mut running: Running,
        mut target: LocalTarget,
        offset: u64,
        expected: Option<u64>,
        time: Option<Timestamp>,
        started: Instant,
    ) -> Result<Downloaded, ClientError> {
        let shown = target.written().display().to_string();
        let tail = target.tail(target.length() - offset).map_err(ClientError::local(shown.clone()))?;
        let file = target.writer().map_err(ClientError::local(shown.clone()))?;
        let progress = running.progress.clone();
        self.observer.transfer_started(&TransferStarted {
            name: file_name(path).to_vec(),
            to_standard_output: target.is_standard_output(),
            kept: target.may_keep(),
            way_on: way_on(target.may_keep().is_some(), options.ascii),
            offset,
            total: expected,
            progress: progress.clone(),
        });
        if let Some(expected) = expected {
            // A server that never ends would fill the disk.
            progress.allow(expected.saturating_sub(offset));
        }
        let had = target.length();
        let mut differs = false;
        let mut tls_end = self.end_of_data(expected.map(|expected| expected.saturating_sub(offset)), false);
        let taking = Taking { tail: &tail, ascii: options.ascii, progress: &progress };
        let work = take_all(running.transfer, file, taking, &mut differs, &mut tls_end);
        let (end, said) = self.attend(work, running.said.take()).await;
        self.note_end(&tls_end);
        // Of a transfer that was given up, a thread may still write its last piece.
        let _ = tokio::time::timeout(LAST_PIECE, progress.at_rest()).await;
        let attempt = running.attempt;
        if differs {
            return Err(ClientError::CannotResume(format!(
                "{shown} is no part of {path}: the bytes before its end differ; move it away, or leave --continue out"
            )));
        }
        let bytes = offset + progress.bytes();
        if let Some(error) = self.rejected(&attempt, &said, progress.bytes()) {
            return Err(error);
        }
        let nothing_missing = bytes > 0 && bytes == had;
        let is_new = progress.bytes() == 0;
        let cut = tls_end.finding(bytes).map(IncompleteReason::CloseNotifyMissing);
        // Line ends take more room on the way than in a file.
        let as_text = expected.filter(|expected| bytes > *expected).and_then(|_| self.went_as_text());
        let is_text = options.ascii || as_text.is_some();
        settle(path, target.kept(), &end, said, bytes, expected, is_new, is_text, as_text.or(cut))?;
        if let DataEnd::Local(source) = end {
            return Err(ClientError::Local { what: shown, source });
        }
        let copy = if options.ascii { None } else { target.written_file() };
        let verified = self.verify(path, copy, bytes).await.map_err(|error| keeping(error, target.kept()))?;
        target.finish(time).map_err(ClientError::local(shown))?;
        let file = target.name().to_owned();
        // What was compared was all that went over.
        let (offset, attempt) = if nothing_missing { (bytes, None) } else { (offset, Some(attempt)) };
        Ok(Downloaded { file, bytes, offset, attempt, verified, took: started.elapsed() })
    }
}

/// How the data of a download are taken.
pub(super) struct Taking<'a> {
    /// What is here already, and has to come first.
    pub(super) tail: &'a [u8],
    pub(super) ascii: bool,
    pub(super) progress: &'a Progress,
}

/// Compares the tail, then writes everything to `file`. The data connection is closed with its last byte: some servers
/// confirm nothing before that.
pub(super) async fn take_all(
    mut transfer: Transfer,
    file: File,
    taking: Taking<'_>,
    differs: &mut bool,
    tls_end: &mut EndOfData,
) -> Result<(), PumpError> {
    let Taking { tail, ascii, progress } = taking;
    let mut buffer = vec![0; tail.len()];
    let mut compared = 0;
    while compared < tail.len() {
        let count = transfer.receive(&mut buffer[compared..]).await?;
        if count == 0 {
            return Err(PumpError::Network(io::ErrorKind::UnexpectedEof.into()));
        }
        let end = compared + count;
        if buffer[compared..end] != tail[compared..end] {
            *differs = true;
            return Err(PumpError::Local(io::Error::other("another file")));
        }
        compared = end;
    }
    if ascii {
        transfer.receive_text_to_file(file).await?;
    } else {
        transfer.receive_to_file(file).await?;
    }
    tls_end.judge(&transfer, progress.bytes())?;
    // The sender has ended in order already; whether our end of it still reaches him changes nothing.
    let _ = transfer.finish().await;
    Ok(())
}

/// The error, with where the download is.
pub(super) fn keeping(error: ClientError, kept: Option<PathBuf>) -> ClientError {
    match error {
        ClientError::SumsDiffer(mut differing) => {
            differing.kept = kept;
            ClientError::SumsDiffer(differing)
        }
        other => other,
    }
}

/// Whether the download is complete; a local error is left to the caller.
#[allow(clippy::too_many_arguments, reason = "what is known at the end of a transfer, judged once")]
pub(crate) fn settle(
    path: &Pathname,
    kept: Option<PathBuf>,
    end: &DataEnd,
    said: Final,
    bytes: u64,
    expected: Option<u64>,
    nothing_came: bool,
    ascii: bool,
    cut: Option<IncompleteReason>,
) -> Result<(), ClientError> {
    if matches!(end, DataEnd::Local(_)) {
        return Ok(());
    }
    let reason = match (completion(end, &said, bytes, expected), said) {
        (Ok(()), _) => return Ok(()),
        (Err(None), Err(failure)) => {
            let failure = diagnosis::unfinished(failure, "RETR", if nothing_came { 0 } else { bytes });
            let path = path.to_string();
            return Err(ClientError::Unconfirmed { path, bytes, kept, failure });
        }
        (Err(None), Ok(reply)) => IncompleteReason::ServerGaveUp(reply),
        (Err(Some(IncompleteReason::ServerGaveUp(reply))), _)
            if nothing_came && is_about_the_file(&reply) =>
        {
            return Err(ClientError::Refused { command: Command::Retr(path.clone()).to_string(), reply });
        }
        (Err(Some(reason @ IncompleteReason::DataBroke(_))), _) => cut.unwrap_or(reason),
        (Err(Some(reason)), _) => reason,
    };
    let path = path.to_string();
    let way_on = way_on(kept.is_some(), ascii);
    Err(ClientError::Incomplete(Box::new(Incomplete { path, bytes, expected, reason, kept, way_on })))
}

/// Text has another length here than there, so that nobody knows where to go on.
fn way_on(is_kept: bool, ascii: bool) -> WayOn {
    if is_kept && !ascii { WayOn::Download } else { WayOn::Again }
}

/// The last segment of a path.
pub(super) fn file_name(path: &Pathname) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
