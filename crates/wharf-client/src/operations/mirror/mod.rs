//! Whole trees, from a server to this machine or the other way, over several sessions.
//!
//! A directory of both sides is compared by one session; what has to be transferred goes into a queue from which all take
//! their work. A session logs in when there is work for it. One that is lost is set up anew; one that the server does not
//! let in leaves its work to the others.
//!
//! | file | job |
//! |---|---|
//! | `options`, `event`, `filter` | what is asked for, what is told, what takes part |
//! | `visit`, `compare` | a directory of both sides, and what has to be done in it |
//! | `queue`, `worker` | the jobs, and a session that does them |
//! | `fetch`, `send`, `delete` | one file down, one up, what is too much |
//! | `tree`, `local_tree` | what both sides have in common; this machine's side, without following symbolic links |
//!
//! ```no_run
//! use std::sync::Arc;
//! use wharf_client::operations::mirror::{Direction, Mirror, MirrorOptions};
//! use wharf_client::{FtpUrl, Login, netrc::Netrc, observer::Silent};
//!
//! # async fn example() -> Result<(), wharf_client::ClientError> {
//! let url = FtpUrl::parse("ftp://ftp.example.net/pub/")?;
//! let mirror = Mirror::new(&url, Login::for_url(&url, &Netrc::of_user()), "pub")
//!     .with_options(MirrorOptions { delete: true, ..MirrorOptions::default() });
//! let totals = mirror.run(Direction::Download, Arc::new(Silent)).await?;
//! assert_eq!(totals.failed, 0);
//! # Ok(())
//! # }
//! ```

mod compare;
mod delete;
mod event;
mod fetch;
mod filter;
mod local_tree;
mod options;
mod queue;
mod send;
mod tree;
mod visit;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use wharf_proto::pathname::Pathname;

pub use event::{MirrorEvent, MirrorObserver, Totals};
pub use filter::Filter;
use local_tree::LocalTree;
pub use options::{Direction, MirrorOptions};
use queue::Directory;
use worker::{Shared, lock, work};

use crate::error::ClientError;
use crate::login::{Login, ServerAddress};
use crate::options::Options;
use crate::session::Session;
use crate::url::FtpUrl;

/// A tree of a server and one of this machine, of which one is to become like the other.
#[derive(Clone, Debug)]
pub struct Mirror {
    server: ServerAddress,
    login: Login,
    remote: Option<Pathname>,
    local: PathBuf,
    options: MirrorOptions,
    session_options: Options,
}

impl Mirror {
    /// The directory that `url` names, and the directory `local`.
    pub fn new(url: &FtpUrl, login: Login, local: impl AsRef<Path>) -> Self {
        Self {
            server: ServerAddress::from(url),
            login,
            remote: url.path().map(without_slash),
            local: local.as_ref().to_owned(),
            options: MirrorOptions::default(),
            session_options: Options::default(),
        }
    }

    /// With these options.
    #[must_use]
    pub fn with_options(self, options: MirrorOptions) -> Self {
        Self { options, ..self }
    }

    /// With sessions of these options.
    #[must_use]
    pub fn with_session_options(self, session_options: Options) -> Self {
        Self { session_options, ..self }
    }

    /// Makes the destination like the source. What fails is told to `observer` and counted; all else is done nonetheless.
    ///
    /// Dropping the future stops all sessions. What was not complete stays `name.part` on this machine, or under its name at
    /// the server, and is made anew the next time.
    ///
    /// # Errors
    /// When nothing can be done at all: no session, no directory to begin with, or none of the sessions is left.
    pub async fn run(
        self,
        direction: Direction,
        observer: Arc<dyn MirrorObserver>,
    ) -> Result<Totals, ClientError> {
        let local = self.open_local(direction)?;
        let is_here = local.is_some();
        let sessions = self.options.sessions.max(1);
        let shared = Arc::new(Shared::new(
            direction,
            self.server,
            self.login,
            self.session_options,
            self.options,
            observer,
            local,
            self.remote,
        ));
        let mut first = shared.connect().await?;
        let at_destination = match direction {
            Direction::Download => is_here,
            Direction::Upload => shared.make_remote_root(&mut first).await?,
        };
        let root = Directory { path: Vec::new(), at_destination, lineage: Vec::new() };
        // Here, and not by a worker: without the first directory there is nothing to do.
        shared.visit(&mut first, &root).await?;
        if !shared.options.dry_run {
            shared.try_pipelining(&mut first).await?;
        }
        shared.begin(sessions);
        let mut workers = JoinSet::new();
        workers.spawn(work(shared.clone(), Some(first)));
        for _ in 1..sessions {
            workers.spawn(work(shared.clone(), None));
        }
        let mut left = Vec::new();
        while let Some(ended) = workers.join_next().await {
            match ended {
                Ok(session) => left.extend(session),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            }
        }
        if let Some(error) = lock(&shared.fatal).take() {
            return Err(error);
        }
        if let Some(session) = left.first_mut() {
            shared.clear_up(session).await?;
        }
        let mut leaving = JoinSet::new();
        for session in left {
            leaving.spawn(session.quit());
        }
        leaving.join_all().await;
        let totals = Totals { pipelined: shared.is_pipelining(), ..*lock(&shared.totals) };
        Ok(totals)
    }

    /// None where a dry run would make it.
    fn open_local(&self, direction: Direction) -> Result<Option<LocalTree>, ClientError> {
        let shown = || ClientError::local(self.local.display().to_string());
        if direction == Direction::Download && !self.options.dry_run {
            std::fs::create_dir_all(&self.local).map_err(shown())?;
        }
        match LocalTree::open(&self.local) {
            Err(error)
                if error.kind() == std::io::ErrorKind::NotFound
                    && direction == Direction::Download
                    && self.options.dry_run =>
            {
                Ok(None)
            }
            other => other.map(Some).map_err(shown()),
        }
    }
}

impl Shared {
    /// Whether the root is at the server; if not, it is made.
    async fn make_remote_root(&self, session: &mut Session) -> Result<bool, ClientError> {
        let Some(root) = &self.remote else { return Ok(true) };
        if session.is_directory(root).await? {
            return Ok(true);
        }
        if !self.options.dry_run {
            session.make_parents(root).await?;
            session.make_directory(root).await?;
        }
        Ok(false)
    }

    /// Deletes what is too much, if everything else succeeded.
    async fn clear_up(&self, session: &mut Session) -> Result<(), ClientError> {
        if !self.options.delete || lock(&self.extras).is_empty() {
            return Ok(());
        }
        if lock(&self.totals).failed > 0 {
            self.note("nothing was deleted, since not everything else succeeded");
            return Ok(());
        }
        self.delete_extras(session).await
    }
}

/// The path without a slash at its end: `MKD a/` is not the same everywhere, and the parents of `a/b` are made with `a/`.
fn without_slash(path: &Pathname) -> Pathname {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    Pathname::new(&bytes[..end]).unwrap_or_else(|_| path.clone())
}
