//! The flags of `wharf serve` that are about TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::config::values::{Resumption, TlsUse};

/// FTPS.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "FTPS")]
pub(crate) struct TlsArguments {
    /// Explicit FTPS, for logins and data [default: allow when there is a certificate, else off]
    #[arg(long, value_name = "HOW")]
    pub(crate) tls: Option<TlsUse>,

    /// A certificate in PEM, with its intermediate ones behind it; repeatable: clients choose by name, and the first is
    /// shown to those that name none
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Vec<PathBuf>,

    /// The private key of the certificate, in PEM; as often as --tls-cert, in the same order
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Vec<PathBuf>,

    /// Make a certificate at the first start and keep it; clients cannot verify it
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub(crate) tls_self_signed: bool,

    /// Whether a data connection has to resume the control connection's TLS session [default: require]
    #[arg(long, value_name = "HOW")]
    pub(crate) tls_resumption: Option<Resumption>,

    /// Implicit FTPS, where TLS begins with the connection: control address, by custom port 990; repeatable
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) implicit_tls: Vec<SocketAddr>,
}
