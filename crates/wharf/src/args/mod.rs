//! What can be typed: clap definitions only.

pub(crate) mod serve;

use clap::{Parser, Subcommand};

/// FTP's two connections made to meet: a server and a client in active and passive mode.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub(crate) struct Arguments {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a directory
    Serve(serve::ServeArguments),
}
