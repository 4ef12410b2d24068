//! The tree itself: nodes, and what can be done with them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Held, Kind, Metadata, StorageError, StoragePath};

/// The names of a directory.
pub(super) type Names = BTreeMap<Box<[u8]>, Node>;

/// A file or directory.
#[derive(Debug)]
pub(super) struct Node {
    inode: u64,
    pub(super) mode: u32,
    pub(super) modified: SystemTime,
    content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    File(Arc<[u8]>),
    Directory(Names),
}

/// A file's place, and who may go on with its part.
pub(super) type PartKey = (StoragePath, Box<[u8]>);

#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    /// Uploads that were cut, and when.
    parts: BTreeMap<PartKey, (Vec<u8>, SystemTime)>,
    last_inode: u64,
    /// Bytes of all files.
    used: u64,
    capacity: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::with_capacity(u64::MAX)
    }
}

impl Tree {
    pub(super) fn with_capacity(capacity: u64) -> Self {
        let root = Node::new(1, Content::Directory(Names::new()));
        Self { root, parts: BTreeMap::new(), last_inode: 1, used: 0, capacity }
    }

    pub(super) fn node(&self, path: &StoragePath) -> Result<&Node, StorageError> {
        path.components()
            .try_fold(&self.root, |node, name| node.names()?.get(name).ok_or(StorageError::NotFound))
    }

    pub(super) fn node_mut(&mut self, path: &StoragePath) -> Result<&mut Node, StorageError> {
        path.components().try_fold(&mut self.root, |node, name| {
            node.names_mut()?.get_mut(name).ok_or(StorageError::NotFound)
        })
    }

    pub(super) fn file(&self, path: &StoragePath) -> Result<&Arc<[u8]>, StorageError> {
        match &self.node(path)?.content {
            Content::File(content) => Ok(content),
            Content::Directory(_) => Err(StorageError::IsDirectory),
        }
    }

    pub(super) fn directory(&self, path: &StoragePath) -> Result<&Names, StorageError> {
        self.node(path)?.names()
    }

    /// The names among which `path` stands.
    pub(super) fn parent_of(&self, path: &StoragePath) -> Result<&Names, StorageError> {
        self.directory(&path.parent())
    }

