//! Uploads: how one is asked for, and what it is until it is published or given up.

use core::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{Budget, StorageError};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// A file that does not exist yet (STOU).
    New,
    /// A new file, or an existing one whose content is discarded (STOR).
    Replace,
    /// From this offset in bytes on (REST and STOR), in an existing file or, at 0, in a new one. What lies before
    /// stays; what lies behind is overwritten, never cut off. In a part that waits to be resumed, it is cut off.
    At(u64),
    /// From the end of an existing file on, or a new one (APPE).
    Append,
}

/// Where the data of an upload go until all of them are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadMethod {
    /// Into a hidden part in the same directory, which takes the final name when it is complete.
    #[default]
    Atomic,
    /// Into the file itself.
    InPlace,
}

/// What an atomic upload does that goes on with a complete file (APPE, REST and STOR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendMethod {
    /// It works on a copy, which shares the blocks of the old file where the file system can do that.
    #[default]
    Copy,
    /// It writes into the file itself.
    InPlace,
}

/// What is done before an upload counts as published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The file has its name. After a power cut it may be missing or empty.
    #[default]
    Rename,
    /// The file and its directory are on the disk.
    Fsync,
}

/// Everything that an upload is told.
#[derive(Clone, Debug)]
pub struct UploadRequest {
    /// Which bytes of the file it writes.
    pub mode: WriteMode,
    /// Where they go until all are there.
    pub method: UploadMethod,
    /// What it does to a complete file.
    pub append: AppendMethod,
    /// What is done before it counts as published.
    pub durability: Durability,
    /// Whether a file that is there may be changed or replaced.
    pub may_replace: bool,
    /// Who may go on with it when it is cut: any bytes that name a user.
    pub owner: Box<[u8]>,
    /// Unix permission bits of a new file; the process's own umask decides where there are none.
    pub permissions: Option<u32>,
    /// What its user may still store.
    pub budget: Option<Arc<dyn Budget>>,
}

impl UploadRequest {
    /// A request with the defaults: atomic, on a copy, by rename; anything may be replaced, without a limit.
    #[must_use]
    pub fn new(mode: WriteMode, owner: impl Into<Box<[u8]>>) -> Self {
        Self {
            mode,
            method: UploadMethod::default(),
            append: AppendMethod::default(),
            durability: Durability::default(),
            may_replace: true,
            owner: owner.into(),
            permissions: None,
            budget: None,
        }
    }
}

/// An upload that was begun: nobody else writes under that name while it lives.
///
/// Nothing that was there before is changed until the first byte is written, or [`FileUpload::prepare`] is called. The
/// data count as handed over only after they are published; an upload that is dropped is one that broke off. What that
/// leaves behind is said in [`UploadMethod`]: a part that its owner can go on with, or, in place, a part of the file.
#[derive(Debug)]
pub struct Upload {
    /// Where to write.
    pub kind: UploadKind,
    /// Where the data begin, in bytes from the start of the file.
    pub offset: u64,
}

/// The two forms of an [`Upload`].
pub enum UploadKind {
    /// Into a regular file, by calls that may wait for a disk.
    File(Box<dyn FileUpload>),
    /// A stream; its `poll_shutdown` publishes.
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
}

/// An upload into a regular file. Every method may wait for a disk.
///
/// The order is `prepare`, then `admit` before each piece that is written to `file`, then `publish`. Dropping it gives the
/// upload up.
pub trait FileUpload: Send {
    /// Makes the file ready: discards what is replaced, or copies what is gone on with. To be called when the data are sure to
    /// come; `is_cut` is asked from time to time whether they still are. A second call does nothing.
    ///
    /// # Errors
    /// When the disk is full, or the file cannot be read or changed.
    fn prepare(&mut self, is_cut: &dyn Fn() -> bool) -> Result<(), StorageError>;

    /// Whether [`prepare`](Self::prepare) has much to copy, and so takes long.
    fn takes_long(&self) -> bool {
        false
    }

    /// Notes that so many bytes more will be written at the present position.
    ///
    /// # Errors
    /// [`QuotaExceeded`](StorageError::QuotaExceeded) when the user may not.
    fn admit(&mut self, bytes: u64) -> Result<(), StorageError>;

    /// The file, positioned where the data belong. `write` and `splice` work, so it is never opened with `O_APPEND`, which
    /// `splice` refuses.
    fn file(&mut self) -> &mut File;

    /// Gives the file its name: after this, and not before, a server may say 226.
    ///
    /// # Errors
    /// When that cannot be done; then nothing is published.
    fn publish(&mut self) -> Result<(), StorageError>;

    /// Notes that nobody will go on with it, so that dropping it leaves no part.
    fn discard(&mut self);
}

impl Upload {
    /// Writes a piece; waits for a disk where there is one. Servers have better ways.
    ///
    /// # Errors
    /// When the storage cannot take it.
    pub async fn write_all(&mut self, piece: &[u8]) -> Result<(), StorageError> {
        match &mut self.kind {
            UploadKind::File(upload) => {
                upload.prepare(&|| false)?;
                upload.admit(piece.len() as u64)?;
                Ok(upload.file().write_all(piece)?)
            }
            UploadKind::Stream(stream) => Ok(stream.write_all(piece).await?),
        }
    }

    /// Publishes what was written; waits for a disk where there is one.
    ///
    /// # Errors
    /// When the storage could not take the data; then they are not handed over.
    pub async fn publish(self) -> Result<(), StorageError> {
        match self.kind {
            UploadKind::File(mut upload) => {
                upload.prepare(&|| false)?;
                upload.publish()
            }
            UploadKind::Stream(mut stream) => Ok(stream.shutdown().await?),
        }
    }
}

impl fmt::Debug for UploadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}
