//! A file from one server to another (S16): directly, where both let that happen (FXP), else through this machine.
//!
//! Directly, one of them listens and the other one connects there, as both do for a client; only that the client tells
//! each of the other. Which of them listens is tried both ways. Many servers refuse either, with reason: RFC 2577 tells
//! why. Then the file is read from the one and written to the other as it comes, without a copy here.
//!
//! | file | job |
//! |---|---|
//! | `direct` | the two servers told of each other, and what comes of it |
//! | `introduce` | where the one listens, and that the other connects there |
//! | `through` | the bytes taken from the one and given to the other |

mod direct;
mod introduce;
mod through;

use std::sync::{Mutex, MutexGuard, PoisonError};

use wharf_proto::pathname::Pathname;

use crate::attempt::Attempt;
use crate::error::ClientError;
use crate::session::Session;

/// Which of two servers listens for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The one that has the file.
    Source,
    /// The one that gets it.
    Destination,
}

/// Which way the bytes of a file went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// From server to server.
    Direct {
        /// Who listened.
        listener: Listener,
    },
    /// Through this machine.
    Through,
}

/// Whether files go directly from server to server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThirdPartyOptions {
    /// When.
    pub fxp: Fxp,
    /// Whether a server may name another address than its own in its 227, which the other one is then told to connect
    /// to. By itself the address is used at which we reach it (threat 27).
    pub foreign_address: bool,
}

/// When files go directly from server to server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fxp {
    /// Never: through this machine.
    Off,
    /// Where both servers let it happen.
    #[default]
    Auto,
    /// Or not at all.
    Require,
}

/// What came of a file.
pub(crate) struct Moved {
    pub(crate) route: Route,
    /// Of a file that went through this machine: its bytes, and the data connection with the source.
    pub(crate) through: Option<(u64, Attempt)>,
}

/// What is known of two servers: which way works between them.
#[derive(Debug)]
pub(crate) struct Acquaintance {
    options: ThirdPartyOptions,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    /// Who can listen, as far as is known: the first is tried first.
    listeners: Vec<Listener>,
    /// Those that have listened: a failure of one of them is one of the moment.
    proven: Vec<Listener>,
    /// Why the others cannot.
    reasons: Vec<String>,
    has_told: bool,
    keeps_renames: bool,
}

impl Acquaintance {
    pub(crate) fn new(options: ThirdPartyOptions) -> Self {
        let listeners = match options.fxp {
            Fxp::Off => Vec::new(),
            // A server that listens for a stranger is rarer than one that connects to one, at either end.
            Fxp::Auto | Fxp::Require => vec![Listener::Source, Listener::Destination],
        };
        let known = Known {
            listeners,
            proven: Vec::new(),
            reasons: Vec::new(),
            has_told: false,
            keeps_renames: true,
        };
        Self { options, known: Mutex::new(known) }
    }

    /// Whether a file can take its name when it is complete.
    pub(crate) fn keeps_renames(&self) -> bool {
        self.lock().keeps_renames
    }

    /// That the destination lets nobody rename.
    pub(crate) fn refuses_renames(&self) {
        self.lock().keeps_renames = false;
    }

    fn works(&self, listener: Listener) {
        let mut known = self.lock();
        if !known.proven.contains(&listener) {
            known.proven.push(listener);
            // First, from now on.
            known.listeners.sort_by_key(|other| *other != listener);
        }
    }

    fn failed(&self, listener: Listener, reason: String) {
        let mut known = self.lock();
        if !known.proven.contains(&listener) {
            known.listeners.retain(|other| *other != listener);
        }
        if !known.reasons.contains(&reason) {
            known.reasons.push(reason);
        }
    }

    /// The reason why files go through this machine, once.
    fn untold(&self) -> Option<String> {
        let mut known = self.lock();
        let is_told = std::mem::replace(&mut known.has_told, true);
        (!is_told && !known.reasons.is_empty()).then(|| known.reasons.join("; "))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a file did not go directly.
enum Failure {
    /// The two do not let it happen; another way may work.
    NotTogether(String),
    /// It would fail any other way too, or was broken off.
    Other(ClientError),
}

impl<E: Into<ClientError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Moves the file `from` of the one server to `to` of the other. Both have confirmed it when this returns; the length at the
/// destination is for the caller to compare. `note` is told once why it does not go directly.
///
/// # Errors
/// Those of either transfer; [`ClientError::NotDirect`] where it has to go directly and does not. A part of the file may be
/// at the destination then.
pub(crate) async fn transfer(
    source: &mut Session,
    destination: &mut Session,
    from: &Pathname,
    to: &Pathname,
    expected: Option<u64>,
    acquaintance: &Acquaintance,
    note: impl Fn(&str),
) -> Result<Moved, ClientError> {
    let listeners = acquaintance.lock().listeners.clone();
    for listener in listeners {
        let options = acquaintance.options;
        match direct::transfer(source, destination, from, to, expected, listener, options).await {
            Ok(()) => {
                acquaintance.works(listener);
                return Ok(Moved { route: Route::Direct { listener }, through: None });
            }
            Err(Failure::Other(error)) => return Err(error),
            Err(Failure::NotTogether(reason)) => acquaintance.failed(listener, reason),
        }
    }
    if acquaintance.options.fxp == Fxp::Require {
        let reason = acquaintance.lock().reasons.join("; ");
        return Err(ClientError::NotDirect { reason });
    }
    if let Some(reason) = acquaintance.untold() {
        note(&format!("files go through this machine, and not from server to server: {reason}"));
    }
    let moved = Box::pin(through::transfer(source, destination, from, to, expected)).await?;
    Ok(Moved { route: Route::Through, through: Some(moved) })
}
