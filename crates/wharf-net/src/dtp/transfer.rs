//! A transfer over a data connection that may carry one.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use wharf_proto::dialogue::Authenticated;

use super::destination::Destination;
use super::open::PeerVerified;
use super::progress::Progress;
use super::pump::{self, PumpError};
use super::stream::DataStream;

/// A data connection that is up, whose far end was verified, for a user who is logged in.
///
/// Payload can be moved through this type only. Dropping it unfinished cuts the connection (RST), so that nobody takes
/// what arrived for the whole; what still runs on a blocking thread then stops at its next step, and
/// [`Progress::at_rest`] tells when.
#[derive(Debug)]
pub struct Transfer {
    stream: DataStream,
    is_finished: bool,
    progress: Arc<Progress>,
}

impl Transfer {
    /// Opens the way for payload; what is moved is counted in `progress`.
    #[must_use]
    pub fn open(
        stream: DataStream,
        _authenticated: Authenticated,
        _peer: PeerVerified,
        progress: Arc<Progress>,
    ) -> Self {
        Self { stream, is_finished: false, progress }
    }

    /// This end and the other.
    #[must_use]
    pub fn endpoints(&self) -> (SocketAddr, SocketAddr) {
        (self.stream.local(), self.stream.peer())
    }

    /// Sends `file`, which has `size` bytes, from `offset` (bytes) on; what is added to it meanwhile stays behind, and one
    /// that has 0 bytes is read to its end, as those of /proc want it. Returns the number of bytes sent: less than there
    /// were when the file was cut short.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the file cannot be read.
    pub async fn send_file(&mut self, file: File, offset: u64, size: u64) -> Result<u64, PumpError> {
        pump::send_file(&mut self.stream, file, offset, size, &self.progress).await
    }

    /// Sends everything that `reader` gives, with line ends made CR LF where `ascii`. Returns the bytes sent.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the reader fails.
    pub async fn send_reader(
        &mut self,
        reader: &mut (dyn AsyncRead + Send + Unpin),
        ascii: bool,
    ) -> Result<u64, PumpError> {
        pump::send_reader(&mut self.stream, reader, ascii, &self.progress).await
    }

    /// Sends `bytes` as they are.
    ///
    /// # Errors
    /// When the connection breaks or stalls.
    pub async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), PumpError> {
        pump::send_bytes(&mut self.stream, bytes, &self.progress).await
    }

    /// Takes everything until the peer's end and writes it to `file` at its position. Returns the bytes taken.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the file cannot be written.
    pub async fn receive_to_file(&mut self, file: File) -> Result<u64, PumpError> {
        self.receive_to(Box::new(file), false).await
    }

    /// As [`receive_to_file`](Self::receive_to_file), with CR LF made LF. Returns the bytes that came over the wire.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the file cannot be written.
    pub async fn receive_text_to_file(&mut self, file: File) -> Result<u64, PumpError> {
        self.receive_to(Box::new(file), true).await
    }

    /// Takes everything until the peer's end, with CR LF made LF where `ascii`, and hands it over. Returns the bytes that came
    /// over the wire.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the destination does not take it.
    pub async fn receive_to(
        &mut self,
        destination: Box<dyn Destination>,
        ascii: bool,
    ) -> Result<u64, PumpError> {
        pump::receive_to_file(&mut self.stream, destination, ascii, &self.progress).await
    }

    /// Takes everything until the peer's end and hands it to `writer`, with CR LF made LF where `ascii`. Returns the
    /// bytes that came over the wire. The writer is not flushed.
    ///
    /// # Errors
    /// When the connection breaks or stalls, or the writer fails.
    pub async fn receive_to_writer(
        &mut self,
        writer: &mut (dyn AsyncWrite + Send + Unpin),
        ascii: bool,
    ) -> Result<u64, PumpError> {
        pump::receive_to_writer(&mut self.stream, writer, ascii, &self.progress).await
    }

    /// Takes what is there, waiting for the first byte; 0 at the peer's end. For listings, which are read line by line, and for
    /// what is so small that no thread is worth it.
    ///
    /// # Errors
    /// When the connection breaks or stalls.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, PumpError> {
        pump::receive(&mut self.stream, buffer, &self.progress).await
    }

    /// Ends in order: close_notify under TLS, and FIN behind the last byte.
    ///
    /// # Errors
    /// When the connection is broken already, or stalls.
    pub async fn finish(mut self) -> Result<(), PumpError> {
        self.stream.finish().await.map_err(pump::network)?;
        self.is_finished = true;
        Ok(())
    }

    /// As [`finish`](Self::finish), and under TLS waits for the peer's end as well, at most `limit`.
    ///
    /// # Errors
    /// When the connection is broken already, or stalls.
    pub async fn finish_both(mut self, limit: Duration) -> Result<(), PumpError> {
        self.stream.finish_both(limit).await.map_err(pump::network)?;
        self.is_finished = true;
        Ok(())
    }

    /// Whether it goes through TLS, so that its end is told by close_notify.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.stream.is_secured()
    }

    /// Whether the peer's end came without close_notify, where that is tolerated.
    #[must_use]
    pub fn ended_plainly(&self) -> bool {
        self.stream.ended_plainly()
    }

    /// Ends out of order: RST, so that nobody takes what arrived for the whole.
    pub fn cut(self) {
        drop(self);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if !self.is_finished {
            self.stream.cut();
        }
    }
}
