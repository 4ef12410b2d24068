//! A user as the users file and the answers of programs write it. docs/users.md explains each key.

use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use wharf_proto::dialogue::DataMode;
use wharf_proto::pathname::escaped;

use super::accounts::{Accounts, Secret, VirtualUser, is_anonymous};
use super::hashes::check_hash;
use super::settings::{Quota, UserSettings};
use crate::charset::Charset;
use crate::config::{Modes, TlsPolicy};
use crate::policy::{PathRule, Right, Rights};

/// The users file: `[defaults]`, `[anonymous]` and a `[[user]]` for each user.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsersFile {
    /// What holds where a user's own table says nothing.
    pub defaults: UserRecord,
    /// What holds for anonymous access in place of `defaults`. It allows nothing by itself.
    pub anonymous: UserRecord,
    /// The users.
    #[serde(rename = "user")]
    pub users: Vec<UserRecord>,
}

/// One user. In the users file, and in the answer of a program or service that is asked.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserRecord {
    /// As the client sends it. In the file only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The argon2 hash. In the file only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whether the user may log in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The directory that the user sees as `/`; `%u` is the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// What the user may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<Vec<String>>,
    /// Other rights for parts of the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleRecord>>,
    /// Bytes that may lie under the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_bytes: Option<u64>,
    /// Files that may lie under the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_files: Option<u64>,
    /// Bytes a second for all downloads of the user together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub download_rate: Option<u64>,
    /// Bytes a second for all uploads of the user together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_rate: Option<u64>,
    /// Sessions at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// Where the user may come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<IpNet>>,
    /// `"require"` or `"allow"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsWord>,
    /// `"active"`, `"passive"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<ModeWord>>,
    /// The character set of names on the wire, such as `"gbk"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
}

/// Rights for a part of the tree.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleRecord {
    /// A pattern of paths.
    pub path: String,
    /// What the user may do there.
    pub rights: Vec<String>,
}

/// Whether a user needs TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsWord {
    /// The client chooses.
    Allow,
    /// Neither logins nor data in clear.
    Require,
}

/// A mode on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModeWord {
    /// PORT and EPRT.
    Active,
    /// PASV and EPSV.
    Passive,
}

impl UsersFile {
    /// Adds what the file says to `accounts`. `base` is what holds where the file says nothing.
    ///
    /// # Errors
    /// A sentence about what is wrong, and at which user.
    pub fn add_to(&self, accounts: &mut Accounts, base: &UserSettings) -> Result<(), String> {
        for (table, record) in [("defaults", &self.defaults), ("anonymous", &self.anonymous)] {
            if record.name.is_some() || record.password.is_some() {
                return Err(format!("[{table}] is about no single user: it has neither name nor password"));
            }
        }
        let base = self.defaults.settings(base).map_err(|error| format!("[defaults]: {error}"))?;
        if let Some(anonymous) = &mut accounts.anonymous {
            let settings = self.anonymous.settings(&base).map_err(|error| format!("[anonymous]: {error}"))?;
            *anonymous = Arc::new(settings);
        }
        for (index, record) in self.users.iter().enumerate() {
            let name = record.name.as_deref().ok_or(format!("[[user]] number {} has no name", index + 1))?;
            let shown = escaped(name.as_bytes());
            let user = record.virtual_user(name, &base).map_err(|error| format!("user {shown}: {error}"))?;
            if accounts.users.iter().any(|other| other.name == user.name) {
                return Err(format!("user {shown} is given twice"));
            }
            if accounts.anonymous.is_some() && is_anonymous(&user.name) {
                return Err(format!("user {shown}: anonymous access is on, so that any password would do"));
            }
            accounts.users.push(user);
        }
        if let Some(ask) = &mut accounts.ask {
            ask.base = base;
        }
        Ok(())
    }
}

impl UserRecord {
    fn virtual_user(&self, name: &str, base: &UserSettings) -> Result<VirtualUser, String> {
        check_name(name)?;
        let password = self.password.as_deref().ok_or("it has no password; `wharf user passwd` sets one")?;
        check_hash(password).map_err(|error| error.to_string())?;
        Ok(VirtualUser {
            name: name.as_bytes().to_vec(),
            secret: Secret::Hashed(password.into()),
            settings: Arc::new(self.settings(base)?),
        })
    }

