//! Whole trees, from a server to this machine or the other way, or from server to server, over several sessions.
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
//! | `record` | which version of its file a part is of |
//! | `tree`, `side` | what both sides have in common; a side is a tree of this machine or of a server |
//! | `local_tree` | this machine's trees, without following symbolic links |
//! | `across` | one file from server to server |
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

mod across;
mod compare;
mod delete;
mod event;
mod fetch;
mod filter;
mod local_tree;
mod options;
mod queue;
mod record;
mod send;
mod side;
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
use side::{End, RemoteTree, Sessions, Side};
use worker::{Shared, lock, work};

use crate::error::ClientError;
use crate::login::{Login, ServerAddress};
use crate::options::Options;
use crate::session::Session;
use crate::url::FtpUrl;

/// Two trees, of which one is to become like the other.
#[derive(Clone, Debug)]
pub struct Mirror {
    remote: RemoteTree,
    other: Other,
    options: MirrorOptions,
}

/// The other tree.
#[derive(Clone, Debug)]
enum Other {
    Here(PathBuf),
    There(Box<RemoteTree>),
}

impl Mirror {
    /// The directory that `url` names, and the directory `local`.
    pub fn new(url: &FtpUrl, login: Login, local: impl AsRef<Path>) -> Self {
        let other = Other::Here(local.as_ref().to_owned());
        Self { remote: remote_tree(url, login), other, options: MirrorOptions::default() }
    }

    /// The directories that two URLs name: what is in the first goes to the second.
    pub fn between(source: (&FtpUrl, Login), destination: (&FtpUrl, Login)) -> Self {
        let other = Other::There(Box::new(remote_tree(destination.0, destination.1)));
        Self { remote: remote_tree(source.0, source.1), other, options: MirrorOptions::default() }
    }

    /// With these options.
    #[must_use]
    pub fn with_options(self, options: MirrorOptions) -> Self {
        Self { options, ..self }
    }

    /// With sessions of these options; between two servers, with both.
    #[must_use]
    pub fn with_session_options(mut self, session_options: Options) -> Self {
        if let Other::There(tree) = &mut self.other {
            tree.options = session_options.clone();
        }
        self.remote.options = session_options;
        self
    }

    /// Between two servers: with sessions of other options with the one that is the destination.
    #[must_use]
    pub fn with_destination_options(mut self, session_options: Options) -> Self {
        if let Other::There(tree) = &mut self.other {
            tree.options = session_options;
        }
        self
    }

    /// Makes the destination like the source. What fails is told to `observer` and counted; all else is done nonetheless.
    ///
    /// Dropping the future stops all sessions. What was not complete stays `name.part` on this machine, and is gone on with the
    /// next time where the file is the same by size and time; or under its name at the server, and is made anew.
    ///
    /// # Errors
    /// When nothing can be done at all: no session, no directory to begin with, none of the sessions is left, or the
    /// direction is another one than the trees allow.
    pub async fn run(
        self,
        direction: Direction,
        observer: Arc<dyn MirrorObserver>,
    ) -> Result<Totals, ClientError> {
        let sessions = self.options.sessions.max(1);
        let (source, destination) = self.sides(direction)?;
        let shared = Arc::new(Shared::new(source, destination, self.options, observer));
        let mut first = shared.connect().await?;
        let at_destination = match &shared.destination {
            Side::Local(tree) => tree.is_some(),
            Side::Remote(tree) => shared.make_root(tree, first.at(End::Destination)?).await?,
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

    fn sides(&self, direction: Direction) -> Result<(Side, Side), ClientError> {
        let remote = Side::Remote(Box::new(self.remote.clone()));
        match (direction, &self.other) {
            (Direction::Download, Other::Here(local)) => {
                Ok((remote, Side::Local(open_local(local, true, self.options.dry_run)?)))
            }
            (Direction::Upload, Other::Here(local)) => {
                Ok((Side::Local(open_local(local, false, self.options.dry_run)?), remote))
            }
            (Direction::Between, Other::There(other)) => Ok((remote, Side::Remote(other.clone()))),
            _ => Err(ClientError::Usage("the mirror is to go another way than its two trees lie".to_owned())),
        }
    }
}

fn remote_tree(url: &FtpUrl, login: Login) -> RemoteTree {
    let server = ServerAddress::from(url);
    RemoteTree { server, login, options: Options::default(), root: url.path().map(without_slash) }
}

/// None where a dry run would make it.
fn open_local(path: &Path, is_made: bool, dry_run: bool) -> Result<Option<LocalTree>, ClientError> {
    let shown = || ClientError::local(path.display().to_string());
    if is_made && !dry_run {
        std::fs::create_dir_all(path).map_err(shown())?;
    }
    match LocalTree::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_made && dry_run => Ok(None),
        other => other.map(Some).map_err(shown()),
    }
}

impl Shared {
    /// Whether the root is at the server; if not, it is made.
    async fn make_root(&self, tree: &RemoteTree, session: &mut Session) -> Result<bool, ClientError> {
        let Some(root) = &tree.root else { return Ok(true) };
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
    async fn clear_up(&self, sessions: &mut Sessions) -> Result<(), ClientError> {
        if !self.options.delete || lock(&self.extras).is_empty() {
            return Ok(());
        }
        if lock(&self.totals).failed > 0 {
            self.note("nothing was deleted, since not everything else succeeded");
            return Ok(());
        }
        self.delete_extras(sessions).await
    }
}

/// The path without a slash at its end: `MKD a/` is not the same everywhere, and the parents of `a/b` are made with `a/`.
fn without_slash(path: &Pathname) -> Pathname {
    let bytes = path.as_bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
    Pathname::new(&bytes[..end]).unwrap_or_else(|_| path.clone())
}
