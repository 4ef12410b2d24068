//! The flags of `wharf demo`.

use clap::{Args, ValueEnum};
use wharf_proto::dialogue::DataMode;

use super::explain::Tongue;

/// Show the two modes of FTP, step by step, with a sentence for each step.
///
/// Runs the server and the client of this program on this machine's loopback interface, fetches a file, and draws what they
/// say to each other as `wharf explain` draws a capture. Nothing is captured, no file is written, and nobody else can connect.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf demo                                               both modes, one after the other
  wharf demo passive")]
pub(crate) struct DemoArguments {
    /// The mode; both where none is named
    #[arg(value_name = "active|passive")]
    pub(crate) mode: Option<Mode>,

    /// The language
    #[arg(long, value_name = "en|zh", default_value = "en", hide_default_value = true)]
    pub(crate) lang: Tongue,
}

/// A mode.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mode {
    /// The server opens the data connection
    Active,
    /// The client opens the data connection
    Passive,
}

impl From<Mode> for DataMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Active => Self::Active,
            Mode::Passive => Self::Passive,
        }
    }
}
