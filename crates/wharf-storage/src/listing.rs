//! Directories, read in batches so that a huge one costs no memory.

use core::fmt;

use async_trait::async_trait;

use crate::{Metadata, StorageError};

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name: bytes without slash and NUL, never `.` or `..`.
    pub name: Box<[u8]>,
    /// What stands under it.
    pub metadata: Metadata,
}

/// A directory that is being read; entries come in the storage's order, which need not be an order at all.
pub struct Listing {
    batches: Box<dyn Batches>,
}

/// How a storage reads a directory bit by bit.
#[async_trait]
pub trait Batches: Send {
    /// Some hundred entries more, never none; `None` at the end.
    ///
    /// # Errors
    /// When the directory cannot be read on. What came before stays true.
    async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, StorageError>;
}

impl Listing {
    /// A listing that a storage reads.
    pub fn new(batches: impl Batches + 'static) -> Self {
        Self { batches: Box::new(batches) }
    }

    /// Some hundred entries more, never none; `None` at the end.
    ///
    /// A caller that drops this future before it is done cannot go on with the listing.
    ///
    /// # Errors
    /// When the directory cannot be read on. What came before stays true.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Entry>>, StorageError> {
        self.batches.next_batch().await
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").finish_non_exhaustive()
    }
}
