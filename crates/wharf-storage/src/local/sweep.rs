//! Removing parts that nobody went on with: a walk through the whole tree, some thousand names at a time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};

use super::root::Root;
use super::{on_thread, parts};
use crate::part::is_part;
use crate::{Held, StoragePath, Sweep};

/// Names of one step.
const STEP: usize = 4096;

/// Where the walk stands. It holds one descriptor for each level, and no names.
#[derive(Debug)]
pub(super) struct LocalSweep {
    walk: Option<Walk>,
}

#[derive(Debug)]
struct Walk {
    root: Arc<Root>,
    is_begun: bool,
    /// The directories on the way from the root to where the walk is.
    levels: Vec<Dir>,
    unused_for: Duration,
}

impl LocalSweep {
    pub(super) fn new(root: Arc<Root>, unused_for: Duration) -> Self {
        Self { walk: Some(Walk { root, is_begun: false, levels: Vec::new(), unused_for }) }
    }
}

#[async_trait]
impl Sweep for LocalSweep {
    async fn step(&mut self) -> Option<Held> {
        let mut walk = self.walk.take()?;
        let stepped = on_thread(move || {
            let removed = walk.step();
            Ok((walk, removed))
        });
        let (walk, removed) = stepped.await.ok()?;
        if removed.is_some() {
            self.walk = Some(walk);
        }
        removed
    }
}

impl Walk {
    fn step(&mut self) -> Option<Held> {
        if !self.is_begun {
            self.is_begun = true;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let root = self.root.open_beneath(&StoragePath::root(), flags).ok()?;
            self.levels.push(Dir::new(root).ok()?);
        }
        let mut removed = Held::default();
        for _ in 0..STEP {
            let Some(directory) = self.levels.last_mut() else { break };
            // A directory that cannot be read is left alone.
            let Some(Ok(entry)) = directory.read() else {
                self.levels.pop();
                continue;
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(descriptor) = directory.fd() else { continue };
            if is_part(name.to_bytes()) {
                let is_old = |age: Result<Duration, _>| age.is_ok_and(|age| age >= self.unused_for);
                let result = parts::remove(descriptor, name.to_bytes(), |part| {
                    is_old(SystemTime::now().duration_since(part.modified))
                });
                if let Ok(Some(bytes)) = result {
                    removed.add(bytes);
                }
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => statat(descriptor, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            if kind == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(inner) = openat(descriptor, name, flags, Mode::empty()).and_then(Dir::new) {
                    self.levels.push(inner);
                }
            }
        }
        (!self.levels.is_empty() || removed.files > 0).then_some(removed)
    }
}
