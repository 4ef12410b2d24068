//! Whether a file has to be transferred: by size and by the time of its last change.

use jiff::{SignedDuration, Timestamp};
use wharf_proto::listing::{ListedTime, TimePrecision};

use super::tree::Entry;

/// Zones are whole quarters of an hour away from UTC, at most 14 hours.
const ZONE_STEP: i64 = 15 * 60;
const FURTHEST_ZONE: i64 = 14 * 3600;

/// What is to be done about a file that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the same.
    Same,
    /// The source's is another one.
    Differs,
    /// The source's is another one, but not newer, and only newer ones are wanted.
    NotNewer,
    /// Only an exact time could tell; the server may know one (MDTM).
    AskTime,
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparison {
    /// Only newer files are wanted.
    pub(super) newer: bool,
    /// Whether the destination keeps the source's times: if not, a copy is as old as the copying.
    pub(super) times_kept: bool,
    /// Whether a better time than this can be had.
    pub(super) can_ask: bool,
}

impl Comparison {
    /// Compares two files.
    pub(super) fn judge(self, source: &Entry, destination: &Entry) -> Verdict {
        let sizes_differ = matches!((source.size, destination.size), (Some(a), Some(b)) if a != b);
        if sizes_differ && !self.newer {
            return Verdict::Differs;
        }
        match (source.modified, destination.modified) {
            (Some(a), Some(b)) => self.judge_times(a, b, sizes_differ),
            // Nothing to go by but the size.
            _ if self.can_ask => Verdict::AskTime,
            _ if sizes_differ || source.size.is_none() || destination.size.is_none() => Verdict::Differs,
            _ => Verdict::Same,
        }
    }

    fn judge_times(self, source: ListedTime, destination: ListedTime, sizes_differ: bool) -> Verdict {
        let (Some(earliest), Some(latest)) = (span(source), span(destination)) else {
            return Verdict::Differs;
        };
        let (source, destination) = (earliest, latest);
        let is_exact = source.is_exact && destination.is_exact;
        // Whole seconds: RFC 3659 §2.3 has fractions, but hardly a server has.
        if is_exact {
            let (a, b) = (source.from.as_second(), destination.from.as_second());
            let is_copy = if self.times_kept { a == b } else { a <= b };
            return match (is_copy && !sizes_differ, self.newer && a <= b) {
                (true, _) => Verdict::Same,
                (false, true) => Verdict::NotNewer,
                (false, false) => Verdict::Differs,
            };
        }
        if self.can_ask {
            return Verdict::AskTime;
        }
        if sizes_differ {
            // Newer unless it cannot be.
            return if source.to < destination.from { Verdict::NotNewer } else { Verdict::Differs };
        }
        let may_be_equal = source.from <= destination.to
            && destination.from <= source.to
            && fits_a_zone(source, destination);
        let may_be_older = !self.times_kept && source.from <= destination.to;
        match (may_be_equal || may_be_older, self.newer && source.to < destination.from) {
            (true, _) => Verdict::Same,
            (false, true) => Verdict::NotNewer,
            (false, false) => Verdict::Differs,
        }
    }
}

/// The moments that a listed time may mean.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    is_exact: bool,
    /// How coarse the time is, in seconds.
    grain: i64,
    /// Read as UTC.
    utc: Timestamp,
}

fn span(time: ListedTime) -> Option<Span> {
    let utc = time.assuming_utc()?;
    let grain = match time.precision {
        TimePrecision::Second => 1,
        TimePrecision::Minute => 60,
        TimePrecision::Day => 24 * 3600,
    };
    let zone = if time.zone_known { 0 } else { FURTHEST_ZONE };
    let from = utc.checked_sub(SignedDuration::from_secs(zone)).ok()?;
    let to = utc.checked_add(SignedDuration::from_secs(zone + grain - 1)).ok()?;
    Some(Span { from, to, is_exact: zone == 0 && grain == 1, grain, utc })
}

/// Whether some zone makes the two times one.
fn fits_a_zone(a: Span, b: Span) -> bool {
    let grain = a.grain.max(b.grain);
    let difference = (a.utc.as_second() - b.utc.as_second()).rem_euclid(ZONE_STEP);
    grain >= ZONE_STEP || difference < grain || ZONE_STEP - difference < grain
}

#[cfg(test)]
mod tests {
    use super::super::tree::Kind;
    use super::*;

    const KEPT: Comparison = Comparison { newer: false, times_kept: true, can_ask: false };

    fn entry(size: u64, time: &str, precision: TimePrecision, zone_known: bool) -> Entry {
        let moment = ListedTime { moment: time.parse().unwrap(), precision, zone_known };
        Entry { kind: Kind::File, size: Some(size), modified: Some(moment), target: None, unique: None }
    }

    fn exact(size: u64, time: &str) -> Entry {
        entry(size, time, TimePrecision::Second, true)
    }

    #[test]
    fn exact_times_decide() {
        let (old, new) = (exact(5, "2026-01-01T10:00:00"), exact(5, "2026-01-01T10:00:01"));
        let other_size = exact(6, "2026-01-01T10:00:00");
        assert_eq!(KEPT.judge(&old, &old), Verdict::Same);
        assert_eq!(KEPT.judge(&old, &new), Verdict::Differs);
        assert_eq!(KEPT.judge(&new, &old), Verdict::Differs);
        assert_eq!(KEPT.judge(&old, &other_size), Verdict::Differs);
        let newer = Comparison { newer: true, ..KEPT };
        assert_eq!(newer.judge(&old, &new), Verdict::NotNewer);
        assert_eq!(newer.judge(&new, &old), Verdict::Differs);
        assert_eq!(newer.judge(&old, &other_size), Verdict::NotNewer);
        // A copy that could not keep its time is younger than its source.
        let lost = Comparison { times_kept: false, ..KEPT };
        assert_eq!(lost.judge(&old, &new), Verdict::Same);
        assert_eq!(lost.judge(&new, &old), Verdict::Differs);
        let fraction = exact(5, "2026-01-01T10:00:00.75");
        assert_eq!(KEPT.judge(&fraction, &old), Verdict::Same);
    }

    #[test]
    fn times_of_unknown_zones_are_asked_for_else_taken_for_equal_only_where_a_zone_makes_them_so() {
        let here = exact(5, "2026-01-01T10:00:42");
        for (listed, wanted) in [
            ("2026-01-01T10:00:00", Verdict::Same),
            ("2026-01-01T15:30:00", Verdict::Same),
            ("2026-01-01T15:37:00", Verdict::Differs),
            ("2026-01-03T10:00:00", Verdict::Differs),
        ] {
            let there = entry(5, listed, TimePrecision::Minute, false);
            assert_eq!(KEPT.judge(&there, &here), wanted, "{listed}");
            assert_eq!(Comparison { can_ask: true, ..KEPT }.judge(&there, &here), Verdict::AskTime);
        }
        let day = |day| entry(5, day, TimePrecision::Day, false);
        assert_eq!(KEPT.judge(&day("2026-01-01T00:00:00"), &here), Verdict::Same);
        assert_eq!(KEPT.judge(&day("2026-01-04T00:00:00"), &here), Verdict::Differs);
    }

    #[test]
    fn without_times_the_size_decides() {
        let mut there = exact(5, "2026-01-01T10:00:00");
        there.modified = None;
        let here = exact(5, "2026-01-01T10:00:00");
        assert_eq!(KEPT.judge(&there, &here), Verdict::Same);
        there.size = Some(6);
        assert_eq!(KEPT.judge(&there, &here), Verdict::Differs);
    }
}
