//! The local file system beneath one directory, by `openat2` (Linux 5.6 or later).
//!
//! | file | job |
//! |---|---|
//! | `root.rs` | the root descriptor and the one way to open something beneath it |
//! | `files.rs` | sources, and what sources and uploads share |
//! | `atomic.rs` | uploads into a part, which takes the name when it is complete |
//! | `in_place.rs` | uploads into the file itself |
//! | `parts.rs` | parts found, locked, told, removed |
//! | `sweep.rs` | removing parts that nobody went on with |
//! | `writers.rs` | who writes where |
//! | `names.rs` | rename, delete, make and remove directories |
//! | `attributes.rs` | stat, times, permission bits |
//! | `directory.rs` | listings |

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

use crate::waiting::may_wait;
use crate::{
    Held, Listing, Metadata, Source, Storage, StorageError, StoragePath, Sweep, Upload, UploadMethod,
    UploadRequest, WriteMode,
};

mod atomic;
mod attributes;
mod directory;
mod files;
mod in_place;
mod names;
mod parts;
mod root;
mod sweep;
mod writers;

pub use root::OpenError;
use root::Root;

/// The files beneath one directory of the local file system. Linux only.
///
/// The directory is held by a descriptor, and everything is reached from it by `openat2` with `RESOLVE_BENEATH` and
/// `RESOLVE_NO_MAGICLINKS`, so neither `..` nor a symbolic link, nor somebody who swaps one for the other meanwhile,
/// leads out. An absolute symbolic link always leads out, whatever it names. Moving the directory moves the root.
///
/// # What waits for a disk
/// `open_read`, the upload into an existing file in place, `stat` and the opening of a listing are tried at once with
/// `RESOLVE_CACHED`, which never waits; only what the kernel has not cached goes to
/// [`tokio::task::spawn_blocking`]. The kernel refuses `RESOLVE_CACHED` together with `O_CREAT`, and creating a name
/// can wait for a journal, so **new** files are created in `spawn_blocking` (44 to 52 µs in all, where creating inline
/// takes 10 µs on an idle ext4; a cached open or stat takes 2 µs); so are parts, and every change of names and attributes. Listings are read there batch by batch. If the root lies on a
/// network file system or on FUSE, where opening itself asks somebody, nothing is tried at once; such a file system
/// that is mounted *beneath* a local root is not noticed.
///
/// New files get mode 0666 and new directories 0777, less the process's umask.
#[derive(Clone, Debug)]
pub struct LocalStorage {
    root: Arc<Root>,
}

impl LocalStorage {
    /// Serves what lies beneath the directory `root`; the path itself may lead through symbolic links.
    ///
    /// # Errors
    /// When the directory cannot be opened, or the kernel or a sandbox refuses `openat2`.
    pub fn open(root: &Path) -> Result<Self, OpenError> {
        Ok(Self { root: Arc::new(Root::open(root)?) })
    }

    /// Opens `path` without waiting where the kernel has it cached, and on a thread that may wait where not. Whoever is on such
    /// a thread has no need to ask first.
    async fn open_existing<T: Send + 'static>(
        &self,
        path: &StoragePath,
        flags: OFlags,
        use_it: impl FnOnce(OwnedFd) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        if !may_wait()
            && let Some(descriptor) = self.root.open_cached(path, flags)?
        {
            return use_it(descriptor);
        }
        self.on_thread(path, move |root, path| use_it(root.open_beneath(path, flags)?)).await
    }

    /// Does `work` on a thread that may wait for a disk.
    async fn on_thread<T: Send + 'static>(
        &self,
        path: &StoragePath,
        work: impl FnOnce(&Arc<Root>, &StoragePath) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (root, path) = (Arc::clone(&self.root), path.clone());
        on_thread(move || work(&root, &path)).await
    }
}

#[async_trait]
impl Storage for LocalStorage {
    async fn open_read(&self, path: &StoragePath, offset: u64) -> Result<Source, StorageError> {
        self.open_existing(path, files::READ, move |file| files::source(file, offset)).await
    }

    async fn begin_upload(&self, path: &StoragePath, request: UploadRequest) -> Result<Upload, StorageError> {
        if request.method == UploadMethod::Atomic {
            return self.on_thread(path, move |root, path| atomic::begin(root, path, request)).await;
        }
        if request.mode != WriteMode::New && !may_wait() {
            match self.root.open_cached(path, files::WRITE) {
                Ok(Some(file)) => return in_place::existing(file, request),
                // Not cached, or to be created.
                Ok(None) | Err(StorageError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.on_thread(path, move |root, path| in_place::begin(root, path, request)).await
    }

    async fn part_size(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
        let owner = owner.to_vec();
        self.on_thread(path, move |root, path| parts::size(root, path, &owner)).await
    }

    async fn delete_part(&self, path: &StoragePath, owner: &[u8]) -> Result<Option<u64>, StorageError> {
        let owner = owner.to_vec();
        self.on_thread(path, move |root, path| parts::delete(root, path, &owner)).await
    }

    async fn parts_in(&self, directory: &StoragePath) -> Result<Held, StorageError> {
        self.on_thread(directory, |root, directory| parts::held(root, directory)).await
    }

    fn sweep(&self, unused_for: Duration) -> Box<dyn Sweep> {
        Box::new(sweep::LocalSweep::new(self.root.clone(), unused_for))
    }

    async fn free_space(&self, path: &StoragePath) -> Result<u64, StorageError> {
        self.on_thread(path, attributes::free_space).await
    }

    async fn list(&self, path: &StoragePath) -> Result<Listing, StorageError> {
        let (root, place) = (Arc::clone(&self.root), path.clone());
        self.open_existing(path, directory::FLAGS, move |opened| Ok(directory::listing(root, &place, opened)))
            .await
    }

    async fn stat(&self, path: &StoragePath) -> Result<Metadata, StorageError> {
        self.open_existing(path, OFlags::PATH, |place| attributes::stat(&place)).await
    }

    async fn rename(&self, from: &StoragePath, to: &StoragePath) -> Result<Option<Metadata>, StorageError> {
        let to = to.clone();
        self.on_thread(from, move |root, from| names::rename(root, from, &to)).await
    }

    async fn rename_to_free_name(&self, from: &StoragePath, to: &StoragePath) -> Result<(), StorageError> {
        let to = to.clone();
        self.on_thread(from, move |root, from| names::rename_to_free_name(root, from, &to)).await
    }

    async fn delete(&self, path: &StoragePath) -> Result<Metadata, StorageError> {
        self.on_thread(path, |root, path| names::delete(root, path)).await
    }

    async fn make_directory(&self, path: &StoragePath) -> Result<(), StorageError> {
        self.on_thread(path, |root, path| names::make_directory(root, path)).await
    }

    async fn remove_directory(&self, path: &StoragePath) -> Result<(), StorageError> {
        self.on_thread(path, |root, path| names::remove_directory(root, path)).await
    }

    async fn set_modified(&self, path: &StoragePath, time: SystemTime) -> Result<(), StorageError> {
        self.on_thread(path, move |root, path| attributes::set_modified(root, path, time)).await
    }

    async fn set_mode(&self, path: &StoragePath, mode: u32) -> Result<(), StorageError> {
        self.on_thread(path, move |root, path| attributes::set_mode(root, path, mode)).await
    }
}

/// Does `work` on a thread that may wait for a disk.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    if may_wait() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(StorageError::Io(std::io::Error::other(cancelled))),
        },
    }
}
