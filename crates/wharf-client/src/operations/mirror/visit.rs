//! A directory of both sides, compared: what is to be made, transferred, gone into and removed.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry as Place;
use std::sync::atomic::Ordering;

use wharf_proto::limits;
use wharf_proto::listing::{ListedTime, ListingEntry};

use super::compare::{Comparison, Verdict};
use super::event::MirrorEvent;
use super::options::Direction;
use super::queue::{Directory, FileJob, Job};
use super::send::keeps_times;
use super::tree::{Entries, Entry, Kind, depth, join, split, weight};
use super::worker::{Retry, Shared, lock};
use crate::error::ClientError;
use crate::session::Session;

/// A directory of the server.
struct RemoteDirectory {
    entries: Entries,
    /// Whether the listing shows everything: no line was left out.
    is_whole: bool,
    /// Whether names with a dot in front may be missing, as in many servers' LIST.
    may_hide: bool,
}

/// Names that no part may have.
struct Taken<'a> {
    names: &'a Entries,
    parts: BTreeSet<Vec<u8>>,
}

impl Taken<'_> {
    /// What the file `name` is called while it is not complete: `a.part` may be a file of its own.
    fn part_name(&mut self, name: &[u8]) -> Vec<u8> {
        let mut part = [name, b".part"].concat();
        while self.names.contains_key(&part) || self.parts.contains(&part) {
            part.extend_from_slice(b".part");
        }
        self.parts.insert(part.clone());
        part
    }
}

impl Shared {
    /// Compares a directory, makes what is missing in it, and queues what has to be done in a session of its own.
    pub(super) async fn visit(
        &self,
        session: &mut Session,
        directory: &Directory,
    ) -> Result<(), ClientError> {
        let path = &directory.path;
        let is_at_server = self.direction == Direction::Download || directory.at_destination;
        let remote = if is_at_server {
            let mut retry = Retry::default();
            loop {
                self.prepare(session);
                session.ahead.more_to_come = self.queue.has_work();
                match self.read_remote(session, path).await {
                    Ok(read) => break read,
                    Err(error) => retry.after(self, session, error).await?,
                }
            }
        } else {
            RemoteDirectory { entries: Entries::new(), is_whole: true, may_hide: false }
        };
        let is_here = self.direction == Direction::Upload || directory.at_destination;
        let local = if is_here { self.read_local(path)? } else { Entries::new() };
        self.count(path, remote.entries.len().max(local.len()))?;
        if !remote.is_whole {
            let reason =
                "lines of its listing could not be understood, or hold names that no directory here can have";
            self.tell(&MirrorEvent::Skipped { path, reason });
        }
        match self.direction {
            Direction::Download => {
                let protects = |name: &[u8]| !remote.is_whole || (remote.may_hide && name.starts_with(b"."));
                self.compare(session, directory, &remote.entries, local, protects).await
            }
            Direction::Upload => {
                let mut there = remote.entries;
                if remote.may_hide {
                    self.find_hidden(session, path, &local, &mut there).await?;
                }
                self.compare(session, directory, &local, there, |_| false).await
            }
        }
    }

    async fn read_remote(&self, session: &mut Session, path: &[u8]) -> Result<RemoteDirectory, ClientError> {
        let remote = self.remote_path(path)?;
        let mut entries = Entries::new();
        let mut is_whole = true;
        let mut held = 0;
        let take = |entry: ListingEntry| match entries.entry(entry.name.clone()) {
            // The rest is read to its end, and forgotten.
            _ if held > limits::MIRROR_DIRECTORY_BYTES => {}
            Place::Vacant(place) => {
                held += weight(entry.name.len());
                place.insert(Entry::from(entry));
            }
            // A name that comes twice means the first: what it is must not change behind our back.
            Place::Occupied(_) => is_whole = false,
        };
        let listed = session.list_with_hidden(remote.as_ref(), take).await?;
        if held > limits::MIRROR_DIRECTORY_BYTES {
            return Err(too_much(path, "it is longer than memory is meant for"));
        }
        Ok(RemoteDirectory {
            entries,
            is_whole: is_whole && listed.left_out == 0,
            may_hide: !listed.tells_hidden,
        })
    }

    fn read_local(&self, path: &[u8]) -> Result<Entries, ClientError> {
        let directory = self.local()?.directory(path);
        let entries = directory.and_then(|directory| directory.entries(limits::LISTING_ENTRIES));
        entries.map_err(ClientError::local(self.shown(path)))
    }

