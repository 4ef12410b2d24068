//! Where files live: the local file system without escape, and memory.
//!
//! [`Storage`] is what a server sees: paths are [`StoragePath`]s, which cannot hold `..`, and names are bytes. Data
//! comes as a [`Source`] and goes into an [`Upload`], each either a plain file descriptor, so that the kernel can move
//! the bytes, or a stream.
//!
//! | file | job |
//! |---|---|
//! | `path.rs` | a client's path made safe |
//! | `storage.rs` | the trait |
//! | `data.rs` | sources |
//! | `upload.rs` | uploads: how they are asked for, written, published |
//! | `budget.rs` | what a user may still store |
//! | `part.rs` | the hidden names of uploads that are not complete |
//! | `busy.rs` | the names that somebody writes |
//! | `metadata.rs` | what is known of a file |
//! | `listing.rs` | directories, in batches |
//! | `error.rs` | what can go wrong, in terms that have reply codes |
//! | `local/` | the local file system, beneath one directory (Linux) |
//! | `memory.rs`, `memory/` | a tree in memory |
//! | `waiting.rs` | threads that may wait for a disk |

mod budget;
mod busy;
mod data;
mod error;
mod listing;
#[cfg(target_os = "linux")]
mod local;
mod memory;
mod metadata;
mod part;
mod path;
mod storage;
mod upload;
mod waiting;

pub use budget::Budget;
pub use data::{Source, SourceKind};
pub use error::StorageError;
pub use listing::{Batches, Entry, Listing};
#[cfg(target_os = "linux")]
pub use local::{LocalStorage, OpenError};
pub use memory::MemoryStorage;
pub use metadata::{Kind, Metadata};
pub use part::is_part;
pub use path::{MAX_COMPONENTS, MAX_NAME, MAX_PATH, PathError, StoragePath};
pub use storage::{Held, Storage, Sweep};
pub use upload::{
    AppendMethod, Durability, FileUpload, Upload, UploadKind, UploadMethod, UploadRequest, WriteMode,
};
pub use waiting::may_wait_here;
/// Checksums.
pub use wharf_digest as digest;
