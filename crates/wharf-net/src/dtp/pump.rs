//! Moving the payload between a data connection and a file or a stream.
//!
//! A file whose pages are in memory is sent at once. Everything that may wait for a disk runs on a blocking thread,
//! one piece at a time, and gives the thread back whenever the *peer* is what it waits for: neither a slow disk nor
//! a slow client stops other sessions.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{fstatfs, sendfile};
use rustix::io::{Errno, ReadWriteFlags, ioctl_fionbio, preadv2, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use wharf_proto::ascii::{AsciiDecoder, AsciiEncoder};

use super::destination::Destination;
use super::progress::{Progress, on_thread};
use super::secured::{Decrypted, Encrypting, decrypt};
use super::stream::{DataStream, ENCRYPT};
use crate::lending::is_lent;
use crate::tls::Channel;

/// What is left of a file, in bytes, up to which it is sent in place when its pages are in memory.
const IN_PLACE: u64 = 256 * 1024;
/// Bytes after which a blocking thread is given back, so that many transfers share the threads fairly.
const PIECE: u64 = 32 * 1024 * 1024;
/// The same on a lent thread, which has the control connection to look after.
const LENT_PIECE: u64 = 4 * 1024 * 1024;
/// Bytes that one system call is asked for.
const CALL: usize = 2 * 1024 * 1024;
/// Size of the copy buffers, in bytes.
pub(super) const BUFFER: usize = 256 * 1024;
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
    /// TLS ended without close_notify: nobody can tell the whole from a part.
    #[error("the data connection ended without close_notify")]
    CloseNotifyMissing,
    /// Reading or writing the file failed.
    #[error("{0}")]
    Local(io::Error),
}

