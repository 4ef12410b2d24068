//! A storage in memory: for tests, demonstrations, and rooms that vanish with the process.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::busy::{Busy, Reserved};
use crate::part::told_size;
use crate::{
    Batches, Entry, Held, Listing, Metadata, Source, SourceKind, Storage, StorageError, StoragePath, Sweep,
    Upload, UploadRequest,
};

mod tree;
mod upload;

use tree::Tree;

/// Most entries of one batch of a listing.
const BATCH: usize = 512;

/// Files and directories in memory.
///
/// An upload appears when it is published, all at once; one that breaks off leaves what its owner can go on with, whatever
/// its method. A reader keeps the content that was there when it opened the file. Permission bits are kept and not enforced, and
/// there are no symbolic links. A clone is the same storage.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    tree: Arc<Mutex<Tree>>,
    writers: Busy<StoragePath>,
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
        Self { tree: Arc::new(Mutex::new(Tree::with_capacity(bytes))), writers: Busy::default() }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }

    fn reserve(&self, path: &StoragePath) -> Result<Reserved<StoragePath>, StorageError> {
        self.writers.reserve(path.clone()).ok_or(StorageError::Busy)
    }

    /// Both names of a rename.
    fn reserve_both(
        &self,
        from: &StoragePath,
        to: &StoragePath,
    ) -> Result<[Option<Reserved<StoragePath>>; 2], StorageError> {
        let other = (from != to).then(|| self.reserve(from)).transpose()?;
        Ok([other, Some(self.reserve(to)?)])
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

    async fn begin_upload(&self, path: &StoragePath, request: UploadRequest) -> Result<Upload, StorageError> {
        upload::begin(self, path, request)
    }

    async fn part_size(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
        let tree = self.tree();
        match tree.node(path) {
            Ok(_) => Ok(None),
            Err(StorageError::NotFound) => {
                let part = tree.part(&(path.clone(), owner.into()));
                Ok(part.and_then(|data| told_size(data.len() as u64)))
            }
            Err(error) => Err(error),
        }
    }

    async fn delete_part(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
        Ok(self.tree().take_part(&(path.clone(), owner.into())).map(|data| data.len() as u64))
    }

    async fn parts_in(&self, directory: &StoragePath) -> Result<Held, StorageError> {
        let tree = self.tree();
        tree.directory(directory)?;
        Ok(tree.held_by_parts_in(directory))
    }

    fn sweep(&self, unused_for: Duration) -> Box<dyn Sweep> {
        Box::new(MemorySweep { tree: Some(Arc::clone(&self.tree)), unused_for })
    }

    async fn free_space(&self, path: &StoragePath) -> Result<u64, StorageError> {
        let tree = self.tree();
        tree.directory(path)?;
        tree.free().ok_or(StorageError::Unsupported)
    }

    async fn list(&self, path: &StoragePath) -> Result<Listing, StorageError> {
        self.tree().directory(path)?;
        Ok(Listing::new(MemoryListing { tree: Arc::clone(&self.tree), path: path.clone(), last: None }))
    }

    async fn stat(&self, path: &StoragePath) -> Result<Metadata, StorageError> {
        Ok(self.tree().node(path)?.metadata())
    }

    async fn rename(&self, from: &StoragePath, to: &StoragePath) -> Result<Option<Metadata>, StorageError> {
        let _reserved = self.reserve_both(from, to)?;
        let mut tree = self.tree();
        let replaced = tree.node(to).ok().filter(|_| from != to).map(tree::Node::metadata);
        tree.rename(from, to)?;
        Ok(replaced)
    }

    async fn rename_to_free_name(&self, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
        let _reserved = self.reserve_both(from, to)?;
        let mut tree = self.tree();
        if !from.is_root() && !to.is_root() && tree.node(from).is_ok() && tree.node(to).is_ok() {
            return Err(StorageError::Exists);
        }
        tree.rename(from, to)
    }

    async fn delete(&self, path: &StoragePath) -> Result<Metadata, StorageError> {
        let _reserved = self.reserve(path)?;
        let mut tree = self.tree();
        let gone = tree.node(path).map(tree::Node::metadata);
        tree.delete(path)?;
        gone
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

/// Parts are few and lie beside each other: one step does it.
#[derive(Debug)]
struct MemorySweep {
    tree: Option<Arc<Mutex<Tree>>>,
    unused_for: Duration,
}

#[async_trait]
impl Sweep for MemorySweep {
    async fn step(&mut self) -> Option<Held> {
        let tree = self.tree.take()?;
        Some(lock(&tree).forget_parts(self.unused_for))
    }
}
