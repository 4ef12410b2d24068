//! What a session can do, one file for each.

mod atomic;
mod checksum;
mod download;
mod listing;
mod manage;
pub mod mirror;
pub mod segments;
mod small;
pub(crate) mod status;
pub mod third_party;
mod upload;

pub use checksum::Verification;
pub(crate) use download::settle;
pub use download::{DownloadOptions, Downloaded};
pub use listing::{Listed, ListingForm};
pub use status::Status;
pub(crate) use status::{facts, time_of};
pub use upload::{UploadOptions, UploadSource, Uploaded};

/// Bytes before the end of what is there that a resume compares with the other side's (threat 30).
const OVERLAP: u64 = 16 * 1024;
