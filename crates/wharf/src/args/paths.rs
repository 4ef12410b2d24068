//! The flags of the commands that look at paths of the server or change them.

use clap::Args;
use wharf_client::digest::Algorithm;

use super::connection::ConnectionArguments;

/// List a directory.
///
/// One name a line, in the server's order. On a terminal, control characters in names are shown as escapes.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf ls ftp://ftp.example.net/pub/
  wharf ls -l ftp://me@ftp.example.net//srv
  wharf ls --json ftp://ftp.example.net/pub | jq '.[] | select(.type == \"file\") | .name'")]
pub(crate) struct LsArguments {
    /// ftp://[user[:password]@]host[:port]/path
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Type, size and time (UTC where the server says so) as well
    #[arg(short)]
    pub(crate) long: bool,

    /// Print an array of JSON objects
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Print files.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wharf cat 'ftp://ftp.example.net/pub/README;type=a'")]
pub(crate) struct CatArguments {
    /// ftp://[user[:password]@]host[:port]/path[;type=a|i|d]
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Delete files.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wharf rm ftp://me@ftp.example.net/inbox/film.mov")]
pub(crate) struct RmArguments {
    #[command(flatten)]
    pub(crate) urls: UrlsArguments,
}

/// Make directories.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wharf mkdir ftp://me@ftp.example.net/2026")]
pub(crate) struct MkdirArguments {
    #[command(flatten)]
    pub(crate) urls: UrlsArguments,
}

/// Remove empty directories.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wharf rmdir ftp://me@ftp.example.net/2026")]
pub(crate) struct RmdirArguments {
    #[command(flatten)]
    pub(crate) urls: UrlsArguments,
}

/// What the commands that change one path have in common.
#[derive(Debug, Args)]
pub(crate) struct UrlsArguments {
    /// ftp://[user[:password]@]host[:port]/path
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,

    /// Print one JSON object for each path
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Rename or move a file or directory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf mv ftp://me@ftp.example.net/inbox/a.mov inbox/b.mov
  wharf mv ftp://me@ftp.example.net/inbox/a.mov /srv/media/")]
pub(crate) struct MvArguments {
    /// ftp://[user[:password]@]host[:port]/path
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// The new path, relative to the login directory unless it begins with /; with / at its end, a directory to move to.
    /// A URL of the same server too
    #[arg(value_name = "PATH|URL")]
    pub(crate) to: String,

    /// Print a JSON object
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// Tell the checksums of files, as the server computes them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf hash ftp://ftp.example.net/pub/a.iso                       by the strongest algorithm that the server has
  wharf hash --algorithm md5 --json ftp://ftp.example.net/pub/a.iso")]
pub(crate) struct HashArguments {
    /// SHA-512, SHA-256, SHA-1, MD5 or CRC32 [default: the strongest that the server has]
    #[arg(short, long, value_name = "NAME", value_parser = algorithm)]
    pub(crate) algorithm: Option<Algorithm>,

    #[command(flatten)]
    pub(crate) urls: UrlsArguments,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_any_name(name)
        .ok_or_else(|| "it is none of SHA-512, SHA-256, SHA-1, MD5 and CRC32".to_owned())
}

/// Tell what a path is: type, size, time.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  wharf stat --json ftp://ftp.example.net/pub/film.mov")]
pub(crate) struct StatArguments {
    #[command(flatten)]
    pub(crate) urls: UrlsArguments,
}
