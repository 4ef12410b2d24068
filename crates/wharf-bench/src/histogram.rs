//! Times, counted in buckets that are three percent wide: a million of them cost no memory, and recording one nothing.

use std::time::Duration;

/// Buckets of each power of two, as a power of two.
const PRECISION: u32 = 5;
const STEPS: usize = 1 << PRECISION;
/// Up to 2^44 ns, five hours.
const POWERS: usize = 40;

/// How often which time was seen.
#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    total: Duration,
    least: Duration,
    most: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; STEPS * POWERS].into(),
            count: 0,
            total: Duration::ZERO,
            least: Duration::MAX,
            most: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Notes one time.
    pub fn record(&mut self, time: Duration) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.total += time;
        self.least = self.least.min(time);
        self.most = self.most.max(time);
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Self) {
        for (own, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *own += more;
        }
        self.count += other.count;
        self.total += other.total;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// How many times were noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean; none of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.total.div_f64(self.count as f64))
    }

    /// The shortest.
    #[must_use]
    pub fn least(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.least)
    }

    /// The longest.
    #[must_use]
    pub fn most(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.most)
    }

    /// The time that `share` of them (0 to 1) did not exceed, to three percent.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        let index = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(middle(index).clamp(self.least, self.most))
    }
}

/// The first power of two has as many buckets as nanoseconds; from there on each has [`STEPS`].
fn bucket(time: Duration) -> usize {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let power = (u64::BITS - nanoseconds.leading_zeros()).saturating_sub(PRECISION + 1);
    let step = (nanoseconds >> power) as usize; // below STEPS only where the power is 0
    (power as usize * STEPS + step).min(STEPS * POWERS - 1)
}

/// The time in the middle of a bucket.
fn middle(index: usize) -> Duration {
    if index < 2 * STEPS {
        return Duration::from_nanos(index as u64);
    }
    let power = (index / STEPS - 1) as u32;
    let step = (index % STEPS + STEPS) as u64;
    Duration::from_nanos((step << power) + (1 << power) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_three_percent() {
        let mut histogram = Histogram::default();
        for micros in 1..=100_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.001, 100.0), (1.0, 100_000.0)] {
            let found = histogram.percentile(share).unwrap().as_secs_f64() * 1e6;
            assert!((found / micros - 1.0).abs() < 0.032, "{share}: {found} µs");
        }
        assert_eq!(histogram.most(), Some(Duration::from_millis(100)));
        assert_eq!(histogram.least(), Some(Duration::from_micros(1)));
        assert_eq!(histogram.mean(), Some(Duration::from_nanos(50_000_500)));
    }

    #[test]
    fn every_bucket_holds_its_own_middle() {
        for index in 0..STEPS * POWERS - 1 {
            // Buckets between the first two powers overlap by construction.
            let own = bucket(middle(index));
            assert_eq!(middle(own), middle(index), "{index}");
        }
        assert_eq!(bucket(Duration::MAX), STEPS * POWERS - 1);
    }

    #[test]
    fn nothing_has_no_percentile_and_merging_adds_up() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        assert_eq!((one.percentile(0.5), one.mean(), one.most()), (None, None, None));
        one.record(Duration::from_micros(10));
        other.record(Duration::from_micros(30));
        one.merge(&other);
        assert_eq!((one.count(), one.mean()), (2, Some(Duration::from_micros(20))));
    }
}
