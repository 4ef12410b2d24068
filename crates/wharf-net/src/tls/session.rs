//! The TLS sessions of control connections, and the tickets by which their data connections resume them (RFC 4217 §10.2).
//!
//! Each control connection under TLS has a name and a key, both random, and gives tickets that only this key opens. A
//! ticket thereby proves which control connection it was given on. It is good for as long as that connection lives,
//! however often it is used, whatever becomes of the certificates. Soon after the connection has ended the key is gone,
//! and what was recorded on the way stays closed.
//!
//! rustls tells the "resumption data" of a ticket for TLS 1.3 only. The name in the ticket serves both versions.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::server::{ProducesTickets, StoresServerSessions};

use super::hello::ClientHello;

/// How long clients may keep a ticket, in seconds: the most that TLS 1.3 allows (RFC 8446 §4.6.1). It ends with its
/// control connection anyway.
const TICKET_LIFETIME: u32 = 7 * 24 * 60 * 60;
/// Sessions by id that one control connection remembers, for clients of TLS 1.2 without tickets.
const SESSION_IDS: usize = 4;

/// Time for which the tickets of a control connection that has ended are good on others of the same user and address:
/// clients that keep several connections take whichever ticket came last, and close connections one by one.
const AFTERLIFE: Duration = Duration::from_secs(10 * 60);
/// Ended control connections that are remembered for it.
const REMEMBERED: usize = 4096;

/// Who opens a ticket.
type Name = [u8; 16];

/// All control connections under TLS that live, and those that have ended a short while ago.
#[derive(Debug, Default)]
pub(super) struct Registry {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    issuers: HashMap<Name, Arc<Issuer>>,
    /// Those that have ended, oldest first.
    ended: VecDeque<(Instant, Name)>,
}

impl Known {
    /// Notes that `issuer` has ended, and forgets those that ended long ago.
    fn end(&mut self, issuer: &Issuer, now: Instant) {
        if locked(&issuer.owner).is_some() {
            self.ended.push_back((now, issuer.name));
        } else {
            self.issuers.remove(&issuer.name); // nobody was ever logged in there
        }
        while let Some(&(since, name)) = self.ended.front() {
            if self.ended.len() <= REMEMBERED && now.duration_since(since) < AFTERLIFE {
                break;
            }
            self.issuers.remove(&name);
            self.ended.pop_front();
        }
    }
}

/// One control connection's side of its tickets.
struct Issuer {
    name: Name,
    key: [u8; 32],
    owner: Mutex<Option<Owner>>,
    by_id: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
}

/// Who is logged in, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owner {
    user: Box<[u8]>,
    client: IpAddr,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").finish_non_exhaustive() // the key is a secret
    }
}

/// A control connection among those that live; dropping it ends it.
#[derive(Debug)]
pub(super) struct Member {
    issuer: Arc<Issuer>,
    registry: Arc<Registry>,
}

impl Member {
    /// With a name and a key that nobody had before. `None` where the machine has no random numbers.
    pub(super) fn join(registry: &Arc<Registry>) -> Option<Self> {
        let (mut name, mut key) = ([0; 16], [0; 32]);
        aws_lc_rs::rand::fill(&mut name).ok()?;
        aws_lc_rs::rand::fill(&mut key).ok()?;
        let issuer = Arc::new(Issuer { name, key, owner: Mutex::new(None), by_id: Mutex::new(Vec::new()) });
        locked(&registry.known).issuers.insert(name, issuer.clone());
        Some(Self { issuer, registry: registry.clone() })
    }

    /// Somebody logged in, or is no longer.
    pub(super) fn set_owner(&self, owner: Option<(&[u8], IpAddr)>) {
        *locked(&self.issuer.owner) = owner.map(|(user, client)| Owner { user: user.into(), client });
    }

    /// By what its data connections are known.
    pub(super) fn mark(&self) -> SessionMark {
        SessionMark(self.issuer.clone())
    }

    /// What gives tickets on one connection, and, on a data connection, takes them.
    pub(super) fn tickets(&self, taking: bool) -> Arc<Tickets> {
        Arc::new(Tickets { issuer: self.issuer.clone(), registry: self.registry.clone(), taking })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        locked(&self.issuer.by_id).clear();
        locked(&self.registry.known).end(&self.issuer, Instant::now());
    }
}

impl Registry {
    /// The control connection `name`, if the same user is, or was, logged in there from the same address as on
    /// `other`: clients share their tickets among their connections.
    fn sibling(&self, name: &Name, other: &Issuer) -> Option<Arc<Issuer>> {
        let found = locked(&self.known).issuers.get(name)?.clone();
        let (theirs, ours) = (locked(&found.owner).clone(), locked(&other.owner).clone());
        (theirs.is_some() && theirs == ours).then_some(found)
    }
}

