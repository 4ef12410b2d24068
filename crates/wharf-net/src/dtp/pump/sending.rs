//! A file on its way to the peer.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{fstatfs, sendfile};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use tokio::io::Interest;

use super::{BUFFER, LENT_PIECE, PIECE, PumpError, Stop, cut, network};
use crate::dtp::progress::{Progress, on_thread};
use crate::dtp::secured::Encrypting;
use crate::dtp::stream::{DataStream, ENCRYPT};
use crate::lending::is_lent;

/// What is left of a file, in bytes, up to which it is sent in place when its pages are in memory.
const IN_PLACE: u64 = 256 * 1024;
/// Bytes that one system call is asked for.
const CALL: usize = 2 * 1024 * 1024;
/// A peer that took this much in one go, in bytes, is worth a short wait on the blocking thread.
const FAST: u64 = 64 * 1024;
/// Wait for room in the window of a fast download.
const LINGER: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
/// `f_type` of tmpfs (statfs(2)), whose files are always in memory.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Sends `file`, which has `size` bytes, from `offset` (bytes) on: see
/// [`Transfer::send_file`](crate::dtp::Transfer::send_file).
///
/// # Errors
/// When the connection breaks or stalls, or the file cannot be read.
pub(in crate::dtp) async fn send_file(
    stream: &mut DataStream,
    file: File,
    offset: u64,
    size: u64,
    progress: &Arc<Progress>,
) -> Result<u64, PumpError> {
    let start = offset;
    let left = size.saturating_sub(offset);
    let encrypting = stream
        .take_channel()
        .map_err(network)?
        .map(|channel| Encrypting::new(channel, left, progress.most(ENCRYPT)));
    let in_place = !is_lent() && left <= IN_PLACE && is_in_memory(&file, offset, left);
    // One without a size, as in /proc, may have content all the same.
    let end = if size == 0 { u64::MAX } else { size };
    let mut work = Sending { file, offset, end, copying: false, encrypting, progress: progress.clone() };
    loop {
        let stop = if is_lent() {
            work.push(&stream.shared(), LENT_PIECE)
        } else if in_place {
            work.push(&stream.shared(), PIECE)
        } else {
            let socket = stream.shared();
            let (returned, stop) = on_thread(progress, false, move || {
                let stop = work.push_lingering(&socket);
                (work, stop)
            })
            .await?;
            work = returned;
            stop
        };
        match stop? {
            Stop::End => {
                stream.set_channel(work.encrypting.map(Encrypting::into_channel));
                return Ok(work.offset - start);
            }
            // The control connection gets its turn.
            Stop::Piece if is_lent() => tokio::task::yield_now().await,
            Stop::Piece => {}
            Stop::Limit => progress.may_move().await,
            Stop::Peer => stream.ready(Interest::WRITABLE).await.map_err(network)?,
        }
    }
}

/// The state of a download that moves between threads.
struct Sending {
    file: File,
    offset: u64,
    /// Where it ends, in bytes from its start.
    end: u64,
    /// sendfile(2) does not work for this file: read and send instead.
    copying: bool,
    /// Under TLS.
    encrypting: Option<Encrypting>,
    progress: Arc<Progress>,
}

impl Sending {
    /// As [`push`](Self::push), but waits a moment for a peer that is fast.
    fn push_lingering(&mut self, socket: &OwnedFd) -> Result<Stop, PumpError> {
        loop {
            let before = self.offset;
            match self.push(socket, PIECE)? {
                Stop::Peer if self.offset - before >= FAST && becomes_ready(socket, PollFlags::OUT) => {}
                other => return Ok(other),
            }
        }
    }

    /// Sends until the peer's window is full, so many bytes are sent or the file ends.
    fn push(&mut self, socket: &OwnedFd, piece: u64) -> Result<Stop, PumpError> {
        let until = self.offset + piece;
        while self.offset < until {
            if self.progress.is_cut() {
                return Err(cut());
            }
            if self.progress.pause().is_some() {
                return Ok(Stop::Limit);
            }
            let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            let sent = if let Some(encrypting) = &mut self.encrypting {
                encrypting.send_from(&self.file, &mut self.offset, left, socket)
            } else if self.copying {
                self.copy(left, socket)
            } else {
                sendfile(socket, &self.file, Some(&mut self.offset), left.min(self.progress.most(CALL)))
            };
            match sent {
                Ok(0) => return Ok(Stop::End),
                Ok(count) => {
                    self.progress.add(count as u64);
                    if self.offset == self.end {
                        return Ok(Stop::End);
                    }
                }
                Err(Errno::AGAIN) => return Ok(Stop::Peer),
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::NOSYS) if !self.copying => self.copying = true,
                Err(error) => return Err(either(error)),
            }
        }
        Ok(Stop::Piece)
    }

    fn copy(&mut self, left: usize, socket: &OwnedFd) -> Result<usize, Errno> {
        let mut buffer = vec![0; left.min(self.progress.most(BUFFER))];
        let count = rustix::io::pread(&self.file, &mut buffer, self.offset)?;
        if count == 0 {
            return Ok(0);
        }
        let sent = rustix::net::send(socket, &buffer[..count], rustix::net::SendFlags::NOSIGNAL)?;
        self.offset += sent as u64;
        Ok(sent)
    }
}

/// An error of a call that reads one and writes the other.
fn either(error: Errno) -> PumpError {
    match error {
        Errno::PIPE
        | Errno::CONNRESET
        | Errno::CONNABORTED
        | Errno::TIMEDOUT
        | Errno::NOTCONN
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH => PumpError::Network(error.into()),
        other => PumpError::Local(other.into()),
    }
}

/// Whether the socket gets ready within [`LINGER`].
fn becomes_ready(socket: &OwnedFd, flags: PollFlags) -> bool {
    let mut descriptors = [PollFd::new(socket, flags)];
    poll(&mut descriptors, Some(&LINGER)).is_ok_and(|count| count > 0)
}

/// Whether reading `length` bytes at `offset` would not wait for a disk: judged by the first and the last of them.
fn is_in_memory(file: &File, offset: u64, length: u64) -> bool {
    if length == 0 {
        return true;
    }
    let probe = |at: u64| {
        let mut byte = [0];
        preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT)
    };
    match probe(offset) {
        Ok(1) => length == 1 || matches!(probe(offset + length - 1), Ok(1)),
        Err(Errno::OPNOTSUPP) => fstatfs(file).is_ok_and(|status| status.f_type as u64 == TMPFS_MAGIC),
        _ => false,
    }
}
