//! The flags of `wharf completions` and `wharf man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf completions bash > ~/.local/share/bash-completion/completions/wharf
  wharf completions zsh  > \"${fpath[1]}/_wharf\"
  wharf completions fish > ~/.config/fish/completions/wharf.fish")]
pub(crate) struct CompletionsArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Write the manual pages.
///
/// Without DIR, the page of wharf itself goes to standard output: wharf man | man -l -
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Write wharf.1 and a page for each command, such as wharf-get.1, into this directory
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
