//! wharf.toml: flags (`args`) override what it says, and what comes of both is what the server is told.
//!
//! | file | job |
//! |---|---|
//! | `keys.rs` | every key, its default and its explanation, once |
//! | `values.rs` | what the values of keys and flags mean |
//! | `section.rs` | how a type and its documentation come from the same lines |
//! | `read.rs` | a file, and what is wrong with it in which line |
//! | `flags.rs` | what the flags change |
//! | `settings.rs`, `accounts.rs`, `tls_settings.rs` | from keys to what the server library wants |
//! | `reference.rs` | docs/configuration.md |

mod accounts;
mod flags;
mod keys;
mod read;
mod reference;
mod section;
mod settings;
mod tls_settings;
pub(crate) mod values;

pub(crate) use accounts::{PASSWORD_VARIABLE, Passwords};
pub(crate) use flags::effective;
pub(crate) use keys::Configuration;
pub(crate) use reference::reference;
pub(crate) use settings::server_config;
