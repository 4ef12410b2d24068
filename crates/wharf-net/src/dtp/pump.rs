//! Moving the payload between a data connection and a file or a stream.
//!
//! A file whose pages are in memory is sent at once. Everything that may wait for a disk runs on a blocking thread,
//! one piece at a time, and gives the thread back whenever the *peer* is what it waits for: neither a slow disk nor
//! a slow client stops other sessions.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{fstatfs, sendfile};
use rustix::io::{Errno, ReadWriteFlags, ioctl_fionbio, preadv2, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::sync::Semaphore;
use wharf_proto::ascii::{AsciiDecoder, AsciiEncoder};

use super::stream::DataStream;

/// What is left of a file, in bytes, up to which it is sent in place when its pages are in memory.
const IN_PLACE: u64 = 256 * 1024;
/// Bytes after which a blocking thread is given back, so that many transfers share the threads fairly.
const PIECE: u64 = 32 * 1024 * 1024;
/// Bytes that one system call is asked for.
const CALL: usize = 2 * 1024 * 1024;
/// Size of the copy buffers, in bytes.
const BUFFER: usize = 256 * 1024;
/// Bytes of an upload from which on it goes through a pipe: before that, a buffer costs less.
const SPLICE_FROM: u64 = 1024 * 1024;
/// Size of that pipe, in bytes: the most that Linux gives without asking (/proc/sys/fs/pipe-max-size).
const PIPE_SIZE: usize = 1024 * 1024;
/// A peer that took this much in one go, in bytes, is worth a short wait on the blocking thread.
const FAST: u64 = 64 * 1024;
/// So is one that sends so many bytes a second: a network has room for a few of those only.
const FAST_RATE: f64 = 32.0 * 1024.0 * 1024.0;
/// Time after which a blocking thread is given back, however fast the peer is.
const PIECE_TIME: Duration = Duration::from_millis(200);
/// Time after which a peer's speed is judged anew.
const STRETCH: Duration = Duration::from_millis(100);
/// Wait for the next bytes of a fast upload.
const MOMENT: Duration = Duration::from_millis(20);
/// Wait for room in the window of a fast download.
const LINGER: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
/// `f_type` of tmpfs (statfs(2)), whose files are always in memory.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What a transfer shares with whoever watches it: the bytes of payload moved so far, and whether a thread is at work.
#[derive(Debug)]
pub struct Progress {
    bytes: AtomicU64,
    /// The transfer's future was dropped: what still works for it stops.
    is_cut: AtomicBool,
    /// Held by the blocking thread that works for the transfer.
    at_work: Arc<Semaphore>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            bytes: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            at_work: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Progress {
    /// The count so far, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until no thread works for the transfer: after its future was dropped, until its file is left alone.
    pub async fn at_rest(&self) {
        // Never closed, so this is no error.
        let _ = self.at_work.acquire().await;
    }

    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// Does `work` on a blocking thread. Where this future is dropped, the work is told to stop at its next step.
async fn on_thread<T: Send + 'static>(
    progress: &Arc<Progress>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PumpError> {
    struct CutWhenDropped<'a>(&'a Progress, bool);
    impl Drop for CutWhenDropped<'_> {
        fn drop(&mut self) {
            if !self.1 {
                self.0.is_cut.store(true, Ordering::Relaxed);
            }
        }
    }
    let local = |error| PumpError::Local(io::Error::other(error));
    let permit = progress.at_work.clone().acquire_owned().await.map_err(|error| local(error.to_string()))?;
    let mut guard = CutWhenDropped(progress, false);
    let result = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(permit);
        result
    })
    .await;
    guard.1 = true;
    result.map_err(|error| local(error.to_string()))
}

/// What a piece of work says that was told to stop; nobody hears it.
fn cut() -> PumpError {
    PumpError::Network(io::ErrorKind::ConnectionAborted.into())
}

/// Why a transfer did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum PumpError {
    /// The data connection was reset, or the peer is gone.
    #[error("the data connection broke: {0}")]
    Network(io::Error),
    /// Nothing moved for too long.
    #[error("the data connection stalled")]
    Stalled,
    /// Reading or writing the file failed.
    #[error("{0}")]
    Local(io::Error),
}

