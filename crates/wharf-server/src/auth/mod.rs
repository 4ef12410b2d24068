//! Who may log in, and what a login brings.
//!
//! | file | job |
//! |---|---|
//! | `accounts.rs` | what the configuration says about users |
//! | `settings.rs` | what holds for one user: root, rights, limits |
//! | `record.rs` | a user as the users file and the answers of programs write it |
//! | `gate.rs` | whether a name and a password may come in |
//! | `hashes.rs` | argon2id: a bounded number at once, none on a thread of sessions |
//! | `remembered.rs` | what was found out a moment ago, under a keyed hash |
//! | `ask.rs`, `ask/` | a program or an HTTP service that decides |
//! | `login.rs` | what a session holds while somebody is logged in |

mod accounts;
mod ask;
mod gate;
mod hashes;
mod login;
mod record;
mod remembered;
mod settings;

pub use accounts::{Accounts, Identity, Secret, VirtualUser, is_anonymous};
pub(crate) use ask::Asker;
pub use ask::{AskSettings, AskWhom, HttpUrl, UrlError};
pub(crate) use gate::{Gate, Verdict};
pub use hashes::{HashError, check_hash, hash_password};
pub(crate) use login::{Login, storage_of};
pub use record::{RuleRecord, UserRecord, UsersFile};
pub use settings::{Quota, UserSettings};