    /// Counts what was seen: a tree without an end has one here (threat 28).
    fn count(&self, path: &[u8], entries: usize) -> Result<(), ClientError> {
        let before = self.seen.fetch_add(entries as u64, Ordering::Relaxed);
        if before + entries as u64 > limits::MIRROR_ENTRIES {
            let problem = format!("the whole tree holds more than {} entries", limits::MIRROR_ENTRIES);
            return Err(too_much(path, &problem));
        }
        Ok(())
    }

    /// LIST leaves out names with a dot in front at many servers; what of ours is there is asked for by name.
    async fn find_hidden(
        &self,
        session: &mut Session,
        path: &[u8],
        local: &Entries,
        there: &mut Entries,
    ) -> Result<(), ClientError> {
        for (name, entry) in local.iter().filter(|(name, _)| name.starts_with(b".")) {
            if there.contains_key(name) {
                continue;
            }
            let remote = self.remote_name(&join(path, name))?;
            let (kind, size) = match entry.kind {
                Kind::File => (Kind::File, session.size(&remote).await?),
                Kind::Directory if session.is_directory(&remote).await? => (Kind::Directory, Some(0)),
                _ => continue,
            };
            if size.is_some() {
                let entry = Entry { kind, size, modified: None, target: None, unique: None };
                there.insert(name.clone(), entry);
            }
        }
        Ok(())
    }

    async fn compare(
        &self,
        session: &mut Session,
        directory: &Directory,
        source: &Entries,
        mut destination: Entries,
        protects: impl Fn(&[u8]) -> bool,
    ) -> Result<(), ClientError> {
        let mut taken = Taken { names: source, parts: BTreeSet::new() };
        for (name, entry) in source {
            let path = join(&directory.path, name);
            let takes = match entry.kind {
                Kind::Directory => self.options.filter.takes_directory(&path),
                _ => self.options.filter.takes_file(&path),
            };
            let there = destination.remove(name);
            if !takes {
                continue;
            }
            match (entry.kind, there.as_ref().map(|there| there.kind)) {
                (Kind::Directory, None) => self.make_directory(session, directory, entry, &path).await?,
                (Kind::Directory, Some(Kind::Directory)) => self.go_into(directory, entry, path, true)?,
                (Kind::File, None) => self.queue_file(&mut taken, path, entry)?,
                (Kind::File, Some(Kind::File)) => {
                    if let Some(there) = there
                        && self.is_wanted(session, &path, entry, there).await?
                    {
                        self.queue_file(&mut taken, path, entry)?;
                    }
                }
                (Kind::Symlink, _) => self.link(directory, name, &path, entry, there.as_ref())?,
                (Kind::Other, _) => {
                    self.tell(&MirrorEvent::Skipped { path: &path, reason: Kind::Other.name() });
                }
                (kind, Some(other)) => {
                    let text = format!(
                        "it is {} in one place and {} in the other; move one away",
                        kind.name(),
                        other.name()
                    );
                    self.failed(&path, &self.in_the_way(&path, text));
                }
            }
        }
        if self.options.delete {
            let extras = destination.into_iter().filter(|(name, _)| !protects(name));
            let extras = extras.map(|(name, entry)| (join(&directory.path, &name), entry.kind));
            let takes = |path: &[u8], kind| match kind {
                Kind::Directory => self.options.filter.takes_directory(path),
                _ => self.options.filter.takes_file(path),
            };
            lock(&self.extras).extend(extras.filter(|(path, kind)| takes(path, *kind)));
        }
        Ok(())
    }

    fn queue_file(&self, taken: &mut Taken<'_>, path: Vec<u8>, entry: &Entry) -> Result<(), ClientError> {
        let part = taken.part_name(split(&path).1);
        self.observer.planned(1, entry.size.unwrap_or(0));
        self.queue(Job::Transfer(FileJob { path, source: entry.clone(), part }))
    }

    fn queue(&self, job: Job) -> Result<(), ClientError> {
        self.queue
            .push(job)
            .map_err(|job| too_much(job.path(), "more waits for its turn than memory is meant for"))
    }

