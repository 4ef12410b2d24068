//! `wharf import`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::args::import::{ImportArguments, ImportFrom, VsftpdArguments};
use crate::import::vsftpd;
use crate::output::standard_output;

/// Where a users file is expected to be, where nobody says otherwise.
const USERS_FILE: &str = "/etc/wharf/users.toml";
/// For its owner alone: password hashes will be added to it.
const MODE: u32 = 0o600;

pub(crate) fn run(arguments: ImportArguments) -> ExitCode {
    let ImportFrom::Vsftpd(arguments) = arguments.server;
    match import_vsftpd(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("wharf: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn import_vsftpd(arguments: &VsftpdArguments) -> Result<()> {
    let users_file = arguments.users.as_deref().unwrap_or(Path::new(USERS_FILE));
    let imported = vsftpd::import(&arguments.file, users_file)?;
    if let (Some(file), Some(users)) = (&arguments.users, &imported.users) {
        // One that is there holds passwords: it is nobody's to write over.
        let written = OpenOptions::new().write(true).create_new(true).mode(MODE).open(file);
        written
            .and_then(|mut file| file.write_all(users.as_bytes()))
            .with_context(|| format!("cannot write the users file {}", file.display()))?;
    }
    let mut output = standard_output()?;
    output.write_all(imported.configuration.as_bytes()).context("standard output")
}
