//! A file of the tree from the server to this machine.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Instant;

use rustix::fs::{FlockOperation, flock};
use wharf_proto::Command;
use wharf_proto::command::Representation;
use wharf_proto::pathname::Pathname;

use super::local_tree::LocalDirectory;
use super::queue::FileJob;
use super::record::{self, Record};
use super::tree::split;
use super::worker::Done;
use crate::data_connection::Request;
use crate::error::{ClientError, IncompleteReason, WayOn};
use crate::observer::TransferStarted;
use crate::operations::OVERLAP;
use crate::operations::download::{Taking, settle, take_all};
use crate::operations::small::{self, take_small};
use crate::operations::status::time_of;
use crate::session::Session;
use crate::times::set_modified;
use crate::transfer::DataEnd;

/// Downloads `remote` into `directory`. It takes its name, and its time, only when it is whole and confirmed.
pub(super) async fn fetch(
    session: &mut Session,
    remote: &Pathname,
    directory: &LocalDirectory,
    job: &FileJob,
    shown: &str,
    resume: bool,
) -> Result<Done, ClientError> {
    let started = Instant::now();
    let local = |error| ClientError::local(shown)(error);
    let (_, name) = split(&job.path);
    let mut file = directory.open_part(&job.part).map_err(local)?;
    // A file system without locks is no reason to give up.
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
        return Err(local(std::io::Error::other("another program is writing its part")));
    }
    let expected = job.source.size;
    let record = Record::of(job);
    let resume = resume || record.as_ref().is_some_and(|record| record.is_there(directory));
    let there = file.metadata().map_err(local)?.len();
    let have = if resume && expected.is_none_or(|size| there <= size) { there } else { 0 };
    match &record {
        Some(record) if have == 0 => record.begin(directory, &file).map_err(local)?,
        // Of a version that was larger.
        None if there > 0 && !resume => _ = directory.remove_file(&record::name_of(&job.part)),
        _ => {}
    }
    let tail = tail(&mut file, have).map_err(local)?;
    let mut request = Request {
        command: Command::Retr(remote.clone()),
        representation: Representation::Image,
        offset: have - tail.len() as u64,
        expected,
    };
    let exact = job.source.exact_time();
    session.ask_afterwards(afterwards(job, remote));
    let begun = match session.begin(&request).await {
        // A server without REST sends the file from its beginning.
        Err(ClientError::Refused { command, .. }) if command.starts_with("REST") => {
            request.offset = 0;
            session.begin(&request).await
        }
        other => other,
    };
    let mut running = begun.inspect_err(|_| remove_if_empty(directory, job, &file))?;
    let tail = if request.offset == 0 && have > tail.len() as u64 { Vec::new() } else { tail };
    if there > 0 {
        file.set_len(request.offset + tail.len() as u64).map_err(local)?;
        file.seek(SeekFrom::End(0)).map_err(local)?;
    }
    let progress = running.progress.clone();
    if let Some(expected) = expected {
        // A server that never ends would fill the disk.
        progress.allow(expected.saturating_sub(request.offset));
    }
    session.observer.transfer_started(&TransferStarted {
        name: job.path.clone(),
        to_standard_output: false,
        kept: None,
        way_on: WayOn::Again,
        offset: request.offset,
        total: expected,
        progress: progress.clone(),
    });
    let mut differs = false;
    let left = expected.map(|size| size.saturating_sub(request.offset));
    let mut tls_end = session.end_of_data(left, false);
    let (end, said) = match left {
        Some(left) if left <= small::MOST && tail.is_empty() => {
            let work = take_small(running.transfer, &file, left, &mut tls_end);
            session.attend(work, running.said.take()).await
        }
        _ => {
            let writer = file.try_clone().map_err(local)?;
            let taking = Taking { tail: &tail, ascii: false, progress: &progress };
            let work = take_all(running.transfer, writer, taking, &mut differs, &mut tls_end);
            session.attend(work, running.said.take()).await
        }
    };
    session.note_end(&tls_end);
    // Of a transfer that was given up, a thread may still write its last piece.
    progress.at_rest().await;
    if differs {
        file.set_len(0).map_err(local)?;
        remove_if_empty(directory, job, &file);
        return Err(ClientError::CannotResume(format!("the part of {shown} is of another file")));
    }
    let bytes = request.offset + progress.bytes();
    if let Some(error) = session.rejected(&running.attempt, &said, progress.bytes()) {
        remove_if_empty(directory, job, &file);
        return Err(error);
    }
    let is_new = progress.bytes() == 0;
    let cut = tls_end.finding(bytes).map(IncompleteReason::CloseNotifyMissing);
    let settled = settle(remote, None, &end, said, bytes, expected, is_new, false, cut);
    settled.inspect_err(|_| remove_if_empty(directory, job, &file))?;
    if let DataEnd::Local(source) = end {
        return Err(local(source));
    }
    let asked = session.follow_up().await?.into_iter().next();
    let told = asked.map(time_of).transpose()?.flatten();
    if session.options.transfers.verification.is_some() {
        session.verify(remote, file.try_clone().ok(), bytes).await?;
    }
    // A time of an unknown zone is most often UTC, and the next comparison takes it for what it may be.
    let time = exact.or(told).or_else(|| job.source.modified.and_then(|time| time.assuming_utc()));
    if let Some(time) = time {
        set_modified(&file, time).map_err(local)?;
    }
    // First: a part without its record is only begun anew, where a record without its part would stay for ever.
    if let Some(record) = &record {
        record.remove(directory);
    }
    directory.publish(&job.part, name).map_err(local)?;
    Ok(Done { bytes, attempt: running.attempt, took: started.elapsed() })
}

/// What is to be asked after the transfer: the time, where the listing does not tell it.
pub(super) fn afterwards(job: &FileJob, remote: &Pathname) -> Vec<Command> {
    let is_known = job.source.exact_time().is_some();
    if is_known { Vec::new() } else { vec![Command::Mdtm(remote.clone())] }
}

/// The end of the `have` bytes that are there, to be compared with the server's (threat 30).
fn tail(file: &mut File, have: u64) -> std::io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    if have == 0 {
        return Ok(tail);
    }
    let count = OVERLAP.min(have);
    file.seek(SeekFrom::Start(have - count))?;
    file.take(count).read_to_end(&mut tail)?;
    Ok(tail)
}

/// A part without a byte is of no use to anybody. If it stays, it does no harm.
fn remove_if_empty(directory: &LocalDirectory, job: &FileJob, file: &File) {
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        let _ = directory.remove_file(&job.part);
        if let Some(record) = Record::of(job) {
            record.remove(directory);
        }
    }
}
