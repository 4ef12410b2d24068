//! Patterns made into names: of the server by its listings, of this machine by its directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use wharf_client::{ClientError, Session};
use wharf_proto::glob;
use wharf_proto::listing::ListingEntry;
use wharf_proto::pathname::Pathname;

use super::Shell;
use super::words::Word;

/// Something of the server that fits a pattern.
pub(crate) struct Match {
    /// The path, as the pattern would have to be typed to mean it alone.
    pub(crate) path: Vec<u8>,
    /// What the listing says of it; none of what was named without a pattern.
    pub(crate) entry: Option<ListingEntry>,
}

impl Match {
    /// As a word.
    pub(crate) fn word(&self) -> Word {
        Word { text: self.path.clone(), ..Word::default() }
    }
}

impl Shell {
    /// What is in a directory of the server, in the order of names.
    pub(crate) async fn entries(
        &mut self,
        path: Option<&Pathname>,
    ) -> Result<Vec<ListingEntry>, ClientError> {
        let url = self.place()?.server.clone();
        let work = async |session: &mut Session, _: bool| {
            let mut entries = Vec::new();
            session.list(path, |entry| entries.push(entry)).await?;
            Ok(entries)
        };
        let mut entries = self.client.with_session(&url, |_| true, work).await?;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// What fits a word: itself, if it is no pattern.
    ///
    /// # Errors
    /// When nothing fits.
    pub(crate) async fn matches(&mut self, word: &Word) -> Result<Vec<Match>, ClientError> {
        let Some(pattern) = &word.pattern else {
            return Ok(vec![Match { path: word.text.clone(), entry: None }]);
        };
        let root: &[u8] = if pattern.starts_with(b"/") { b"/" } else { b"" };
        let mut found = vec![Match { path: root.to_vec(), entry: None }];
        let mut segments =
            pattern.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            let mut next = Vec::new();
            for Match { path, .. } in found {
                if !glob::is_pattern(segment) {
                    next.push(Match { path: below(&path, segment), entry: None });
                    continue;
                }
                let directory = if path.is_empty() {
                    self.place()?.directory.clone()
                } else {
                    Some(self.place()?.resolve(&path)?)
                };
                let entries = self.entries(directory.as_ref()).await?;
                next.extend(
                    entries
                        .into_iter()
                        .filter(|entry| fits(segment, &entry.name) && (is_last || entry.kind.is_directory()))
                        .map(|entry| Match { path: below(&path, &entry.name), entry: Some(entry) }),
                );
            }
            found = next;
        }
        nothing_fits(found, word)
    }

    /// The files of this machine that fit a word, in the order of names.
    ///
    /// # Errors
    /// When nothing fits.
    pub(crate) fn local_matches(&self, word: &Word) -> Result<Vec<PathBuf>, ClientError> {
        let Some(pattern) = &word.pattern else {
            return Ok(vec![Path::new(OsStr::from_bytes(&word.text)).to_owned()]);
        };
        let root = if pattern.starts_with(b"/") { "/" } else { "" };
        let mut found = vec![PathBuf::from(root)];
        for segment in pattern.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()) {
            found = found.into_iter().flat_map(|path| self.local_step(&path, segment)).collect();
        }
        nothing_fits(found, word)
    }

    fn local_step(&self, path: &Path, segment: &[u8]) -> Vec<PathBuf> {
        if !glob::is_pattern(segment) {
            return vec![path.join(OsStr::from_bytes(segment))];
        }
        let directory = self.local.join(path);
        let directory = if directory.as_os_str().is_empty() { Path::new(".").to_owned() } else { directory };
        // What cannot be read holds nothing that fits, as in every shell.
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name()).filter(|name| fits(segment, name.as_bytes())).collect();
        names.sort();
        names.into_iter().map(|name| path.join(name)).collect()
    }
}

fn nothing_fits<T>(found: Vec<T>, word: &Word) -> Result<Vec<T>, ClientError> {
    if found.is_empty() {
        return Err(ClientError::Usage(format!("nothing fits {}", word.lossy())));
    }
    Ok(found)
}

/// A name with a dot in front fits only a pattern that says so.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    (!name.starts_with(b".") || pattern.starts_with(b".")) && glob::fits(pattern, name)
}

fn below(path: &[u8], name: &[u8]) -> Vec<u8> {
    let between: &[u8] = if path.is_empty() || path.ends_with(b"/") { b"" } else { b"/" };
    [path, between, name].concat()
}
