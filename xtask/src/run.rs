//! Running other programs, with what they print shown as it comes.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    // Cargo says where xtask's manifest is when it runs it; a binary that was started by hand knows where it was built.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let here = Path::new(&manifest);
    here.parent().unwrap_or(here).to_path_buf()
}

/// `cargo`, the one that started us where there is one, in the workspace's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The folder that cargo builds into.
///
/// # Errors
/// When `cargo metadata` fails.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = cargo_metadata::MetadataCommand::new().current_dir(root()).no_deps().exec();
    Ok(metadata.context("`cargo metadata` does not say where cargo builds")?.target_directory.into())
}

/// Whether this process may install packages.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The place of `program` in PATH or in the folders for administrators, which a plain PATH leaves out.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(administrators)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Runs `command` to its end, its output left as it is, and says whether it succeeded.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    eprintln!("xtask: {}", shown(command));
    command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{}`", shown(command)))
}

/// Runs `command` to its end.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// What `command` prints on standard output; `None` when it cannot be started or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and shows all it prints on standard error as it comes, so that our own standard output stays clear.
///
/// Returns its status and every line of its standard output, then of its standard error.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn watch(command: &mut Command) -> Result<(ExitStatus, Vec<String>)> {
    eprintln!("xtask: {}", shown(command));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{}`", shown(command)))?;
    let output = child.stdout.take().map(|pipe| thread::spawn(|| relay(pipe)));
    let errors = child.stderr.take().map(|pipe| thread::spawn(|| relay(pipe)));
    let status = child.wait()?;
    let mut lines = Vec::new();
    for reader in [output, errors].into_iter().flatten() {
        lines.extend(reader.join().unwrap_or_default());
    }
    Ok((status, lines))
}

fn relay(pipe: impl Read) -> Vec<String> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // Nobody may be there to read it: no reason to stop.
        let _ = std::io::stderr().lock().write_all(&line);
        lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    lines
}

/// Appends `more` to a list of paths in the environment variable `name`.
pub(crate) fn with_path(name: &str, more: impl Into<PathBuf>) -> OsString {
    let old = std::env::var_os(name).unwrap_or_default();
    let folders = std::env::split_paths(&old).chain(std::iter::once(more.into()));
    std::env::join_paths(folders).unwrap_or(old)
}
