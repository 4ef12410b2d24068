//! Checksums of files, on threads that may wait for a disk, a bounded number at once.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::Semaphore;
use wharf_net::dtp::Progress;
use wharf_proto::{Reply, Verb};
use wharf_storage::digest::{Algorithm, Digest};
use wharf_storage::{SourceKind, StorageError, StoragePath};

use crate::commands::{Carried, Outcome};
use crate::replies;
use crate::session::Session;
use crate::transfer::{Ended, Running};

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;
/// Bytes after which others have their turn, so that a small file does not wait for a huge one.
const PIECE: u64 = 64 * 1024 * 1024;

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
        let length = range.end - range.start;
        let digest = match source.kind {
            SourceKind::File(file) => of_file(file, algorithm, length, &shared.common.checksums).await,
            SourceKind::Stream(stream) => {
                of_stream(stream, algorithm, length, &shared.common.checksums).await
            }
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

async fn of_file(
    mut file: File,
    algorithm: Algorithm,
    length: u64,
    turns: &Semaphore,
) -> Result<Vec<u8>, StorageError> {
    let cut = Cut(Arc::default());
    let mut digest = Digest::new(algorithm);
    let mut left = length;
    while left > 0 {
        // Never closed; and whoever waits here is cut like one that computes.
        let _turn = turns.acquire().await;
        let is_cut = cut.0.clone();
        let piece = tokio::task::spawn_blocking(move || {
            let taken = add_piece(&mut file, &mut digest, left.min(PIECE), &is_cut)?;
            Ok::<_, StorageError>((file, digest, taken))
        });
        let (file_again, digest_again, taken) =
            piece.await.map_err(|error| StorageError::Io(std::io::Error::other(error)))??;
        (file, digest) = (file_again, digest_again);
        left -= taken;
    }
    Ok(digest.finish())
}

/// Adds so many bytes of a file to the checksum.
fn add_piece(
    file: &mut File,
    digest: &mut Digest,
    length: u64,
    is_cut: &AtomicBool,
) -> Result<u64, StorageError> {
    let mut buffer = vec![0; BUFFER];
    let mut piece = file.take(length);
    let mut taken = 0;
    while taken < length {
        if is_cut.load(Ordering::Relaxed) {
            return Err(StorageError::Io(std::io::ErrorKind::ConnectionAborted.into()));
        }
        match piece.read(&mut buffer) {
            Ok(0) => return Err(shorter()),
            Ok(count) => {
                digest.update(&buffer[..count]);
                taken += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(taken)
}

async fn of_stream(
    mut stream: Box<dyn AsyncRead + Send + Unpin>,
    algorithm: Algorithm,
    length: u64,
    turns: &Semaphore,
) -> Result<Vec<u8>, StorageError> {
    let mut digest = Digest::new(algorithm);
    let mut buffer = vec![0; BUFFER];
    let mut left = length;
    while left > 0 {
        let _turn = turns.acquire().await;
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(BUFFER);
        match stream.read(&mut buffer[..most]).await? {
            0 => return Err(shorter()),
            count => {
                digest.update(&buffer[..count]);
                left -= count as u64;
            }
        }
    }
    Ok(digest.finish())
}

/// The file became shorter meanwhile: a checksum of what is left would be that of no range that anybody asked for.
fn shorter() -> StorageError {
    StorageError::Io(std::io::ErrorKind::UnexpectedEof.into())
}
