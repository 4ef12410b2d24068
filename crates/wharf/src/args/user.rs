//! The arguments of `wharf user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Keep the users file of a server: hashed passwords, roots, rights
#[derive(Debug, Args)]
#[command(
    after_help = "A password is asked for; or it is the first line of standard input where that is no terminal; or it
stands in WHARF_PASSWORD. It is never an argument, which everybody on the machine could read.

Examples:
  wharf user add camera --root /srv/cameras/%u --rights write,list --file /etc/wharf/users.toml
  wharf user passwd camera --file /etc/wharf/users.toml
  wharf user list --file /etc/wharf/users.toml

A server reads the file anew on SIGHUP. docs/users.md lists what else can stand in it."
)]
pub(crate) struct UserArguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) action: UserAction,
}

/// What to do with the file.
#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Add a user; the file is made where it is not there
    Add {
        /// As the client will send it
        name: String,
        #[command(flatten)]
        file: UsersFileArgument,
        /// The directory that the user sees as /; %u stands for the name
        #[arg(long, value_name = "DIR")]
        root: Option<String>,
        /// What the user may do: read, write, overwrite, delete, list, rename, mkdir, or all
        #[arg(long, value_name = "RIGHTS", value_delimiter = ',')]
        rights: Vec<String>,
    },
    /// Give a user another password
    Passwd {
        /// Whose
        name: String,
        #[command(flatten)]
        file: UsersFileArgument,
    },
    /// List the users
    List {
        #[command(flatten)]
        file: UsersFileArgument,
    },
    /// Remove a user
    Remove {
        /// Whom
        name: String,
        #[command(flatten)]
        file: UsersFileArgument,
    },
}

/// Which file.
#[derive(Debug, Args)]
pub(crate) struct UsersFileArgument {
    /// The users file, as `[users] file` of wharf.toml names it
    #[arg(long = "file", value_name = "FILE")]
    pub(crate) path: PathBuf,
}
