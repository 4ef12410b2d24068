//! Where data come from: a descriptor, so that the kernel can move the bytes, or a stream.

use core::fmt;
use std::fs::File;

use tokio::io::AsyncRead;

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

impl fmt::Debug for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.debug_tuple("File").field(file).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
