//! The transfer log in the form that wu-ftpd gave it and that every log reader knows (xferlog(5)).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use wharf_proto::Verb;
use wharf_proto::pathname::escaped;
use wharf_proto::verb::Role;
use wharf_storage::StoragePath;

use crate::auth::Identity;

/// An open transfer log. Clones write to the same file.
#[derive(Clone, Debug)]
pub struct TransferLog {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

/// One transfer.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    pub verb: Verb,
    pub path: &'a StoragePath,
    pub bytes: u64,
    pub ascii: bool,
    pub identity: &'a Identity,
    pub client: IpAddr,
    pub seconds: u64,
    pub complete: bool,
}

impl TransferLog {
    /// Opens the file for appending.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: Arc::new(Mutex::new(append_to(path)?)) })
    }

    /// Opens the file anew, after it was moved away.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is then kept.
    pub fn reopen(&self) -> io::Result<()> {
        // Held before the new file is there: whoever sees it finds every later line in it.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        *file = append_to(&self.path)?;
        Ok(())
    }

    /// Listings are not files and are left out, as xferlog(5) does.
    pub(crate) fn write(&self, record: &Record<'_>) {
        let direction = match record.verb.role() {
            Role::Download => 'o',
            Role::Upload => 'i',
            _ => return,
        };
        let time = jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y");
        let (access, who) = match record.identity {
            Identity::Anonymous(password) => ('a', password),
            Identity::User(name) => ('r', name),
        };
        let line = format!(
            "{time} {} {} {} {} {} _ {direction} {access} {} ftp 0 * {}\n",
            record.seconds,
            record.client,
            record.bytes,
            field(record.path.as_bytes()),
            if record.ascii { 'a' } else { 'b' },
            field(who),
            if record.complete { 'c' } else { 'i' },
        );
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, path = %self.path.display(), "the transfer log cannot be written");
        }
    }
}

/// Bytes as one field: spaces separate fields, and none is empty.
fn field(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "?".to_owned();
    }
    escaped(bytes).to_string().chars().map(|c| if c.is_whitespace() { '_' } else { c }).collect()
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_word_whatever_it_holds() {
        assert_eq!(field(b"me@example.net"), "me@example.net");
        assert_eq!(field(b"a b\tc\x1B"), "a_b\\u{9}c\\u{1b}");
        assert_eq!(field(b""), "?");
    }
}
