//! Commands that are done in the background, each with a session of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinHandle;

/// What is being done in the background.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    list: BTreeMap<u32, Job>,
    last: u32,
}

#[derive(Debug)]
struct Job {
    text: String,
    /// Ends with its exit code.
    handle: JoinHandle<u8>,
}

/// A job that is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) number: u32,
    pub(crate) text: String,
    /// None of one that was stopped.
    pub(crate) code: Option<u8>,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(0) => write!(f, "[{}] done: {}", self.number, self.text),
            Some(code) => write!(f, "[{}] failed (exit code {code}): {}", self.number, self.text),
            None => write!(f, "[{}] stopped: {}", self.number, self.text),
        }
    }
}

impl Jobs {
    /// Begins a job, and returns its number.
    pub(crate) fn start(&mut self, text: String, work: Pin<Box<dyn Future<Output = u8>>>) -> u32 {
        self.last += 1;
        self.list.insert(self.last, Job { text, handle: tokio::task::spawn_local(work) });
        self.last
    }

    /// Numbers and commands of those that are not over.
    pub(crate) fn running(&self) -> impl Iterator<Item = (u32, &str)> {
        let running = self.list.iter().filter(|(_, job)| !job.handle.is_finished());
        running.map(|(number, job)| (*number, job.text.as_str()))
    }

    /// Takes out those that are over.
    pub(crate) async fn take_ended(&mut self) -> Vec<Ended> {
        let over: Vec<u32> =
            self.list.iter().filter(|(_, job)| job.handle.is_finished()).map(|(number, _)| *number).collect();
        let mut ended = Vec::new();
        for number in over {
            ended.extend(self.wait(number).await);
        }
        ended
    }

    /// The oldest that has not been taken out.
    pub(crate) fn oldest(&self) -> Option<u32> {
        self.list.keys().next().copied()
    }

    /// Waits for the end of a job and takes it out; none if there is no such job. When this is dropped, the job stays.
    pub(crate) async fn wait(&mut self, number: u32) -> Option<Ended> {
        let job = self.list.get_mut(&number)?;
        let outcome = (&mut job.handle).await;
        let job = self.list.remove(&number)?;
        let code = match outcome {
            Ok(code) => Some(code),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => None,
        };
        Some(Ended { number, text: job.text, code })
    }

    /// Stops a job; whether there is such a job.
    pub(crate) fn kill(&self, number: u32) -> bool {
        let job = self.list.get(&number);
        job.inspect(|job| job.handle.abort()).is_some()
    }

    /// Stops all.
    pub(crate) fn kill_all(&self) {
        self.list.values().for_each(|job| job.handle.abort());
    }
}