/// An error of the socket.
fn network(error: io::Error) -> PumpError {
    if error.kind() == io::ErrorKind::TimedOut { PumpError::Stalled } else { PumpError::Network(error) }
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

/// Where a blocking piece of work stopped.
enum Stop {
    /// The peer has to move before it can go on.
    Peer,
    /// The piece is done; there may be more.
    Piece,
    /// The end.
    End,
}

/// Sends `file` from `offset` (bytes) to its end. Returns the number of bytes sent.
///
/// # Errors
/// When the connection breaks or stalls, or the file cannot be read.
pub(super) async fn send_file(
    stream: &mut DataStream,
    file: File,
    offset: u64,
    progress: &Arc<Progress>,
) -> Result<u64, PumpError> {
    let mut work = Sending { file, offset, copying: false, progress: progress.clone() };
    let start = offset;
    let left = work.file.metadata().map_err(PumpError::Local)?.len().saturating_sub(offset);
    if left <= IN_PLACE && is_in_memory(&work.file, offset, left) {
        loop {
            match work.push(&stream.shared())? {
                Stop::End => return Ok(work.offset - start),
                Stop::Piece => {}
                Stop::Peer => stream.ready(Interest::WRITABLE).await.map_err(network)?,
            }
        }
    }
    loop {
        let socket = stream.shared();
        let (returned, stop) = on_thread(progress, move || {
            let stop = work.push_lingering(&socket);
            (work, stop)
        })
        .await?;
        work = returned;
        match stop? {
            Stop::End => return Ok(work.offset - start),
            Stop::Piece => {}
            Stop::Peer => stream.ready(Interest::WRITABLE).await.map_err(network)?,
        }
    }
}

/// The state of a download that moves between threads.
struct Sending {
    file: File,
    offset: u64,
    /// sendfile(2) does not work for this file: read and send instead.
    copying: bool,
    progress: Arc<Progress>,
}

impl Sending {
    /// As [`push`](Self::push), but waits a moment for a peer that is fast.
    fn push_lingering(&mut self, socket: &OwnedFd) -> Result<Stop, PumpError> {
        loop {
            let before = self.offset;
            match self.push(socket)? {
                Stop::Peer if self.offset - before >= FAST && becomes_ready(socket, PollFlags::OUT) => {}
                other => return Ok(other),
            }
        }
    }

    /// Sends until the peer's window is full, the piece is done or the file ends.
    fn push(&mut self, socket: &OwnedFd) -> Result<Stop, PumpError> {
        let until = self.offset + PIECE;
        while self.offset < until {
            if self.progress.is_cut() {
                return Err(cut());
            }
            let sent = if self.copying {
                self.copy(socket)
            } else {
                sendfile(socket, &self.file, Some(&mut self.offset), CALL)
            };
            match sent {
                Ok(0) => return Ok(Stop::End),
                Ok(count) => self.progress.add(count as u64),
                Err(Errno::AGAIN) => return Ok(Stop::Peer),
                Err(Errno::INTR) => {}
                Err(Errno::INVAL | Errno::NOSYS) if !self.copying => self.copying = true,
                Err(error) => return Err(either(error)),
            }
        }
        Ok(Stop::Piece)
    }

    fn copy(&mut self, socket: &OwnedFd) -> Result<usize, Errno> {
        let mut buffer = vec![0; BUFFER];
        let count = rustix::io::pread(&self.file, &mut buffer, self.offset)?;
        if count == 0 {
            return Ok(0);
        }
        let sent = rustix::net::send(socket, &buffer[..count], rustix::net::SendFlags::NOSIGNAL)?;
        self.offset += sent as u64;
        Ok(sent)
    }
}

/// Takes everything until the peer's end and writes it to `file` at its position, with CR LF made LF where `ascii`.
/// Returns the number of bytes that came over the wire.
///
/// # Errors
/// When the connection breaks or stalls, or the file cannot be written.
pub(super) async fn receive_to_file(
    stream: &mut DataStream,
    file: File,
    ascii: bool,
    progress: &Arc<Progress>,
) -> Result<u64, PumpError> {
    let mut work = Receiving {
        file,
        decoder: ascii.then(AsciiDecoder::new),
        decoded: Vec::new(),
        buffer: vec![0; BUFFER],
        pipe: None,
        pace: Pace { is_fast: true, since: Instant::now(), from: 0 },
        received: 0,
        progress: progress.clone(),
    };
    loop {
        let socket = stream.shared();
        let (returned, stop) = on_thread(progress, move || {
            let stop = work.pull(&socket);
            (work, stop)
        })
        .await?;
        work = returned;
        match stop? {
            Stop::End => return Ok(work.received),
            Stop::Piece => {}
            Stop::Peer => stream.ready(Interest::READABLE).await.map_err(network)?,
        }
    }
}

/// The state of an upload that moves between threads.
struct Receiving {
    file: File,
    decoder: Option<AsciiDecoder>,
    decoded: Vec<u8>,
    buffer: Vec<u8>,
    /// Through which a long upload goes without being copied.
    pipe: Option<Pipe>,
    pace: Pace,
    received: u64,
    progress: Arc<Progress>,
}

/// How fast a peer sends, judged from time to time.
struct Pace {
    /// So fast that it is worth waiting for on a thread.
    is_fast: bool,
    since: Instant,
    /// What had come when the present stretch began, in bytes.
    from: u64,
}

impl Pace {
    fn judge(&mut self, received: u64) {
        let time = self.since.elapsed();
        if time >= STRETCH {
            let is_fast = (received - self.from) as f64 >= FAST_RATE * time.as_secs_f64();
            *self = Self { is_fast, since: Instant::now(), from: received };
        }
    }
}

/// What one step of an upload brought. It is in the file already.
enum Taken {
    /// The peer's end.
    End,
    /// So many bytes.
    Bytes(usize),
    /// Nothing is there now.
    Nothing,
}

/// A pipe of the kernel: what splice(2) needs in the middle.
struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
}

