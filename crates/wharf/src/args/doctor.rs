//! The flags of `wharf doctor`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::connection::seconds;
use super::reach::ReachArguments;
use crate::config::values::port_range;

/// Find out why data connections fail.
///
/// Logs in and tries every way to a data connection, EPSV, PASV, EPRT and PORT, over IPv4 and IPv6, in clear and under TLS,
/// each with a listing. Prints what works, the root cause of what does not, and who has to change what. With an ftp:// URL it
/// logs in in clear too, where the server lets it; ftpes:// and --tls require keep to TLS.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf doctor ftp://ftp.example.net                          as anonymous
  wharf doctor ftpes://me@ftp.example.net/inbox --write       under TLS only, with a small upload
  wharf doctor ftp://ftp.example.net --json --lang zh         for programs, texts in Chinese
  wharf doctor ftp://ftp.example.net --exposed-ports 50000-50099   the ports that your firewall lets in

Exit codes: 0 healthy, 1 findings, 2 wrong usage, 3 no control connection, 4 TLS, 5 login refused.")]
pub(crate) struct DoctorArguments {
    /// ftp://[user[:password]@]host[:port]/[directory]
    #[arg(value_name = "URL")]
    pub(crate) url: String,

    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,

    /// The language of causes and fixes [default: as LC_ALL, LC_MESSAGES or LANG say]
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) lang: Option<Lang>,

    /// Tell this address in PORT and EPRT in place of our own: the outside of a NAT
    #[arg(long, value_name = "ADDR")]
    pub(crate) active_address: Option<IpAddr>,

    /// Listen on these ports in active mode [default: any]
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) ports: Option<RangeInclusive<u16>>,

    /// The passive ports that the server's firewall or NAT lets in, where you know them
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    pub(crate) exposed_ports: Option<RangeInclusive<u16>>,

    /// Longest wait for each data connection, in seconds
    #[arg(long, value_name = "S", default_value = "4", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Upload a small file too, fetch it back, and delete it
    #[arg(long)]
    pub(crate) write: bool,

    /// Try many passive ports, several sessions at once, and whether a session outlives being idle
    #[arg(long)]
    pub(crate) deep: bool,

    /// How long that session is idle, in seconds
    #[arg(long, value_name = "S", default_value = "75", value_parser = seconds, requires = "deep")]
    pub(crate) idle: Duration,

    #[command(flatten)]
    pub(crate) reach: ReachArguments,

    /// No progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A language that people are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// Chinese
    Zh,
}
