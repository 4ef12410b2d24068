//! Wrong logins, counted by address and by name, and forgotten with time.
//!
//! Each wrong login adds one to the count of the client's address and of the name that it gave, whether there is such a user
//! or not. A count is halved with each `time`. An address whose count reaches its limit is turned away for `time` at its
//! next connect; a name is refused, in the same words and after the same work as a wrong password.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use wharf_proto::limits;

use crate::advertised::is_in;
use crate::occupancy::household;

/// When somebody is turned away for wrong logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanSettings {
    /// Wrong logins of an address; no limit where nothing is set.
    pub address_failures: Option<u32>,
    /// Wrong logins under one name.
    pub user_failures: Option<u32>,
    /// How long; and the time in which a count is halved.
    pub time: Duration,
    /// The wait before a wrong login is answered.
    pub delay: Duration,
    /// Clients that are never turned away and never wait.
    pub exempt: Vec<IpNet>,
}

/// The counts. They are bounded, so that nobody can fill the memory with them.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    addresses: Mutex<HashMap<IpAddr, Count>>,
    /// Names by their hashes: they may be as long as a line.
    names: Mutex<HashMap<u64, Count>>,
    hasher: RandomState,
}

/// Wrong logins.
#[derive(Clone, Copy, Debug)]
struct Count {
    failures: f64,
    at: Instant,
    banned_until: Option<Instant>,
}

impl Bans {
    /// Whether clients of this address are turned away.
    pub(crate) fn is_banned(&self, client: IpAddr, settings: &BanSettings, now: Instant) -> bool {
        settings.address_failures.is_some()
            && !is_in(&settings.exempt, client)
            && is_banned(&self.addresses, &household(client), now)
    }

    /// Whether nobody comes in under this name from here.
    pub(crate) fn is_name_banned(
        &self,
        name: &[u8],
        client: IpAddr,
        settings: &BanSettings,
        now: Instant,
    ) -> bool {
        settings.user_failures.is_some()
            && !is_in(&settings.exempt, client)
            && is_banned(&self.names, &self.hasher.hash_one(name), now)
    }

    /// Notes a wrong login. Returns how long its answer has to wait.
    pub(crate) fn failed(
        &self,
        name: &[u8],
        client: IpAddr,
        settings: &BanSettings,
        now: Instant,
    ) -> Duration {
        if is_in(&settings.exempt, client) {
            return Duration::ZERO;
        }
        if count(&self.addresses, household(client), settings.address_failures, settings.time, now) {
            tracing::warn!(%client, seconds = settings.time.as_secs(), "too many wrong logins: this address is turned away");
        }
        if count(&self.names, self.hasher.hash_one(name), settings.user_failures, settings.time, now) {
            let user = wharf_proto::pathname::escaped(name);
            tracing::warn!(%user, seconds = settings.time.as_secs(), "too many wrong logins: nobody comes in under this name");
        }
        settings.delay
    }
}

fn is_banned<K: Eq + Hash>(counts: &Mutex<HashMap<K, Count>>, key: &K, now: Instant) -> bool {
    let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    counts.get(key).and_then(|count| count.banned_until).is_some_and(|until| until > now)
}

/// Adds one to a count. Tells whether a ban begins with it.
fn count<K: Eq + Hash + Copy>(
    counts: &Mutex<HashMap<K, Count>>,
    key: K,
    most: Option<u32>,
    time: Duration,
    now: Instant,
) -> bool {
    let Some(most) = most else { return false };
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    if counts.len() >= limits::COUNTED_FAILURES && !counts.contains_key(&key) {
        counts.retain(|_, count| count.is_of_interest(now, time));
        // An attack from so many places: the one that has failed least is forgotten.
        if counts.len() >= limits::COUNTED_FAILURES {
            let least = counts.iter().min_by(|(_, a), (_, b)| a.failures.total_cmp(&b.failures));
            if let Some(least) = least.map(|(key, _)| *key) {
                counts.remove(&least);
            }
        }
    }
    let count = counts.entry(key).or_insert(Count { failures: 0.0, at: now, banned_until: None });
    count.failures = count.left(now, time) + 1.0;
    count.at = now;
    // What was forgotten of the last seconds makes no difference.
    let begins =
        count.failures >= f64::from(most) - 0.1 && count.banned_until.is_none_or(|until| until <= now);
    if begins {
        count.banned_until = Some(now + time);
    }
    begins
}

impl Count {
    /// What is left of it.
    fn left(&self, now: Instant, halved_in: Duration) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64() / halved_in.as_secs_f64().max(1.0);
        self.failures * 0.5_f64.powf(age)
    }

    fn is_of_interest(&self, now: Instant, halved_in: Duration) -> bool {
        self.left(now, halved_in) >= 0.5 || self.banned_until.is_some_and(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn settings() -> BanSettings {
        BanSettings {
            address_failures: Some(3),
            user_failures: Some(5),
            time: Duration::from_secs(600),
            delay: Duration::from_secs(1),
            exempt: vec!["198.51.100.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn an_address_is_turned_away_for_its_time_and_counts_are_halved() {
        let (bans, settings, start) = (Bans::default(), settings(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..2 {
            assert_eq!(bans.failed(b"a", CLIENT, &settings, start), settings.delay);
        }
        assert!(!bans.is_banned(CLIENT, &settings, start));
        bans.failed(b"b", CLIENT, &settings, start);
        assert!(bans.is_banned(CLIENT, &settings, after(599)));
        assert!(!bans.is_banned(CLIENT, &settings, after(601)));
        // 3 became 1.5, so that the next wrong login is no ban, and the one behind it is.
        bans.failed(b"c", CLIENT, &settings, after(601));
        assert!(!bans.is_banned(CLIENT, &settings, after(602)));
        bans.failed(b"c", CLIENT, &settings, after(602));
        assert!(bans.is_banned(CLIENT, &settings, after(603)));
    }

    #[test]
    fn a_name_is_counted_wherever_its_clients_come_from() {
        let (bans, settings, now) = (Bans::default(), settings(), Instant::now());
        for last in 1..=5 {
            assert!(!bans.is_name_banned(b"a", CLIENT, &settings, now));
            bans.failed(b"a", [203, 0, 113, last].into(), &settings, now);
        }
        assert!(bans.is_name_banned(b"a", CLIENT, &settings, now));
        assert!(!bans.is_name_banned(b"b", CLIENT, &settings, now));
    }

    #[test]
    fn who_is_exempt_is_neither_counted_nor_turned_away() {
        let (bans, settings, now) = (Bans::default(), settings(), Instant::now());
        let exempt = [198, 51, 100, 7].into();
        for _ in 0..50 {
            assert_eq!(bans.failed(b"a", exempt, &settings, now), Duration::ZERO);
        }
        assert!(!bans.is_banned(exempt, &settings, now));
        assert!(!bans.is_name_banned(b"a", CLIENT, &settings, now));
    }

    #[test]
    fn the_counts_are_bounded() {
        let (bans, settings, now) = (Bans::default(), settings(), Instant::now());
        let worst = [10, 255, 255, 255].into();
        for _ in 0..3 {
            bans.failed(b"x", worst, &settings, now);
        }
        for number in 0..limits::COUNTED_FAILURES as u32 + 10 {
            bans.failed(&number.to_le_bytes(), IpAddr::V4((number + 1).into()), &settings, now);
        }
        assert_eq!(bans.addresses.lock().unwrap().len(), limits::COUNTED_FAILURES);
        assert!(bans.is_banned(worst, &settings, now));
    }
}
