//! `lcd`, `lpwd`, `!`: this machine.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde_json::json;
use wharf_client::ClientError;

use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;

pub(crate) async fn change(shell: &mut Shell, call: Call) -> Outcome {
    let path = match call.at_most_one()? {
        Some(word) => shell.local(&word),
        None => std::env::var_os("HOME").map_or_else(PathBuf::new, PathBuf::from),
    };
    let trouble = |source| ClientError::Local { what: path.display().to_string(), source };
    let whole = path.canonicalize().map_err(trouble)?;
    if !whole.is_dir() {
        return Err(trouble(io::ErrorKind::NotADirectory.into()));
    }
    shell.local = whole;
    tell_here(shell)
}

pub(crate) async fn tell(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    tell_here(shell)
}

fn tell_here(shell: &mut Shell) -> Outcome {
    let path = shown(shell);
    shell.say(&json!({ "event": "local_directory", "path": path }), &path)
}

/// Where downloads go.
pub(super) fn shown(shell: &Shell) -> String {
    let here = || std::env::current_dir().unwrap_or_default();
    let path = if shell.local.as_os_str().is_empty() { here() } else { shell.local.clone() };
    path.display().to_string()
}

pub(crate) async fn shell(shell: &mut Shell, call: Call) -> Outcome {
    let line = call.words.iter().map(|word| &word.text[..]).collect::<Vec<_>>().join(&b' ');
    let program = std::env::var_os("SHELL").filter(|_| line.is_empty()).unwrap_or_else(|| "sh".into());
    let mut command = tokio::process::Command::new(&program);
    if !line.is_empty() {
        command.arg("-c").arg(OsString::from_vec(line));
    }
    if !shell.local.as_os_str().is_empty() {
        command.current_dir(&shell.local);
    }
    let trouble = |source| ClientError::Local { what: program.to_string_lossy().into_owned(), source };
    let status = command.status().await.map_err(trouble)?;
    if status.success() {
        return Ok(());
    }
    Err(trouble(io::Error::other(format!("it ended with {status}"))))
}
