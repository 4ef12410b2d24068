//! `open`, `close`, `user`, `bookmark`, `status`, `features`, `quote`, `site`.

use serde_json::json;
use wharf_client::attempt::described;
use wharf_client::{ClientError, FtpUrl, Session};
use wharf_proto::command::{Password, Text};
use wharf_proto::pathname::{PathnameError, escaped};
use wharf_proto::verb::Verb;
use wharf_proto::{Command, Reply};

use crate::settings::parse_url;
use crate::shell::Shell;
use crate::shell::bookmarks;
use crate::shell::call::Call;
use crate::shell::place::Place;
use crate::shell::table::Outcome;
use crate::shell::words::Word;

pub(crate) async fn open(shell: &mut Shell, mut call: Call) -> Outcome {
    let login = call.option("-u")?;
    let (target, port) = call.one_or_two()?;
    let mut url = target_url(&target.lossy(), port.map(|port| port.lossy()).as_deref())?;
    if let Some(login) = login {
        let (user, password) = match login.text.iter().position(|byte| *byte == b',') {
            Some(at) => (&login.text[..at], Some(&login.text[at + 1..])),
            None => (&login.text[..], None),
        };
        url = with_login(&url, user, password)?;
    }
    enter(shell, &url).await
}

/// Logs in, and goes to the directory of `url` if it names one.
async fn enter(shell: &mut Shell, url: &FtpUrl) -> Outcome {
    shell.client.close().await;
    shell.place = None;
    shell.listed.clear();
    let server = shell.client.with_password(&url.with_path(None))?;
    let work = async |session: &mut Session, _: bool| session.working_directory().await;
    let home = shell.client.with_session(&server, |_| true, work).await?;
    let place = Place { server, directory: home.clone(), home };
    let start = url.path().cloned();
    shell.place = Some(place);
    match start {
        Some(path) => super::directories::go(shell, path.as_bytes()).await,
        None => Ok(()),
    }
}

/// A URL, a bookmark, or the name of a host.
fn target_url(target: &str, port: Option<&str>) -> Result<FtpUrl, ClientError> {
    if target.contains("://") {
        if port.is_some() {
            return Err(ClientError::Usage("a URL has its port in it: ftp://host:port/".to_owned()));
        }
        return parse_url(target);
    }
    if port.is_none()
        && let Some(url) = bookmarks::load().map_err(trouble)?.get(target)
    {
        return parse_url(url);
    }
    let host = if target.matches(':').count() > 1 && !target.starts_with('[') {
        format!("[{target}]")
    } else {
        target.to_owned()
    };
    parse_url(&port.map_or_else(|| format!("ftp://{host}/"), |port| format!("ftp://{host}:{port}/")))
}

fn with_login(url: &FtpUrl, user: &[u8], password: Option<&[u8]>) -> Result<FtpUrl, ClientError> {
    let unusable =
        |what: &'static str| move |error: PathnameError| ClientError::Usage(format!("{what}: {error}"));
    let user = Text::new(user).map_err(unusable("the user name"))?;
    let password = password.map(Password::new).transpose().map_err(unusable("the password"))?;
    Ok(url.with_login(Some(user), password))
}

pub(crate) async fn close(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    shell.place()?;
    shell.client.close().await;
    shell.place = None;
    Ok(())
}

pub(crate) async fn user(shell: &mut Shell, call: Call) -> Outcome {
    let (name, password) = call.one_or_two()?;
    let url = with_login(&shell.place()?.server, &name.text, password.as_ref().map(|word| &word.text[..]))?;
    enter(shell, &url).await
}

pub(crate) async fn bookmark(shell: &mut Shell, call: Call) -> Outcome {
    let usage = call.usage();
    let words: Vec<String> = call.rest()?.iter().map(Word::lossy).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut kept = bookmarks::load().map_err(trouble)?;
    match words[..] {
        [] | ["list"] => {
            for (name, url) in kept {
                shell.say(
                    &json!({ "event": "bookmark", "name": name, "url": url }),
                    &format!("{name}\t{url}"),
                )?;
            }
            return Ok(());
        }
        ["add", name] => _ = kept.insert(name.to_owned(), without_password(&shell.place()?.here())),
        ["add", name, url] => _ = kept.insert(name.to_owned(), without_password(&parse_url(url)?)),
        ["del" | "delete", name] => {
            if kept.remove(name).is_none() {
                return Err(ClientError::Usage(format!("there is no bookmark {name}")));
            }
        }
        _ => return Err(usage),
    }
    bookmarks::save(&kept).map_err(trouble)
}

fn without_password(url: &FtpUrl) -> String {
    url.with_login(url.user().cloned(), None).to_string()
}

fn trouble(source: std::io::Error) -> ClientError {
    let what =
        bookmarks::file().map_or_else(|_| "the bookmarks".to_owned(), |file| file.display().to_string());
    ClientError::Local { what, source }
}

