//! The flags of `wharf serve`.

mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::values::{Advertised, Ascii, LogForm, Mode, PassivePorts, SourcePort};

pub(crate) use tls::TlsArguments;

/// Serve a directory over FTP, in active and passive mode.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  wharf serve .                                       anonymous, read-only, on port 2121 of this machine
  wharf serve /srv/ftp --listen 0.0.0.0:21 --user media --write --passive-ports 30000-30099")]
pub(crate) struct ServeArguments {
    /// The directory that every user sees as / [default: the file's `root`, without a file the present one]
    #[arg(value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Read wharf.toml; flags beside it override what it says (docs/configuration.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Control address; repeatable [default: port 2121 of 127.0.0.1 and ::1; with --config port 21 of every address]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,

    /// A virtual user; without PASSWORD it is read from WHARF_PASSWORD or asked for; repeatable
    #[arg(long, value_name = "NAME[:PASSWORD]")]
    pub(crate) user: Vec<String>,

    /// Anonymous access (the default when no user is given)
    #[arg(long)]
    pub(crate) anonymous: bool,

    /// Allow uploads and changes (the default is read-only)
    #[arg(long)]
    pub(crate) write: bool,

    /// The modes on offer [default: active,passive]
    #[arg(long, value_name = "MODES", value_delimiter = ',')]
    pub(crate) modes: Vec<Mode>,

    /// The passive range, first and last port included [default: any free port]
    #[arg(long, value_name = "FIRST-LAST")]
    pub(crate) passive_ports: Option<PassivePorts>,

    /// Address told in the PASV reply: an IPv4 address, or a name that is followed as its DNS TTL says
    #[arg(long, value_name = "ADDR|NAME")]
    pub(crate) advertise: Option<Advertised>,

    /// Source port of active data connections [default: the control port less one, any where it may not be bound]
    #[arg(long, value_name = "N|any")]
    pub(crate) active_source_port: Option<SourcePort>,

    /// What TYPE A, which is also the type of clients that never send TYPE, does to files [default: convert]
    #[arg(long, value_name = "HOW")]
    pub(crate) ascii: Option<Ascii>,

    /// FTPS
    #[command(flatten)]
    pub(crate) tls: TlsArguments,

    /// The form of the log on standard error [default: text]
    #[arg(long, value_name = "FORM")]
    pub(crate) log: Option<LogForm>,

    /// Metrics for Prometheus and health, over HTTP; a loopback address, unless wharf.toml sets a token
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin: Option<SocketAddr>,

    /// Write the log to a file in place of standard error; SIGHUP opens it anew
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// Write a transfer log in the form of wu-ftpd's xferlog; SIGHUP opens it anew
    #[arg(long, value_name = "FILE")]
    pub(crate) xferlog: Option<PathBuf>,

    /// Say more: logins and transfers; twice: every session
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,

    /// Say errors only
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Check the file, the flags, the directory and the listen addresses, say what is wrong, and exit
    #[arg(long)]
    pub(crate) check: bool,

    /// Print what the file, the flags and the defaults come to, as a wharf.toml without passwords, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Print the list of keys for docs/configuration.md
    #[arg(long, hide = true)]
    pub(crate) configuration_reference: bool,
}
