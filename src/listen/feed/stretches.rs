//! Stretches of a log, by which a feed knows what it has read before.

use std::collections::BTreeMap;

use crate::domain::position::Position;

/// The most stretches that are known; the first ones are forgotten.
const STRETCHES_MAX: usize = 1_000;

/// Stretches that neither overlap nor touch: the position after which each begins, by its last one.
#[derive(Debug, Default)]
pub(super) struct Stretches(BTreeMap<Position, Position>);

impl Stretches {
    /// Adds a stretch. Returns whether all of it was there before.
    pub(super) fn add(&mut self, mut after: Position, mut end: Position) -> bool {
        if self.0.range(end..).next().is_some_and(|(_, its_after)| *its_after <= after) {
            return true;
        }
        while let Some((its_end, its_after)) =
            self.0.range(after..).next().map(|(end, after)| (*end, *after))
            && its_after <= end
        {
            self.0.remove(&its_end);
            (after, end) = (after.min(its_after), end.max(its_end));
        }
        self.0.insert(end, after);
        if self.0.len() > STRETCHES_MAX {
            self.0.pop_first();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{STRETCHES_MAX, Stretches};
    use crate::domain::position::Position;

    fn add(stretches: &mut Stretches, after: u64, end: u64) -> bool {
        let [after, end] = [after, end].map(|number| Position::new(number).unwrap());
        stretches.add(after, end)
    }

    #[test]
    fn a_stretch_was_there_before_if_all_of_it_was() {
        let mut stretches = Stretches::default();
        assert!(!add(&mut stretches, 10, 20));
        for (after, end) in [(10, 20), (12, 20), (10, 11)] {
            assert!(add(&mut stretches, after, end), "{after} to {end}");
        }
        for (after, end) in [(30, 40), (5, 8), (19, 22), (22, 30), (0, 6)] {
            assert!(!add(&mut stretches, after, end), "{after} to {end}");
        }
        assert!(add(&mut stretches, 10, 40) && add(&mut stretches, 0, 8));
        assert!(!add(&mut stretches, 7, 11));
        assert!(add(&mut stretches, 0, 40));
        assert_eq!(stretches.0.len(), 1);
    }

    #[test]
    fn only_so_many_stretches_are_known() {
        let mut stretches = Stretches::default();
        for number in 0..STRETCHES_MAX as u64 + 10 {
            assert!(!add(&mut stretches, 3 * number, 3 * number + 1));
        }
        assert_eq!(stretches.0.len(), STRETCHES_MAX);
        assert!(!add(&mut stretches, 0, 1));
    }
}
