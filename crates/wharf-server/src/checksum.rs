//! Checksums of files, on threads that may wait for a disk, a bounded number at once.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};
use wharf_net::dtp::Progress;
use wharf_proto::{Reply, Verb};
use wharf_storage::digest::{Algorithm, Digest};
use wharf_storage::{SourceKind, StorageError, StoragePath};

use crate::commands::{Carried, Outcome};
use crate::replies;
use crate::session::Session;
use crate::transfer::{Ended, Running};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// Bytes of a file: from `start`, up to but without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub start: u64,
    pub end: u64,
}

/// Begins to compute; `reply` makes the reply of the checksum. The session goes on meanwhile as during a transfer.
pub(crate) async fn begin(
    session: &mut Session,
    verb: Verb,
    file: &StoragePath,
    algorithm: Algorithm,
    range: Range,
    reply: impl FnOnce(&[u8]) -> Reply + Send + 'static,
) -> Carried<Outcome> {
    let source = session.storage().open_read(file, range.start).await;
    let source = source.map_err(|error| replies::storage(&error))?;
    let shared = session.shared.clone();
    let work = async move {
        // Never closed; and whoever waits here is cut like one that computes.
        let _permit = shared.common.checksums.acquire().await;
        let length = range.end - range.start;
        let digest = match source.kind {
            SourceKind::File(file) => of_file(file, algorithm, length).await,
            SourceKind::Stream(stream) => of_stream(stream, algorithm, length).await,
        };
        let reply = match digest {
            Ok(digest) => reply(&digest),
            Err(error) => replies::storage(&error),
        };
        Ended { reply, seen: Vec::new() }
    };
    let progress = Arc::new(Progress::default());
    Ok(Outcome::Work(Running { verb, progress, control: None, work: Box::pin(work) }))
}

/// Stops the thread when nobody waits for it any more.
struct Cut(Arc<AtomicBool>);

impl Drop for Cut {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn of_file(file: File, algorithm: Algorithm, length: u64) -> Result<Vec<u8>, StorageError> {
    let cut = Cut(Arc::default());
    let is_cut = cut.0.clone();
    let work = move || {
        let mut file = file.take(length);
        let mut digest = Digest::new(algorithm);
        let mut buffer = vec![0; PIECE];
        let mut left = length;
        while !is_cut.load(Ordering::Relaxed) {
            match file.read(&mut buffer) {
                Ok(0) => return whole(digest, left),
                Ok(count) => {
                    digest.update(&buffer[..count]);
                    left -= count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StorageError::Io(std::io::ErrorKind::Interrupted.into()))
    };
    let computed = tokio::task::spawn_blocking(work).await;
    computed.map_err(|error| StorageError::Io(std::io::Error::other(error)))?
}

async fn of_stream(
    stream: Box<dyn AsyncRead + Send + Unpin>,
    algorithm: Algorithm,
    length: u64,
) -> Result<Vec<u8>, StorageError> {
    let mut stream = stream.take(length);
    let mut digest = Digest::new(algorithm);
    let mut buffer = vec![0; PIECE];
    let mut left = length;
    loop {
        match stream.read(&mut buffer).await? {
            0 => return whole(digest, left),
            count => {
                digest.update(&buffer[..count]);
                left -= count as u64;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// The checksum, unless the file became shorter meanwhile: then it is that of no range that anybody asked for.
fn whole(digest: Digest, left: u64) -> Result<Vec<u8>, StorageError> {
    match left {
        0 => Ok(digest.finish()),
        _ => Err(StorageError::Io(std::io::ErrorKind::UnexpectedEof.into())),
    }
}
