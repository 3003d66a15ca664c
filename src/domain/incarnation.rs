//! Incarnations: the ids that a log has had, each with the first position that is published under
//! it.
//!
//! A store adds one when a tenant is enabled and when `restore` rotates the log's id; the audit
//! reads them, since records that were published before a restore keep the id that they have.

use super::position::{LogId, Position};

/// One id of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// The log's id.
    pub log_id: LogId,
    /// The first position whose event is published under it.
    pub from: Position,
}

/// All incarnations of one log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incarnations(Vec<Incarnation>);

impl Incarnations {
    /// Makes them of a store's rows, which come in the order in which they were added.
    pub fn new(oldest_first: Vec<Incarnation>) -> Self {
        Self(oldest_first)
    }

    /// Returns whether a record with this id and position is of an event that the log has: no newer
    /// incarnation began at the position or before it. An event that was parked when the log's id
    /// was rotated is published under the new id, though the new incarnation begins after it.
    pub fn count(&self, log_id: LogId, position: Position) -> bool {
        let newest = self.0.iter().rposition(|one| one.from <= position);
        let its = self.0.iter().rposition(|one| one.log_id == log_id);
        its.is_some() && its >= newest
    }

    /// Returns the id under which the event at a position was published, unless it was parked when
    /// a newer incarnation began.
    pub fn at(&self, position: Position) -> Option<LogId> {
        self.0.iter().rfind(|one| one.from <= position).map(|one| one.log_id)
    }

    /// Returns the id that the log has now.
    pub fn newest(&self) -> Option<LogId> {
        self.0.last().map(|one| one.log_id)
    }

    /// Returns whether the log ever had this id.
    pub fn has(&self, log_id: LogId) -> bool {
        self.0.iter().any(|one| one.log_id == log_id)
    }

    /// Returns them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Incarnation> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Incarnation, Incarnations, LogId, Position};

    #[test]
    fn a_record_counts_unless_a_newer_id_began_at_its_position_or_before() {
        let id = |number| LogId::new(Uuid::from_u128(number));
        let one =
            |number, from| Incarnation { log_id: id(number), from: Position::new(from).unwrap() };
        // The second restore went further back than the first.
        let all = Incarnations::new(vec![one(1, 1), one(2, 8), one(3, 5)]);
        let ids = |at| [1, 2, 3].map(|number| all.count(id(number), Position::new(at).unwrap()));
        assert_eq!([ids(1), ids(4)], [[true; 3]; 2]);
        assert_eq!([ids(5), ids(8), ids(900)], [[false, false, true]; 3]);
        let at = |number| all.at(Position::new(number).unwrap());
        assert_eq!((at(0), at(4), at(5)), (None, Some(id(1)), Some(id(3))));
        assert!(all.has(id(2)) && !all.has(id(4)) && !all.count(id(4), Position::START));
    }
}
