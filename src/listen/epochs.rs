//! Leader epochs: the numbers by which Kafka clients tell the incarnations of a log apart.

use crate::domain::incarnation::{Incarnation, Incarnations};
use crate::domain::position::Position;

/// Returns the leader epoch of each incarnation of a log, oldest first. They rise. A log that
/// begins anew after a purge has forgotten its former incarnations, but its positions go on: an
/// epoch is no less than the first position that is published under it, so that a client that has
/// seen the former log is not told of an epoch before those that it knows.
pub(super) fn all(incarnations: &Incarnations) -> Vec<(i32, Position)> {
    let mut last = 0_i32;
    let epoch = |one: &Incarnation| {
        let start = i32::try_from(one.from.number()).unwrap_or(i32::MAX);
        last = last.saturating_add(1).max(start);
        (last, one.from)
    };
    incarnations.iter().map(epoch).collect()
}

/// Returns the leader epoch of the present incarnation.
pub(super) fn newest(incarnations: &Incarnations) -> i32 {
    all(incarnations).last().map_or(0, |(epoch, _)| *epoch)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Incarnation, Incarnations, Position, all};
    use crate::domain::position::LogId;

    #[test]
    fn leader_epochs_rise_with_each_id_of_a_log_and_go_on_after_a_purge() {
        let of = |starts: &[u64]| {
            let one = |(number, from): (u128, &u64)| Incarnation {
                log_id: LogId::new(Uuid::from_u128(number)),
                from: Position::new(*from).unwrap(),
            };
            let all = all(&Incarnations::new((1..).zip(starts).map(one).collect()));
            all.into_iter().map(|(epoch, _)| epoch).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1]), [1]);
        // The second restore went further back than the first.
        assert_eq!(of(&[1, 8, 5]), [1, 8, 9]);
        // A purge at position 20, and a restore of the log that came after it.
        assert_eq!(of(&[21]), [21]);
        assert_eq!(of(&[21, 21]), [21, 22]);
        assert_eq!(of(&[1, u64::from(u32::MAX)]), [1, i32::MAX]);
    }
}
