//! `~/.netrc`: who to log in as, by host.

use std::io::Read;
use std::path::Path;

use wharf_proto::command::{Password, Text};

use crate::login::Login;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The logins of a netrc file, in its order.
#[derive(Clone, Debug, Default)]
pub struct Netrc {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    /// None for `default`.
    machine: Option<String>,
    login: Option<String>,
    password: Option<Password>,
    account: Option<Password>,
}

impl Netrc {
    /// Reads a file; one that is not there, too long or not readable has no logins.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let mut text = Vec::new();
        match std::fs::File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text)) {
            Ok(length) if length as u64 <= LONGEST => Self::parse(&String::from_utf8_lossy(&text)),
            _ => Self::default(),
        }
    }

    /// The file in the user's home.
    #[must_use]
    pub fn of_user() -> Self {
        match std::env::var_os("HOME") {
            Some(home) => Self::read(&Path::new(&home).join(".netrc")),
            None => Self::default(),
        }
    }

    /// Reads the text of such a file. Words that are not known are passed over, as are `macdef`s with their lines.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut words = Words { text };
        while let Some(word) = words.next() {
            match word {
                "machine" => {
                    let machine = words.next().map(str::to_owned);
                    entries.extend(machine.map(|name| Entry { machine: Some(name), ..Entry::default() }));
                }
                "default" => entries.push(Entry::default()),
                "macdef" => words.skip_macro(),
                _ => {
                    let (Some(entry), true) =
                        (entries.last_mut(), matches!(word, "login" | "password" | "account"))
                    else {
                        continue;
                    };
                    let Some(value) = words.next() else { break };
                    match word {
                        "login" => entry.login = Some(value.to_owned()),
                        "password" => entry.password = Password::new(value).ok(),
                        _ => entry.account = Password::new(value).ok(),
                    }
                }
            }
        }
        Self { entries }
    }

    /// The login for `host`, as `user` if one is given: the first entry of that host, else `default`.
    #[must_use]
    pub fn login(&self, host: &str, user: Option<&Text>) -> Option<Login> {
        let entry = self.entries.iter().find(|entry| {
            let host_fits = entry.machine.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(host));
            let user_fits = match (user, &entry.login) {
                (Some(user), Some(login)) => user.as_bytes() == login.as_bytes(),
                _ => true,
            };
            host_fits && user_fits
        })?;
        let user = match (user, &entry.login) {
            (Some(user), _) => user.clone(),
            (None, Some(login)) => Text::new(login).ok()?,
            (None, None) => return None,
        };
        Some(Login { user, password: entry.password.clone(), account: entry.account.clone() })
    }
}

/// Words between white space; `#` begins a comment where a word would begin.
struct Words<'a> {
    text: &'a str,
}

impl<'a> Words<'a> {
    /// A macro ends at the first empty line.
    fn skip_macro(&mut self) {
        let end = self.text.find("\n\n").or_else(|| self.text.find("\n\r\n"));
        self.text = end.map_or("", |end| &self.text[end..]);
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.text = self.text.trim_start();
            if !self.text.starts_with('#') {
                break;
            }
            self.text = self.text.find('\n').map_or("", |end| &self.text[end..]);
        }
        let end = self.text.find(char::is_whitespace).unwrap_or(self.text.len());
        let (word, rest) = self.text.split_at(end);
        self.text = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# mine\nmachine ftp.example.net login me password s3cret account books\n\
        machine other\n\tlogin a\n\tpassword b\nmacdef init\n\tmachine not.this\n\tquit\n\n\
        machine other login c password d\ndefault login anonymous password me@here\n";

    fn found(host: &str, user: Option<&str>) -> Option<(String, String)> {
        let user = user.map(|user| Text::new(user).unwrap());
        let login = Netrc::parse(FILE).login(host, user.as_ref())?;
        let password = login.password.map(|password| password.reveal().to_vec()).unwrap_or_default();
        Some((login.user.to_string(), String::from_utf8(password).unwrap()))
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[test]
    fn the_first_entry_that_fits_counts() {
        assert_eq!(found("FTP.example.net", None), pair("me", "s3cret"));
        assert_eq!(found("other", None), pair("a", "b"));
        assert_eq!(found("other", Some("c")), pair("c", "d"));
        assert_eq!(found("not.this", None), pair("anonymous", "me@here"));
        assert_eq!(found("other", Some("x")), None);
    }

    #[test]
    fn secrets_are_not_shown_and_odd_files_do_no_harm() {
        assert!(!format!("{:?}", Netrc::parse(FILE)).contains("s3cret"));
        for text in ["", "machine", "login x", "machine h login", "macdef", "macdef x", "machine h password"]
        {
            let _ = Netrc::parse(text).login("h", None);
        }
    }
}
