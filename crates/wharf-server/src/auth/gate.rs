//! Whether a name and a password may come in.

use std::collections::HashMap;
use std::sync::Arc;

use wharf_proto::command::Password;
use wharf_proto::limits;

use super::accounts::{Accounts, Identity, Secret, VirtualUser, is_anonymous};
use super::ask::{Ask, Asker};
use super::hashes::Hashes;
use super::remembered::Remembered;
use super::settings::UserSettings;

/// The answer to a name and a password.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// They fit.
    Allowed { identity: Identity, settings: Arc<UserSettings> },
    /// They do not.
    Refused,
    /// Whoever has to be asked gives no answer. That is no fault of the client's.
    Unavailable,
}

/// The accounts, ready to be asked. A reload makes a new one: nothing that was remembered outlives it.
#[derive(Debug)]
pub(crate) struct Gate {
    anonymous: Option<Arc<UserSettings>>,
    users: HashMap<Vec<u8>, VirtualUser>,
    ask: Option<Ask>,
    hashes: Arc<Hashes>,
    verified: Remembered<()>,
    /// A hash that no password fits, which costs as much as those of the users.
    nobodys: Option<Arc<str>>,
}

impl Gate {
    /// `before` is the one whose place this takes: hashes that it still computes count to the bound.
    pub(crate) fn new(accounts: Accounts, before: Option<&Self>) -> Self {
        Self {
            nobodys: nobodys_hash(&accounts.users),
            anonymous: accounts.anonymous,
            users: accounts.users.into_iter().map(|user| (user.name.clone(), user)).collect(),
            ask: accounts.ask.map(Ask::new),
            hashes: before.map_or_else(|| Arc::new(Hashes::new()), |before| before.hashes.clone()),
            verified: Remembered::new(limits::REMEMBER_LOGIN_TIME),
        }
    }

    /// Whether USER `name` asks for anonymous access, and there is any.
    pub(crate) fn lets_in_anybody_as(&self, name: &[u8]) -> bool {
        self.anonymous.is_some() && is_anonymous(name)
    }

    /// Hashes that were computed so far.
    pub(crate) fn hashes_computed(&self) -> u64 {
        self.hashes.computed()
    }

    /// Whether `name` with `password` may come in, and as whom. A wrong password costs one hash whether the name is known
    /// or not, so that nobody learns names by the time that it takes (threat 10).
    pub(crate) async fn judge(&self, name: &[u8], password: &Password, asker: Asker) -> Verdict {
        if let Some(user) = self.users.get(name) {
            return if self.fits(user, password).await {
                let settings = user.settings.clone();
                Verdict::Allowed { identity: Identity::User(name.to_vec()), settings }
            } else {
                Verdict::Refused
            };
        }
        if let Some(settings) = self.anonymous.as_ref().filter(|_| is_anonymous(name)) {
            let identity = Identity::Anonymous(password.reveal().to_vec());
            return Verdict::Allowed { identity, settings: settings.clone() };
        }
        // Who was let in a moment ago logs in anew for each file, and knows that there is such a user.
        let known = self.ask.as_ref().and_then(|ask| ask.known(name, password, asker));
        if let Some(settings) = known {
            return Verdict::Allowed { identity: Identity::User(name.to_vec()), settings };
        }
        self.compute_for_nobody(password).await;
        let Some(ask) = &self.ask else { return Verdict::Refused };
        match ask.ask(name, password, asker).await {
            Ok(Some(settings)) => Verdict::Allowed { identity: Identity::User(name.to_vec()), settings },
            Ok(None) => Verdict::Refused,
            Err(error) => {
                tracing::error!(%error, "nobody can tell whether a login is right");
                Verdict::Unavailable
            }
        }
    }

    async fn fits(&self, user: &VirtualUser, password: &Password) -> bool {
        match &user.secret {
            Secret::Clear(right) => {
                let fits = equal_in_constant_time(right.reveal(), password.reveal());
                if !fits {
                    self.compute_for_nobody(password).await;
                }
                fits
            }
            Secret::Hashed(hash) => {
                let mark = self.verified.mark(&[&user.name, hash.as_bytes(), password.reveal()]);
                if mark.is_some_and(|mark| self.verified.find(&mark).is_some()) {
                    return true;
                }
                let fits = self.hashes.verify(hash.clone(), password).await;
                if let Some(mark) = mark.filter(|_| fits) {
                    self.verified.keep(mark, ());
                }
                fits
            }
        }
    }

    async fn compute_for_nobody(&self, password: &Password) {
        if let Some(hash) = &self.nobodys {
            self.hashes.verify(hash.clone(), password).await;
        }
    }
}

