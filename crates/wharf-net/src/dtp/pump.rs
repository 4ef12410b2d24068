//! Moving the payload between a data connection and a file or a stream.
//!
//! A file whose pages are in memory is sent at once. Everything that may wait for a disk runs on a blocking thread,
//! one piece at a time, and gives the thread back whenever the *peer* is what it waits for: neither a slow disk nor
//! a slow client stops other sessions. Files have `sending.rs` and `receiving.rs`; what comes from elsewhere, or goes there,
//! has this file.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wharf_proto::ascii::{AsciiDecoder, AsciiEncoder};

use super::progress::Progress;
use super::stream::DataStream;

mod receiving;
mod sending;

pub(super) use receiving::receive_to_file;
pub(super) use sending::send_file;

/// Bytes after which a blocking thread is given back, so that many transfers share the threads fairly.
const PIECE: u64 = 32 * 1024 * 1024;
/// The same on a lent thread, which has the control connection to look after.
const LENT_PIECE: u64 = 4 * 1024 * 1024;
/// Size of the copy buffers, in bytes.
pub(super) const BUFFER: usize = 256 * 1024;

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
    progress.may_move().await;
    let most = progress.most(buffer.len());
    let count = stream.read(&mut buffer[..most]).await.map_err(network)?;
    progress.take(count as u64)?;
    Ok(count)
}
