//! The flags of `wharf shell`.

use std::path::PathBuf;

use clap::Args;

use super::connection::ConnectionArguments;

/// Type commands to a server: get, put, ls, cd and many more, over one session.
///
/// `help` lists the commands, and the names that users of ftp and lftp know are among them. A script stops at the first
/// command that fails, and the exit code is that command's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf shell ftp://me@ftp.example.net/pub
  wharf shell -c 'open ftp.example.net; cd pub; mget *.txt'
  wharf shell ftp://me@ftp.example.net -f nightly.wharf")]
pub(crate) struct ShellArguments {
    /// Where to begin: ftp://[user[:password]@]host[:port]/directory, or the name of a bookmark
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Run these commands, parted by ; and end; may be given again
    #[arg(short = 'c', long = "commands", value_name = "COMMANDS", conflicts_with = "file")]
    pub(crate) commands: Vec<String>,

    /// Run the commands in this file (- is standard input) and end
    #[arg(short = 'f', long = "file", value_name = "FILE|-")]
    pub(crate) file: Option<PathBuf>,

    /// Print results as JSON objects
    #[arg(long)]
    pub(crate) json: bool,

    /// Print the part of docs/shell.md that lists the commands
    #[arg(long, hide = true, exclusive = true)]
    pub(crate) command_reference: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}
