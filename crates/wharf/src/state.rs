//! Where programs keep what they made or learnt.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// systemd's StateDirectory, or the user's own: `$XDG_STATE_HOME/wharf`, else `~/.local/state/wharf`. `None` where neither is
/// known.
pub(crate) fn directory() -> Option<PathBuf> {
    let given =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("STATE_DIRECTORY")
        .or_else(|| given("XDG_STATE_HOME").map(|state| state.join("wharf")))
        .or_else(|| given("HOME").map(|home| home.join(".local/state/wharf")))
}

/// Makes it, for its owner alone, where it is not there yet: what shuts the process in lets it reach only what is.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_directory() -> std::io::Result<()> {
    directory().map_or(Ok(()), |directory| DirBuilder::new().recursive(true).mode(0o700).create(directory))
}
