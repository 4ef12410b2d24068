//! `ls`, `nlist`, `cd`, `cdup`, `pwd`.

use serde_json::json;
use wharf_client::Session;
use wharf_proto::listing::ListingEntry;
use wharf_proto::pathname::escaped;

use crate::commands::ls;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

pub(crate) async fn list(shell: &mut Shell, mut call: Call) -> Outcome {
    // What people's fingers do; it is long anyway.
    call.flag("-l");
    show(shell, call.at_most_one()?, true).await
}

pub(crate) async fn names(shell: &mut Shell, call: Call) -> Outcome {
    show(shell, call.at_most_one()?, false).await
}

async fn show(shell: &mut Shell, word: Option<Word>, long: bool) -> Outcome {
    let url = match &word {
        None => shell.place()?.here(),
        Some(word) if word.pattern.is_none() => shell.place()?.url(&word.text)?,
        Some(word) => {
            let found = shell.matches(word).await?;
            let entries = found
                .into_iter()
                .filter_map(|found| found.entry.map(|entry| ListingEntry { name: found.path, ..entry }));
            return ls::print_entries(&shell.client, entries, long);
        }
    };
    ls::print(&mut shell.client, &url, long).await
}

pub(crate) async fn change(shell: &mut Shell, call: Call) -> Outcome {
    match call.at_most_one()? {
        Some(word) => go(shell, &word.text).await,
        None => match shell.place()?.home.clone() {
            Some(home) => go(shell, home.as_bytes()).await,
            None => Ok(()),
        },
    }
}

pub(crate) async fn up(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    go(shell, b"..").await
}

/// Goes to a directory of the server.
pub(super) async fn go(shell: &mut Shell, path: &[u8]) -> Outcome {
    let place = shell.place()?;
    let url = place.server.clone();
    let path = place.resolve(path)?;
    let work = async |session: &mut Session, _: bool| session.change_directory(&path).await;
    let now = shell.client.with_session(&url, |_| true, work).await?;
    if let Some(place) = &mut shell.place {
        place.directory = Some(now.unwrap_or(path));
    }
    Ok(())
}

pub(crate) async fn tell(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    let directory = shell.place()?.directory.clone();
    let path = directory.as_ref().map(|path| escaped(path.as_bytes()).to_string());
    let text = path.clone().unwrap_or_else(|| "the server does not say".to_owned());
    shell.say(&json!({ "event": "directory", "path": path }), &text)
}
