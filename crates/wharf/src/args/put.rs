//! The flags of `wharf put`.

use std::path::PathBuf;

use clap::Args;

use super::connection::ConnectionArguments;
use super::transfer::TransferArguments;

/// Upload files.
///
/// A URL that ends with / or names a directory takes the files under their own names.
#[derive(Debug, Args)]
#[command(
    override_usage = "wharf put [OPTIONS] <FILE|->... <URL>",
    after_help = "Examples:
  wharf put film.mov ftp://me@ftp.example.net/inbox/
  wharf put --atomic report.csv ftp://me@ftp.example.net/inbox/    nobody there ever sees half a file
  wharf put --mkdir *.jpg ftp://me@ftp.example.net/2026/november/
  tar c . | wharf put - ftp://me@ftp.example.net/backup.tar"
)]
pub(crate) struct PutArguments {
    /// What to send (- is standard input), and last of all where to: ftp://[user[:password]@]host[:port]/path[;type=a|i]
    // One list, so that options may stand between its words.
    #[arg(required = true, value_name = "FILE|-... URL")]
    pub(crate) words: Vec<PathBuf>,

    /// Send only what is missing at the server. What it has is compared first, unless it lets nobody read it
    #[arg(short = 'c', long = "continue")]
    pub(crate) resume: bool,

    /// Make the directories that lead to the file
    #[arg(long)]
    pub(crate) mkdir: bool,

    /// Send under a temporary name (NAME.wharf-part), and rename it when all of it is there and confirmed
    #[arg(long)]
    pub(crate) atomic: bool,

    #[command(flatten)]
    pub(crate) transfer: TransferArguments,

    /// Print one JSON object for each file
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}
