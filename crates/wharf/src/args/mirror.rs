//! The flags of `wharf mirror`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::connection::ConnectionArguments;

/// Make a directory like another: here like there, there like here, or one server's like another's.
///
/// One of SRC and DST is a URL, or both are. Files whose size or time of last change differs are transferred, over several sessions at
/// once, and keep their times. What fails is told, and all else is done nonetheless.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf mirror ftp://ftp.example.net/pub/ pub                        download what is new or changed
  wharf mirror --delete site ftp://me@ftp.example.net/www/           upload, and remove what is no longer here
  wharf mirror ftp://a.example.net/pub/ ftp://me@b.example.net/pub/   from server to server
  wharf mirror --dry-run --exclude '*.tmp' --exclude cache site ftp://me@ftp.example.net/www/

A pattern without / is held against names at any depth, one with / against the whole path below SRC; ** stands for any
number of directories. What is excluded is not deleted either.")]
pub(crate) struct MirrorArguments {
    /// What is to be copied: a directory, or ftp://[user[:password]@]host[:port]/path
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,

    /// What is to become like it: a directory or a URL too
    #[arg(value_name = "DST")]
    pub(crate) destination: OsString,

    /// Remove from DST what SRC does not have, after everything else succeeded
    #[arg(long)]
    pub(crate) delete: bool,

    /// Only print what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Most sessions at once; a server that lets in fewer is served with fewer
    #[arg(short = 'P', long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) parallel: u8,

    /// Only files that fit, or that lie in a directory that fits; repeatable
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<OsString>,

    /// Leave out what fits, with all beneath it; repeatable
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<OsString>,

    /// Transfer only what is missing in DST or newer in SRC
    #[arg(long)]
    pub(crate) newer: bool,

    /// Make symbolic links anew when downloading; else they are skipped
    #[arg(long)]
    pub(crate) links: bool,

    /// Between two servers: "auto" lets files go directly where both servers allow it, and through this machine where not,
    /// "require" lets them go no other way, "off" lets all go through this machine
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) fxp: FxpChoice,

    /// Between two servers: follow the address that a server names in its 227, where that is not the one at which it is
    /// reached
    #[arg(long)]
    pub(crate) fxp_foreign_address: bool,
    /// Compare checksums after each transfer, where the server has them
    #[arg(long)]
    pub(crate) verify: bool,

    /// Print one JSON object for each thing that was done
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Whether files go from server to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FxpChoice {
    /// Never
    Off,
    /// Where both let it happen
    Auto,
    /// Or not at all
    Require,
}

/// Where one side of a mirror is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// This URL.
    Url(String),
    /// This directory.
    Directory(PathBuf),
}

impl Place {
    /// A word is a URL if it begins like one.
    pub(crate) fn of(word: OsString) -> Self {
        let is_url = |text: &str| {
            let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
            scheme.is_some_and(|scheme| matches!(&*scheme, "ftp" | "ftps" | "ftpes"))
        };
        match word.into_string() {
            Ok(text) if is_url(&text) => Self::Url(text),
            Ok(text) => Self::Directory(text.into()),
            Err(word) => Self::Directory(word.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_url_or_a_directory() {
        for url in ["ftp://h/", "FTP://h", "ftpes://me@h/x", "ftps://h/"] {
            assert_eq!(Place::of(url.into()), Place::Url(url.into()));
        }
        for directory in [".", "ftp", "http://h/", "a/ftp://h"] {
            assert_eq!(Place::of(directory.into()), Place::Directory(directory.into()));
        }
    }
}
