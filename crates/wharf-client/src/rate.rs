//! `--limit-rate`: how many bytes a second all sessions of one command move together.

use std::sync::Arc;

use wharf_net::dtp::{Progress, Throttle};

/// A limit that all who hold a clone of it share.
#[derive(Clone, Debug)]
pub struct RateLimit(Arc<Throttle>);

/// The same limit, and not only the same rate.
impl PartialEq for RateLimit {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for RateLimit {}

impl RateLimit {
    /// So many bytes a second; a rate of 0 is taken for 1.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        let throttle = Throttle::default();
        throttle.set_rate(Some(bytes_per_second.max(1)));
        Self(Arc::new(throttle))
    }

    /// The progress of a transfer that keeps to it.
    pub(crate) fn progress(&self) -> Progress {
        Progress::limited(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_limit_and_another_of_the_same_rate_is_not() {
        let shared = RateLimit::new(1000);
        assert!(shared == shared.clone() && shared != RateLimit::new(1000));
    }
}
