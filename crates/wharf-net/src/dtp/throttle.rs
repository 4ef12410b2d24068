//! A limit of speed, in bytes a second, that any number of transfers share.
//!
//! The pumps move bytes on blocking threads, as many in one call as the kernel takes, so what they ask is "how many now, and
//! if none, when again": a thread never waits for a limit, the transfer's future does. (The usual crates for limits grant a
//! fixed number of cells or none.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The least that one call moves, in bytes, so that a low limit does not make every byte a call.
const LEAST: u64 = 4 * 1024;
/// A call moves at most what may move in one second divided by this.
const CALLS_A_SECOND: u64 = 20;

/// A limit of speed. Without a rate it costs one look.
#[derive(Debug)]
pub struct Throttle {
    /// Bytes a second; 0 for no limit.
    rate: AtomicU64,
    /// When what was moved so far is paid for.
    paid_at: Mutex<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { rate: AtomicU64::new(0), paid_at: Mutex::new(Instant::now()) }
    }
}

impl Throttle {
    /// Sets the limit in bytes a second; none lifts it.
    pub fn set_rate(&self, rate: Option<u64>) {
        self.rate.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    /// How many of `wanted` bytes one call may move.
    pub(super) fn most(&self, wanted: usize) -> usize {
        match self.rate.load(Ordering::Relaxed) {
            0 => wanted,
            rate => wanted.min(usize::try_from((rate / CALLS_A_SECOND).max(LEAST)).unwrap_or(usize::MAX)),
        }
    }

    /// How long nothing may move; none where something may.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        if self.rate.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let paid_at = *self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        Some(paid_at.saturating_duration_since(now)).filter(|pause| !pause.is_zero())
    }

    /// Notes what was moved. Time in which nothing moved is not made up for.
    pub(super) fn moved(&self, bytes: u64, now: Instant) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return;
        }
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        *paid_at = (*paid_at).max(now) + Duration::from_secs_f64(bytes as f64 / rate as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_is_paid_for_before_more_moves_whoever_asks() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        throttle.moved(1 << 40, start);
        assert_eq!((throttle.pause(start), throttle.most(1 << 20)), (None, 1 << 20));
        throttle.set_rate(Some(1_000_000));
        let start = Instant::now().max(start);
        assert_eq!(throttle.pause(start), None);
        assert_eq!(throttle.most(1 << 20), 50_000);
        throttle.moved(500_000, start);
        throttle.moved(250_000, start);
        assert_eq!(throttle.pause(start), Some(Duration::from_millis(750)));
        let later = start + Duration::from_secs(10);
        assert_eq!(throttle.pause(later), None);
        throttle.moved(100_000, later);
        assert_eq!(throttle.pause(later), Some(Duration::from_millis(100)), "idle time is not made up for");
        throttle.set_rate(Some(10));
        assert_eq!(throttle.most(1 << 20), 4096);
    }
}
