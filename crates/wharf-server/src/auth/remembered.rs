//! What was found out a moment ago: many devices log in anew for each file, with the same name and password.
//!
//! Neither is kept, only a keyed hash of both, under a key that this process drew and never writes down.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use blake2::Blake2sMac256;
use blake2::digest::{KeyInit, Mac};
use wharf_proto::limits;

/// Values under keyed hashes of secrets, each for a while.
pub(super) struct Remembered<V> {
    key: [u8; 32],
    time: Duration,
    values: Mutex<HashMap<Mark, (V, Instant)>>,
}

/// A keyed hash.
pub(super) type Mark = [u8; 32];

impl<V> fmt::Debug for Remembered<V> {
    /// The key is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remembered").field("time", &self.time).finish_non_exhaustive()
    }
}

impl<V: Clone> Remembered<V> {
    /// Remembers each value for `time`.
    pub(super) fn new(time: Duration) -> Self {
        Self { key: rand::random(), time, values: Mutex::new(HashMap::new()) }
    }

    /// The keyed hash of `parts`, in this order; where one ends is part of it.
    pub(super) fn mark(&self, parts: &[&[u8]]) -> Option<Mark> {
        let mut mac = Blake2sMac256::new_from_slice(&self.key).ok()?;
        for part in parts {
            mac.update(&part.len().to_le_bytes());
            mac.update(part);
        }
        Some(mac.finalize().into_bytes().into())
    }

    pub(super) fn find(&self, mark: &Mark) -> Option<V> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, until) = values.get(mark)?;
        (*until > Instant::now()).then(|| value.clone())
    }

    pub(super) fn keep(&self, mark: Mark, value: V) {
        if self.time.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= limits::REMEMBERED_LOGINS {
            values.retain(|_, (_, until)| *until > now);
        }
        // When they are all fresh, one more login is not worth more memory.
        if values.len() < limits::REMEMBERED_LOGINS {
            values.insert(mark, (value, now + self.time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_under_its_own_parts_alone_and_for_its_time() {
        let remembered = Remembered::new(Duration::from_secs(60));
        let mark = remembered.mark(&[b"ab", b"c"]).unwrap();
        remembered.keep(mark, 7);
        assert_eq!(remembered.find(&mark), Some(7));
        assert_eq!(remembered.find(&remembered.mark(&[b"a", b"bc"]).unwrap()), None);
        // Another process, another key.
        assert_ne!(Remembered::<u8>::new(Duration::ZERO).mark(&[b"ab", b"c"]), Some(mark));
        let forgetful = Remembered::new(Duration::ZERO);
        forgetful.keep(mark, 7);
        assert_eq!(forgetful.find(&mark), None);
    }
}
