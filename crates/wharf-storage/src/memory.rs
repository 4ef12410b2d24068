//! A storage in memory: for tests, demonstrations, and rooms that vanish with the process.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::io::AsyncWrite;

use crate::{
    Batches, Entry, Listing, Metadata, Sink, Source, SourceKind, Storage, StorageError, StoragePath,
    WriteMode,
};

mod tree;

use tree::{Content, Tree};

/// Most entries of one batch of a listing.
const BATCH: usize = 512;

/// Files and directories in memory.
///
/// What is written to a [`Sink`] appears when it is finished, all at once; an upload that breaks off leaves nothing.
/// A reader keeps the content that was there when it opened the file. Permission bits are kept and not enforced, and
/// there are no symbolic links. A clone is the same storage.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    tree: Arc<Mutex<Tree>>,
}

impl MemoryStorage {
    /// An empty storage without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty storage whose files may hold so many bytes together; more is [`StorageError::NoSpace`].
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        Self { tree: Arc::new(Mutex::new(Tree::with_capacity(bytes))) }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }
}

/// A panic of another thread leaves no half-made change: each is one assignment.
fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn open_read(&self, path: &StoragePath, offset: u64) -> Result<Source, StorageError> {
        let content = Arc::clone(self.tree().file(path)?);
        let size = content.len() as u64;
        if offset > size {
            return Err(StorageError::OffsetBeyondEnd { offset, size });
        }
        let mut reader = io::Cursor::new(content);
        reader.set_position(offset);
        Ok(Source { kind: SourceKind::Stream(Box::new(reader)), size: Some(size), offset })
    }

    async fn open_write(&self, path: &StoragePath, mode: WriteMode) -> Result<Sink, StorageError> {
        let mut tree = self.tree();
        let size = match tree.file(path) {
            Ok(_) if mode == WriteMode::New => return Err(StorageError::Exists),
            Ok(content) => Some(content.len() as u64),
            Err(StorageError::IsDirectory) if mode == WriteMode::New && !path.is_root() => {
                return Err(StorageError::Exists);
            }
            Err(StorageError::NotFound) => {
                tree.parent_of(path)?;
                None
            }
            Err(error) => return Err(error),
        };
        let size_now = size.unwrap_or(0);
        let offset = match mode {
            WriteMode::New | WriteMode::Replace => 0,
            WriteMode::At(offset) if offset > size_now => {
                return Err(StorageError::OffsetBeyondEnd { offset, size: size_now });
            }
            WriteMode::At(offset) => offset,
            WriteMode::Append => size_now,
        };
        // The name of a STOU has been told to the client before the data come, so it is taken from now on.
        let reserved = if mode == WriteMode::New { Some(tree.create(path)?) } else { None };
        drop(tree);
        let upload = Upload {
            tree: Arc::clone(&self.tree),
            path: path.clone(),
            mode,
            data: Vec::new(),
            reserved,
            is_done: false,
        };
        Ok(Sink::stream(upload, offset))
    }

    async fn list(&self, path: &StoragePath) -> Result<Listing, StorageError> {
        self.tree().directory(path)?;
        Ok(Listing::new(MemoryListing { tree: Arc::clone(&self.tree), path: path.clone(), last: None }))
    }

    async fn stat(&self, path: &StoragePath) -> Result<Metadata, StorageError> {
        Ok(self.tree().node(path)?.metadata())
    }

    async fn rename(&self, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
        self.tree().rename(from, to)
    }

    async fn delete(&self, path: &StoragePath) -> Result<(), StorageError> {
        self.tree().delete(path)
    }

    async fn make_directory(&self, path: &StoragePath) -> Result<(), StorageError> {
        self.tree().make_directory(path)
    }

    async fn remove_directory(&self, path: &StoragePath) -> Result<(), StorageError> {
        self.tree().remove_directory(path)
    }

    async fn set_modified(&self, path: &StoragePath, time: SystemTime) -> Result<(), StorageError> {
        self.tree().node_mut(path)?.modified = time;
        Ok(())
    }

    async fn set_mode(&self, path: &StoragePath, mode: u32) -> Result<(), StorageError> {
        self.tree().node_mut(path)?.mode = mode & 0o7777;
        Ok(())
    }
}

/// A listing that remembers the last name it told, so that it holds no more than one batch.
struct MemoryListing {
    tree: Arc<Mutex<Tree>>,
    path: StoragePath,
    last: Option<Box<[u8]>>,
}

#[async_trait]
impl Batches for MemoryListing {
    async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        let tree = lock(&self.tree);
        let after = self.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let batch: Vec<_> = tree
            .directory(&self.path)?
            .range::<[u8], _>((after, Bound::Unbounded))
            .take(BATCH)
            .map(|(name, node)| Entry { name: name.clone(), metadata: node.metadata() })
            .collect();
        let Some(last) = batch.last() else { return Ok(None) };
        self.last = Some(last.name.clone());
        Ok(Some(batch))
    }
}

/// Data on their way into a file; they appear when the stream is shut down.
struct Upload {
    tree: Arc<Mutex<Tree>>,
    path: StoragePath,
    mode: WriteMode,
    data: Vec<u8>,
    /// The file that was made to take the name.
    reserved: Option<u64>,
    is_done: bool,
}

impl Upload {
    fn publish(&mut self) -> Result<(), StorageError> {
        let mut tree = lock(&self.tree);
        let data = core::mem::take(&mut self.data);
        let old = match tree.file(&self.path) {
            Ok(content) => Arc::clone(content),
            Err(StorageError::NotFound) => Arc::from([]),
            Err(error) => return Err(error),
        };
        let content = match self.mode {
            WriteMode::New | WriteMode::Replace => data,
            WriteMode::Append => [&old[..], &data].concat(),
            WriteMode::At(offset) => overwritten(&old, offset, &data)?,
        };
        tree.write(&self.path, Content::File(content.into()))
    }
}

/// `old` with `data` from `offset` on.
fn overwritten(old: &[u8], offset: u64, data: &[u8]) -> Result<Vec<u8>, StorageError> {
    let size = old.len();
    // The file may have been cut since it was opened.
    let start = usize::try_from(offset).ok().filter(|&start| start <= size);
    let start = start.ok_or(StorageError::OffsetBeyondEnd { offset, size: size as u64 })?;
    let end = start.saturating_add(data.len()).min(size);
    Ok([&old[..start], data, &old[end..]].concat())
}

impl AsyncWrite for Upload {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if !lock(&self.tree).has_room_for(self.data.len() + data.len()) {
            return Poll::Ready(Err(StorageError::NoSpace.into()));
        }
        self.data.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_done {
            return Poll::Ready(Ok(()));
        }
        self.is_done = true;
        Poll::Ready(self.publish().map_err(Into::into))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(inode), false) = (self.reserved, self.is_done) {
            lock(&self.tree).forget_reserved(&self.path, inode);
        }
    }
}
