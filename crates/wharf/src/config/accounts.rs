//! From `[users]` and its flags to the accounts of the server library.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use wharf_proto::command::Password;
use wharf_proto::pathname::escaped;
use wharf_server::ServerConfig;
use wharf_server::auth::{
    Accounts, AskSettings, AskWhom, Secret, UserSettings, UsersFile, VirtualUser, is_anonymous,
};
use wharf_server::policy::Rights;

use super::keys::{Account, Configuration};
use crate::prompt;

/// Where a password is read from when none stands behind the user's name.
pub(crate) const PASSWORD_VARIABLE: &str = "WHARF_PASSWORD";

/// How passwords come that stand nowhere.
pub(crate) enum Passwords {
    /// From the variable or the terminal: at the start.
    Asked,
    /// As they were at the start, which a reload does not ask for again.
    Known(Box<ServerConfig>),
}

/// Who may log in.
pub(super) fn accounts(configuration: &Configuration, passwords: &Passwords) -> Result<Accounts> {
    let keys = &configuration.users;
    let base = UserSettings::with_rights(if configuration.write { Rights::ALL } else { Rights::READ_ONLY });
    let settings = Arc::new(base.clone());
    let mut users: Vec<VirtualUser> = Vec::new();
    for account in &keys.accounts {
        let user = virtual_user(account, &settings, passwords)?;
        if users.iter().any(|other| other.name == user.name) {
            bail!("user {} is given twice: a user has one password", escaped(&user.name));
        }
        if keys.anonymous == Some(true) && is_anonymous(&user.name) {
            let name = escaped(&user.name);
            bail!("user {name} and anonymous access contradict each other: any password would do for {name}");
        }
        users.push(user);
    }
    let is_anybody_else = users.is_empty() && keys.file.is_none() && !asks(configuration);
    let anonymous = keys.anonymous.unwrap_or(is_anybody_else).then_some(settings);
    let mut accounts = Accounts { anonymous, users, ask: ask_settings(configuration, &base)? };
    if let Some(file) = &keys.file {
        let users = read_users(file)?;
        users
            .add_to(&mut accounts, &base)
            .map_err(|problem| anyhow::anyhow!("{}: {problem}", file.display()))?;
    }
    Ok(accounts)
}

/// Reads a users file.
///
/// # Errors
/// What is wrong with it, and in which line.
fn read_users(file: &Path) -> Result<UsersFile> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the users file {}", file.display()))?;
    toml::from_str(&text).map_err(|error| {
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(&text);
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("{}:{line}: {}", file.display(), error.message())
    })
}

/// Whether a program or service is asked.
fn asks(configuration: &Configuration) -> bool {
    !configuration.users.ask_program.is_empty() || configuration.users.ask_url.is_some()
}

fn ask_settings(configuration: &Configuration, base: &UserSettings) -> Result<Option<AskSettings>> {
    let keys = &configuration.users;
    let whom = match (keys.ask_program.first(), &keys.ask_url) {
        (Some(_), Some(_)) => {
            bail!("users.ask_program and users.ask_url contradict each other; leave one out")
        }
        (None, None) => return Ok(None),
        (Some(program), None) => {
            if Path::new(program).is_relative() {
                bail!("users.ask_program: {program} has to be an absolute path");
            }
            AskWhom::Program(keys.ask_program.iter().map(PathBuf::from).collect())
        }
        (None, Some(url)) => AskWhom::Service(url.parse().context("users.ask_url")?),
    };
    Ok(Some(AskSettings {
        whom,
        time: keys.ask_time.duration(),
        remember: Duration::from_secs(keys.ask_remember.into()),
        at_once: usize::try_from(keys.ask_at_once).unwrap_or(1),
        base: base.clone(),
    }))
}

fn virtual_user(
    account: &Account,
    settings: &Arc<UserSettings>,
    passwords: &Passwords,
) -> Result<VirtualUser> {
    let name = &account.name;
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
        bail!("user {name:?}: a user's name is not empty and holds no control characters");
    }
    let password = match (&account.password, &account.password_file) {
        (Some(_), Some(_)) => bail!("user {name} has both `password` and `password_file`; leave one out"),
        (Some(password), None) => password.clone(),
        (None, Some(file)) => first_line(file).with_context(|| format!("the password of user {name}"))?,
        (None, None) => match passwords {
            Passwords::Asked => password_of(name)?,
            Passwords::Known(config) => {
                let known =
                    known(name, config).map(|user| VirtualUser { settings: settings.clone(), ..user });
                return known.with_context(|| {
                    format!(
                        "user {name} has no password, and a reload cannot ask for one: restart the server"
                    )
                });
            }
        },
    };
    if password.is_empty() {
        bail!("the password of user {name} is empty: anyone could log in; anonymous access is for that");
    }
    let password = Password::new(&password).with_context(|| format!("the password of user {name}"))?;
    Ok(VirtualUser {
        name: name.as_bytes().to_vec(),
        secret: Secret::Clear(password),
        settings: settings.clone(),
    })
}

/// The user as it was, from a password that was asked for.
fn known(name: &str, config: &ServerConfig) -> Option<VirtualUser> {
    let is_it = |user: &&VirtualUser| user.name == name.as_bytes() && matches!(user.secret, Secret::Clear(_));
    config.accounts.users.iter().find(is_it).cloned()
}

/// The first line of a file that holds a secret.
pub(super) fn first_line(file: &PathBuf) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn password_of(name: &str) -> Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        bail!("user {name} has no password: give --user {name}:PASSWORD, or set {PASSWORD_VARIABLE}");
    }
    prompt::password(&format!("Password for {name}: ")).context("cannot read the password")
}
