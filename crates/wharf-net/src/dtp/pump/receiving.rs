//! A file on its way from the peer.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use wharf_proto::ascii::AsciiDecoder;

use super::{BUFFER, LENT_PIECE, PIECE, PumpError, Stop, cut, network};
use crate::dtp::destination::Destination;
use crate::dtp::progress::{Progress, on_thread};
use crate::dtp::secured::{Decrypted, decrypt};
use crate::dtp::stream::DataStream;
use crate::lending::is_lent;
use crate::tls::Channel;
use crate::watched::let_reads_wait;

/// Size of the first buffer, in bytes: most files are small, and a large one costs as much as they do.
const FIRST_BUFFER: usize = 16 * 1024;
/// Bytes of an upload from which on it goes through a pipe: before that, a buffer costs less.
const SPLICE_FROM: u64 = 1024 * 1024;
/// Size of that pipe, in bytes: the most that Linux gives without asking (/proc/sys/fs/pipe-max-size).
const PIPE_SIZE: usize = 1024 * 1024;
/// So is one that sends so many bytes a second: a network has room for a few of those only.
const FAST_RATE: f64 = 32.0 * 1024.0 * 1024.0;
/// Time after which a blocking thread is given back, however fast the peer is.
const PIECE_TIME: Duration = Duration::from_millis(200);
/// Time after which a peer's speed is judged anew.
const STRETCH: Duration = Duration::from_millis(100);
/// Wait for the next bytes of a fast upload.
const MOMENT: Duration = Duration::from_millis(20);

/// Takes everything until the peer's end and writes it to a file at its position, with CR LF made LF where `ascii`.
/// Returns the number of bytes that came over the wire.
///
/// # Errors
/// When the connection breaks or stalls, or the file cannot be written or handed over.
pub(in crate::dtp) async fn receive_to_file(
    stream: &mut DataStream,
    destination: Box<dyn Destination>,
    ascii: bool,
    progress: &Arc<Progress>,
) -> Result<u64, PumpError> {
    let channel = stream.take_channel().map_err(network)?;
    let work = Receiving {
        output: Output { destination, decoder: ascii.then(AsciiDecoder::new), decoded: Vec::new() },
        buffer: if channel.is_none() { vec![0; FIRST_BUFFER] } else { Vec::new() },
        channel,
        tolerant: stream.tolerates_plain_end(),
        pipe: None,
        pace: Pace { is_fast: true, since: Instant::now(), from: 0 },
        received: 0,
        is_begun: false,
        progress: progress.clone(),
    };
    let mut parked = Parked { work: Some(work), progress };
    loop {
        let Some(work) = parked.work.take() else { return Err(cut()) };
        let socket = stream.shared();
        let takes_long = work.output.destination.takes_long();
        match on_thread(progress, takes_long, move || work.step(&socket)).await? {
            Step::Done { channel, received } => {
                stream.set_channel(channel);
                return Ok(received);
            }
            Step::Failed(error) => return Err(error),
            Step::Stopped(work, stop) => {
                parked.work = Some(work);
                match stop {
                    // The control connection gets its turn.
                    Stop::Piece if is_lent() => tokio::task::yield_now().await,
                    Stop::Piece | Stop::End => {}
                    Stop::Limit => progress.may_move().await,
                    Stop::Peer => stream.ready(Interest::READABLE).await.map_err(network)?,
                }
            }
        }
    }
}

/// An upload between two pieces of work. Dropped, it is tidied up on a thread that may wait for a disk, where it is not on one
/// already: a huge file that goes takes its time.
struct Parked<'a> {
    work: Option<Receiving>,
    progress: &'a Arc<Progress>,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.progress.drop_on_thread(work);
        }
    }
}

/// What came of a piece of work.
enum Step {
    /// It stopped, and goes on later.
    Stopped(Receiving, Stop),
    /// Everything is handed over.
    Done { channel: Option<Box<Channel>>, received: u64 },
    /// It is over.
    Failed(PumpError),
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
    /// Whether the socket was asked, or waited for.
    is_begun: bool,
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
    /// One piece of work. At its end the destination goes where it may wait for a disk: here.
    fn step(mut self, socket: &OwnedFd) -> Step {
        match self.pull(socket) {
            Ok(Stop::End) => {
                drop(self.output);
                Step::Done { channel: self.channel, received: self.received }
            }
            Ok(stop) => Step::Stopped(self, stop),
            Err(error) => {
                if let PumpError::Local(error) = &error {
                    self.output.destination.failed(error);
                }
                Step::Failed(error)
            }
        }
    }

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
                if count == self.buffer.len() {
                    self.buffer.resize(BUFFER, 0);
                }
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
        // Clients send behind the 150, which has not left yet: there is nothing to be read before poll(2) says so.
        if is_lent() && self.channel.is_none() && !std::mem::replace(&mut self.is_begun, true) {
            return Ok(Stop::Peer);
        }
        let (begun, start) = (Instant::now(), self.received);
        let piece = if is_lent() { LENT_PIECE } else { PIECE };
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
            if self.received - start >= piece || begun.elapsed() >= PIECE_TIME {
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
        let_reads_wait(socket, MOMENT).map_err(|error| PumpError::Local(error.into()))?;
        Ok(Self(socket))
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        // It was switched off a moment ago, so that it can be switched on.
        let _ = ioctl_fionbio(self.0, true);
    }
}