impl Pipe {
    fn new() -> Result<Self, Errno> {
        let (output, input) = pipe_with(PipeFlags::CLOEXEC)?;
        // A user with very many pipes gets small ones: slower, and no error.
        let _ = fcntl_setpipe_size(&input, PIPE_SIZE);
        Ok(Self { output, input })
    }

    /// Carries what is there, at most a pipe full.
    fn carry(&self, socket: &OwnedFd, file: &mut File) -> Result<Taken, PumpError> {
        // The pipe is empty here: only the socket can make this wait, as long as its own settings say.
        let count =
            match retry_on_intr(|| splice(socket, None, &self.input, None, PIPE_SIZE, SpliceFlags::MOVE)) {
                Ok(0) => return Ok(Taken::End),
                Ok(count) => count,
                Err(Errno::AGAIN) => return Ok(Taken::Nothing),
                Err(error) => return Err(PumpError::Network(error.into())),
            };
        let mut left = count;
        while left > 0 {
            match splice(&self.output, None, &*file, None, left, SpliceFlags::MOVE) {
                Ok(moved) => left -= moved,
                Err(Errno::INTR) => {}
                // A file that cannot be spliced into takes it by way of a buffer.
                Err(Errno::INVAL) => left -= self.copy(file, left)?,
                Err(error) => return Err(PumpError::Local(error.into())),
            }
        }
        Ok(Taken::Bytes(count))
    }

    fn copy(&self, file: &mut File, most: usize) -> Result<usize, PumpError> {
        let mut buffer = vec![0; most.min(BUFFER)];
        let count =
            rustix::io::read(&self.output, &mut buffer).map_err(|error| PumpError::Local(error.into()))?;
        file.write_all(&buffer[..count]).map_err(PumpError::Local)?;
        Ok(count)
    }
}

impl Receiving {
    /// Takes what is there, at most one buffer or pipe full.
    fn take(&mut self, socket: &OwnedFd) -> Result<Taken, PumpError> {
        if self.decoder.is_none() && self.received >= SPLICE_FROM {
            if self.pipe.is_none() {
                self.pipe = Pipe::new().ok(); // without one the bytes are copied
            }
            if let Some(pipe) = &self.pipe {
                return pipe.carry(socket, &mut self.file);
            }
        }
        match retry_on_intr(|| rustix::io::read(socket, self.buffer.as_mut_slice())) {
            Ok(0) => {
                self.write(0)?;
                Ok(Taken::End)
            }
            Ok(count) => {
                self.write(count)?;
                Ok(Taken::Bytes(count))
            }
            Err(Errno::AGAIN) => Ok(Taken::Nothing),
            Err(error) => Err(PumpError::Network(error.into())),
        }
    }

    /// Writes the first `count` bytes of the buffer; none at the end.
    fn write(&mut self, count: usize) -> Result<(), PumpError> {
        let mut payload = &self.buffer[..count];
        if let Some(decoder) = &mut self.decoder {
            self.decoded.clear();
            decoder.decode(payload, &mut self.decoded);
            if count == 0 {
                decoder.finish(&mut self.decoded);
            }
            payload = &self.decoded;
        }
        self.file.write_all(payload).map_err(PumpError::Local)
    }

