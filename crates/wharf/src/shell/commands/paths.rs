//! `delete`, `rename`, `mkdir`, `rmdir`, `chmod`, `stat`, `size`, `modtime`, `hash`.

use serde_json::json;
use wharf_client::{ClientError, Session};
use wharf_proto::Command;
use wharf_proto::pathname::{Pathname, escaped};

use super::connection;
use crate::commands::paths::{new_path, print_status};
use crate::commands::{client, hash};
use crate::output::entry;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

/// Does the same to each path, and tells what was done.
async fn each<T>(
    shell: &mut Shell,
    words: &[Word],
    mut work: impl AsyncFnMut(&mut Session, &Pathname) -> Result<T, ClientError>,
    mut tell: impl FnMut(&mut Shell, &Word, T) -> Outcome,
) -> Outcome {
    for word in words {
        let place = shell.place()?;
        let path = place.resolve(&word.text)?;
        let url = place.server.clone();
        let done =
            shell.client.with_session(&url, |_| true, async |session, _| work(session, &path).await).await?;
        tell(shell, word, done)?;
    }
    Ok(())
}

/// An event for scripts; a person sees that nothing was refused.
fn event(shell: &mut Shell, name: &str, word: &Word) -> Outcome {
    let url = shell.place()?.url(&word.text)?.to_string();
    shell.client.event(&json!({ "event": name, "url": url }));
    Ok(())
}

pub(crate) async fn delete(shell: &mut Shell, call: Call) -> Outcome {
    for word in call.some()? {
        delete_one(shell, &word).await?;
    }
    Ok(())
}

pub(super) async fn delete_one(shell: &mut Shell, word: &Word) -> Outcome {
    let words = std::slice::from_ref(word);
    each(
        shell,
        words,
        async |session, path| session.delete(path).await,
        |shell, word, ()| event(shell, "removed", word),
    )
    .await
}

pub(crate) async fn make_directory(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| session.make_directory(path).await;
    each(shell, &words, work, |shell, word, ()| event(shell, "made", word)).await
}

pub(crate) async fn remove_directory(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| session.remove_directory(path).await;
    each(shell, &words, work, |shell, word, ()| event(shell, "removed", word)).await
}

pub(crate) async fn rename(shell: &mut Shell, call: Call) -> Outcome {
    let [from, to] = call.exactly()?;
    let place = shell.place()?;
    let (url, path) = (place.url(&from.text)?, place.resolve(&from.text)?);
    let to = new_path(&url, &path, place.resolve(&to.text)?.as_bytes())?;
    let work = async |session: &mut Session, _: bool| session.rename(&path, &to).await;
    shell.client.with_session(&url, |_| true, work).await?;
    let new = url.with_path(Some(to)).to_string();
    shell.client.event(&json!({ "event": "renamed", "url": url.to_string(), "to": new }));
    Ok(())
}

pub(crate) async fn change_mode(shell: &mut Shell, call: Call) -> Outcome {
    let usage = call.usage();
    let words = call.some()?;
    let [mode, paths @ ..] = &words[..] else { return Err(usage) };
    let is_mode = mode.text.len() <= 4 && mode.text.iter().all(|digit| matches!(digit, b'0'..=b'7'));
    if paths.is_empty() || !is_mode {
        return Err(usage);
    }
    for word in paths {
        let path = shell.place()?.resolve(&word.text)?;
        let line = [b"SITE CHMOD ", &mode.text[..], b" ", path.as_bytes()].concat();
        let command = Command::parse(&line).map_err(|error| ClientError::Usage(error.to_string()))?;
        let reply = connection::ask(shell, &command).await?;
        if reply.code().is_negative() {
            return Err(ClientError::Refused { command: command.to_string(), reply });
        }
        event(shell, "changed", word)?;
    }
    Ok(())
}

pub(crate) async fn stat(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| session.status(path).await;
    each(shell, &words, work, |shell, word, status| {
        if shell.client.settings.json {
            let mut object = entry::object(&status.entry);
            object["url"] = shell.place()?.url(&word.text)?.to_string().into();
            shell.client.event(&object);
            return Ok(());
        }
        print_status(&status.entry).map_err(client::standard_output)
    })
    .await
}

pub(crate) async fn size(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| match session.size(path).await? {
        Some(size) => Ok(size),
        // The refusal in the server's words.
        None => session.require(&Command::Size(path.clone())).await.map(|_| 0),
    };
    each(shell, &words, work, |shell, word, size| {
        let url = shell.place()?.url(&word.text)?.to_string();
        let event = json!({ "event": "size", "url": url, "size": size });
        shell.say(&event, &format!("{}\t{size}", escaped(&word.text)))
    })
    .await
}

pub(crate) async fn modified(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| match session.modified(path).await? {
        Some(time) => Ok(time.to_string()),
        None => session.require(&Command::Mdtm(path.clone())).await.map(|_| String::new()),
    };
    each(shell, &words, work, |shell, word, time| {
        let url = shell.place()?.url(&word.text)?.to_string();
        let event = json!({ "event": "modified", "url": url, "modified": time });
        shell.say(&event, &format!("{}\t{time}", escaped(&word.text)))
    })
    .await
}

pub(crate) async fn hash(shell: &mut Shell, call: Call) -> Outcome {
    let words = call.some()?;
    let work = async |session: &mut Session, path: &Pathname| hash::ask(session, path, None).await;
    each(shell, &words, work, |shell, word, sum| {
        let url = shell.place()?.url(&word.text)?.to_string();
        shell.say(&hash::event(&url, &sum), &format!("{sum} {}", escaped(&word.text)))
    })
    .await
}
