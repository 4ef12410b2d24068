//! Reading, writing and listing through a [`Storage`], as a server would.

use std::collections::BTreeMap;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use wharf_storage::{
    Entry, Listing, LocalStorage, Metadata, Source, SourceKind, Storage, StorageError, StoragePath, Upload,
    UploadKind, UploadMethod, UploadRequest, WriteMode,
};

/// The place of an absolute path.
pub fn path(text: impl AsRef<[u8]>) -> StoragePath {
    StoragePath::root().resolve(text.as_ref()).unwrap()
}

/// The rest of a source.
pub async fn read_rest(source: Source) -> Vec<u8> {
    let mut content = Vec::new();
    match source.kind {
        SourceKind::File(mut file) => {
            assert_eq!(file.stream_position().unwrap(), source.offset);
            file.read_to_end(&mut content).unwrap();
        }
        SourceKind::Stream(mut stream) => {
            stream.read_to_end(&mut content).await.unwrap();
        }
    }
    content
}

/// The content of a file.
pub async fn read(storage: &dyn Storage, at: &str) -> Result<Vec<u8>, StorageError> {
    Ok(read_rest(storage.open_read(&path(at), 0).await?).await)
}

/// An upload that writes into the file itself, and is past its preparation.
pub async fn open_write(
    storage: &dyn Storage,
    at: &StoragePath,
    mode: WriteMode,
) -> Result<Upload, StorageError> {
    let request = UploadRequest { method: UploadMethod::InPlace, ..UploadRequest::new(mode, *b"tester") };
    let mut upload = storage.begin_upload(at, request).await?;
    if let UploadKind::File(file) = &mut upload.kind {
        file.prepare(&|| false)?;
    }
    Ok(upload)
}

/// Writes into an upload.
pub async fn fill(upload: &mut Upload, content: &[u8]) -> Result<(), StorageError> {
    upload.write_all(content).await
}

/// Writes a file in place and publishes it.
pub async fn write(
    storage: &dyn Storage,
    at: &str,
    mode: WriteMode,
    content: &[u8],
) -> Result<(), StorageError> {
    let mut upload = open_write(storage, &path(at), mode).await?;
    upload.write_all(content).await?;
    upload.publish().await
}

/// All entries of a listing by name; no name comes twice, no batch is empty.
pub async fn all(mut listing: Listing) -> Result<BTreeMap<Vec<u8>, Metadata>, StorageError> {
    let mut entries = BTreeMap::new();
    while let Some(batch) = listing.next_batch().await? {
        assert!(!batch.is_empty());
        for Entry { name, metadata } in batch {
            assert_eq!(entries.insert(name.into_vec(), metadata), None, "a name came twice");
        }
    }
    Ok(entries)
}

/// The names of a directory.
pub async fn names(storage: &dyn Storage, at: &str) -> Vec<String> {
    let listing = storage.list(&path(at)).await.unwrap();
    all(listing).await.unwrap().into_keys().map(|name| String::from_utf8(name).unwrap()).collect()
}

/// A root and a directory outside of it, and a storage of the root.
pub struct Rooms {
    pub storage: LocalStorage,
    /// `…/root`, which is served.
    pub root: PathBuf,
    /// `…/outside`, which nobody may reach.
    pub outside: PathBuf,
    _temporary: TempDir,
}

impl Rooms {
    pub fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("root");
        let outside = temporary.path().join("outside");
        std::fs::create_dir(&root).unwrap();
        std::fs::create_dir(&outside).unwrap();
        let storage = LocalStorage::open(&root).unwrap();
        Self { storage, root, outside, _temporary: temporary }
    }
}

/// Everything below a directory: names, kinds, contents, times and permission bits.
pub fn snapshot(directory: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        seen.push(format!(
            "{:?} {:?} {:?} {:?} {:?}",
            entry.path(),
            metadata.file_type(),
            metadata.permissions(),
            metadata.modified().unwrap(),
            metadata.is_file().then(|| std::fs::read(entry.path()).unwrap()),
        ));
        if metadata.is_dir() {
            seen.extend(snapshot(&entry.path()));
        }
    }
    seen.sort();
    seen
}

/// Asserts that a result is this error.
#[macro_export]
macro_rules! assert_error {
    ($result:expr, $error:pat) => {
        match $result {
            Err($error) => {}
            other => panic!("{} wanted, and {:?} came", stringify!($error), other.map(|_| "a success")),
        }
    };
}

/// A test for each of these functions, with each storage.
#[macro_export]
macro_rules! on_each_storage {
    ($($name:ident,)*) => {
        mod local {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&$crate::support::Rooms::new().storage).await;
                }
            )*
        }
        mod memory {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&wharf_storage::MemoryStorage::new()).await;
                }
            )*
        }
    };
}
