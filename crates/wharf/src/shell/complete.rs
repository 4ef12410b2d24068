//! What TAB offers: commands, names of the server, names of this machine, bookmarks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustyline::completion::Pair;

use super::table::{Completes, ROWS, find};
use super::words::{Word, quoted, under_cursor};
use super::{Shell, bookmarks};

/// How long a listing may take that was asked for by TAB.
const LISTING_TIME: Duration = Duration::from_secs(5);

/// A name that fits what was typed.
struct Candidate {
    /// The whole word.
    word: Vec<u8>,
    /// What is shown of it.
    shown: Vec<u8>,
    /// Whether more of the word may follow.
    is_directory: bool,
}

impl Shell {
    /// What can stand in the place of the last word of `line`, and where that begins.
    pub(crate) async fn complete(&mut self, line: &str) -> (usize, Vec<Pair>) {
        let words = under_cursor(line.as_bytes());
        let Some((word, before)) = words.split_last() else { return (line.len(), Vec::new()) };
        let completes = match before.first() {
            None => Completes::Commands,
            Some(name) => find(&name.lossy()).map_or(Completes::Nothing, |row| row.completes),
        };
        let is_first = before.iter().skip(1).all(|word| word.text.starts_with(b"-"));
        let candidates = match completes {
            Completes::Nothing => Vec::new(),
            Completes::Commands => known(ROWS.iter().map(|row| row.names[0].to_owned()), word),
            Completes::Words(words) => known(words.iter().map(|&word| word.to_owned()), word),
            Completes::Bookmarks => known(bookmarks::load().unwrap_or_default().into_keys(), word),
            Completes::Remote => self.remote_names(word, false).await,
            Completes::RemoteDirectories => self.remote_names(word, true).await,
            Completes::Local => self.local_names(word, false),
            Completes::LocalDirectories => self.local_names(word, true),
            Completes::RemoteThenLocal if is_first => self.remote_names(word, false).await,
            Completes::RemoteThenLocal => self.local_names(word, false),
            Completes::LocalThenRemote if is_first => self.local_names(word, false),
            Completes::LocalThenRemote => self.remote_names(word, false).await,
        };
        let pairs = candidates.into_iter().map(|candidate| {
            let mut replacement = quoted(&candidate.word);
            replacement.push(if candidate.is_directory { '/' } else { ' ' });
            let slash = if candidate.is_directory { "/" } else { "" };
            Pair { display: format!("{}{slash}", quoted(&candidate.shown)), replacement }
        });
        (word.start, pairs.collect())
    }

    async fn remote_names(&mut self, word: &Word, directories: bool) -> Vec<Candidate> {
        let (directory, beginning) = parted(&word.text);
        let Ok(place) = self.place() else { return Vec::new() };
        let path = match directory {
            b"" => place.directory.clone(),
            directory => match place.resolve(directory) {
                Ok(path) => Some(path),
                Err(_) => return Vec::new(),
            },
        };
        if !self.listed.contains_key(&path) {
            match tokio::time::timeout(LISTING_TIME, self.entries(path.as_ref())).await {
                Ok(Ok(entries)) => {
                    let names = entries.into_iter().map(|entry| (entry.name, entry.kind.is_directory()));
                    self.listed.insert(path.clone(), names.collect());
                }
                Ok(Err(_)) => return Vec::new(),
                Err(_) => {
                    if let Some(session) = self.client.present_session() {
                        session.abort().await;
                    }
                    return Vec::new();
                }
            }
        }
        let names = self.listed.get(&path).into_iter().flatten();
        let names = names.filter(|(_, is_directory)| *is_directory || !directories);
        named(directory, beginning, names.map(|(name, is_directory)| (name.clone(), *is_directory)))
    }

    fn local_names(&self, word: &Word, directories: bool) -> Vec<Candidate> {
        let (directory, beginning) = parted(&word.text);
        let path = self.local(&Word { text: directory.to_vec(), ..Word::default() });
        let path = if path.as_os_str().is_empty() { Path::new(OsStr::new(".")).to_owned() } else { path };
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| (entry.file_name().as_bytes().to_vec(), entry.path().is_dir()))
            .filter(|(_, is_directory)| *is_directory || !directories)
            .collect();
        names.sort();
        named(directory, beginning, names.into_iter())
    }
}

/// What was typed of a path: the directory with its `/`, and the beginning of a name in it.
fn parted(typed: &[u8]) -> (&[u8], &[u8]) {
    typed.split_at(typed.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1))
}

fn known(names: impl Iterator<Item = String>, word: &Word) -> Vec<Candidate> {
    let mut names: Vec<_> = names.filter(|name| name.as_bytes().starts_with(&word.text)).collect();
    names.sort();
    let candidate = |name: String| Candidate {
        word: name.clone().into_bytes(),
        shown: name.into_bytes(),
        is_directory: false,
    };
    names.into_iter().map(candidate).collect()
}

fn named(directory: &[u8], beginning: &[u8], names: impl Iterator<Item = (Vec<u8>, bool)>) -> Vec<Candidate> {
    let is_meant =
        |name: &[u8]| name.starts_with(beginning) && (!name.starts_with(b".") || beginning.starts_with(b"."));
    names
        .filter(|(name, _)| is_meant(name))
        .map(|(name, is_directory)| Candidate {
            word: [directory, &name].concat(),
            shown: name,
            is_directory,
        })
        .collect()
}