/// An error of the socket.
pub(super) fn network(error: io::Error) -> PumpError {
    match error.kind() {
        io::ErrorKind::TimedOut => PumpError::Stalled,
        io::ErrorKind::UnexpectedEof => PumpError::CloseNotifyMissing,
        _ => PumpError::Network(error),
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

/// Where a blocking piece of work stopped.
enum Stop {
    /// The peer has to move before it can go on.
    Peer,
    /// The piece is done; there may be more.
    Piece,
    /// A limit of speed is reached.
    Limit,
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
    let start = offset;
    let left = file.metadata().map_err(PumpError::Local)?.len().saturating_sub(offset);
    let encrypting = stream
        .take_channel()
        .map_err(network)?
        .map(|channel| Encrypting::new(channel, left, progress.most(ENCRYPT)));
    let in_place = !is_lent() && left <= IN_PLACE && is_in_memory(&file, offset, left);
    let mut work = Sending { file, offset, copying: false, encrypting, progress: progress.clone() };
    loop {
        let stop = if is_lent() {
            work.push(&stream.shared(), LENT_PIECE)
        } else if in_place {
            work.push(&stream.shared(), PIECE)
        } else {
            let socket = stream.shared();
            let (returned, stop) = on_thread(progress, move || {
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
            let sent = if let Some(encrypting) = &mut self.encrypting {
                encrypting.send_from(&self.file, &mut self.offset, socket)
            } else if self.copying {
                self.copy(socket)
            } else {
                sendfile(socket, &self.file, Some(&mut self.offset), self.progress.most(CALL))
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
        let mut buffer = vec![0; self.progress.most(BUFFER)];
        let count = rustix::io::pread(&self.file, &mut buffer, self.offset)?;
        if count == 0 {
            return Ok(0);
        }
        let sent = rustix::net::send(socket, &buffer[..count], rustix::net::SendFlags::NOSIGNAL)?;
        self.offset += sent as u64;
        Ok(sent)
    }
}

/// Takes everything until the peer's end and writes it to a file at its position, with CR LF made LF where `ascii`.
/// Returns the number of bytes that came over the wire.
///
/// # Errors
/// When the connection breaks or stalls, or the file cannot be written or handed over.
pub(super) async fn receive_to_file(
    stream: &mut DataStream,
    destination: Box<dyn Destination>,
    ascii: bool,
    progress: &Arc<Progress>,
) -> Result<u64, PumpError> {
    let channel = stream.take_channel().map_err(network)?;
    let mut work = Receiving {
        output: Output { destination, decoder: ascii.then(AsciiDecoder::new), decoded: Vec::new() },
        buffer: if channel.is_none() { vec![0; BUFFER] } else { Vec::new() },
        channel,
        tolerant: stream.tolerates_plain_end(),
        pipe: None,
        pace: Pace { is_fast: true, since: Instant::now(), from: 0 },
        received: 0,
        progress: progress.clone(),
    };
    loop {
        let socket = stream.shared();
        let (returned, stop) = on_thread(progress, move || {
            let stop = work.pull(&socket);
            if let Err(PumpError::Local(error)) = &stop {
                work.output.destination.failed(error);
            }
            (work, stop)
        })
        .await?;
        work = returned;
        match stop? {
            Stop::End => {
                stream.set_channel(work.channel);
                return Ok(work.received);
            }
            Stop::Piece => {}
            Stop::Limit => progress.may_move().await,
            Stop::Peer => stream.ready(Interest::READABLE).await.map_err(network)?,
        }
    }
}

/// The state of an upload that moves between threads.
struct Receiving {
    output: Output,
    buffer: Vec<u8>,
    /// Under TLS.
    channel: Option<Box<Channel>>,
    /// An end without close_notify is one, too.
    tolerant: bool,
    /// Through which a long upload goes without being copied.
    pipe: Option<Pipe>,
    pace: Pace,
    received: u64,
    progress: Arc<Progress>,
}

/// Where an upload goes.
struct Output {
    destination: Box<dyn Destination>,
    decoder: Option<AsciiDecoder>,
    decoded: Vec<u8>,
}

impl Output {
    /// Writes what came; nothing at the end.
    fn write(&mut self, payload: &[u8]) -> Result<(), PumpError> {
        let written = match &mut self.decoder {
            None => payload,
            Some(decoder) => {
                self.decoded.clear();
                decoder.decode(payload, &mut self.decoded);
                if payload.is_empty() {
                    decoder.finish(&mut self.decoded);
                }
                &self.decoded
            }
        };
        self.destination.admit(written.len() as u64).map_err(PumpError::Local)?;
        self.destination.file().write_all(written).map_err(PumpError::Local)
    }
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

    /// Carries what is there, at most `most` bytes or a pipe full.
    fn carry(
        &self,
        socket: &OwnedFd,
        destination: &mut dyn Destination,
        most: usize,
    ) -> Result<Taken, PumpError> {
        // The pipe is empty here: only the socket can make this wait, as long as its own settings say.
        let most = most.min(PIPE_SIZE);
        let count = match retry_on_intr(|| splice(socket, None, &self.input, None, most, SpliceFlags::MOVE)) {
            Ok(0) => return Ok(Taken::End),
            Ok(count) => count,
            Err(Errno::AGAIN) => return Ok(Taken::Nothing),
            Err(error) => return Err(PumpError::Network(error.into())),
        };
        let mut left = count;
        destination.admit(count as u64).map_err(PumpError::Local)?;
        let file = destination.file();
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
        if let Some(taken) = self.take_secured(socket)? {
            return Ok(taken);
        }
        if self.output.decoder.is_none() && self.received >= SPLICE_FROM {
            if self.pipe.is_none() {
                self.pipe = Pipe::new().ok(); // without one the bytes are copied
            }
            if let Some(pipe) = &self.pipe {
                return pipe.carry(socket, &mut *self.output.destination, self.progress.most(PIPE_SIZE));
            }
        }
        let most = self.progress.most(self.buffer.len());
        match retry_on_intr(|| rustix::io::read(socket, &mut self.buffer[..most])) {
            Ok(0) => {
                self.output.write(&[])?;
                Ok(Taken::End)
            }
            Ok(count) => {
                self.output.write(&self.buffer[..count])?;
                Ok(Taken::Bytes(count))
            }
            Err(Errno::AGAIN) => Ok(Taken::Nothing),
            Err(error) => Err(PumpError::Network(error.into())),
        }
    }

    /// As [`take`](Self::take), under TLS.
    fn take_secured(&mut self, socket: &OwnedFd) -> Result<Option<Taken>, PumpError> {
        let Some(channel) = &mut self.channel else { return Ok(None) };
        Ok(Some(match decrypt(channel, socket, self.tolerant)? {
            Decrypted::End => {
                self.output.write(&[])?;
                Taken::End
            }
            Decrypted::Payload => {
                let count = channel.plain().len();
                self.output.write(channel.plain())?;
                channel.plain_taken(count);
                Taken::Bytes(count)
            }
            Decrypted::Nothing => Taken::Nothing,
        }))
    }

    /// Takes until the peer has nothing more, the piece or its time is over, or the end has come. A peer that was fast
    /// is waited for on this thread.
    fn pull(&mut self, socket: &OwnedFd) -> Result<Stop, PumpError> {
        let progress = &self.progress;
        self.output.destination.prepare(&|| progress.is_cut()).map_err(PumpError::Local)?;
        let (begun, start) = (Instant::now(), self.received);
        // A small upload on a lent thread is not worth the calls.
        let patient = self.pace.is_fast && (!is_lent() || self.received >= SPLICE_FROM);
        let patience = patient.then(|| Patience::with(socket)).transpose()?;
        let stop = loop {
            if self.progress.is_cut() {
                return Err(cut());
            }
            if self.progress.pause().is_some() {
                break Stop::Limit;
            }
            match self.take(socket)? {
                Taken::End => break Stop::End,
                Taken::Nothing => break Stop::Peer,
                Taken::Bytes(count) => {
                    self.received += count as u64;
                    self.progress.take(count as u64)?;
                }
            }
            if self.received - start >= PIECE || begun.elapsed() >= PIECE_TIME {
                break Stop::Piece;
            }
        };
        drop(patience);
        if matches!(stop, Stop::End) {
            let progress = &self.progress;
            if progress.is_cut() {
                return Err(cut());
            }
            let handed_over = self.output.destination.complete(self.received, &|| progress.is_cut());
            handed_over.map_err(PumpError::Local)?;
        }
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
        progress.may_move().await;
        let most = progress.most(buffer.len());
        let count = reader.read(&mut buffer[..most]).await.map_err(PumpError::Local)?;
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
        progress.may_move().await;
        let most = progress.most(buffer.len());
        let count = stream.read(&mut buffer[..most]).await.map_err(network)?;
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
        progress.take(count as u64)?;
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
