//! Servers under names of the user's own, in `bookmarks.toml` of the configuration directory. Passwords are not kept.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// `name = "ftp://…"`, by name.
pub(crate) type Bookmarks = BTreeMap<String, String>;

/// All bookmarks; none where there is no file.
///
/// # Errors
/// When the file cannot be read, or is not what it should be.
pub(crate) fn load() -> io::Result<Bookmarks> {
    match std::fs::read_to_string(file()?) {
        Ok(text) => toml::from_str(&text).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Bookmarks::new()),
        Err(error) => Err(error),
    }
}

/// Writes them down.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save(bookmarks: &Bookmarks) -> io::Result<()> {
    let file = file()?;
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let draft = file.with_extension("toml.new");
    std::fs::write(&draft, toml::to_string(bookmarks).map_err(io::Error::other)?)?;
    std::fs::rename(draft, file)
}

/// `$XDG_CONFIG_HOME/wharf/bookmarks.toml`, else `~/.config/wharf/bookmarks.toml`.
pub(crate) fn file() -> io::Result<PathBuf> {
    let given =
        |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = given("XDG_CONFIG_HOME").or_else(|| given("HOME").map(|home| home.join(".config")));
    let unknown = || io::Error::new(io::ErrorKind::NotFound, "neither $XDG_CONFIG_HOME nor $HOME is set");
    Ok(directory.ok_or_else(unknown)?.join("wharf/bookmarks.toml"))
}
