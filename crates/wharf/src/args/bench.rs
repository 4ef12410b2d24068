//! The flags of `wharf bench`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::connection::{ConnectionArguments, seconds};

/// Load an FTP server, and measure how fast it is.
///
/// Only the server that URL names is loaded, and what is made there is removed again. Ctrl-C stops it and prints what was
/// measured. Load only servers that are yours, or whose owner knows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf bench ftp://127.0.0.1:2121/film.mov                      download one file over and over, in 4 sessions
  wharf bench --work small --prepare ftp://me@host/inbox/        1,000 files of 1 KiB, made in inbox and removed again
  wharf bench --work small --parallel 64 ftp://host/pub/icons    the files of a directory, in 64 sessions
  wharf bench --work up --mode port ftp://me@host/inbox/         upload in active mode
  wharf bench --work idle --parallel 2000 ftp://host/            hold 2,000 sessions, and time NOOP beside them
  wharf bench --work login --tls require --json ftp://host/      one object for a script

docs/bench.md tells what each figure means.")]
pub(crate) struct BenchArguments {
    /// ftp://[user[:password]@]host[:port]/path: a file (down), or a directory (all else); ftpes:// and ftps:// too
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// What each session does, over and over
    #[arg(long, value_name = "WORK", default_value = "down")]
    pub(crate) work: Work,

    /// Sessions at once [default: 4; small, small-up and login 8, list 1, idle 100]
    #[arg(short = 'P', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) parallel: Option<u32>,

    /// How long to measure
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long to work before that
    #[arg(long, value_name = "S", default_value = "0.5", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// Stop after so many operations of all sessions together, and measure all of them, without --warm-up
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Make what is needed (down, small, list) in a new directory below URL, and remove it afterwards
    #[arg(long)]
    pub(crate) prepare: bool,

    /// Bytes of each file that is uploaded or prepared [default: 256 MiB; small and small-up 1 KiB, list 0]
    #[arg(long, value_name = "BYTES")]
    pub(crate) size: Option<u64>,

    /// Files that --prepare makes [default: small 1000, list 10000]
    #[arg(long, value_name = "N", requires = "prepare", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) files: Option<u32>,

    /// The command that lists [default: MLSD where the server has it, else LIST]
    #[arg(long, value_name = "COMMAND", ignore_case = true)]
    pub(crate) listing: Option<ListingCommand>,

    /// Print one JSON object in place of the table
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: ConnectionArguments,
}

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Download one file
    Down,
    /// Upload files
    Up,
    /// Download many small files
    Small,
    /// Upload small files
    SmallUp,
    /// Connect, log in and quit
    Login,
    /// List a directory
    List,
    /// Hold sessions, and time NOOP on one more
    Idle,
}

/// A command that lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListingCommand {
    /// As ls -l
    List,
    /// Facts
    Mlsd,
    /// Names
    Nlst,
}

impl Work {
    /// Its name, as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Small => "small",
            Self::SmallUp => "small-up",
            Self::Login => "login",
            Self::List => "list",
            Self::Idle => "idle",
        }
    }
}
