//! `get`, `reget`, `put`, `reput`, `cat`, `more`, `mirror`: one-shot commands, at the place where the user is.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::process::ChildStdin;
use wharf_client::url::TransferType;
use wharf_client::{ClientError, Destination};

use crate::args::mirror::{MirrorArguments, Place as Named};
use crate::args::put::PutArguments;
use crate::args::{Arguments, Command};
use crate::commands::mirror::Side;
use crate::commands::{get as download, mirror as mirroring, put as upload};
use crate::settings::parse_url;
use crate::shell::Shell;
use crate::shell::call::Call;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

pub(crate) async fn get(shell: &mut Shell, mut call: Call) -> Outcome {
    let resume = call.flag("-c");
    let to = call.option("-o")?;
    let usage = call.usage();
    match (call.one_or_two()?, to) {
        ((remote, None), to) | ((remote, to), None) => fetch(shell, &remote, to.as_ref(), resume).await,
        _ => Err(usage),
    }
}

pub(crate) async fn reget(shell: &mut Shell, call: Call) -> Outcome {
    let (remote, to) = call.one_or_two()?;
    fetch(shell, &remote, to.as_ref(), true).await
}

/// Downloads a file under its own name, or to what `to` says.
pub(super) async fn fetch(shell: &mut Shell, remote: &Word, to: Option<&Word>, resume: bool) -> Outcome {
    let url = shell.remote(remote)?;
    let destination = match to {
        None => Destination::Directory(shell.local.clone()),
        Some(word) if word.text == b"-" => Destination::Stdout,
        Some(word) => Destination::Path(shell.local(word)),
    };
    download::fetch(&mut shell.client, &url, &destination, resume).await
}

pub(crate) async fn put(shell: &mut Shell, mut call: Call) -> Outcome {
    let flags = call.flags();
    let (local, remote) = call.one_or_two()?;
    send(shell, &flags, &local, remote.as_ref()).await
}

pub(crate) async fn reput(shell: &mut Shell, call: Call) -> Outcome {
    let (local, remote) = call.one_or_two()?;
    send(shell, &[Word { text: b"-c".to_vec(), ..Word::default() }], &local, remote.as_ref()).await
}

/// Uploads a file under its own name into the directory that the user is in, or to where `remote` says.
pub(super) async fn send(shell: &mut Shell, flags: &[Word], local: &Word, remote: Option<&Word>) -> Outcome {
    let file = shell.local(local);
    let arguments = put_arguments(flags)?;
    let kind = shell.ascii.then_some(TransferType::Ascii);
    let (url, is_directory) = match remote {
        None => (shell.place()?.here().with_transfer_type(kind), true),
        Some(remote) => {
            let url = shell.remote(remote)?;
            let files = std::slice::from_ref(&file);
            let is_directory = upload::is_directory(&mut shell.client, &url, files).await?;
            (url, is_directory)
        }
    };
    upload::send(&mut shell.client, &url, is_directory, &file, &arguments).await
}

/// The flags are those of `wharf put`, whichever it has.
fn put_arguments(flags: &[Word]) -> Result<PutArguments, ClientError> {
    let flags = flags.iter().map(|word| OsString::from_vec(word.text.clone()));
    let words = ["wharf", "put"]
        .map(OsString::from)
        .into_iter()
        .chain(flags)
        .chain(["file", "url"].map(OsString::from));
    match Arguments::try_parse_from(words).map(|arguments| arguments.command) {
        Ok(Command::Put(arguments)) => Ok(arguments),
        Ok(_) => Err(ClientError::Usage("these are no options of put".to_owned())),
        Err(error) => Err(not_understood(&error)),
    }
}

/// The first line of what clap says.
fn not_understood(error: &clap::Error) -> ClientError {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    ClientError::Usage(line.trim_start_matches("error: ").to_owned())
}