    /// Takes until the peer has nothing more, the piece or its time is over, or the end has come. A peer that was fast
    /// is waited for on this thread.
    fn pull(&mut self, socket: &OwnedFd) -> Result<Stop, PumpError> {
        let (begun, start) = (Instant::now(), self.received);
        let patience = self.pace.is_fast.then(|| Patience::with(socket)).transpose()?;
        let stop = loop {
            if self.progress.is_cut() {
                return Err(cut());
            }
            match self.take(socket)? {
                Taken::End => break Stop::End,
                Taken::Nothing => break Stop::Peer,
                Taken::Bytes(count) => {
                    self.received += count as u64;
                    self.progress.add(count as u64);
                }
            }
            if self.received - start >= PIECE || begun.elapsed() >= PIECE_TIME {
                break Stop::Piece;
            }
        };
        drop(patience);
        self.pace.judge(self.received);
        Ok(stop)
    }
}

/// While it lives, a read of the socket waits a moment for bytes, as no other way to wait is as cheap.
struct Patience<'a>(&'a OwnedFd);

impl<'a> Patience<'a> {
    fn with(socket: &'a OwnedFd) -> Result<Self, PumpError> {
        let fails = |error: Errno| PumpError::Local(error.into());
        set_socket_timeout(socket, Timeout::Recv, Some(MOMENT)).map_err(fails)?;
        ioctl_fionbio(socket, false).map_err(fails)?;
        Ok(Self(socket))
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        // It was switched off a moment ago, so that it can be switched on.
        let _ = ioctl_fionbio(self.0, true);
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

/// Sends everything that `reader` gives, with line ends made CR LF where `ascii`. Returns the number of bytes sent.
///
/// # Errors
/// When the connection breaks or stalls, or the reader fails.
pub(super) async fn send_reader(
    stream: &mut DataStream,
    reader: &mut (dyn AsyncRead + Send + Unpin),
    ascii: bool,
    progress: &Progress,
) -> Result<u64, PumpError> {
    let mut encoder = ascii.then(AsciiEncoder::new);
    let mut buffer = vec![0; BUFFER];
    let mut encoded = Vec::new();
    let mut sent = 0;
    loop {
        let count = reader.read(&mut buffer).await.map_err(PumpError::Local)?;
        let payload = match &mut encoder {
            None => &buffer[..count],
            Some(encoder) => {
                encoded.clear();
                encoder.encode(&buffer[..count], &mut encoded);
                &encoded[..]
            }
        };
        stream.write_all(payload).await.map_err(network)?;
        sent += payload.len() as u64;
        progress.add(payload.len() as u64);
        if count == 0 {
            return Ok(sent);
        }
    }
}

/// Takes everything until the peer's end and hands it to `writer`, with CR LF made LF where `ascii`. Returns the
/// number of bytes that came over the wire. The writer is not flushed.
///
/// # Errors
/// When the connection breaks or stalls, or the writer fails.
pub(super) async fn receive_to_writer(
    stream: &mut DataStream,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
    ascii: bool,
    progress: &Progress,
) -> Result<u64, PumpError> {
    let mut decoder = ascii.then(AsciiDecoder::new);
    let mut buffer = vec![0; BUFFER];
    let mut decoded = Vec::new();
    let mut received = 0;
    loop {
        let count = stream.read(&mut buffer).await.map_err(network)?;
        let payload = match &mut decoder {
            None => &buffer[..count],
            Some(decoder) => {
                decoded.clear();
                decoder.decode(&buffer[..count], &mut decoded);
                if count == 0 {
                    decoder.finish(&mut decoded);
                }
                &decoded[..]
            }
        };
        writer.write_all(payload).await.map_err(PumpError::Local)?;
        received += count as u64;
        progress.add(count as u64);
        if count == 0 {
            return Ok(received);
        }
    }
}

/// Sends `bytes` as they are.
pub(super) async fn send_bytes(
    stream: &mut DataStream,
    bytes: &[u8],
    progress: &Progress,
) -> Result<(), PumpError> {
    stream.write_all(bytes).await.map_err(network)?;
    progress.add(bytes.len() as u64);
    Ok(())
}

/// Takes what is there; 0 at the end.
pub(super) async fn receive(
    stream: &mut DataStream,
    buffer: &mut [u8],
    progress: &Progress,
) -> Result<usize, PumpError> {
    let count = stream.read(buffer).await.map_err(network)?;
    progress.add(count as u64);
    Ok(count)
}
