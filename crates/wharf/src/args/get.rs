//! The flags of `wharf get`.

use std::path::PathBuf;

use clap::Args;

use super::connection::ConnectionArguments;
use super::transfer::TransferArguments;

/// Download files.
///
/// A file is written as NAME.part and takes its name when all of it has arrived and the server has confirmed it.
/// What -o names and is no regular file (/dev/null, a FIFO, a socket, a symbolic link) is written straight.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf get ftp://ftp.example.net/pub/film.mov             /pub/film.mov below the login directory
  wharf get -c ftp://me@ftp.example.net//srv/film.mov      an absolute path; go on with what is there
  wharf get -n 4 --verify ftp://ftp.example.net/pub/a.iso  over four sessions; compare checksums with the server
  wharf get -o /dev/null --active ftp://ftp.example.net/x  only see whether active mode works")]
pub(crate) struct GetArguments {
    /// ftp://[user[:password]@]host[:port]/path[;type=a|i|d]
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<String>,

    /// Write to this file, into this directory, or to standard output (-)
    #[arg(short, long, value_name = "FILE|-|DIR")]
    pub(crate) output: Option<PathBuf>,

    /// Go on with NAME.part, or with NAME itself; what is there is compared with the server's first
    #[arg(short = 'c', long = "continue")]
    pub(crate) resume: bool,

    /// Fetch a large file over so many sessions at once, each in a piece of its own; an interrupted one is gone on with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) segments: u8,

    #[command(flatten)]
    pub(crate) transfer: TransferArguments,

    /// Print one JSON object for each file
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}
