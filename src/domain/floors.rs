//! Floors: from which position on a log has everything of a topic.
//!
//! The store raises them when retention removes events, or `stored = false` does; who follows a log
//! is told by them which events it would miss. Compaction raises no floor: it removes events that
//! later ones of their keys replace.

use std::collections::BTreeMap;

use super::filter::Filter;
use super::position::Position;
use super::topic::Topic;

/// How far a topic's events were removed from a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Floor {
    /// The first position from which on nothing was removed by retention or `stored = false`;
    /// [`Position::START`] if nothing ever was.
    pub floor: Position,
    /// The last position up to which the topic is compacted.
    pub compacted_to: Position,
}

impl Floor {
    /// Returns whether the log may lack an event at this position which it once had.
    pub fn may_lack(&self, position: Position) -> bool {
        position < self.floor || position <= self.compacted_to
    }
}

/// The floors of one log, by topic; a topic of which nothing was removed has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Floors(BTreeMap<Topic, Floor>);

/// Events that a follower would miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The topic with the highest floor.
    pub topic: Topic,
    /// The first position after the follower.
    pub from: Position,
    /// The last position before the topic's floor: a follower that goes on after it misses nothing
    /// more.
    pub to: Position,
}

impl Floors {
    /// Makes the floors of a log.
    pub fn new(floors: impl IntoIterator<Item = (Topic, Floor)>) -> Self {
        Self(floors.into_iter().collect())
    }

    /// Returns the floor of a topic.
    pub fn of(&self, topic: &Topic) -> Floor {
        self.0.get(topic).copied().unwrap_or_default()
    }

    /// Returns the events that a follower with this filter would miss which has read up to `after`:
    /// the floor of a topic that it matches lies beyond the next position.
    pub fn gap(&self, filter: &Filter, after: Position) -> Option<Gap> {
        let (topic, floor) = self.highest(filter)?;
        let (from, to) = (after.next(), floor.back(1));
        (from < floor).then(|| Gap { topic: topic.clone(), from, to })
    }

    /// Returns the position after which a follower with this filter begins that begins as early as
    /// nothing is missing.
    pub fn earliest(&self, filter: &Filter) -> Position {
        self.highest(filter).map_or(Position::START, |(_, floor)| floor.back(1))
    }

    fn highest(&self, filter: &Filter) -> Option<(&Topic, Position)> {
        let floors = self.0.iter().map(|(topic, Floor { floor, .. })| (topic, *floor));
        floors.filter(|(topic, _)| filter.has_topic(topic)).max_by_key(|(_, floor)| *floor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Floor, Floors, Gap, Position, Topic};
    use crate::domain::filter::TopicPattern;

    fn at(position: i64) -> Position {
        Position::from_column(position)
    }

    #[test]
    fn who_is_below_a_floor_of_its_own_topics_is_told_what_it_misses() {
        let [low, high] = ["a.low", "a.high"].map(|name| Topic::parse(name).unwrap());
        let floor = |floor| Floor { floor: at(floor), ..Floor::default() };
        let floors = Floors::new([(low.clone(), floor(4)), (high.clone(), floor(9))]);
        let only = |topic: &str| Filter {
            topics: vec![TopicPattern::parse(topic).unwrap()],
            ..Filter::default()
        };
        let gap = |from, to| Some(Gap { topic: high.clone(), from: at(from), to: at(to) });
        assert_eq!(floors.gap(&Filter::default(), at(0)), gap(1, 8));
        assert_eq!(floors.gap(&Filter::default(), at(7)), gap(8, 8));
        assert_eq!(floors.gap(&Filter::default(), at(8)), None);
        assert_eq!(floors.gap(&only("a.low"), at(3)), None);
        assert_eq!(floors.gap(&only("a.low"), at(2)).map(|gap| gap.topic), Some(low));
        assert_eq!(floors.gap(&only("b"), at(0)), None);
        assert_eq!((floors.earliest(&only("*.low")), floors.earliest(&only("b"))), (at(3), at(0)));
    }

    #[test]
    fn compaction_raises_no_floor() {
        let topic = Topic::parse("a").unwrap();
        let compacted = Floor { compacted_to: at(7), ..Floor::default() };
        let floors = Floors::new([(topic.clone(), compacted)]);
        assert_eq!(floors.gap(&Filter::default(), at(0)), None);
        assert!(floors.of(&topic).may_lack(at(7)) && !floors.of(&topic).may_lack(at(8)));
    }
}
