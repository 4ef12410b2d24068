//! `wharf user`: keeps a users file, with whatever else stands in it.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use wharf_proto::command::Password;
use wharf_proto::limits;
use wharf_server::auth::hash_password;

use crate::args::user::{UserAction, UserArguments};
use crate::config::PASSWORD_VARIABLE;
use crate::prompt;
use crate::users_file::UsersDocument;

/// Does what was asked for.
pub(crate) fn run(arguments: UserArguments) -> ExitCode {
    match act(arguments.action) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("wharf: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(action: UserAction) -> Result<()> {
    match action {
        UserAction::Add { name, file, root, rights } => {
            let mut document = UsersDocument::read_or_new(&file.path)?;
            if document.has(&name) {
                bail!("user {name} is there already; `wharf user passwd` changes the password");
            }
            document.add(&name, root.as_deref(), &rights);
            // What is wrong with the name or the rights is told before a password is asked for.
            document.set_password(&name, &hash(&Password::new("placeholder")?)?);
            document.check(&file.path)?;
            document.set_password(&name, &hash(&password_for(&name)?)?);
            document.write(&file.path)
        }
        UserAction::Passwd { name, file } => {
            let mut document = UsersDocument::read(&file.path)?;
            must_be_there(&document, &name, &file.path)?;
            document.set_password(&name, &hash(&password_for(&name)?)?);
            document.write(&file.path)
        }
        UserAction::Remove { name, file } => {
            let mut document = UsersDocument::read(&file.path)?;
            must_be_there(&document, &name, &file.path)?;
            document.remove(&name);
            document.write(&file.path)
        }
        UserAction::List { file } => {
            let mut lines = String::new();
            for (name, about) in UsersDocument::read(&file.path)?.users() {
                let name = wharf_proto::pathname::escaped(name.as_bytes()).to_string();
                lines.push_str(format!("{name:<20} {about}").trim_end());
                lines.push('\n');
            }
            match std::io::stdout().write_all(lines.as_bytes()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(()),
            }
        }
    }
}

fn must_be_there(document: &UsersDocument, name: &str, file: &Path) -> Result<()> {
    if !document.has(name) {
        bail!("there is no user {name} in {}", file.display());
    }
    Ok(())
}

fn hash(password: &Password) -> Result<String> {
    Ok(hash_password(password)?)
}

fn password_for(name: &str) -> Result<Password> {
    let text = if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        password
    } else if std::io::stdin().is_terminal() {
        let ask = |question: &str| prompt::password(question).context("cannot read the password");
        let password = ask(&format!("Password for {name}: "))?;
        if ask("The same again: ")? != password {
            bail!("these are two passwords; nothing was changed");
        }
        password
    } else {
        let mut line = String::new();
        // What does not fit into a command could never be sent.
        let input = std::io::stdin().lock().take(limits::COMMAND_LINE as u64);
        std::io::BufReader::new(input).read_line(&mut line).context("cannot read the password")?;
        line.trim_end_matches(['\r', '\n']).to_owned()
    };
    if text.is_empty() {
        bail!("the password is empty: anyone could log in; nothing was changed");
    }
    Password::new(&text).context("the password")
}
