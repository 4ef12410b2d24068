//! The directories that users see as `/`, each opened once, however many users share it.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wharf_storage::Storage;

/// Opens a directory as a storage; the error is a sentence.
type Opener = dyn Fn(&Path) -> Result<Arc<dyn Storage>, String> + Send + Sync;

/// What is opened. Users of one directory share its storage, and so whatever that keeps about it.
pub struct Roots {
    opener: Box<Opener>,
    open: Mutex<HashMap<PathBuf, Weak<dyn Storage>>>,
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

impl Roots {
    /// Opens directories with `opener`.
    pub fn new(opener: impl Fn(&Path) -> Result<Arc<dyn Storage>, String> + Send + Sync + 'static) -> Self {
        Self { opener: Box::new(opener), open: Mutex::default() }
    }

    /// The storage beneath `path`. May wait for a disk.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, path: &Path) -> Result<Arc<dyn Storage>, String> {
        // One directory may have several names. What is wrong with a path is for the opener to say.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(storage) = open.get(&place).and_then(Weak::upgrade) {
            return Ok(storage);
        }
        let storage = (self.opener)(&place)?;
        open.retain(|_, storage| storage.strong_count() > 0);
        open.insert(place, Arc::downgrade(&storage));
        Ok(storage)
    }
}

impl Roots {
    /// Those that somebody has at present.
    pub(crate) fn in_use(&self) -> Vec<Arc<dyn Storage>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter_map(Weak::upgrade).collect()
    }

    /// The directory of a storage that was opened here.
    pub(crate) fn place_of(&self, storage: &Arc<dyn Storage>) -> Option<PathBuf> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |other: &Weak<dyn Storage>| std::ptr::addr_eq(other.as_ptr(), Arc::as_ptr(storage));
        open.iter().find(|(_, other)| is_it(other)).map(|(place, _)| place.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use wharf_storage::MemoryStorage;

    use super::*;

    #[test]
    fn a_directory_is_opened_once_as_long_as_somebody_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let opened = Arc::new(AtomicU32::new(0));
        let count = opened.clone();
        let roots = Roots::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(Arc::new(MemoryStorage::new()) as Arc<dyn Storage>)
        });
        let first = roots.open(directory.path()).unwrap();
        let again = roots.open(&directory.path().join(".")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        let _later = roots.open(directory.path()).unwrap();
        assert_eq!(opened.load(Ordering::Relaxed), 2);
    }
}