impl Issuer {
    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, &self.key).ok()
    }

    /// Name, nonce, and `plain` encrypted.
    fn seal(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(self.name), &mut sealed).ok()?;
        Some([self.name.as_slice(), nonce.as_ref(), &sealed].concat())
    }

    /// What [`seal`](Self::seal) was given, from what stands behind the name.
    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.cipher()?.open_in_place(nonce, Aad::from(self.name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// By what a data connection of one control connection is known before its handshake.
#[derive(Clone, Debug)]
pub struct SessionMark(Arc<Issuer>);

impl SessionMark {
    /// Whether `hello` resumes a session of this very control connection. It is no proof: that is the handshake, which
    /// fails for whoever has only read the name.
    pub(crate) fn is_named_in(&self, hello: &ClientHello) -> bool {
        hello.ticket.starts_with(&self.0.name)
            || locked(&self.0.by_id).iter().any(|(id, _)| !id.is_empty() && *id == hello.session_id)
    }
}

/// The tickets of one connection.
#[derive(Debug)]
pub(super) struct Tickets {
    issuer: Arc<Issuer>,
    registry: Arc<Registry>,
    taking: bool,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        TICKET_LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.issuer.seal(plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, sealed) = ticket.split_first_chunk()?;
        if !self.taking {
            return None;
        }
        if *name == self.issuer.name {
            return self.issuer.open(sealed);
        }
        self.registry.sibling(name, &self.issuer)?.open(sealed)
    }
}

/// Sessions by id (RFC 5246 §7.4.1.2): only those of the very same control connection.
impl StoresServerSessions for Tickets {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let mut by_id = locked(&self.issuer.by_id);
        if by_id.len() >= SESSION_IDS {
            by_id.remove(0);
        }
        by_id.push((id, session));
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let by_id = locked(&self.issuer.by_id);
        by_id.iter().find(|(known, _)| self.taking && known == id).map(|(_, session)| session.clone())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.get(id)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// Nothing that is done under these locks can fail half way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(registry: &Arc<Registry>, user: Option<&[u8]>, client: u8) -> Member {
        let member = Member::join(registry).unwrap();
        member.set_owner(user.map(|user| (user, [192, 0, 2, client].into())));
        member
    }

    #[test]
    fn a_ticket_opens_again_and_again_on_its_own_control_connection() {
        let member = Member::join(&Arc::default()).unwrap();
        let ticket = member.tickets(false).encrypt(b"session").unwrap();
        for _ in 0..3 {
            assert_eq!(member.tickets(true).decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        }
        assert_eq!(member.tickets(false).decrypt(&ticket), None, "a control connection resumes nothing");
        for index in [0, 20, ticket.len() - 1] {
            let mut changed = ticket.clone();
            changed[index] ^= 1;
            assert_eq!(member.tickets(true).decrypt(&changed), None, "byte {index}");
        }
        for length in 0..ticket.len() {
            assert_eq!(member.tickets(true).decrypt(&ticket[..length]), None);
        }
    }

    #[test]
    fn tickets_are_shared_by_one_user_at_one_address() {
        let registry = Arc::default();
        let (first, second) = (member(&registry, Some(b"me"), 1), member(&registry, Some(b"me"), 1));
        let ticket = first.tickets(false).encrypt(b"session").unwrap();
        assert!(second.tickets(true).decrypt(&ticket).is_some());
        let others = [(Some(&b"you"[..]), 1), (Some(&b"me"[..]), 2), (None, 1)]
            .map(|(user, client)| member(&registry, user, client));
        for other in &others {
            assert_eq!(other.tickets(true).decrypt(&ticket), None);
        }
        second.set_owner(None);
        assert_eq!(second.tickets(true).decrypt(&ticket), None, "nobody is logged in");
        second.set_owner(Some((b"me", [192, 0, 2, 1].into())));
        drop(first);
        assert!(second.tickets(true).decrypt(&ticket).is_some(), "its connection has just ended");
    }

    #[test]
    fn what_has_ended_is_forgotten_in_time() {
        let registry: Arc<Registry> = Arc::default();
        let known = || locked(&registry.known).issuers.len();
        let stays = member(&registry, Some(b"me"), 1);
        drop(member(&registry, None, 1));
        assert_eq!(known(), 1, "without a login nothing is kept");
        for _ in 0..REMEMBERED + 10 {
            drop(member(&registry, Some(b"me"), 1));
        }
        assert_eq!(known(), 1 + REMEMBERED);
        let last = member(&registry, Some(b"me"), 1);
        let ticket = last.tickets(false).encrypt(b"session").unwrap();
        drop(last);
        assert!(stays.tickets(true).decrypt(&ticket).is_some());
        let later = member(&registry, Some(b"me"), 1);
        locked(&registry.known).end(&later.issuer, Instant::now() + AFTERLIFE);
        assert_eq!(known(), 2, "the one that lives, and the one that ended last");
        assert_eq!(stays.tickets(true).decrypt(&ticket), None);
    }

    #[test]
    fn a_session_is_known_by_its_id_on_its_own_control_connection() {
        let registry = Arc::default();
        let (own, other) = (member(&registry, Some(b"me"), 1), member(&registry, Some(b"me"), 1));
        assert!(own.tickets(false).put(vec![7], vec![1, 2, 3]));
        assert_eq!(own.tickets(true).get(&[7]), Some(vec![1, 2, 3]));
        assert_eq!(other.tickets(true).get(&[7]), None);
        assert_eq!(own.tickets(false).get(&[7]), None);
        for id in 0..100 {
            own.tickets(false).put(vec![id], Vec::new());
        }
        assert_eq!(locked(&own.issuer.by_id).len(), SESSION_IDS);
    }
}
