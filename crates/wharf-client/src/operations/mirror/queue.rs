//! The jobs that are still to be done, shared by the sessions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wharf_proto::limits;

use super::tree::{Entry, TreePath, weight};

/// With so many files waiting, no further directory is read: what has been found need not be kept for long.
const ENOUGH_FILES: usize = 1000;

/// One thing to do in a session.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// Compare a directory of both sides.
    Visit(Directory),
    /// Transfer a file.
    Transfer(FileJob),
}

/// A directory that both sides have, or will have.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) path: TreePath,
    /// Whether the destination has it already; in a dry run it may never have.
    pub(super) at_destination: bool,
    /// The `unique` facts of the directories that lead to it, its own last: what comes again is a loop.
    pub(super) lineage: Vec<Vec<u8>>,
}

/// A file that has to be transferred.
#[derive(Clone, Debug)]
pub(super) struct FileJob {
    pub(super) path: TreePath,
    /// The source's.
    pub(super) source: Entry,
    /// What it is called while it is not complete, of a download.
    pub(super) part: Vec<u8>,
}

/// What is still to be done. The mirror is over when nothing waits and nobody works.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    files: VecDeque<FileJob>,
    /// Taken from the end: deep before broad keeps it short.
    directories: Vec<Directory>,
    /// Jobs that are being done.
    busy: usize,
    /// What all that waits takes of memory, in bytes.
    held: usize,
    is_closed: bool,
}

impl Queue {
    /// Adds a job; gives it back where more waits than memory is meant for (threat 28).
    pub(super) fn push(&self, job: Job) -> Result<(), Box<Job>> {
        let mut state = self.lock();
        state.held += job.weight();
        if state.held > limits::MIRROR_QUEUE_BYTES {
            state.held -= job.weight();
            return Err(Box::new(job));
        }
        match job {
            Job::Visit(directory) => state.directories.push(directory),
            Job::Transfer(file) => state.files.push_back(file),
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// The next job, which counts as being done until [`done`](Self::done). None when there is and will be none.
    pub(super) async fn next(&self) -> Option<Job> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before looking, so that nothing is missed in between.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if state.is_closed {
                    return None;
                }
                if let Some(job) = state.take() {
                    state.busy += 1;
                    return Some(job);
                }
                if state.busy == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Whether another file waits.
    pub(super) fn has_files(&self) -> bool {
        !self.lock().files.is_empty()
    }

    /// The next file if one waits, as [`next`](Self::next): to be done after the one that is being done.
    pub(super) fn reserve_file(&self) -> Option<FileJob> {
        let mut state = self.lock();
        let file = state.take_file()?;
        state.busy += 1;
        Some(file)
    }

    /// How many files wait.
    pub(super) fn files(&self) -> usize {
        self.lock().files.len()
    }

    /// Whether anything waits.
    pub(super) fn has_work(&self) -> bool {
        let state = self.lock();
        !state.files.is_empty() || !state.directories.is_empty()
    }

    /// A job is done, or given up.
    pub(super) fn done(&self) {
        self.lock().busy -= 1;
        self.changed.notify_waiters();
    }

    /// A job is left to others.
    pub(super) fn give_back(&self, job: Job) {
        let mut state = self.lock();
        state.held += job.weight();
        match job {
            Job::Visit(directory) => state.directories.push(directory),
            Job::Transfer(file) => state.files.push_front(file),
        }
        state.busy -= 1;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing more is done.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Job> {
        if self.files.len() < ENOUGH_FILES
            && let Some(directory) = self.directories.pop()
        {
            let job = Job::Visit(directory);
            self.held -= job.weight();
            return Some(job);
        }
        self.take_file().map(Job::Transfer)
    }

    fn take_file(&mut self) -> Option<FileJob> {
        let file = self.files.pop_front()?;
        self.held -= file.weight();
        Some(file)
    }
}

impl Job {
    /// Of what it is.
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Visit(directory) => &directory.path,
            Self::Transfer(file) => &file.path,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Visit(directory) => {
                let lineage = directory.lineage.iter().map(|unique| weight(unique.len()));
                weight(directory.path.len()) + lineage.sum::<usize>()
            }
            Self::Transfer(file) => file.weight(),
        }
    }
}

impl FileJob {
    fn weight(&self) -> usize {
        weight(self.path.len() + self.part.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Kind;
    use super::*;

    fn file(length: usize) -> Job {
        let source = Entry { kind: Kind::File, size: None, modified: None, target: None, unique: None };
        Job::Transfer(FileJob { path: vec![0; length], source, part: Vec::new() })
    }

    #[tokio::test]
    async fn it_ends_when_nothing_waits_and_nobody_works_and_takes_no_more_than_it_may() {
        let queue = Queue::default();
        let length = limits::MIRROR_QUEUE_BYTES / 5;
        queue.push(file(length)).unwrap();
        queue.push(file(length)).unwrap();
        assert_eq!(queue.push(file(length)).unwrap_err().path().len(), length);
        let job = queue.next().await.unwrap();
        queue.push(file(length)).unwrap();
        queue.give_back(job);
        for _ in 0..3 {
            assert!(queue.next().await.is_some());
            queue.done();
        }
        assert!(queue.next().await.is_none());
    }
}
