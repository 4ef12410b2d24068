//! What is printed, and where: results on standard output, all else on standard error.

pub(crate) mod dialogue;
pub(crate) mod entry;

use std::io::{self, IsTerminal, StdoutLock, Write};

use wharf_proto::pathname::escaped;

use crate::closed_output;

/// Prints an error for a person.
pub(crate) fn error(message: &impl std::fmt::Display) {
    // If nobody reads it, nobody misses it.
    let _ = writeln!(io::stderr().lock(), "wharf: {message}");
}

/// Prints a note for a person.
pub(crate) fn note(message: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Standard output, for results.
///
/// # Errors
/// When it was closed before the program began.
pub(crate) fn standard_output() -> io::Result<StdoutLock<'static>> {
    closed_output::check()?;
    Ok(io::stdout().lock())
}

/// Prints a JSON value on one line of standard output.
///
/// # Errors
/// When standard output is closed or full.
pub(crate) fn json(value: &serde_json::Value) -> io::Result<()> {
    let mut out = standard_output()?;
    writeln!(out, "{value}")?;
    out.flush()
}

/// A name as it is printed: on a terminal, control characters could do anything.
pub(crate) fn shown_name(name: &[u8]) -> Vec<u8> {
    if io::stdout().is_terminal() { escaped(name).to_string().into_bytes() } else { name.to_vec() }
}