pub(crate) async fn status(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    let mode = super::settings::described(shell.client.settings.options.mode);
    let server = shell.place.as_ref().map(|place| place.server.to_string());
    let directory = shell.place.as_ref().and_then(|place| place.directory.as_ref()).map(ToString::to_string);
    let connection = shell.client.present_session().map(|session| {
        let tls = session.secured().map_or_else(|| "in clear".to_owned(), |secured| described(&secured));
        let works =
            session.working_mode().map_or_else(String::new, |mode| format!(", data by {}", mode.command));
        format!("{}, {tls}{works}", session.peer())
    });
    let kind = if shell.ascii { "ascii" } else { "binary" };
    let local = super::local::shown(shell);
    let asks = if shell.asks { "on" } else { "off" };
    let event = json!({
        "event": "status", "url": server, "directory": directory, "connection": connection, "mode": mode,
        "type": kind, "local": local, "prompt": shell.asks, "jobs": shell.jobs.running().count(),
    });
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "none".to_owned());
    let text = format!(
        "server:     {}\nconnection: {}\ndirectory:  {}\nlocal:      {local}\nmode:       {mode}\ntype:       {kind}\nprompt:     {asks}\njobs:       {}",
        or_none(server),
        or_none(connection),
        or_none(directory),
        shell.jobs.running().count()
    );
    shell.say(&event, &text)
}

pub(crate) async fn features(shell: &mut Shell, call: Call) -> Outcome {
    call.exactly::<0>()?;
    let url = shell.place()?.server.clone();
    let work = async |session: &mut Session, _: bool| {
        let system = session.system().await?.to_owned();
        Ok((system, session.features().lines().to_vec()))
    };
    let (system, lines) = shell.client.with_session(&url, |_| true, work).await?;
    let event = json!({ "event": "features", "system": system, "features": lines });
    let lines: Vec<_> = lines.iter().map(|line| escaped(line.as_bytes()).to_string()).collect();
    shell.say(&event, &format!("system: {system}\n{}", lines.join("\n")))
}

pub(crate) async fn quote(shell: &mut Shell, call: Call) -> Outcome {
    let line = joined(&call.some()?);
    send(shell, &line).await
}

pub(crate) async fn site(shell: &mut Shell, call: Call) -> Outcome {
    let line = [b"SITE ", &joined(&call.some()?)[..]].concat();
    send(shell, &line).await
}

/// The words as a command line: what was quoted keeps its blanks.
fn joined(words: &[Word]) -> Vec<u8> {
    words.iter().map(|word| &word.text[..]).collect::<Vec<_>>().join(&b' ')
}

/// Sends a line as it is, and tells the reply.
async fn send(shell: &mut Shell, line: &[u8]) -> Outcome {
    let command = Command::parse(line).map_err(|error| ClientError::Usage(error.to_string()))?;
    if let Some(verb) = command.verb()
        && let Some(instead) = belongs_to_others(verb)
    {
        return Err(ClientError::Usage(format!("{verb} cannot be sent so: {instead}")));
    }
    let reply = ask(shell, &command).await?;
    tell(shell, &command, &reply)?;
    if moves(&command) {
        let work = async |session: &mut Session, _: bool| session.working_directory().await;
        let url = shell.place()?.server.clone();
        if let Some(path) = shell.client.with_session(&url, |_| true, work).await? {
            super::directories::go(shell, path.as_bytes()).await?;
        }
    }
    if reply.code().is_negative() {
        return Err(ClientError::Refused { command: command.to_string(), reply });
    }
    Ok(())
}

/// What is used in the place of a verb that the shell has to know about.
fn belongs_to_others(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::User | Verb::Pass | Verb::Acct | Verb::Rein => Some("`user` logs in"),
        Verb::Auth | Verb::Pbsz | Verb::Prot | Verb::Ccc => {
            Some("--tls and --ccc of wharf say how it is spoken")
        }
        Verb::Quit => Some("`close` ends the session"),
        _ if verb.role().is_transfer() => Some("it needs a data connection; use get, put or ls"),
        _ => None,
    }
}

fn moves(command: &Command) -> bool {
    let name = command.name();
    ["CWD", "CDUP", "XCWD", "XCUP"].iter().any(|moving| name.eq_ignore_ascii_case(moving))
}

/// Sends a command in the directory that the user is in.
pub(super) async fn ask(shell: &mut Shell, command: &Command) -> Result<Reply, ClientError> {
    let place = shell.place()?.clone();
    let work = async |session: &mut Session, _: bool| {
        // A session that is new begins in the login directory.
        if let Some(directory) = place.directory.as_ref().filter(|_| place.directory != place.home)
            && session.directory() != Some(directory)
        {
            session.change_directory(directory).await?;
        }
        session.execute(command).await
    };
    shell.client.with_session(&place.server, |_| true, work).await
}

fn tell(shell: &mut Shell, command: &Command, reply: &Reply) -> Outcome {
    let text = reply.to_string();
    let event = json!({
        "event": "reply", "command": command.to_string(), "code": reply.code().get(), "text": text,
    });
    shell.say(&event, &text)
}
