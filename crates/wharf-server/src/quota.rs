//! How much lies under a root, and what its users may still store there.
//!
//! What lies there is counted once, when the first upload of a user with a quota wants to know; from then on uploads and
//! deletions of such users, and parts that are swept away, keep the sum. What others change in the directory is seen at the
//! next reload, with which counting begins anew.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wharf_storage::{Budget, Held, Kind, Storage, StorageError, StoragePath};

use crate::auth::Quota;

/// What lies under one root. All users of that root share it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    used: Mutex<Held>,
    /// How often somebody has asked to count anew.
    wanted: AtomicU64,
    /// For which of these the sum was counted; held while it is. Nothing before the first time.
    counted: tokio::sync::Mutex<Option<u64>>,
}

/// The ledgers of all roots that have one.
#[derive(Debug, Default)]
pub(crate) struct Ledgers(Mutex<HashMap<PathBuf, Arc<Ledger>>>);

/// What one user may still store.
#[derive(Debug)]
pub(crate) struct Purse {
    ledger: Arc<Ledger>,
    quota: Quota,
}

impl Ledgers {
    /// A purse for a user of the root at `place`.
    pub(crate) fn purse(&self, place: PathBuf, quota: Quota) -> Arc<Purse> {
        let mut ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = ledgers.entry(place).or_default().clone();
        Arc::new(Purse { ledger, quota })
    }

    /// Notes that parts under the root at `place` are gone.
    pub(crate) fn removed(&self, place: &Path, held: Held) {
        let ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned();
        if let Some(ledger) = ledger {
            ledger.give_back(held);
        }
    }

    /// Everything is counted anew when somebody wants to know. Sessions that are up keep their ledgers: with others beside
    /// them, nobody would know the whole.
    pub(crate) fn count_anew(&self) {
        let mut ledgers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledgers.retain(|_, ledger| Arc::strong_count(ledger) > 1);
        for ledger in ledgers.values() {
            ledger.wanted.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Purse {
    /// Sees to it that what lies in `storage` already is counted.
    pub(crate) async fn count(&self, storage: &dyn Storage) -> Result<(), StorageError> {
        let mut counted = self.ledger.counted.lock().await;
        let wanted = self.ledger.wanted.load(Ordering::Relaxed);
        if *counted != Some(wanted) {
            let found = count(storage).await?;
            // What was changed meanwhile may have been counted or not: a little off until the next time.
            *self.ledger.used() = found;
            *counted = Some(wanted);
        }
        Ok(())
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> u64 {
        let used = self.ledger.used().bytes;
        self.quota.bytes.map_or(u64::MAX, |most| most.saturating_sub(used))
    }

    /// Notes that a file of so many bytes is gone.
    pub(crate) fn removed(&self, bytes: u64) {
        self.give_back(bytes, 1);
    }
}

impl Ledger {
    fn used(&self) -> MutexGuard<'_, Held> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, held: Held) {
        let mut used = self.used();
        used.bytes = used.bytes.saturating_sub(held.bytes);
        used.files = used.files.saturating_sub(held.files);
    }
}

impl Budget for Purse {
    fn take(&self, bytes: u64, files: u64) -> Result<(), StorageError> {
        let mut used = self.ledger.used();
        let after = Held { bytes: used.bytes.saturating_add(bytes), files: used.files.saturating_add(files) };
        // A quota of bytes that is used up lets no new file in, and one of files lets those that are there grow.
        let exceeds =
            |after: u64, more: u64, most: Option<u64>| more > 0 && most.is_some_and(|most| after > most);
        if exceeds(after.bytes, bytes, self.quota.bytes) || exceeds(after.files, files, self.quota.files) {
            return Err(StorageError::QuotaExceeded);
        }
        *used = after;
        Ok(())
    }

    fn give_back(&self, bytes: u64, files: u64) {
        self.ledger.give_back(Held { bytes, files });
    }
}

/// Walks through all directories, each once. A symbolic link to a file counts as that file, and parts count.
async fn count(storage: &dyn Storage) -> Result<Held, StorageError> {
    let mut used = Held::default();
    let mut waiting = vec![StoragePath::root()];
    // Links may lead from a directory to those above it.
    let root = storage.stat(&StoragePath::root()).await?;
    let mut seen: HashSet<_> = root.device.zip(root.inode).into_iter().collect();
    while let Some(directory) = waiting.pop() {
        let mut listing = match storage.list(&directory).await {
            // Removed meanwhile, or nobody's to see.
            Err(StorageError::NotFound | StorageError::PermissionDenied) if !directory.is_root() => continue,
            listing => listing?,
        };
        while let Some(batch) = listing.next_batch().await? {
            for entry in batch {
                match entry.metadata.kind {
                    Kind::Directory => {
                        let place = entry.metadata.device.zip(entry.metadata.inode);
                        if place.is_none_or(|place| seen.insert(place)) {
                            waiting.extend(directory.join(&entry.name).ok());
                        }
                    }
                    Kind::File => {
                        used.add(entry.metadata.size);
                    }
                    _ => {}
                }
            }
        }
        if let Ok(parts) = storage.parts_in(&directory).await {
            used += parts;
        }
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use wharf_storage::LocalStorage;

    use super::*;

    #[tokio::test]
    async fn what_lies_there_counts_once_and_every_user_of_the_root_shares_it() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        std::fs::write(directory.path().join("a"), [0; 10]).unwrap();
        std::fs::write(directory.path().join("d/b"), [0; 20]).unwrap();
        // Ways in a circle.
        for name in ["up", "d/up", "d/again"] {
            std::os::unix::fs::symlink(if name == "up" { "." } else { ".." }, directory.path().join(name))
                .unwrap();
        }
        let storage: Arc<dyn Storage> = Arc::new(LocalStorage::open(directory.path()).unwrap());
        let ledgers = Ledgers::default();
        let purse = |bytes, files| ledgers.purse("/x".into(), Quota { bytes, files });
        let small = purse(Some(40), None);
        small.count(&*storage).await.unwrap();
        assert_eq!(small.left(), 10);
        assert!(matches!(small.take(11, 1), Err(StorageError::QuotaExceeded)));
        small.take(10, 1).unwrap();
        // Another user of the same root, with another quota.
        let few = purse(None, Some(3));
        few.count(&*storage).await.unwrap();
        assert!(matches!(few.take(1, 1), Err(StorageError::QuotaExceeded)));
        few.take(1000, 0).unwrap();
        assert!(matches!(small.take(1, 0), Err(StorageError::QuotaExceeded)));
        few.give_back(1000, 1);
        small.take(0, 1).unwrap();
        // Those who are there count from the same sum as those who come.
        ledgers.count_anew();
        let anew = purse(Some(31), None);
        anew.count(&*storage).await.unwrap();
        anew.take(1, 1).unwrap();
        assert!(anew.take(1, 0).is_err());
        assert_eq!(small.left(), 9);
        // What was cut waits, and counts.
        let part = format!("d/.wharf-{}.part", "0".repeat(32));
        std::fs::write(directory.path().join(part), [0; 5]).unwrap();
        ledgers.count_anew();
        small.count(&*storage).await.unwrap();
        assert_eq!(small.left(), 5);
        ledgers.removed(Path::new("/x"), Held { bytes: 5, files: 1 });
        assert_eq!(small.left(), 10);
    }
}
