//! When files changed last: asked of the server, and set on either side.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, futimens};
use wharf_proto::command::TimeAndPath;
use wharf_proto::pathname::Pathname;
use wharf_proto::{Command, Reply};

use crate::error::ClientError;
use crate::operations::{facts, time_of};
use crate::session::Session;

impl Session {
    /// When `path` changed last, for a copy that is to keep that: asked where FEAT names a command for it, since only
    /// there an answer can be relied on. The answer is of before the transfer: what changes meanwhile is newer than the copy
    /// then, and the next comparison sees it.
    pub(crate) async fn time_to_keep(&mut self, path: &Pathname) -> Result<Option<Timestamp>, ClientError> {
        if !self.options.transfers.keep_times {
            return Ok(None);
        }
        self.time_if_told(path).await
    }

    /// As [`time_to_keep`](Self::time_to_keep), whether it is to be kept or not.
    pub(crate) async fn time_if_told(&mut self, path: &Pathname) -> Result<Option<Timestamp>, ClientError> {
        if self.features().has("MDTM") {
            return time_of(self.execute(&Command::Mdtm(path.clone())).await?);
        }
        if self.features().machine_listings() {
            let reply = self.execute(&Command::Mlst(Some(path.clone()))).await?;
            return Ok(facts(&reply).and_then(|entry| entry.modified).and_then(|time| time.assuming_utc()));
        }
        Ok(None)
    }

    /// Whether the server can set the time of a file.
    pub(crate) fn sets_times(&self) -> bool {
        self.features().has("MFMT")
    }

    /// What sets the time of `path` (MFMT, draft-somers-ftp-mfxx §3.1), where the server has it.
    ///
    /// MDTM with a time in front of the name, which some servers have in its place, is never sent: elsewhere it asks for a file
    /// of another name.
    pub(crate) fn setting_time(&self, path: &Pathname, time: Timestamp) -> Option<Command> {
        let argument = || TimeAndPath { time: whole_seconds(time), path: path.clone() };
        self.sets_times().then(|| Command::Mfmt(argument()))
    }

    /// Says it if the time was not taken: the file is complete all the same.
    pub(crate) fn note_time(&mut self, path: &Pathname, reply: &Reply) {
        if reply.code().is_negative() {
            self.observer.note(&format!("the server did not take the time of {path}: \"{reply}\""));
        }
    }
}

/// Sets when `file` was changed last.
pub(crate) fn set_modified(file: &File, time: Timestamp) -> io::Result<()> {
    // As `time_t` and nanoseconds: the latter count forward from the second.
    let seconds = time.as_nanosecond().div_euclid(1_000_000_000);
    let nanoseconds = time.as_nanosecond().rem_euclid(1_000_000_000);
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds as _, tv_nsec: nanoseconds as _ },
    };
    Ok(futimens(file, &times)?)
}

/// When a file with this metadata was changed last; none in a year that cannot be written.
pub(crate) fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let nanoseconds = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Timestamp::from_nanosecond(nanoseconds).ok()
}

/// Some servers refuse fractions, and none needs them.
fn whole_seconds(time: Timestamp) -> Timestamp {
    let second = time.as_nanosecond().div_euclid(1_000_000_000);
    i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(time)
}
