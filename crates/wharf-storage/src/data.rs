//! Where data come from and go to: a descriptor, so that the kernel can move the bytes, or a stream.

use core::fmt;
use std::fs::File;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::StorageError;

/// A file that is open for reading.
#[derive(Debug)]
pub struct Source {
    /// The data from `offset` on.
    pub kind: SourceKind,
    /// Size of the whole file in bytes when it was opened; `None` where the storage cannot tell.
    pub size: Option<u64>,
    /// Where the data begin, in bytes from the start of the file; never beyond its end.
    pub offset: u64,
}

/// The two forms of a [`Source`].
pub enum SourceKind {
    /// A regular file whose position is the source's offset: `read`, `sendfile` and `splice` work. It carries
    /// `O_NONBLOCK`, which means nothing for a regular file; reading may wait for a disk.
    File(File),
    /// A stream that begins at the source's offset.
    Stream(Box<dyn AsyncRead + Send + Unpin>),
}

/// A file that is open for writing.
///
/// The data count as handed over only after [`Sink::finish`]; a sink that is dropped is an upload that broke off.
/// What that leaves behind is the storage's: a part in a plain local file, nothing in memory.
#[derive(Debug)]
pub struct Sink {
    kind: SinkKind,
    offset: u64,
}

/// The two forms of a [`Sink`].
pub enum SinkKind {
    /// A regular file whose position is where the data belong: `write` and `splice` work, so it is never opened with
    /// `O_APPEND`, which `splice` refuses. Writing may wait for a disk.
    File(File),
    /// A stream; its `poll_shutdown` hands the data over.
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Sink {
    /// A sink that is a regular file, positioned at `offset`.
    #[must_use]
    pub fn file(file: File, offset: u64) -> Self {
        Self { kind: SinkKind::File(file), offset }
    }

    /// A sink that is a stream, which writes from `offset` on and publishes when it is shut down.
    pub fn stream(stream: impl AsyncWrite + Send + Unpin + 'static, offset: u64) -> Self {
        Self { kind: SinkKind::Stream(Box::new(stream)), offset }
    }

    /// Where to write.
    #[must_use]
    pub fn kind(&self) -> &SinkKind {
        &self.kind
    }

    /// Where to write.
    pub fn kind_mut(&mut self) -> &mut SinkKind {
        &mut self.kind
    }

    /// Where the data begin, in bytes from the start of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Hands the data over: after this, and not before, a server may say 226.
    ///
    /// # Errors
    /// When the storage could not take the data; then they are not handed over.
    pub async fn finish(mut self) -> Result<(), StorageError> {
        match &mut self.kind {
            // What was written to a descriptor is the kernel's already.
            SinkKind::File(_) => Ok(()),
            SinkKind::Stream(stream) => Ok(stream.shutdown().await?),
        }
    }
}

impl fmt::Debug for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl fmt::Debug for SinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