/// With the costs that most of the users' hashes have, and a result that comes of no password.
fn nobodys_hash(users: &[VirtualUser]) -> Option<Arc<str>> {
    let mut costs: HashMap<&str, (usize, &str)> = HashMap::new();
    for user in users {
        if let Secret::Hashed(hash) = &user.secret
            && let Some(at) = hash.rfind('$')
        {
            // `$argon2id$v=19$m=…$SALT$RESULT`: all but salt and result.
            let cost = hash[..at].rfind('$').map_or("", |at| &hash[..at]);
            costs.entry(cost).or_insert((0, hash)).0 += 1;
        }
    }
    let (_, hash) = costs.into_values().max()?;
    let (rest, result) = hash.rsplit_once('$')?;
    Some(format!("{rest}${}", "A".repeat(result.len())).into())
}

/// Compares without telling by its time where the first difference is. The length is no secret.
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::ask::{AskSettings, AskWhom};
    use crate::auth::hash_password;

    const ASKER: Asker = Asker {
        client: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        server: std::net::SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 21)),
        tls: false,
    };

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    fn user(name: &[u8], secret: Secret) -> VirtualUser {
        VirtualUser { name: name.to_vec(), secret, settings: Arc::default() }
    }

    fn gate(anonymous: bool) -> Gate {
        let hashed = Secret::Hashed(hash_password(&password("hashed")).unwrap().into());
        let users = vec![user(b"clear", Secret::Clear(password("secret"))), user(b"stored", hashed)];
        let anonymous = anonymous.then(Arc::default);
        Gate::new(Accounts { anonymous, users, ask: None }, None)
    }

    async fn identity(gate: &Gate, name: &[u8], given: &str) -> Option<Identity> {
        match gate.judge(name, &password(given), ASKER).await {
            Verdict::Allowed { identity, .. } => Some(identity),
            Verdict::Refused | Verdict::Unavailable => None,
        }
    }

    #[tokio::test]
    async fn name_and_password_must_both_fit() {
        let gate = gate(false);
        for (name, given) in [(&b"clear"[..], "secret"), (b"stored", "hashed")] {
            assert_eq!(identity(&gate, name, given).await, Some(Identity::User(name.to_vec())));
            assert_eq!(identity(&gate, name, "Secret").await, None);
            assert_eq!(identity(&gate, name, "").await, None);
            assert_eq!(identity(&gate, &name.to_ascii_uppercase(), given).await, None);
        }
        assert_eq!(identity(&gate, b"anonymous", "me@example.net").await, None);
    }

    #[tokio::test]
    async fn anonymous_comes_in_with_any_password_where_it_may() {
        let login = identity(&gate(true), b"FTP", "me@host").await;
        assert_eq!(login, Some(Identity::Anonymous(b"me@host".to_vec())));
    }

    /// Threat 10, by the work that is done: what takes the time is one hash.
    #[tokio::test]
    async fn a_wrong_password_costs_one_hash_whether_the_name_is_known_or_not() {
        let gate = gate(false);
        for (round, name) in [&b"clear"[..], b"stored", b"unknown", b"anonymous", b""].into_iter().enumerate()
        {
            assert_eq!(identity(&gate, name, "wrong").await, None);
            assert_eq!(gate.hashes_computed(), round as u64 + 1, "{name:?}");
        }
        let (nobodys, stored) = (gate.nobodys.clone().unwrap(), &gate.users[&b"stored"[..]].secret);
        let Secret::Hashed(stored) = stored else { panic!("{stored:?}") };
        assert_eq!(nobodys.rsplit_once('$').unwrap().0, stored.rsplit_once('$').unwrap().0);
        assert_eq!(nobodys.len(), stored.len());
    }

    #[tokio::test]
    async fn an_answer_that_is_remembered_costs_no_hash() {
        let words = ["/bin/sh", "-c", "cat >/dev/null; echo '{\"allow\": true}'"];
        let ask = AskSettings {
            whom: AskWhom::Program(words.map(Into::into).to_vec()),
            time: Duration::from_secs(60),
            remember: Duration::from_secs(600),
            at_once: 1,
            base: UserSettings::default(),
        };
        let users = gate(false).users.into_values().collect();
        let gate = Gate::new(Accounts { anonymous: None, users, ask: Some(ask) }, None);
        for _ in 0..3 {
            assert!(identity(&gate, b"device", "right").await.is_some());
        }
        assert_eq!(gate.hashes_computed(), 1);
    }

    #[tokio::test]
    async fn a_password_that_was_right_a_moment_ago_costs_nothing_until_the_next_reload() {
        let first = gate(false);
        for _ in 0..3 {
            assert!(identity(&first, b"stored", "hashed").await.is_some());
        }
        assert_eq!(first.hashes_computed(), 1);
        let users = first.users.values().cloned().collect();
        let reloaded = Gate::new(Accounts { users, ..Accounts::default() }, Some(&first));
        assert!(identity(&reloaded, b"stored", "hashed").await.is_some());
        assert_eq!(reloaded.hashes_computed(), 2);
    }
}
