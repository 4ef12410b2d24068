//! Sessions at once: in total, of one address, of one user; and what a user's sessions share.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use wharf_net::dtp::Throttle;

use crate::auth::UserSettings;

/// Sessions at once; no limit where nothing is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Of all clients together.
    pub total: Option<u32>,
    /// Of one address; of IPv6, of one /64, which is what one household or machine has.
    pub per_address: Option<u32>,
    /// Of one user, unless its own settings say otherwise.
    pub per_user: Option<u32>,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// That of all sessions.
    Total(u32),
    /// That of the client's address.
    Address(u32),
    /// That of the user.
    User(u32),
}

/// Counts sessions.
#[derive(Debug, Default)]
pub(crate) struct Occupancy {
    sessions: Mutex<Sessions>,
    users: Mutex<HashMap<Vec<u8>, Arc<Shares>>>,
}

#[derive(Debug, Default)]
struct Sessions {
    total: u32,
    by_address: HashMap<IpAddr, u32>,
}

/// What the sessions of one user share.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    sessions: Mutex<u32>,
    /// Its downloads.
    pub down: Arc<Throttle>,
    /// Its uploads.
    pub up: Arc<Throttle>,
}

/// A session's place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Seat {
    occupancy: Arc<Occupancy>,
    address: IpAddr,
}

/// A session's place among those of its user. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct UserSeat {
    occupancy: Arc<Occupancy>,
    name: Vec<u8>,
    pub shares: Arc<Shares>,
}

impl Occupancy {
    /// A place for a session of `client`.
    pub(crate) fn admit(self: &Arc<Self>, client: IpAddr, limits: &SessionLimits) -> Result<Seat, Full> {
        let address = household(client);
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(most) = limits.total.filter(|most| sessions.total >= *most) {
            return Err(Full::Total(most));
        }
        let here = sessions.by_address.get(&address).copied().unwrap_or(0);
        if let Some(most) = limits.per_address.filter(|most| here >= *most) {
            return Err(Full::Address(most));
        }
        sessions.total += 1;
        sessions.by_address.insert(address, here + 1);
        Ok(Seat { occupancy: self.clone(), address })
    }

    /// A place among the sessions of the user `name`.
    pub(crate) fn seat(
        self: &Arc<Self>,
        name: &[u8],
        settings: &UserSettings,
        limits: &SessionLimits,
    ) -> Result<UserSeat, Full> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let most = settings.sessions.or(limits.per_user);
        let shares = users.get(name).cloned().unwrap_or_default();
        {
            let mut sessions = shares.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(most) = most.filter(|most| *sessions >= *most) {
                return Err(Full::User(most));
            }
            *sessions += 1;
        }
        shares.down.set_rate(settings.download_rate);
        shares.up.set_rate(settings.upload_rate);
        users.insert(name.to_vec(), shares.clone());
        Ok(UserSeat { occupancy: self.clone(), name: name.to_vec(), shares })
    }

    /// Sessions at present.
    pub(crate) fn total(&self) -> u32 {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sessions = self.occupancy.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.total = sessions.total.saturating_sub(1);
        if let Some(count) = sessions.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                sessions.by_address.remove(&self.address);
            }
        }
    }
}

impl Drop for UserSeat {
    fn drop(&mut self) {
        let mut users = self.occupancy.users.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = self.shares.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        *sessions = sessions.saturating_sub(1);
        if *sessions == 0 {
            users.remove(&self.name);
        }
    }
}

/// What stands for one client where addresses are counted: an IPv4 address, or a /64 of IPv6.
pub(crate) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_told_and_a_place_that_is_given_back_is_free() {
        let occupancy = Arc::new(Occupancy::default());
        let limits = SessionLimits { total: Some(3), per_address: Some(2), per_user: Some(1) };
        let (here, there) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = occupancy.admit(here, &limits).unwrap();
        let _second = occupancy.admit(here, &limits).unwrap();
        assert_eq!(occupancy.admit(here, &limits).unwrap_err(), Full::Address(2));
        let _third = occupancy.admit(there, &limits).unwrap();
        assert_eq!(occupancy.admit(there, &limits).unwrap_err(), Full::Total(3));
        drop(first);
        let _again = occupancy.admit(here, &limits).unwrap();
        assert_eq!(occupancy.total(), 3);

        let settings = UserSettings::default();
        let seat = occupancy.seat(b"a", &settings, &limits).unwrap();
        assert_eq!(occupancy.seat(b"a", &settings, &limits).unwrap_err(), Full::User(1));
        let two = UserSettings { sessions: Some(2), ..settings.clone() };
        let _other = occupancy.seat(b"a", &two, &limits).unwrap();
        drop(seat);
        assert_eq!(occupancy.seat(b"a", &settings, &limits).unwrap_err(), Full::User(1));
        drop(_other);
        assert!(occupancy.users.lock().unwrap().is_empty(), "a user without sessions is forgotten");
    }

    #[test]
    fn one_household_of_ipv6_is_one_client() {
        let of = |text: &str| household(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
