//! The two sides of a mirror: each is a tree of a server or of this machine. What a session is needed for is done with the
//! worker's own.

use wharf_proto::pathname::Pathname;

use super::local_tree::{LocalDirectory, LocalTree};
use crate::error::ClientError;
use crate::login::{Login, ServerAddress};
use crate::options::Options;
use crate::session::Session;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

/// One side of a mirror.
#[derive(Debug)]
pub(super) enum Side {
    /// A tree of this machine; none where a dry run would make it.
    Local(Option<LocalTree>),
    /// A tree of a server.
    Remote(Box<RemoteTree>),
}

/// A tree of a server, and how to get there.
#[derive(Clone, Debug)]
pub(super) struct RemoteTree {
    pub(super) server: ServerAddress,
    pub(super) login: Login,
    pub(super) options: Options,
    /// None is the login directory.
    pub(super) root: Option<Pathname>,
}

impl RemoteTree {
    /// The path at the server of what lies at `path` below the root; none is the login directory.
    pub(super) fn path(&self, path: &[u8]) -> Result<Option<Pathname>, ClientError> {
        let mut whole = self.root.as_ref().map_or_else(Vec::new, |root| root.as_bytes().to_vec());
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if !whole.is_empty() && !whole.ends_with(b"/") {
            whole.push(b'/');
        }
        whole.extend_from_slice(path);
        let unusable = |error| ClientError::Usage(format!("this name cannot be sent to a server: {error}"));
        Pathname::new(whole).map(Some).map_err(unusable)
    }

    /// As [`path`](Self::path), of what is not the root.
    pub(super) fn name(&self, path: &[u8]) -> Result<Pathname, ClientError> {
        self.path(path)?.ok_or_else(|| {
            ClientError::Usage("the login directory is no name that can be used here".to_owned())
        })
    }
}

impl Side {
    /// The tree, if it is a server's.
    pub(super) fn remote(&self) -> Option<&RemoteTree> {
        match self {
            Self::Remote(tree) => Some(tree),
            Self::Local(_) => None,
        }
    }

    /// The directory `path` of this machine.
    ///
    /// # Errors
    /// When it cannot be opened, or the tree is none of this machine.
    pub(super) fn directory(&self, path: &[u8]) -> Result<LocalDirectory, ClientError> {
        let missing = || ClientError::Local {
            what: "the directory".to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        let Self::Local(Some(tree)) = self else { return Err(missing()) };
        tree.directory(path).map_err(ClientError::local(tree.shown(path)))
    }

    /// What a path of it is called in errors.
    pub(super) fn shown(&self, path: &[u8]) -> String {
        match self {
            Self::Local(tree) => tree.as_ref().map_or_else(String::new, |tree| tree.shown(path)),
            Self::Remote(tree) => {
                tree.path(path).ok().flatten().map_or_else(String::new, |path| path.to_string())
            }
        }
    }
}

/// What a worker has: a session with each side that is a server's.
#[derive(Debug)]
pub(super) struct Sessions {
    pub(super) source: Option<Session>,
    pub(super) destination: Option<Session>,
}

impl Sessions {
    /// The session with that side.
    ///
    /// # Errors
    /// When it is none of a server.
    pub(super) fn at(&mut self, end: End) -> Result<&mut Session, ClientError> {
        let session = match end {
            End::Source => &mut self.source,
            End::Destination => &mut self.destination,
        };
        session.as_mut().ok_or_else(|| ClientError::Usage("there is no server at this side".to_owned()))
    }

    /// The one session, where there is no second server.
    pub(super) fn only(&mut self) -> Option<&mut Session> {
        match (&mut self.source, &mut self.destination) {
            (Some(session), None) | (None, Some(session)) => Some(session),
            _ => None,
        }
    }

    /// Both, where both sides are servers'.
    pub(super) fn both(&mut self) -> Option<(&mut Session, &mut Session)> {
        self.source.as_mut().zip(self.destination.as_mut())
    }

    /// That nothing more can be asked on these control connections.
    pub(super) fn abandon(&mut self) {
        self.source.iter_mut().chain(&mut self.destination).for_each(Session::abandon);
    }

    /// Whether anything may be sent before its turn.
    pub(super) fn is_pipelining(&self) -> bool {
        self.source.iter().chain(&self.destination).any(|session| session.ahead.is_allowed)
    }

    /// Before each try: whether anything may, and whether more work will follow.
    pub(super) fn prepare(&mut self, is_pipelining: bool) {
        for session in self.source.iter_mut().chain(&mut self.destination) {
            session.ahead.is_allowed = is_pipelining;
        }
    }

    /// Whether another transfer will follow the one that is to begin.
    pub(super) fn expect_more(&mut self, more: bool) {
        for session in self.source.iter_mut().chain(&mut self.destination) {
            session.ahead.more_to_come = more;
        }
    }

    /// Ends them politely.
    pub(super) async fn quit(self) {
        for session in self.source.into_iter().chain(self.destination) {
            session.quit().await;
        }
    }
}
