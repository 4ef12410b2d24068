//! Who writes where: the whole process has one register, so that two storages over the same directory agree.

use std::sync::LazyLock;

use rustix::fd::AsFd;

use super::attributes;
use crate::busy::{self, Busy};
use crate::{Metadata, StorageError};

/// A place that is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// A file, by file system and number: it may have many names.
    File(Option<u64>, Option<u64>),
    /// A name in a directory, whether there is a file or not.
    Name(Option<u64>, Option<u64>, Box<[u8]>),
}

pub(super) type Reserved = busy::Reserved<Place>;

static WRITERS: LazyLock<Busy<Place>> = LazyLock::new(Busy::default);

/// Takes a file.
pub(super) fn reserve_file(file: &Metadata) -> Result<Reserved, StorageError> {
    WRITERS.reserve(Place::File(file.device, file.inode)).ok_or(StorageError::Busy)
}

/// Takes a name.
pub(super) fn reserve_name(directory: impl AsFd, name: &[u8]) -> Result<Reserved, StorageError> {
    reserve(self::name(directory, name)?)
}

/// A name as a place.
pub(super) fn name(directory: impl AsFd, name: &[u8]) -> Result<Place, StorageError> {
    let directory = attributes::stat(directory)?;
    Ok(Place::Name(directory.device, directory.inode, name.into()))
}

/// Takes a place.
pub(super) fn reserve(place: Place) -> Result<Reserved, StorageError> {
    WRITERS.reserve(place).ok_or(StorageError::Busy)
}
