//! The flags that say which server is reached, and whether it is believed; of every command that has a URL.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Over which family, and under which TLS.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReachArguments {
    /// TLS for ftp:// URLs: "auto" takes it where the server offers it, "require" refuses to go on without it, and verifies
    /// the certificate. ftpes:// always requires it, and so does ftps://, which begins with it
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) tls: Tls,

    /// Go on with a server whose certificate does not prove who it is
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Trust the certificates in this file (PEM) beside the system's; may be given again
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    pub(crate) ipv6: bool,
}

/// Whether TLS is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tls {
    /// Never
    Off,
    /// If the server offers it
    Auto,
    /// Or nothing
    Require,
}
