//! Which bytes of a file are there, and who fetches which of the rest. No I/O.

use std::ops::Range;

/// The least that is worth a data connection of its own, in bytes.
pub(super) const LEAST: u64 = 1024 * 1024;

/// Ranges of bytes that are there: sorted, apart from each other, none empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds one, which may overlap others.
    pub(super) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut joined = range;
        self.0.retain(|other| {
            let apart = other.end < joined.start || joined.end < other.start;
            if !apart {
                joined = joined.start.min(other.start)..joined.end.max(other.end);
            }
            apart
        });
        let at = self.0.partition_point(|other| other.start < joined.start);
        self.0.insert(at, joined);
    }

    /// What is missing of `size` bytes.
    pub(super) fn missing(&self, size: u64) -> Vec<Range<u64>> {
        let mut from = 0;
        let mut missing = Vec::new();
        for range in &self.0 {
            if from < range.start {
                missing.push(from..range.start);
            }
            from = range.end;
        }
        if from < size {
            missing.push(from..size);
        }
        missing
    }

    /// How many bytes are there.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// How many bytes are there right before `offset`, without a gap.
    pub(super) fn before(&self, offset: u64) -> u64 {
        let range = self.0.iter().find(|range| range.start < offset && offset <= range.end);
        range.map_or(0, |range| offset - range.start)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

/// What is missing, and who fetches it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// What nobody fetches yet.
    waiting: Vec<Range<u64>>,
    /// What is being fetched, by the number of its session: from the next byte on.
    fetched: Vec<(usize, Range<u64>)>,
}

impl Plan {
    /// Cuts what is `missing` into some `count` pieces.
    pub(super) fn new(missing: Vec<Range<u64>>, count: usize) -> Self {
        let total: u64 = missing.iter().map(|range| range.end - range.start).sum();
        let share = total.div_ceil(count.max(1) as u64).max(LEAST);
        let mut waiting = Vec::new();
        for mut range in missing {
            while range.end - range.start >= share + LEAST {
                waiting.push(range.start..range.start + share);
                range.start += share;
            }
            waiting.push(range);
        }
        // Taken from the end: those in front first.
        waiting.reverse();
        Self { waiting, fetched: Vec::new() }
    }

    /// The next piece for the session `number`: one that waits, or the second half of the largest that is being fetched.
    pub(super) fn take(&mut self, number: usize) -> Option<Range<u64>> {
        let piece = self.waiting.pop().or_else(|| {
            let (_, largest) = self.fetched.iter_mut().max_by_key(|(_, range)| range.end - range.start)?;
            let left = largest.end - largest.start;
            if left < 2 * LEAST {
                return None;
            }
            let middle = largest.start + left / 2;
            let stolen = middle..largest.end;
            largest.end = middle;
            Some(stolen)
        })?;
        self.fetched.push((number, piece.clone()));
        Some(piece)
    }

    /// The session `number` has come to `position`. Tells where its piece ends by now, since others may have taken of it.
    pub(super) fn advance(&mut self, number: usize, position: u64) -> u64 {
        match self.fetched.iter_mut().find(|(fetching, _)| *fetching == number) {
            Some((_, range)) => {
                range.start = position.min(range.end);
                range.end
            }
            None => position,
        }
    }

    /// The session `number` fetches nothing any longer: what is left of its piece, from `position` on, waits for another.
    pub(super) fn give_back(&mut self, number: usize, position: u64) {
        self.fetched.retain(|(fetching, range)| {
            if *fetching == number && position < range.end {
                self.waiting.push(position..range.end);
            }
            *fetching != number
        });
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.fetched.is_empty()
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_joined_and_told_from_what_is_missing() {
        let mut ranges = Ranges::default();
        for range in [10..20, 40..50, 20..30, 0..0] {
            ranges.add(range);
        }
        assert_eq!(ranges.0, [10..30, 40..50]);
        assert_eq!(ranges.missing(60), [0..10, 30..40, 50..60]);
        assert_eq!((ranges.bytes(), ranges.before(30), ranges.before(31), ranges.before(10)), (30, 20, 0, 0));
        ranges.add(0..60);
        assert_eq!((ranges.0.clone(), ranges.missing(60)), (vec![0..60], vec![]));
        assert_eq!(Ranges::default().missing(3), [0..3]);
    }

    #[test]
    fn a_free_session_takes_half_of_the_largest_rest() {
        let mut plan = Plan::new(vec![0..8 * LEAST], 2);
        assert_eq!((plan.take(0), plan.take(1)), (Some(0..4 * LEAST), Some(4 * LEAST..8 * LEAST)));
        plan.advance(1, 5 * LEAST);
        assert_eq!(plan.take(2), Some(2 * LEAST..4 * LEAST));
        assert_eq!(plan.advance(0, LEAST), 2 * LEAST, "the first learns that its end has moved");
        plan.give_back(1, 6 * LEAST);
        assert_eq!(plan.take(3), Some(6 * LEAST..8 * LEAST));
        assert!(!plan.is_done());
        for number in [0, 2, 3] {
            let end = plan.advance(number, 0);
            plan.give_back(number, end);
        }
        assert!(plan.is_done());
    }

    #[test]
    fn small_rests_are_not_cut() {
        assert_eq!(Plan::new(vec![0..LEAST], 8).waiting, [0..LEAST]);
        let mut plan = Plan::new(vec![0..2 * LEAST - 1], 1);
        assert!(plan.take(0).is_some() && plan.take(1).is_none());
    }

    proptest! {
        /// Whatever sessions do in whatever order, every byte is fetched, by one of them.
        #[test]
        fn every_byte_is_fetched_once(
            size in 1..64 * LEAST,
            count in 1..9_usize,
            steps in prop::collection::vec((0..8_usize, 1..8 * LEAST, prop::bool::weighted(0.1)), 0..200),
        ) {
            let mut plan = Plan::new(vec![0..size], count);
            let mut positions = [None; 8];
            let mut there = Ranges::default();
            let mut fetched = 0;
            let rounds = (0..8_usize).cycle().map(|number| (number, 8 * LEAST, false)).take(4000);
            for (number, bytes, gives_up) in steps.into_iter().chain(rounds) {
                let Some(position) = positions[number].or_else(|| plan.take(number).map(|piece| piece.start)) else {
                    continue;
                };
                let end = plan.advance(number, position);
                let to = end.min(position + bytes);
                there.add(position..to);
                fetched += to - position;
                let end = plan.advance(number, to);
                positions[number] = (to < end && !gives_up).then_some(to);
                if positions[number].is_none() {
                    plan.give_back(number, to);
                }
            }
            prop_assert!(plan.is_done());
            prop_assert_eq!((there.missing(size), fetched), (vec![], size));
        }
    }
}
