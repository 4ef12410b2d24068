//! What the configuration says about users.

use std::sync::Arc;

use wharf_proto::command::Password;

use super::ask::AskSettings;
use super::settings::UserSettings;
use crate::policy::Right;

/// Names that mean "no account" (RFC 1635 §3).
const ANONYMOUS_NAMES: [&[u8]; 2] = [b"anonymous", b"ftp"];

/// The accounts of a server.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// What holds for whoever gets in as `anonymous` or `ftp` with any password; none where nobody does.
    pub anonymous: Option<Arc<UserSettings>>,
    /// Virtual users.
    pub users: Vec<VirtualUser>,
    /// Who decides about names that are not among these; nobody where nothing is set.
    pub ask: Option<AskSettings>,
}

impl Accounts {
    /// Whether there is anybody who may store files.
    pub(crate) fn may_write(&self) -> bool {
        self.ask.is_some() || self.writers().next().is_some()
    }

    /// Those who may store files somewhere, as far as they are known by name.
    pub(crate) fn writers(&self) -> impl Iterator<Item = (&[u8], &UserSettings)> {
        let users = self.users.iter().map(|user| (user.name.as_slice(), &*user.settings));
        let anonymous = self.anonymous.as_deref().map(|settings| (b"anonymous".as_slice(), settings));
        users.chain(anonymous).filter(|(_, settings)| {
            let rules = settings.policy.rules.iter().map(|rule| rule.rights);
            rules.chain([settings.policy.rights]).any(|rights| rights.has(Right::Write))
        })
    }
}

/// A user that only this server knows.
#[derive(Clone, Debug)]
pub struct VirtualUser {
    /// As the client sends it.
    pub name: Vec<u8>,
    /// What proves that it is this user.
    pub secret: Secret,
    /// What holds for it.
    pub settings: Arc<UserSettings>,
}

/// What proves who somebody is.
#[derive(Clone, Debug)]
pub enum Secret {
    /// A password in clear: it was given on the command line, in wharf.toml or typed in at start.
    Clear(Password),
    /// A password's argon2 hash in PHC form (`$argon2id$…`).
    Hashed(Arc<str>),
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody in particular, with what was given as password: by custom an e-mail address (RFC 1635 §3).
    Anonymous(Vec<u8>),
    /// A virtual user, by name.
    User(Vec<u8>),
}

impl Identity {
    /// The name under which what is allowed to the user is written down.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Anonymous(_) => b"anonymous",
            Self::User(name) => name,
        }
    }
}

/// Whether the name asks for anonymous access.
#[must_use]
pub fn is_anonymous(name: &[u8]) -> bool {
    ANONYMOUS_NAMES.iter().any(|anonymous| anonymous.eq_ignore_ascii_case(name))
}