    /// Whether a file that both sides have has to be transferred.
    async fn is_wanted(
        &self,
        session: &mut Session,
        path: &[u8],
        source: &Entry,
        mut destination: Entry,
    ) -> Result<bool, ClientError> {
        let times_kept = self.direction == Direction::Download || keeps_times(session);
        let comparison = Comparison { newer: self.options.newer, times_kept, can_ask: true };
        let mut source = source.clone();
        let mut verdict = comparison.judge(&source, &destination);
        if verdict == Verdict::AskTime {
            let told = session.modified(&self.remote_name(path)?).await?.map(ListedTime::exact);
            let remote = if self.direction == Direction::Download { &mut source } else { &mut destination };
            remote.modified = told.or(remote.modified);
            verdict = Comparison { can_ask: false, ..comparison }.judge(&source, &destination);
        }
        let is_wanted = verdict == Verdict::Differs;
        if !is_wanted {
            lock(&self.totals).unchanged += 1;
        }
        Ok(is_wanted)
    }

    async fn make_directory(
        &self,
        session: &mut Session,
        parent: &Directory,
        entry: &Entry,
        path: &[u8],
    ) -> Result<(), ClientError> {
        if !self.options.dry_run {
            let made = match self.direction {
                Direction::Download => self.make_local_directory(&parent.path, path),
                Direction::Upload => session.make_directory(&self.remote_name(path)?).await,
            };
            match made {
                Ok(()) => {}
                // What is beneath it fails with it.
                Err(
                    error @ (ClientError::Refused { .. } | ClientError::Local { .. } | ClientError::Usage(_)),
                ) => {
                    self.failed(path, &error);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.tell(&MirrorEvent::MadeDirectory { path });
        self.go_into(parent, entry, path.to_vec(), false)
    }

    fn make_local_directory(&self, parent: &[u8], path: &[u8]) -> Result<(), ClientError> {
        let (_, name) = split(path);
        let directory = self.local()?.directory(parent);
        let made = directory.and_then(|directory| directory.make_directory(name));
        made.map_err(ClientError::local(self.shown(path)))
    }

    /// Queues a directory, unless it is one that leads to itself, or deeper than any tree.
    fn go_into(
        &self,
        parent: &Directory,
        entry: &Entry,
        path: Vec<u8>,
        at_destination: bool,
    ) -> Result<(), ClientError> {
        if depth(&path) > limits::MIRROR_DEPTH {
            let problem = format!("it lies more than {} directories deep", limits::MIRROR_DEPTH);
            self.failed(&path, &too_much(&path, &problem));
            return Ok(());
        }
        let mut lineage = parent.lineage.clone();
        if let Some(unique) = &entry.unique {
            if lineage.contains(unique) {
                let reason = "a directory that leads back to one above it";
                self.tell(&MirrorEvent::Skipped { path: &path, reason });
                return Ok(());
            }
            lineage.push(unique.clone());
        }
        self.queue(Job::Visit(Directory { path, at_destination, lineage }))
    }

    fn in_the_way(&self, path: &[u8], text: String) -> ClientError {
        ClientError::Local { what: self.shown(path), source: std::io::Error::other(text) }
    }

    fn link(
        &self,
        directory: &Directory,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
        there: Option<&Entry>,
    ) -> Result<(), ClientError> {
        let target =
            entry.target.as_deref().filter(|_| self.options.links && self.direction == Direction::Download);
        let Some(target) = target else {
            let reason = match (self.direction, self.options.links) {
                (_, false) => "a symbolic link",
                (Direction::Download, true) => {
                    "a symbolic link, of which the server does not say where it leads to"
                }
                (Direction::Upload, true) => "a symbolic link, which FTP cannot make",
            };
            self.tell(&MirrorEvent::Skipped { path, reason });
            return Ok(());
        };
        match there {
            Some(there) if there.target.as_deref() == Some(target) => {
                lock(&self.totals).unchanged += 1;
                return Ok(());
            }
            Some(there) if there.kind != Kind::Symlink => {
                let text =
                    format!("it is {} here and a symbolic link there; move it away", there.kind.name());
                self.failed(path, &self.in_the_way(path, text));
                return Ok(());
            }
            _ => {}
        }
        if !self.options.dry_run {
            let parent = self.local()?.directory(&directory.path);
            let made = parent.and_then(|parent| parent.make_link(name, target));
            if let Err(error) = made.map_err(ClientError::local(self.shown(path))) {
                self.failed(path, &error);
                return Ok(());
            }
        }
        self.tell(&MirrorEvent::Linked { path, target });
        Ok(())
    }
}

fn too_much(path: &[u8], problem: &str) -> ClientError {
    ClientError::Listing { path: String::from_utf8_lossy(path).into_owned(), problem: problem.to_owned() }
}
