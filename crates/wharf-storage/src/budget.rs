//! What a user may still store.

use core::fmt::Debug;
use std::sync::Arc;

use crate::StorageError;

/// What a user may still store, in bytes and files. All uploads of the user share it.
///
/// An upload takes out of it before it writes, and gives back what it did not keep: so the sum is true again whenever no
/// upload runs. Parts that wait to be resumed count.
pub trait Budget: Send + Sync + Debug {
    /// Takes so many bytes and files out of it, all or nothing.
    ///
    /// # Errors
    /// [`StorageError::QuotaExceeded`] where less is left.
    fn take(&self, bytes: u64, files: u64) -> Result<(), StorageError>;

    /// Puts so many bytes and files back.
    fn give_back(&self, bytes: u64, files: u64);
}

/// What one upload has taken out of a budget. Dropped, it leaves counted what is counted.
#[derive(Debug)]
pub(crate) struct Account {
    budget: Option<Arc<dyn Budget>>,
    /// Bytes that were counted for this name before the upload.
    before: u64,
    /// Bytes that are counted now.
    counted: u64,
}

impl Account {
    /// Opens the account of an upload; `before` tells the bytes that are there already and counted, `None` where there is no
    /// file.
    pub(crate) fn open(budget: Option<Arc<dyn Budget>>, before: Option<u64>) -> Result<Self, StorageError> {
        if let (Some(budget), None) = (&budget, before) {
            budget.take(0, 1)?;
        }
        let before = before.unwrap_or(0);
        Ok(Self { budget, before, counted: before })
    }

    /// Whether anybody counts.
    pub(crate) fn is_kept(&self) -> bool {
        self.budget.is_some()
    }

    /// Counts the file up to `end`, in bytes from its start.
    pub(crate) fn grow_to(&mut self, end: u64) -> Result<(), StorageError> {
        let more = end.saturating_sub(self.counted);
        if let (Some(budget), 1..) = (&self.budget, more) {
            budget.take(more, 0)?;
        }
        self.counted = self.counted.max(end);
        Ok(())
    }

    /// The upload is over, and the file has so many bytes.
    pub(crate) fn settle(&mut self, size: u64) {
        if let Some(budget) = self.budget.take() {
            budget.give_back(self.counted.saturating_sub(size), 0);
        }
    }

    /// The upload is over, and what was there before is there again.
    pub(crate) fn restore(&mut self) {
        self.settle(self.before);
    }

    /// The upload is over, and nothing is left of it.
    pub(crate) fn remove(&mut self) {
        if let Some(budget) = self.budget.take() {
            budget.give_back(self.counted, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug)]
    struct Purse(Mutex<(u64, u64)>);

    impl Budget for Purse {
        fn take(&self, bytes: u64, files: u64) -> Result<(), StorageError> {
            let mut left = self.0.lock().unwrap();
            let less = (left.0.checked_sub(bytes), left.1.checked_sub(files));
            let (Some(bytes), Some(files)) = less else { return Err(StorageError::QuotaExceeded) };
            *left = (bytes, files);
            Ok(())
        }

        fn give_back(&self, bytes: u64, files: u64) {
            let mut left = self.0.lock().unwrap();
            *left = (left.0 + bytes, left.1 + files);
        }
    }

    fn purse(bytes: u64, files: u64) -> (Arc<Purse>, Option<Arc<dyn Budget>>) {
        let purse = Arc::new(Purse(Mutex::new((bytes, files))));
        (purse.clone(), Some(purse))
    }

    #[test]
    fn a_new_file_costs_its_bytes_and_one_file_and_a_discarded_one_nothing() {
        let (purse, budget) = purse(10, 1);
        let mut account = Account::open(budget.clone(), None).unwrap();
        account.grow_to(8).unwrap();
        assert!(matches!(account.grow_to(11), Err(StorageError::QuotaExceeded)));
        assert!(matches!(Account::open(budget, None), Err(StorageError::QuotaExceeded)));
        account.remove();
        assert_eq!(*purse.0.lock().unwrap(), (10, 1));
    }

    #[test]
    fn a_replaced_file_costs_only_what_it_grows_and_gives_back_what_it_shrinks() {
        let (purse, budget) = purse(2, 0);
        let mut account = Account::open(budget.clone(), Some(100)).unwrap();
        account.grow_to(102).unwrap();
        account.settle(102);
        assert_eq!(*purse.0.lock().unwrap(), (0, 0));
        let mut account = Account::open(budget, Some(102)).unwrap();
        account.grow_to(30).unwrap();
        account.settle(30);
        assert_eq!(*purse.0.lock().unwrap(), (72, 0));
    }
}
