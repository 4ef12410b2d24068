//! STOR and APPE: a file of this machine to the server (RFC 959 §4.1.3).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, limits};

use super::OVERLAP;
use crate::attempt::Attempt;
use crate::data_connection::Request;
use crate::error::{ClientError, Incomplete, IncompleteReason, WayOn};
use crate::observer::TransferStarted;
use crate::session::Session;
use crate::transfer::{DataEnd, completion, is_about_the_file};

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
    /// How long it took.
    pub took: Duration,
}

impl Session {
    /// Uploads `source` to the file `path`.
    ///
    /// # Errors
    /// [`ClientError::Incomplete`] and [`ClientError::Unconfirmed`] leave a part at the server, which a later call with
    /// `resume` goes on with.
    pub async fn upload(
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
        if length == Some(offset) && offset > 0 {
            return Ok(Uploaded { bytes: offset, offset, attempt: None, took: started.elapsed() });
        }
        let (bytes, attempt) = self.send_whole(file, &shown, path, offset, length, options.ascii).await?;
        // The server's own count, where it tells one.
        if !options.ascii
            && let Some(size) = self.size(path).await?
        {
            let way_on = if length.is_some() { WayOn::Upload } else { WayOn::Again };
            check_size(path, bytes, size, way_on)?;
        }
        Ok(Uploaded { bytes, offset, attempt: Some(attempt), took: started.elapsed() })
    }

    /// Sends what is in `file` from `offset` on, and tells the length of the whole file on the wire. `length` is that of a
    /// regular file in image type.
    pub(super) async fn send_whole(
        &mut self,
        file: File,
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
        };
        let mut running = self.begin(&request).await?;
        let progress = running.progress.clone();
        // Of a stream nobody knows where to go on.
        let way_on = if length.is_some() { WayOn::Upload } else { WayOn::Again };
        self.observer.transfer_started(&TransferStarted {
            name: shown.as_bytes().to_vec(),
            to_standard_output: false,
            kept: None,
            way_on,
            offset,
            total: length,
            progress: progress.clone(),
        });
        let mut transfer = running.transfer;
        let work = async {
            if length.is_some() {
                transfer.send_file(file, offset).await?;
            } else {
                let mut reader = tokio::fs::File::from_std(file);
                transfer.send_reader(&mut reader, ascii).await?;
            }
            transfer.finish_both(limits::TLS_END_TIME).await
        };
        let (end, said) = self.attend(work, running.said.take()).await;
        if let Some(error) = self.rejected(&running.attempt, &said, progress.bytes()) {
            return Err(error);
        }
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
                return Err(ClientError::Unconfirmed { path: path.to_string(), bytes, kept: None, failure });
            }
            (Err(None), Ok(reply)) => return Err(incomplete(IncompleteReason::ServerGaveUp(reply), length)),
            (Err(Some(IncompleteReason::ServerGaveUp(reply))), _) if is_about_the_file(&reply) => {
                return Err(ClientError::Refused { command: request.command.to_string(), reply });
            }
            (Err(Some(reason)), _) => return Err(incomplete(reason, length)),
        }
        Ok((bytes, running.attempt))
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
