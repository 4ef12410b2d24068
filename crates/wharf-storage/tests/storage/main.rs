//! Both storages, operation by operation, and what the local one must withstand.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]
#![allow(unreachable_pub, reason = "the modules of a test are all there is")]

mod conformance;
mod listing;
mod names;
mod paths;
#[cfg(target_os = "linux")]
mod race;
mod renames;
#[cfg(target_os = "linux")]
mod special_files;
mod support;
#[cfg(target_os = "linux")]
mod symlinks;
mod uploads;
