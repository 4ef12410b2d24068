//! A directory of both sides, compared: what is to be made, transferred, gone into and removed.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry as Place;
use std::sync::atomic::Ordering;

use wharf_proto::limits;
use wharf_proto::listing::{ListedTime, ListingEntry};
use wharf_proto::pathname::Pathname;

use super::compare::{Comparison, Verdict};
use super::event::MirrorEvent;
use super::queue::{Directory, FileJob, Job};
use super::record;
use super::side::{End, Sessions};
use super::tree::{Entries, Entry, Kind, depth, join, split, weight};
use super::worker::{Retry, Shared, lock};
use crate::error::ClientError;
use crate::session::Session;

/// A directory of one side, read.
struct Read {
    entries: Entries,
    /// Whether the listing shows everything: no line was left out.
    is_whole: bool,
    /// Whether names with a dot in front may be missing, as in many servers' LIST.
    may_hide: bool,
}

impl Read {
    fn whole(entries: Entries) -> Self {
        Self { entries, is_whole: true, may_hide: false }
    }
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
        let is_taken = |part: &Vec<u8>| {
            let record = record::name_of(part);
            self.names.contains_key(part) || self.names.contains_key(&record) || self.parts.contains(part)
        };
        while is_taken(&part) {
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
        sessions: &mut Sessions,
        directory: &Directory,
    ) -> Result<(), ClientError> {
        let path = &directory.path;
        let source = self.read(sessions, End::Source, path).await?;
        let mut destination = match directory.at_destination {
            true => self.read(sessions, End::Destination, path).await?,
            false => Read::whole(Entries::new()),
        };
        self.count(path, source.entries.len().max(destination.entries.len()))?;
        if !source.is_whole || !destination.is_whole {
            let reason =
                "lines of its listing could not be understood, or hold names that no directory here can have";
            self.tell(&MirrorEvent::Skipped { path, reason });
        }
        if destination.may_hide {
            self.find_hidden(sessions.at(End::Destination)?, path, &source.entries, &mut destination.entries)
                .await?;
        }
        let protects = |name: &[u8]| !source.is_whole || (source.may_hide && name.starts_with(b"."));
        self.compare(sessions, directory, &source.entries, destination.entries, protects).await
    }

    /// Reads a directory; what may pass is tried again.
    async fn read(&self, sessions: &mut Sessions, end: End, path: &[u8]) -> Result<Read, ClientError> {
        let Some(tree) = self.side(end).remote() else {
            let directory = self.side(end).directory(path)?;
            let entries = directory.entries(limits::LISTING_ENTRIES);
            return entries.map(Read::whole).map_err(ClientError::local(self.side(end).shown(path)));
        };
        let remote = tree.path(path)?;
        let mut retry = Retry::default();
        loop {
            sessions.prepare(self.is_pipelining());
            sessions.expect_more(self.queue.has_work());
            match read_remote(sessions.at(end)?, remote.as_ref(), path).await {
                Ok(read) => return Ok(read),
                Err(error) => retry.after(self, sessions, error).await?,
            }
        }
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
            let remote = self.remote_name(End::Destination, &join(path, name))?;
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
        session: &mut Sessions,
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
            // What an earlier run has left of a file that comes now is gone on with, and gone when it is complete.
            let records: BTreeSet<_> = taken.parts.iter().map(|part| record::name_of(part)).collect();
            let is_part = |name: &Vec<u8>| taken.parts.contains(name) || records.contains(name);
            let extras = destination.into_iter().filter(|(name, _)| !protects(name) && !is_part(name));
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
        sessions: &mut Sessions,
        path: &[u8],
        source: &Entry,
        mut destination: Entry,
    ) -> Result<bool, ClientError> {
        let times_kept = self.destination.remote().is_none() || sessions.at(End::Destination)?.sets_times();
        let comparison = Comparison { newer: self.options.newer, times_kept, can_ask: true };
        let mut source = source.clone();
        let mut verdict = comparison.judge(&source, &destination);
        if verdict == Verdict::AskTime {
            for (end, entry) in [(End::Source, &mut source), (End::Destination, &mut destination)] {
                if self.side(end).remote().is_some() && entry.exact_time().is_none() {
                    let remote = self.remote_name(end, path)?;
                    let told = sessions.at(end)?.modified(&remote).await?.map(ListedTime::exact);
                    entry.modified = told.or(entry.modified);
                }
            }
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
        sessions: &mut Sessions,
        parent: &Directory,
        entry: &Entry,
        path: &[u8],
    ) -> Result<(), ClientError> {
        if !self.options.dry_run {
            let made = match self.destination.remote() {
                None => self.make_local_directory(&parent.path, path),
                Some(tree) => sessions.at(End::Destination)?.make_directory(&tree.name(path)?).await,
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
        let made = self.destination.directory(parent)?.make_directory(name);
        made.map_err(ClientError::local(self.destination.shown(path)))
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
        let here = if self.destination.remote().is_none() { &self.destination } else { &self.source };
        ClientError::Local { what: here.shown(path), source: std::io::Error::other(text) }
    }

    fn link(
        &self,
        directory: &Directory,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
        there: Option<&Entry>,
    ) -> Result<(), ClientError> {
        let is_here = self.destination.remote().is_none();
        let target = entry.target.as_deref().filter(|_| self.options.links && is_here);
        let Some(target) = target else {
            let reason = match (is_here, self.options.links) {
                (_, false) => "a symbolic link",
                (true, true) => "a symbolic link, of which the server does not say where it leads to",
                (false, true) => "a symbolic link, which FTP cannot make",
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
            let made = self.destination.directory(&directory.path).and_then(|parent| {
                let made = parent.make_link(name, target);
                made.map_err(ClientError::local(self.destination.shown(path)))
            });
            if let Err(error) = made {
                self.failed(path, &error);
                return Ok(());
            }
        }
        self.tell(&MirrorEvent::Linked { path, target });
        Ok(())
    }
}

async fn read_remote(
    session: &mut Session,
    remote: Option<&Pathname>,
    path: &[u8],
) -> Result<Read, ClientError> {
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
    let listed = session.list_with_hidden(remote, take).await?;
    if held > limits::MIRROR_DIRECTORY_BYTES {
        return Err(too_much(path, "it is longer than memory is meant for"));
    }
    Ok(Read { entries, is_whole: is_whole && listed.left_out == 0, may_hide: !listed.tells_hidden })
}

fn too_much(path: &[u8], problem: &str) -> ClientError {
    ClientError::Listing { path: String::from_utf8_lossy(path).into_owned(), problem: problem.to_owned() }
}
