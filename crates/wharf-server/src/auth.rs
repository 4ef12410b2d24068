//! Who may log in.

use wharf_proto::command::Password;

/// Names that mean "no account" (RFC 1635 §3).
const ANONYMOUS_NAMES: [&[u8]; 2] = [b"anonymous", b"ftp"];

/// The accounts of a server.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Whether `anonymous` and `ftp` get in with any password.
    pub anonymous: bool,
    /// Virtual users.
    pub users: Vec<VirtualUser>,
}

/// A user that only this server knows.
#[derive(Clone, Debug)]
pub struct VirtualUser {
    /// As the client sends it.
    pub name: Vec<u8>,
    /// In clear: it was given on the command line or typed in at start.
    pub password: Password,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody in particular, with what was given as password: by custom an e-mail address (RFC 1635 §3).
    Anonymous(Vec<u8>),
    /// A virtual user, by name.
    User(Vec<u8>),
}

impl Accounts {
    /// Whether `name` with `password` may come in, and as whom. Takes the same steps whether the name is known or
    /// not, so that nobody learns names from it (threat 10).
    #[must_use]
    pub fn authenticate(&self, name: &[u8], password: &Password) -> Option<Identity> {
        let mut identity = None;
        for user in &self.users {
            let same_name = equal_in_constant_time(&user.name, name);
            let same_password = equal_in_constant_time(user.password.reveal(), password.reveal());
            if same_name & same_password {
                identity = Some(Identity::User(user.name.clone()));
            }
        }
        if identity.is_none() && self.anonymous && is_anonymous(name) {
            identity = Some(Identity::Anonymous(password.reveal().to_vec()));
        }
        identity
    }
}

/// Whether the name asks for anonymous access.
#[must_use]
pub fn is_anonymous(name: &[u8]) -> bool {
    ANONYMOUS_NAMES.iter().any(|anonymous| anonymous.eq_ignore_ascii_case(name))
}

/// Compares without telling by its time where the first difference is. The length is no secret.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(anonymous: bool) -> Accounts {
        let password = Password::new("secret").unwrap();
        Accounts { anonymous, users: vec![VirtualUser { name: b"test".to_vec(), password }] }
    }

    #[test]
    fn name_and_password_must_both_fit() {
        let try_login = |name: &[u8], password: &str| {
            accounts(false).authenticate(name, &Password::new(password).unwrap())
        };
        assert_eq!(try_login(b"test", "secret"), Some(Identity::User(b"test".to_vec())));
        assert_eq!(try_login(b"test", "Secret"), None);
        assert_eq!(try_login(b"Test", "secret"), None);
        assert_eq!(try_login(b"test", ""), None);
        assert_eq!(try_login(b"anonymous", "me@example.net"), None);
    }

    #[test]
    fn anonymous_comes_in_with_any_password_where_it_may() {
        let login = accounts(true).authenticate(b"FTP", &Password::new("me@host").unwrap());
        assert_eq!(login, Some(Identity::Anonymous(b"me@host".to_vec())));
    }
}
