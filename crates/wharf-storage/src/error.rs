//! What can go wrong in a storage, in terms that a server has reply codes for.

use std::io;

use rustix::io::Errno;

use crate::PathError;

/// Why a storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// There is nothing of this name, or a directory on the way to it is missing.
    #[error("no such file or directory")]
    NotFound,
    /// The file's or directory's permissions forbid it.
    #[error("permission denied")]
    PermissionDenied,
    /// A file was wanted, and this is a directory.
    #[error("this is a directory")]
    IsDirectory,
    /// A directory was wanted, and this is none.
    #[error("this is not a directory")]
    NotDirectory,
    /// The directory still holds something.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The name is taken.
    #[error("the name exists already")]
    Exists,
    /// Somebody else writes under this name.
    #[error("somebody else is writing this file; try again later")]
    Busy,
    /// The file system is full.
    #[error("no space left")]
    NoSpace,
    /// The user's quota is used up.
    #[error("the quota is exceeded")]
    QuotaExceeded,
    /// The storage cannot have this name here: too long, forbidden bytes, or a directory moved into itself.
    #[error("this name is not allowed here")]
    NameNotAllowed,
    /// The path, or a symbolic link on it, leads out of the root.
    #[error("this leads out of the root")]
    OutsideRoot,
    /// The file system is read-only.
    #[error("the file system is read-only")]
    ReadOnly,
    /// A transfer was to begin behind the end of the file.
    #[error("the offset {offset} lies beyond the end of the file, which has {size} bytes")]
    OffsetBeyondEnd {
        /// Where the transfer was to begin, in bytes.
        offset: u64,
        /// The file's size in bytes; 0 where there is no file.
        size: u64,
    },
    /// Neither a regular file nor a directory: a FIFO, device or socket, which is never opened for a client.
    #[error("this is not a regular file")]
    NotRegular,
    /// Symbolic links that lead in a circle, or more links than a file can have.
    #[error("too many links")]
    TooManyLinks,
    /// The storage has no such operation, for example a move to another file system.
    #[error("the storage cannot do this")]
    Unsupported,
    /// Anything else: the operating system's error.
    #[error(transparent)]
    Io(io::Error),
}

impl From<Errno> for StorageError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::ACCESS | Errno::PERM => Self::PermissionDenied,
            Errno::ISDIR => Self::IsDirectory,
            Errno::NOTDIR => Self::NotDirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::EXIST => Self::Exists,
            Errno::NOSPC => Self::NoSpace,
            Errno::DQUOT => Self::QuotaExceeded,
            Errno::NAMETOOLONG | Errno::ILSEQ => Self::NameNotAllowed,
            Errno::ROFS => Self::ReadOnly,
            Errno::LOOP | Errno::MLINK => Self::TooManyLinks,
            Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV => Self::Unsupported,
            other => Self::Io(other.into()),
        }
    }
}

/// Also takes a `StorageError` back out of an [`io::Error`] that carries one.
impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        if let Some(errno) = Errno::from_io_error(&error) {
            return errno.into();
        }
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

/// For streams, whose errors must be [`io::Error`]s; the conversion back gives the same `StorageError`.
impl From<StorageError> for io::Error {
    fn from(error: StorageError) -> Self {
        let kind = match error {
            StorageError::Io(error) => return error,
            StorageError::NotFound => io::ErrorKind::NotFound,
            StorageError::PermissionDenied | StorageError::OutsideRoot => io::ErrorKind::PermissionDenied,
            StorageError::IsDirectory => io::ErrorKind::IsADirectory,
            StorageError::NotDirectory => io::ErrorKind::NotADirectory,
            StorageError::NotEmpty => io::ErrorKind::DirectoryNotEmpty,
            StorageError::Exists => io::ErrorKind::AlreadyExists,
            StorageError::Busy => io::ErrorKind::ResourceBusy,
            StorageError::NoSpace => io::ErrorKind::StorageFull,
            StorageError::QuotaExceeded => io::ErrorKind::QuotaExceeded,
            StorageError::NameNotAllowed | StorageError::OffsetBeyondEnd { .. } => {
                io::ErrorKind::InvalidInput
            }
            StorageError::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            StorageError::TooManyLinks => io::ErrorKind::TooManyLinks,
            StorageError::NotRegular | StorageError::Unsupported => io::ErrorKind::Unsupported,
        };
        Self::new(kind, error)
    }
}

impl From<PathError> for StorageError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::AboveRoot => Self::OutsideRoot,
            PathError::Empty
            | PathError::Nul
            | PathError::NotAName
            | PathError::NameTooLong
            | PathError::TooLong
            | PathError::TooDeep => Self::NameNotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_kernel_has_its_name() {
        let told = |errno: Errno| format!("{:?}", StorageError::from(io::Error::from(errno)));
        for (errno, name) in [
            (Errno::NOENT, "NotFound"),
            (Errno::PERM, "PermissionDenied"),
            (Errno::ACCESS, "PermissionDenied"),
            (Errno::NOSPC, "NoSpace"),
            (Errno::DQUOT, "QuotaExceeded"),
            (Errno::ROFS, "ReadOnly"),
            (Errno::NAMETOOLONG, "NameNotAllowed"),
            (Errno::NOTEMPTY, "NotEmpty"),
            (Errno::LOOP, "TooManyLinks"),
            (Errno::MLINK, "TooManyLinks"),
            (Errno::XDEV, "Unsupported"),
        ] {
            assert_eq!(told(errno), name);
        }
        assert!(told(Errno::IO).starts_with("Io("));
    }

    #[test]
    fn an_error_survives_the_way_through_a_stream() {
        for error in [
            StorageError::NoSpace,
            StorageError::OutsideRoot,
            StorageError::OffsetBeyondEnd { offset: 9, size: 4 },
        ] {
            let told = format!("{error:?}");
            let through_stream = io::Error::from(error);
            assert_eq!(format!("{:?}", StorageError::from(through_stream)), told);
        }
    }
}
