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

    /// Returns the id under which the event at a position is published: that of the newest
    /// incarnation that begins there or before it.
    pub fn at(&self, position: Position) -> Option<LogId> {
        self.0.iter().rev().find(|one| one.from <= position).map(|one| one.log_id)
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
    fn an_event_is_published_under_the_newest_id_that_begins_at_it_or_before() {
        let id = |number| LogId::new(Uuid::from_u128(number));
        let one =
            |number, from| Incarnation { log_id: id(number), from: Position::new(from).unwrap() };
        // The second restore went further back than the first.
        let all = Incarnations::new(vec![one(1, 1), one(2, 8), one(3, 5)]);
        let at = |number| all.at(Position::new(number).unwrap());
        assert_eq!(
            [at(1), at(4), at(5), at(8), at(900)].map(Option::unwrap),
            [1, 1, 3, 3, 3].map(id)
        );
        assert!(all.has(id(2)) && !all.has(id(4)));
        assert_eq!(Incarnations::default().at(Position::START), None);
    }
}