    /// What holds for the user; where the record says nothing, `base` does.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn settings(&self, base: &UserSettings) -> Result<UserSettings, String> {
        let mut settings = base.clone();
        if let Some(root) = &self.root {
            if root.is_relative() {
                return Err(format!("root = {root:?}: the path has to be absolute"));
            }
            settings.root = Some(root.clone());
        }
        if let Some(names) = &self.rights {
            settings.policy.rights = rights(names)?;
        }
        if let Some(rules) = &self.rules {
            settings.policy.rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
        }
        settings.quota = Quota {
            bytes: self.quota_bytes.or(base.quota.bytes),
            files: self.quota_files.or(base.quota.files),
        };
        for (rate, name) in [(self.download_rate, "download_rate"), (self.upload_rate, "upload_rate")] {
            if rate == Some(0) {
                return Err(format!("{name} = 0: nothing could ever move"));
            }
        }
        settings.download_rate = self.download_rate.or(base.download_rate);
        settings.upload_rate = self.upload_rate.or(base.upload_rate);
        settings.sessions = self.sessions.or(base.sessions);
        if let Some(networks) = &self.networks {
            settings.networks.clone_from(networks);
        }
        settings.tls = match self.tls {
            Some(TlsWord::Allow) => Some(TlsPolicy::Allow),
            Some(TlsWord::Require) => Some(TlsPolicy::Require),
            None => base.tls,
        };
        if let Some(modes) = &self.modes {
            let has = |mode| modes.contains(&mode);
            let modes = Modes { active: has(ModeWord::Active), passive: has(ModeWord::Passive) };
            if !modes.offers(DataMode::Active) && !modes.offers(DataMode::Passive) {
                return Err("modes is empty: nothing could be transferred".to_owned());
            }
            settings.modes = Some(modes);
        }
        if let Some(name) = &self.charset {
            let charset = Charset::from_name(name);
            settings.charset =
                Some(charset.ok_or_else(|| format!("charset = {name:?} is not known, or none for paths"))?);
        }
        settings.enabled = self.enabled.unwrap_or(base.enabled);
        Ok(settings)
    }
}

/// Whether a user can have this name.
///
/// # Errors
/// Why not.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("a user's name is not empty and holds no control characters".to_owned());
    }
    Ok(())
}

fn rule(record: &RuleRecord) -> Result<PathRule, String> {
    let pattern = record.path.parse().map_err(|error| format!("path {:?}: {error}", record.path))?;
    Ok(PathRule { pattern, rights: rights(&record.rights)? })
}

/// `["read", "list"]`, or `["all"]`.
fn rights(names: &[String]) -> Result<Rights, String> {
    let mut rights = Rights::NONE;
    for name in names {
        if name == "all" {
            return Ok(Rights::ALL);
        }
        let known = Right::NAMED.iter().find(|(known, _)| known == name);
        let (_, right) = known.ok_or_else(|| {
            let all = Right::NAMED.map(|(name, _)| format!("\"{name}\"")).join(", ");
            format!("{name:?} is no right; there are {all} and \"all\"")
        })?;
        rights = rights.with(*right);
    }
    Ok(rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(json: serde_json::Value) -> UsersFile {
        serde_json::from_value(json).unwrap()
    }

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$wUFu5qNyYV7WfBnvAIoUAU3iu9Z3R0aTQCAcDLFrMw8";

    fn accounts_of(file: &UsersFile) -> Result<Accounts, String> {
        let mut accounts = Accounts { anonymous: Some(Arc::default()), ..Accounts::default() };
        file.add_to(&mut accounts, &UserSettings::default()).map(|()| accounts)
    }

    #[test]
    fn what_a_user_says_goes_before_the_defaults_and_those_before_the_servers() {
        let read = file(serde_json::json!({
            "defaults": {"root": "/srv/%u", "rights": ["all"], "sessions": 4},
            "anonymous": {"rights": ["list"]},
            "user": [{"name": "a", "password": HASH, "sessions": 2, "rules": [{"path": "/x/**", "rights": []}]},
                     {"name": "b", "password": HASH, "modes": ["passive"], "tls": "require"}],
        }));
        let accounts = accounts_of(&read).unwrap();
        let [a, b] = &accounts.users[..] else { panic!("{accounts:?}") };
        assert_eq!((a.settings.sessions, b.settings.sessions), (Some(2), Some(4)));
        assert_eq!(a.settings.root, Some("/srv/%u".into()));
        assert_eq!((a.settings.policy.rules.len(), b.settings.policy.rules.len()), (1, 0));
        assert_eq!(b.settings.modes, Some(Modes { active: false, passive: true }));
        assert_eq!(b.settings.tls, Some(TlsPolicy::Require));
        let anonymous = accounts.anonymous.unwrap();
        assert_eq!(anonymous.policy.rights, Rights::NONE.with(Right::List));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_users_name() {
        let error = |json| accounts_of(&file(json)).unwrap_err();
        let user = |key: &str, value: serde_json::Value| {
            let mut user = serde_json::json!({"name": "a", "password": HASH});
            user[key] = value;
            serde_json::json!({"user": [user]})
        };
        assert_eq!(
            error(user("password", "secret".into())),
            "user a: the password is not an argon2 hash; `wharf user passwd` makes one"
        );
        assert!(
            error(user("rights", serde_json::json!(["fly"])))
                .starts_with("user a: \"fly\" is no right; there are \"read\"")
        );
        assert!(error(user("root", "srv".into())).ends_with("has to be absolute"));
        assert!(error(user("download_rate", 0.into())).contains("nothing could ever move"));
        assert!(error(user("modes", serde_json::json!([]))).contains("modes is empty"));
        assert!(error(user("name", "ftp".into())).contains("any password would do"));
        assert_eq!(error(serde_json::json!({"user": [{}]})), "[[user]] number 1 has no name");
        assert!(
            error(serde_json::json!({"defaults": {"name": "x"}}))
                .starts_with("[defaults] is about no single")
        );
        let twice = serde_json::json!({"name": "a", "password": HASH});
        assert_eq!(error(serde_json::json!({"user": [twice, twice]})), "user a is given twice");
    }
}
