//! The events of which a topic has records, by run and partition.
//!
//! It is given record after record, and does no I/O.

use std::collections::BTreeMap;

use roaring::RoaringTreemap;

use super::digest::{Digest, Sums};
use super::finding::Run;
use crate::domain::position::Position;

/// The events of which one run has a record.
#[derive(Default)]
pub(super) struct SeenRun {
    partitions: BTreeMap<i32, Partition>,
    pub(super) sums: Sums,
    /// Whether the broker, not the gateway, has given a record its time.
    pub(super) without_time: bool,
}

#[derive(Default)]
struct Partition {
    positions: RoaringTreemap,
    last: Position,
}

/// How a record follows those of its run that were read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follows {
    /// It has a higher position than all before it in its partition.
    InOrder,
    /// It comes after this position, which is the highest before it in its partition.
    Late(Position),
    /// It is not the first record of its event in this run.
    Again,
}

/// The events of which any run has a record.
#[derive(Default)]
pub(super) struct Seen(pub(super) BTreeMap<Run, SeenRun>);

impl Seen {
    /// Returns whether any run has the event.
    pub(super) fn has(&self, position: Position) -> bool {
        self.0.values().any(|run| run.has(position))
    }

    /// Returns the events that every run lacks.
    pub(super) fn missing(&self, expected: &RoaringTreemap) -> RoaringTreemap {
        let mut missing = expected.clone();
        for partition in self.0.values().flat_map(|run| run.partitions.values()) {
            missing -= &partition.positions;
        }
        missing
    }
}

impl SeenRun {
    /// Notes the next record of a partition.
    pub(super) fn pass(&mut self, partition: i32, position: Position, digest: Digest) -> Follows {
        if self.has(position) {
            return Follows::Again;
        }
        self.sums.add(position, digest);
        let its = self.partitions.entry(partition).or_default();
        its.positions.insert(position.number());
        if position > its.last {
            its.last = position;
            return Follows::InOrder;
        }
        Follows::Late(its.last)
    }

    /// Returns whether the run has the event.
    pub(super) fn has(&self, position: Position) -> bool {
        self.partitions.values().any(|its| its.positions.contains(position.number()))
    }

    /// Returns whether the run has the event in this partition.
    pub(super) fn has_in(&self, partition: i32, position: Position) -> bool {
        self.partitions.get(&partition).is_some_and(|its| its.positions.contains(position.number()))
    }

    /// Returns the number of events that the run has in a range.
    pub(super) fn count(&self, range: &std::ops::Range<u64>) -> u64 {
        self.partitions.values().map(|its| count(&its.positions, range)).sum()
    }
}

/// Returns how many numbers of a set lie in a range.
pub(super) fn count(set: &RoaringTreemap, range: &std::ops::Range<u64>) -> u64 {
    let before = |end: u64| end.checked_sub(1).map_or(0, |last| set.rank(last));
    before(range.end) - before(range.start)
}

#[cfg(test)]
mod tests {
    use super::{Digest, Follows, Position, Run, Seen, SeenRun, count};

    fn at(number: u64) -> Position {
        Position::new(number).unwrap()
    }

    fn pass(run: &mut SeenRun, partition: i32, position: u64) -> Follows {
        run.pass(partition, at(position), Digest::default())
    }

    #[test]
    fn a_record_is_late_within_its_partition_and_again_within_its_run() {
        let mut run = SeenRun::default();
        assert_eq!(pass(&mut run, 0, 3), Follows::InOrder);
        assert_eq!(pass(&mut run, 1, 1), Follows::InOrder);
        assert_eq!(pass(&mut run, 0, 2), Follows::Late(at(3)));
        assert_eq!(pass(&mut run, 1, 3), Follows::Again);
        assert!(run.has(at(2)) && run.has_in(0, at(2)) && !run.has_in(1, at(2)));
        assert_eq!((run.count(&(0..3)), run.count(&(3..9))), (2, 1));
    }

    #[test]
    fn what_any_run_has_is_not_missing() {
        let mut seen = Seen::default();
        pass(seen.0.entry(Run::Live).or_default(), 0, 1);
        pass(seen.0.entry(Run::Replay("one".to_owned())).or_default(), 0, 3);
        let expected = (1..=4).collect();
        assert_eq!(seen.missing(&expected).iter().collect::<Vec<_>>(), [2, 4]);
        assert_eq!(count(&expected, &(0..1)), 0);
    }
}
