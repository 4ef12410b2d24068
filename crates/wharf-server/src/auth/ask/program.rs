//! Asking a program: JSON on its standard input, JSON on its standard output, exit code 0. The password never stands in
//! its arguments or environment, where others could read it.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wharf_proto::limits;

use super::AskError;

/// Runs the program. It is killed where this future is dropped.
pub(super) async fn ask(words: &[PathBuf], question: &[u8]) -> Result<Vec<u8>, AskError> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(AskError::NotRun(std::io::ErrorKind::NotFound.into()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .env_remove("WHARF_PASSWORD")
        .kill_on_drop(true)
        .spawn()
        .map_err(AskError::NotRun)?;
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(AskError::NotRun(std::io::ErrorKind::BrokenPipe.into()));
    };
    let mut answer = Vec::new();
    let write = async {
        // A program that decides without reading closes its end: that is its own affair.
        let _ = input.write_all(question).await;
        let _ = input.write_all(b"\n").await;
        drop(input);
    };
    let mut bounded = output.take(limits::LOGIN_ANSWER as u64 + 1);
    let read = bounded.read_to_end(&mut answer);
    let ((), read) = tokio::join!(write, read);
    read.map_err(AskError::NotRun)?;
    if answer.len() > limits::LOGIN_ANSWER {
        return Err(AskError::TooLong(limits::LOGIN_ANSWER));
    }
    let status = child.wait().await.map_err(AskError::NotRun)?;
    if status.success() { Ok(answer) } else { Err(AskError::Ended(status)) }
}
