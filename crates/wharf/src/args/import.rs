//! The flags of `wharf import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Turn another server's configuration into a wharf.toml
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Whose
    #[command(subcommand)]
    pub(crate) server: ImportFrom,
}

/// Whose configuration is read.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    Vsftpd(VsftpdArguments),
}

/// Turn a vsftpd.conf into a wharf.toml, on standard output.
///
/// Each directive of the file becomes a key, or is named in a comment: as not needed, with the reason, or as not carried over,
/// with what to do instead. Directives that the file does not give have vsftpd's defaults.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  wharf import vsftpd /etc/vsftpd.conf > wharf.toml
  wharf import vsftpd /etc/vsftpd.conf --users /etc/wharf/users.toml > /etc/wharf/wharf.toml
  wharf serve --config wharf.toml --check")]
pub(crate) struct VsftpdArguments {
    /// The file, such as /etc/vsftpd.conf
    pub(crate) file: PathBuf,

    /// Write the users file here, where one is needed; without this flag it stands at the end, as a comment
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
}
