//! The flags of `wharf explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use wharf_findings::Language;

/// Tell what went on in a capture, step by step, and what went wrong.
///
/// Reads what tcpdump and Wireshark write (pcap and pcapng, gzip'd or not) and draws each conversation as a ladder: who
/// opened which connection, what was said, how much went over. Then it names the root causes of what failed, with the
/// frames that show them, and who must change what. With two captures of the same conversation, the client's side and the
/// server's, it also tells what was changed, lost or put in between them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf explain trouble.pcap
  wharf explain --html trouble.html trouble.pcapng.gz      a page that opens in any browser, without a network
  wharf explain client.pcap server.pcap                    what was changed or lost on the way
  tcpdump -i any -U -w - tcp | wharf explain -             each transfer as it ends

Exit codes: 0 nothing is wrong, 1 something is, 2 wrong usage, 9 not a capture, or it cannot be read.

docs/explain.md tells how to capture, and how to read the ladder.")]
pub(crate) struct ExplainArguments {
    /// The capture; - is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Another capture of the same conversations, from nearer to the server
    #[arg(value_name = "FILE")]
    pub(crate) other: Option<PathBuf>,

    /// Print JSON
    #[arg(long, conflicts_with_all = ["svg", "html"])]
    pub(crate) json: bool,

    /// Draw the ladder into this file, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "other")]
    pub(crate) svg: Option<PathBuf>,

    /// Write the ladder into this file, as a page of HTML
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// A control port, whatever is said there; others than 21 are found by what is said; repeatable
    #[arg(long, value_name = "N")]
    pub(crate) port: Vec<u16>,

    /// The language
    #[arg(long, value_name = "en|zh", default_value = "en", hide_default_value = true)]
    pub(crate) lang: Tongue,
}

/// A language that is spoken.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Tongue {
    /// English
    En,
    /// Chinese
    Zh,
}

impl From<Tongue> for Language {
    fn from(tongue: Tongue) -> Self {
        match tongue {
            Tongue::En => Self::English,
            Tongue::Zh => Self::Chinese,
        }
    }
}