    /// Whether an upload may grow to so many bytes; what it replaces is not counted before it is published.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.used.saturating_add(bytes as u64) <= self.capacity
    }

    /// Bytes that still fit; `None` where there is no limit.
    pub(super) fn free(&self) -> Option<u64> {
        (self.capacity < u64::MAX).then(|| self.capacity.saturating_sub(self.used))
    }

    pub(super) fn part(&self, key: &PartKey) -> Option<&[u8]> {
        self.parts.get(key).map(|(data, _)| data.as_slice())
    }

    /// Takes a part out. Parts count as used as long as they wait.
    pub(super) fn take_part(&mut self, key: &PartKey) -> Option<Vec<u8>> {
        let (data, _) = self.parts.remove(key)?;
        self.used = self.used.saturating_sub(data.len() as u64);
        Some(data)
    }

    /// What the parts in a directory hold.
    pub(super) fn held_by_parts_in(&self, directory: &StoragePath) -> Held {
        let here = self.parts.iter().filter(|((path, _), _)| path.parent() == *directory);
        here.fold(Held::default(), |held, (_, (data, _))| Held {
            bytes: held.bytes.saturating_add(data.len() as u64),
            files: held.files + 1,
        })
    }

    pub(super) fn keep_part(&mut self, key: PartKey, data: Vec<u8>, now: SystemTime) {
        self.used = self.used.saturating_add(data.len() as u64);
        self.parts.insert(key, (data, now));
    }

    /// Removes the parts that nobody went on with for so long, and tells what they held.
    pub(super) fn forget_parts(&mut self, unused_for: Duration) -> Held {
        let now = SystemTime::now();
        let is_old = |since: SystemTime| now.duration_since(since).is_ok_and(|unused| unused >= unused_for);
        let old: Vec<PartKey> =
            self.parts.iter().filter(|(_, (_, since))| is_old(*since)).map(|(key, _)| key.clone()).collect();
        let mut removed = Held::default();
        for key in &old {
            removed.add(self.take_part(key).map_or(0, |data| data.len() as u64));
        }
        removed
    }

    pub(super) fn make_directory(&mut self, path: &StoragePath) -> Result<(), StorageError> {
        self.insert_new(path, Content::Directory(Names::new()))
    }

    /// Gives a file this content; makes it if it is missing. Its permission bits stay.
    pub(super) fn write(&mut self, path: &StoragePath, content: Content) -> Result<(), StorageError> {
        let old_size = match self.file(path) {
            Ok(old) => old.len() as u64,
            Err(StorageError::NotFound) => 0,
            Err(error) => return Err(error),
        };
        let used = self.used.saturating_sub(old_size).saturating_add(content.size());
        if used > self.capacity {
            return Err(StorageError::NoSpace);
        }
        match self.node_mut(path) {
            Ok(node) => {
                node.content = content;
                node.modified = SystemTime::now();
            }
            Err(_) => self.insert_new(path, content)?,
        }
        self.used = used;
        Ok(())
    }

    pub(super) fn delete(&mut self, path: &StoragePath) -> Result<(), StorageError> {
        let size = self.file(path)?.len() as u64;
        self.take(path)?;
        self.used = self.used.saturating_sub(size);
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &StoragePath) -> Result<(), StorageError> {
        if path.is_root() {
            return Err(StorageError::PermissionDenied);
        }
        if !self.directory(path)?.is_empty() {
            return Err(StorageError::NotEmpty);
        }
        self.take(path).map(drop)
    }

    pub(super) fn rename(&mut self, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
        if from.is_root() || to.is_root() {
            return Err(StorageError::PermissionDenied);
        }
        self.parent_of(to)?;
        let moved = self.node(from)?;
        if from == to {
            return Ok(());
        }
        if to.is_within(from) {
            return Err(StorageError::NameNotAllowed);
        }
        let mut replaced = 0;
        match (moved, self.node(to)) {
            (_, Err(StorageError::NotFound)) => {}
            (_, Err(error)) => return Err(error),
            (moved, Ok(target)) => match (&moved.content, &target.content) {
                (Content::File(_), Content::File(old)) => replaced = old.len() as u64,
                (Content::File(_), Content::Directory(_)) => return Err(StorageError::IsDirectory),
                (Content::Directory(_), Content::File(_)) => return Err(StorageError::NotDirectory),
                (Content::Directory(_), Content::Directory(names)) if names.is_empty() => {}
                (Content::Directory(_), Content::Directory(_)) => return Err(StorageError::NotEmpty),
            },
        }
        let node = self.take(from)?;
        self.insert(to, node)?;
        self.used = self.used.saturating_sub(replaced);
        Ok(())
    }

    fn insert_new(&mut self, path: &StoragePath, content: Content) -> Result<(), StorageError> {
        match self.node(path) {
            Ok(_) => return Err(StorageError::Exists),
            Err(StorageError::NotFound) => {}
            Err(error) => return Err(error),
        }
        let inode = self.last_inode + 1;
        self.insert(path, Node::new(inode, content))?;
        self.last_inode = inode;
        Ok(())
    }

    fn insert(&mut self, path: &StoragePath, node: Node) -> Result<(), StorageError> {
        let name = path.file_name().ok_or(StorageError::Exists)?;
        let directory = self.node_mut(&path.parent())?;
        directory.names_mut()?.insert(name.into(), node);
        directory.modified = SystemTime::now();
        Ok(())
    }

    fn take(&mut self, path: &StoragePath) -> Result<Node, StorageError> {
        let name = path.file_name().ok_or(StorageError::PermissionDenied)?;
        let directory = self.node_mut(&path.parent())?;
        let node = directory.names_mut()?.remove(name).ok_or(StorageError::NotFound)?;
        directory.modified = SystemTime::now();
        Ok(node)
    }
}

impl Node {
    fn new(inode: u64, content: Content) -> Self {
        let mode = match content {
            Content::File(_) => 0o644,
            Content::Directory(_) => 0o755,
        };
        Self { inode, mode, modified: SystemTime::now(), content }
    }

    pub(super) fn metadata(&self) -> Metadata {
        let (kind, links) = match &self.content {
            Content::File(_) => (Kind::File, 1),
            Content::Directory(_) => (Kind::Directory, 2),
        };
        Metadata {
            kind,
            size: self.content.size(),
            modified: self.modified,
            mode: self.mode,
            links,
            owner: None,
            group: None,
            device: None,
            inode: Some(self.inode),
        }
    }

    fn names(&self) -> Result<&Names, StorageError> {
        match &self.content {
            Content::Directory(names) => Ok(names),
            Content::File(_) => Err(StorageError::NotDirectory),
        }
    }

    fn names_mut(&mut self) -> Result<&mut Names, StorageError> {
        match &mut self.content {
            Content::Directory(names) => Ok(names),
            Content::File(_) => Err(StorageError::NotDirectory),
        }
    }
}

impl Content {
    /// Bytes of a file; 0 of a directory.
    fn size(&self) -> u64 {
        match self {
            Self::File(content) => content.len() as u64,
            Self::Directory(_) => 0,
        }
    }
}
