//! `--limit-rate`: how many bytes a second all sessions of one command move together.
//!
//! A bucket that is described by one number: the moment at which everything that was let through so far would have gone over
//! at just the rate. It may lie in the past, by a moment's worth of bytes at most, and then the next piece goes at once. The
//! clock is handed in, so that it is tested without waiting.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may go at once after a pause, as time at the rate.
const BURST: Duration = Duration::from_millis(100);
/// Largest piece that is moved in one go, in bytes.
const LARGEST_PIECE: usize = 64 * 1024;
/// Smallest piece, in bytes: below this the calls cost more than the bytes.
const SMALLEST_PIECE: usize = 256;

/// A limit that all who hold a clone of it share.
#[derive(Clone, Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    bucket: Arc<Mutex<Bucket>>,
    began: Instant,
}

/// The same bucket, and not only the same rate.
impl PartialEq for RateLimit {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bucket, &other.bucket)
    }
}

impl Eq for RateLimit {}

impl RateLimit {
    /// So many bytes a second; a rate of 0 is taken for 1.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), bucket: Arc::default(), began: Instant::now() }
    }

    /// The rate, in bytes a second.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Bytes that are best moved in one go: a tenth of a second's.
    pub(crate) fn piece(&self) -> usize {
        let tenth = usize::try_from(self.bytes_per_second / 10).unwrap_or(LARGEST_PIECE);
        tenth.clamp(SMALLEST_PIECE, LARGEST_PIECE)
    }

    /// Waits as long as `bytes` that have just been moved were too early.
    pub(crate) async fn pace(&self, bytes: usize) {
        let wait = {
            let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(self.began.elapsed(), bytes as u64, self.bytes_per_second)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// When all that was let through would have gone over at the rate, since the beginning.
#[derive(Debug, Default)]
struct Bucket {
    paid_until: Duration,
}

impl Bucket {
    /// Lets `bytes` through at `now`, and tells for how long nothing more should follow.
    fn take(&mut self, now: Duration, bytes: u64, rate: u64) -> Duration {
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        self.paid_until = self.paid_until.max(now.saturating_sub(BURST)) + cost;
        self.paid_until.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 1000;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn no_second_lets_more_through_than_the_rate_and_one_burst() {
        let mut bucket = Bucket::default();
        let (mut now, mut moved) = (Duration::ZERO, 0);
        while now < at(10_000) {
            now += bucket.take(now, 37, RATE);
            moved += 37;
        }
        let most = 10 * RATE + RATE / 10 + 37;
        assert!((10 * RATE..=most).contains(&moved), "{moved} bytes in 10 s");
    }

    #[test]
    fn a_pause_is_worth_one_burst_and_not_more() {
        let mut bucket = Bucket::default();
        bucket.take(at(0), 50, RATE);
        assert_eq!(bucket.take(at(60_000), 100, RATE), Duration::ZERO, "a burst goes at once");
        assert_eq!(bucket.take(at(60_000), 500, RATE), at(500));
    }

    #[test]
    fn two_that_share_a_bucket_wait_for_each_other() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(at(1000), 1100, RATE), at(1000));
        assert_eq!(bucket.take(at(1000), 1000, RATE), at(2000));
        let shared = RateLimit::new(RATE);
        assert!(shared == shared.clone() && shared != RateLimit::new(RATE));
    }

    #[test]
    fn pieces_follow_the_rate() {
        assert_eq!(RateLimit::new(1).piece(), SMALLEST_PIECE);
        assert_eq!(RateLimit::new(100_000).piece(), 10_000);
        assert_eq!(RateLimit::new(u64::MAX).piece(), LARGEST_PIECE);
    }
}
