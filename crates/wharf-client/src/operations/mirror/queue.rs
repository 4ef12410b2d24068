//! The jobs that are still to be done, shared by the sessions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::tree::{Entry, TreePath};

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
    is_closed: bool,
}

impl Queue {
    pub(super) fn push(&self, job: Job) {
        let mut state = self.lock();
        match job {
            Job::Visit(directory) => state.directories.push(directory),
            Job::Transfer(file) => state.files.push_back(file),
        }
        drop(state);
        self.changed.notify_waiters();
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
        let file = state.files.pop_front()?;
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
            return Some(Job::Visit(directory));
        }
        self.files.pop_front().map(Job::Transfer)
    }
}
