//! vsftpd.conf, and what becomes of it (S12).
//!
//! | file | job |
//! |---|---|
//! | `conf.rs` | the file: directives with their values and lines |
//! | `directives.rs` | every directive that vsftpd knows: its kind, its default, and what becomes of it where that is a matter of itself alone |
//! | `mapping.rs` | those that become keys of wharf.toml or of a users file |
//! | `report.rs` | the result as text |

mod conf;
mod directives;
mod mapping;
mod report;

use std::path::Path;

use anyhow::{Context, Result};

pub(crate) use conf::Conf;
use mapping::Draft;

/// What became of a vsftpd.conf.
#[derive(Debug)]
pub(crate) struct Imported {
    /// A wharf.toml, with what could not be carried over as comments.
    pub(crate) configuration: String,
    /// A users file, where one is needed.
    pub(crate) users: Option<String>,
}

/// Reads `file`; the users file will lie at `users_file`.
///
/// # Errors
/// When it cannot be read, or vsftpd would not take it: a line for each thing that is wrong.
pub(crate) fn import(file: &Path, users_file: &Path) -> Result<Imported> {
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let conf = Conf::parse(&String::from_utf8_lossy(&text), &file.display().to_string())?;
    Ok(imported(&conf, &file.display().to_string(), users_file))
}

fn imported(conf: &Conf, name: &str, users_file: &Path) -> Imported {
    let draft = Draft::of(conf);
    Imported {
        configuration: report::configuration(&draft, conf, name, users_file),
        users: report::users(&draft, name),
    }
}