pub(crate) async fn print(shell: &mut Shell, call: Call) -> Outcome {
    for word in call.some()? {
        let url = shell.remote(&word)?;
        download::fetch(&mut shell.client, &url, &Destination::Stdout, false).await?;
    }
    Ok(())
}

pub(crate) async fn page(shell: &mut Shell, call: Call) -> Outcome {
    if shell.terminal.is_none() || !io::stdout().is_terminal() {
        return print(shell, call).await;
    }
    for word in call.some()? {
        let url = shell.remote(&word)?;
        let pager =
            std::env::var_os("PAGER").filter(|pager| !pager.is_empty()).unwrap_or_else(|| "less".into());
        let trouble = |source| ClientError::Local { what: pager.to_string_lossy().into_owned(), source };
        let mut running = tokio::process::Command::new("sh")
            .arg("-c")
            .arg(&pager)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(trouble)?;
        let shown = match running.stdin.take().map(ChildStdin::into_owned_fd) {
            Some(Ok(pipe)) => {
                let path = PathBuf::from(format!("/dev/fd/{}", pipe.as_raw_fd()));
                let shown = download::fetch(&mut shell.client, &url, &Destination::Path(path), false).await;
                drop(pipe);
                shown
            }
            Some(Err(error)) => Err(trouble(error)),
            None => Ok(()),
        };
        running.wait().await.map_err(trouble)?;
        match shown {
            // Whoever has read enough leaves the pager before the end.
            Err(ClientError::Local { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
                if let Some(session) = shell.client.present_session() {
                    session.abort().await;
                }
            }
            other => other?,
        }
    }
    Ok(())
}

pub(crate) async fn mirror(shell: &mut Shell, mut call: Call) -> Outcome {
    let is_upload = call.flag("-R") || call.flag("--reverse");
    let words: Vec<OsString> = call.words.iter().map(|word| OsString::from_vec(word.text.clone())).collect();
    let mut arguments = match mirror_arguments(&words, None) {
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument && !words.is_empty() => {
            mirror_arguments(&words, Some(OsStr::new(".")))
        }
        other => other,
    }
    .map_err(|error| not_understood(&error))?;
    let source = side(shell, arguments.source.clone(), !is_upload)?;
    let is_named = mirror_arguments(&words, None).is_ok();
    if !is_named {
        // Under its own name, as a file would be.
        arguments.destination = last_name(&source);
    }
    let destination = side(shell, arguments.destination.clone(), is_upload)?;
    mirroring::between(&mut shell.client, &arguments, source, destination).await
}

fn mirror_arguments(words: &[OsString], destination: Option<&OsStr>) -> Result<MirrorArguments, clap::Error> {
    let words = ["wharf", "mirror"].map(OsStr::new).into_iter().chain(words.iter().map(OsString::as_os_str));
    match Arguments::try_parse_from(words.chain(destination))?.command {
        Command::Mirror(arguments) => Ok(arguments),
        _ => Err(clap::Error::raw(ErrorKind::InvalidSubcommand, "this is no mirror")),
    }
}

fn side(shell: &Shell, word: OsString, is_remote: bool) -> Result<Side, ClientError> {
    let bytes = word.as_bytes().to_vec();
    match Named::of(word) {
        Named::Url(url) => parse_url(&url).map(Side::Server),
        Named::Directory(_) if is_remote => shell.place()?.url(&bytes).map(Side::Server),
        Named::Directory(_) => Ok(Side::Here(shell.local(&Word { text: bytes, ..Word::default() }))),
    }
}

/// What a tree is called, without the directories that lead to it.
fn last_name(side: &Side) -> OsString {
    let path = match side {
        Side::Server(url) => url.path().map_or(&b""[..], |path| path.as_bytes()).to_vec(),
        Side::Here(directory) => directory.as_os_str().as_bytes().to_vec(),
    };
    let name = Path::new(OsStr::from_bytes(&path)).file_name();
    name.map_or_else(|| OsString::from("."), OsStr::to_owned)
}
