//! `mget`, `mput`, `mdelete`: what fits a pattern, one by one. What fails is told, and the others are done nonetheless.

use std::os::unix::ffi::OsStrExt;

use wharf_client::ClientError;
use wharf_proto::listing::EntryKind;
use wharf_proto::pathname::escaped;

use super::{paths, transfer};
use crate::output;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::expand::Match;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

/// What is said to the question before a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// This one and all others.
    All,
    /// None any more.
    Quit,
}

/// Whether to ask, for one command.
struct Asking {
    verb: &'static str,
    all: bool,
}

impl Asking {
    fn new(shell: &Shell, verb: &'static str) -> Self {
        Self { verb, all: !shell.asks || shell.terminal.is_none() }
    }

    /// Whether `name` is meant; none when no more are.
    async fn about(&mut self, shell: &mut Shell, name: &[u8]) -> Option<bool> {
        if self.all {
            return Some(true);
        }
        let terminal = shell.terminal.as_mut()?;
        let question = format!("{} {} [y/n/a/q]? ", self.verb, escaped(name));
        let answer = loop {
            match terminal.ask(question.clone()).await {
                Some(line) => match understood(&line) {
                    Some(answer) => break answer,
                    None => {
                        output::note(&"y: this one; n: not this one; a: this one and all others; q: no more");
                    }
                },
                None => break Answer::Quit,
            }
        };
        self.all = answer == Answer::All;
        match answer {
            Answer::Yes | Answer::All => Some(true),
            Answer::No => Some(false),
            Answer::Quit => None,
        }
    }
}

fn understood(line: &str) -> Option<Answer> {
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" | "" => Some(Answer::Yes),
        "n" | "no" => Some(Answer::No),
        "a" | "all" => Some(Answer::All),
        "q" | "quit" => Some(Answer::Quit),
        _ => None,
    }
}

pub(crate) async fn get(shell: &mut Shell, mut call: Call) -> Outcome {
    let resume = call.flag("-c");
    let mut asking = Asking::new(shell, "mget");
    for word in call.some()? {
        for found in files(shell, &word).await? {
            match asking.about(shell, &found.path).await {
                Some(true) => {
                    let done = transfer::fetch(shell, &found.word(), None, resume).await;
                    note(shell, &found.path, done)?;
                }
                Some(false) => {}
                None => return Ok(()),
            }
        }
    }
    Ok(())
}

pub(crate) async fn put(shell: &mut Shell, mut call: Call) -> Outcome {
    let flags = call.flags();
    let mut asking = Asking::new(shell, "mput");
    for word in call.some()? {
        for file in shell.local_matches(&word)? {
            let name = file.as_os_str().as_bytes();
            if word.pattern.is_some() && shell.local.join(&file).is_dir() {
                output::note(&format!("wharf: skipped {}: a directory; `mirror -R` takes it", escaped(name)));
                continue;
            }
            match asking.about(shell, name).await {
                Some(true) => {
                    let local = Word { text: name.to_vec(), ..Word::default() };
                    let done = transfer::send(shell, &flags, &local, None).await;
                    note(shell, name, done)?;
                }
                Some(false) => {}
                None => return Ok(()),
            }
        }
    }
    Ok(())
}

pub(crate) async fn delete(shell: &mut Shell, call: Call) -> Outcome {
    let mut asking = Asking::new(shell, "mdelete");
    for word in call.some()? {
        for found in files(shell, &word).await? {
            match asking.about(shell, &found.path).await {
                Some(true) => {
                    let done = paths::delete_one(shell, &found.word()).await;
                    note(shell, &found.path, done)?;
                }
                Some(false) => {}
                None => return Ok(()),
            }
        }
    }
    Ok(())
}

/// What fits and can be transferred.
async fn files(shell: &mut Shell, word: &Word) -> Result<Vec<Match>, ClientError> {
    let mut found = shell.matches(word).await?;
    found.retain(|found| {
        let kind = found.entry.as_ref().map(|entry| entry.kind);
        let is_file = kind.is_none_or(|kind| matches!(kind, EntryKind::File | EntryKind::Symlink));
        if !is_file {
            output::note(&format!(
                "wharf: skipped {}: no file; `mirror` takes directories",
                escaped(&found.path)
            ));
        }
        is_file
    });
    Ok(found)
}

/// One that failed does not keep the others from being done, unless there is no use in going on.
fn note(shell: &mut Shell, name: &[u8], done: Outcome) -> Outcome {
    match done {
        Err(
            error @ (ClientError::Refused { .. } | ClientError::Local { .. } | ClientError::CannotResume(_)),
        ) if !error.is_closed_pipe() => {
            let url = shell.place()?.url(name).ok();
            shell.client.failed(url.as_ref(), &error);
            Ok(())
        }
        other => other,
    }
}
