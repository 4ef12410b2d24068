//! The flags of `wharf hosts`.

use clap::Args;

/// Show what was learnt about servers, or forget it.
///
/// The client remembers which mode worked with a server, from which network of this machine, and tries that one first. It
/// is kept in hosts.toml of $XDG_STATE_HOME/wharf (~/.local/state/wharf), without users and passwords.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf hosts
  wharf hosts --forget ftp.example.net")]
pub(crate) struct HostsArguments {
    /// Forget this server, at one port or at all; repeatable
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) forget: Vec<String>,

    /// Print an array of JSON objects
    #[arg(long)]
    pub(crate) json: bool,
}
