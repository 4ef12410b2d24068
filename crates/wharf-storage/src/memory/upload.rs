//! Uploads into memory: the data appear all at once, whatever the method.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::io::AsyncWrite;

use super::tree::{Content, PartKey, Tree};
use super::{MemoryStorage, lock};
use crate::budget::Account;
use crate::busy::Reserved;
use crate::part::told_size;
use crate::{StorageError, StoragePath, Upload, UploadKind, UploadRequest, WriteMode};

/// Takes the name, and takes up the part that waits under it.
pub(super) fn begin(
    storage: &MemoryStorage,
    path: &StoragePath,
    request: UploadRequest,
) -> Result<Upload, StorageError> {
    let UploadRequest { mode, may_replace, owner, permissions, budget, .. } = request;
    let is_new = mode == WriteMode::New;
    let mut tree = storage.tree();
    let size = match tree.file(path) {
        Ok(_) if is_new || !may_replace => return Err(StorageError::Exists),
        Ok(content) => Some(content.len() as u64),
        Err(StorageError::IsDirectory) if is_new && !path.is_root() => return Err(StorageError::Exists),
        Err(StorageError::NotFound) => {
            tree.parent_of(path)?;
            None
        }
        Err(error) => return Err(error),
    };
    let reserved = storage.writers.reserve(path.clone());
    let reserved = reserved.ok_or(if is_new { StorageError::Exists } else { StorageError::Busy })?;
    let key = (path.clone(), owner);
    let part = match size {
        None => tree.part(&key).map_or(0, |data| data.len() as u64),
        Some(_) => 0,
    };
    let there = size.unwrap_or(part);
    let offset = match mode {
        WriteMode::New | WriteMode::Replace => 0,
        WriteMode::At(offset) if offset > there => {
            return Err(StorageError::OffsetBeyondEnd { offset, size: there });
        }
        WriteMode::At(offset) => offset,
        WriteMode::Append => size.unwrap_or(told_size(part).unwrap_or(0)),
    };
    let account = Account::open(budget, size.or((part > 0).then_some(part)))?;
    // Taken out of the tree while it is written, and put back when it is cut.
    let mut data = if size.is_none() { tree.take_part(&key).unwrap_or_default() } else { Vec::new() };
    drop(tree);
    if size.is_none() {
        data.truncate(usize::try_from(offset).unwrap_or(usize::MAX));
    }
    let stream = Stream {
        tree: Arc::clone(&storage.tree),
        key,
        goes_on: size.is_some() && !matches!(mode, WriteMode::Replace),
        may_replace: may_replace && !is_new,
        replaces: size.is_some(),
        offset,
        data,
        permissions,
        account,
        is_done: false,
        _reserved: reserved,
    };
    Ok(Upload { kind: UploadKind::Stream(Box::new(stream)), offset })
}

/// Data on their way into a file; they appear when the stream is shut down.
struct Stream {
    tree: Arc<Mutex<Tree>>,
    key: PartKey,
    /// Whether the data belong into the file that is there, from `offset` on; else they are the whole file.
    goes_on: bool,
    may_replace: bool,
    /// Whether there was a file.
    replaces: bool,
    offset: u64,
    data: Vec<u8>,
    permissions: Option<u32>,
    account: Account,
    is_done: bool,
    _reserved: Reserved<StoragePath>,
}

impl Stream {
    fn publish(&mut self) -> Result<(), StorageError> {
        let mut tree = lock(&self.tree);
        let path = &self.key.0;
        let old = match tree.file(path) {
            Ok(_) if !self.may_replace => return Err(StorageError::Exists),
            Ok(content) => Some(Arc::clone(content)),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let is_new = old.is_none();
        let data = core::mem::take(&mut self.data);
        let content = match old {
            Some(old) if self.goes_on => overwritten(&old, self.offset, &data)?,
            None if self.goes_on => overwritten(&[], self.offset, &data)?,
            _ => data,
        };
        let size = content.len() as u64;
        tree.write(path, Content::File(content.into()))?;
        if let (true, Some(permissions)) = (is_new, self.permissions) {
            tree.node_mut(path)?.mode = permissions & 0o7777;
        }
        self.account.settle(size);
        Ok(())
    }

    /// How long the file is with so many bytes more.
    fn end_with(&self, more: usize) -> u64 {
        let begins = if self.goes_on { self.offset } else { 0 };
        begins.saturating_add((self.data.len() + more) as u64)
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

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if !lock(&self.tree).has_room_for(self.data.len() + data.len()) {
            return Poll::Ready(Err(StorageError::NoSpace.into()));
        }
        let end = self.end_with(data.len());
        self.account.grow_to(end)?;
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
        let published = self.publish();
        if published.is_err() {
            if self.replaces { self.account.restore() } else { self.account.remove() }
        }
        Poll::Ready(published.map_err(Into::into))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        if self.replaces {
            self.account.restore();
        } else if told_size(self.data.len() as u64).is_some() {
            self.account.settle(self.data.len() as u64);
            let data = core::mem::take(&mut self.data);
            lock(&self.tree).keep_part(self.key.clone(), data, SystemTime::now());
        } else {
            self.account.remove();
        }
    }
}
