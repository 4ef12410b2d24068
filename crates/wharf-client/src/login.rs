//! Who logs in.

use std::borrow::Cow;

use wharf_proto::Reply;
use wharf_proto::command::{Password, Text};

use crate::netrc::Netrc;
use crate::url::{FtpUrl, Scheme};

/// The user of anonymous FTP (RFC 1635).
const ANONYMOUS: &str = "anonymous";
/// What stands for an e-mail address there.
const ANONYMOUS_PASSWORD: &str = "wharf@";

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: Text,
    /// The password, where one is known.
    pub password: Option<Password>,
    /// The account, for servers that answer 332 (RFC 959 §4.1.1).
    pub account: Option<Password>,
}

impl Login {
    /// Who logs in for `url`: whom it names, else whom `netrc` has for its host, else anonymous.
    ///
    /// Only the password can be missing: of a user that the URL names without one, and that `netrc` does not know.
    #[must_use]
    pub fn for_url(url: &FtpUrl, netrc: &Netrc) -> Self {
        if let (Some(user), Some(password)) = (url.user(), url.password()) {
            return Self { user: user.clone(), password: Some(password.clone()), account: None };
        }
        if let Some(login) = netrc.login(url.host(), url.user()) {
            return login;
        }
        match url.user() {
            Some(user) if user.as_bytes() != ANONYMOUS.as_bytes() => {
                Self { user: user.clone(), password: None, account: None }
            }
            _ => Self::anonymous(),
        }
    }

    /// Anonymous FTP.
    #[must_use]
    #[allow(
        clippy::missing_panics_doc,
        reason = "both constants are free of CR, LF and NUL, as a test shows"
    )]
    pub fn anonymous() -> Self {
        Self {
            user: Text::new(ANONYMOUS).expect("a constant without forbidden bytes"),
            password: Password::new(ANONYMOUS_PASSWORD).ok(),
            account: None,
        }
    }
}

/// Shortest password that is looked for in replies, in bytes: a shorter one stands in many a word.
const SHORTEST_HIDDEN: usize = 4;

impl Login {
    /// The reply as it may be shown: some servers say again what they were told, the password too.
    pub(crate) fn hidden_in<'a>(&self, reply: &'a Reply) -> Cow<'a, Reply> {
        let secrets = [&self.password, &self.account];
        let secrets = secrets.into_iter().flatten().map(Password::reveal);
        let secrets: Vec<_> = secrets.filter(|secret| secret.len() >= SHORTEST_HIDDEN).collect();
        let holds = |line: &[u8]| secrets.iter().any(|secret| find(line, secret).is_some());
        if !reply.lines().any(holds) {
            return Cow::Borrowed(reply);
        }
        let hidden = reply
            .lines()
            .map(|line| secrets.iter().fold(line.to_vec(), |line, secret| without(&line, secret)));
        Cow::Owned(Reply::multi_line(reply.code(), hidden))
    }
}

fn find(line: &[u8], secret: &[u8]) -> Option<usize> {
    line.windows(secret.len()).position(|window| window == secret)
}

/// `line` with four stars for each `secret`.
fn without(line: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = find(rest, secret) {
        shown.extend_from_slice(&rest[..at]);
        shown.extend_from_slice(b"****");
        rest = &rest[at + secret.len()..];
    }
    shown.extend_from_slice(rest);
    shown
}

/// A server and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Whether TLS is wanted.
    pub scheme: Scheme,
    /// A name or an address; an IPv6 address without brackets, with its zone behind `%`.
    pub host: String,
    /// The port of the control connection.
    pub port: u16,
}

impl From<&FtpUrl> for ServerAddress {
    fn from(url: &FtpUrl) -> Self {
        Self { scheme: url.scheme(), host: url.host().to_owned(), port: url.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_comes_before_the_file_and_that_before_anonymous() {
        let netrc = Netrc::parse("machine h login a password b");
        let login = |url: &str| {
            let login = Login::for_url(&FtpUrl::parse(url).unwrap(), &netrc);
            (login.user.to_string(), login.password.map(|password| password.reveal().to_vec()))
        };
        assert_eq!(login("ftp://c:d@h/"), ("c".into(), Some(b"d".to_vec())));
        assert_eq!(login("ftp://h/"), ("a".into(), Some(b"b".to_vec())));
        assert_eq!(login("ftp://a@h/"), ("a".into(), Some(b"b".to_vec())));
        assert_eq!(login("ftp://x@h/"), ("x".into(), None));
        assert_eq!(login("ftp://other/"), ("anonymous".into(), Some(b"wharf@".to_vec())));
        assert_eq!(login("ftp://anonymous@other/"), ("anonymous".into(), Some(b"wharf@".to_vec())));
    }
}
