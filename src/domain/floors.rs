//! Floors: from which position on a log has everything of a topic.
//!
//! The store raises them when retention removes events, or `stored = false` does; who follows a log
//! is told by them which events it would miss, unless it has accepted that those are missing.
//! Compaction raises no floor: it removes events that later ones of their keys replace.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Invalid;
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

/// Positions among which a follower would miss events of a topic. Other events among them may be in
/// the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The topic with the highest floor.
    pub topic: Topic,
    /// The first position after the follower, and after what it has accepted of the topic.
    pub from: Position,
    /// The last position before the topic's floor: a follower that goes on after it misses nothing
    /// more.
    pub to: Position,
}

/// The gaps that a follower has accepted: of each topic, the position up to which removed events
/// may be missing. What is removed of a topic after that is a gap again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AcceptedGaps(BTreeMap<Topic, Position>);

impl Floors {
    /// Makes the floors of a log.
    pub fn new(floors: impl IntoIterator<Item = (Topic, Floor)>) -> Self {
        Self(floors.into_iter().collect())
    }

    /// Returns the floor of a topic.
    pub fn of(&self, topic: &Topic) -> Floor {
        self.0.get(topic).copied().unwrap_or_default()
    }

    /// Returns the highest floor of all topics: from there on the log has everything that
    /// compaction has left; [`Position::START`] if nothing was ever removed.
    pub fn highest(&self) -> Position {
        self.0.values().map(|topic| topic.floor).max().unwrap_or_default()
    }

    /// Returns the gap that a follower with this filter meets after `after`: of the matching topics
    /// whose floor lies after the next position, the one with the highest.
    pub fn gap(&self, filter: &Filter, after: Position) -> Option<Gap> {
        self.new_gap(filter, after, &AcceptedGaps::default())
    }

    /// Returns the gap like [`Floors::gap`], but of the gaps that the follower has not accepted.
    pub fn new_gap(
        &self,
        filter: &Filter,
        after: Position,
        accepted: &AcceptedGaps,
    ) -> Option<Gap> {
        let gaps = self.gaps(filter, after);
        let new = gaps.filter(|(topic, to)| *to > accepted.to(topic));
        let (topic, to) = new.max_by_key(|(_, to)| *to)?;
        let from = after.max(accepted.to(topic)).next();
        Some(Gap { topic: topic.clone(), from, to })
    }

    /// Returns the gaps of all matching topics that a follower meets after `after`, by topic.
    pub fn all_gaps(&self, filter: &Filter, after: Position) -> Vec<Gap> {
        let gaps = self.gaps(filter, after);
        gaps.map(|(topic, to)| Gap { topic: topic.clone(), from: after.next(), to }).collect()
    }

    /// Accepts all gaps that a follower with this filter meets after `after`, and returns them.
    pub fn accept(&self, filter: &Filter, after: Position) -> AcceptedGaps {
        AcceptedGaps(self.gaps(filter, after).map(|(topic, to)| (topic.clone(), to)).collect())
    }

    /// Returns the topics of a filter of which events after a position were removed, each with the
    /// last position before its floor.
    fn gaps(&self, filter: &Filter, after: Position) -> impl Iterator<Item = (&Topic, Position)> {
        let floors = self.0.iter().filter(|(topic, _)| filter.has_topic(topic));
        let ends = floors.map(|(topic, Floor { floor, .. })| (topic, floor.back(1)));
        ends.filter(move |(_, to)| *to > after)
    }
}

impl AcceptedGaps {
    /// Forgets the gaps that lie before a position, and those of topics that a filter does not
    /// match.
    pub fn keep_after(&mut self, after: Position, filter: &Filter) {
        self.0.retain(|topic, to| *to > after && filter.has_topic(topic));
    }

    /// Returns the gaps as a JSON object: each topic with its position.
    pub fn to_json(&self) -> Value {
        let members = self.0.iter().map(|(topic, to)| (topic.to_string(), to.number().into()));
        Value::Object(members.collect())
    }

    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        self.to_json().to_string()
    }

    /// Reads gaps from the store's column.
    pub fn from_column(text: &str) -> Result<Self, Invalid> {
        let rule = "must be a JSON object of topics and positions";
        let unreadable = |_| Invalid::new("gaps", text, rule);
        let members: BTreeMap<String, u64> = serde_json::from_str(text).map_err(unreadable)?;
        let parsed =
            members.into_iter().map(|(topic, to)| Ok((Topic::parse(&topic)?, Position::new(to)?)));
        parsed.collect::<Result<_, Invalid>>().map(Self)
    }

    /// Returns the position up to which removed events of a topic may be missing.
    fn to(&self, topic: &Topic) -> Position {
        self.0.get(topic).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{AcceptedGaps, Filter, Floor, Floors, Gap, Position, Topic};
    use crate::domain::filter::TopicPattern;

    fn at(position: i64) -> Position {
        Position::from_column(position)
    }

    fn topic(name: &str) -> Topic {
        Topic::parse(name).unwrap()
    }

    fn only(topic: &str) -> Filter {
        Filter { topics: vec![TopicPattern::parse(topic).unwrap()], ..Filter::default() }
    }

    fn floors<const N: usize>(all: [(&str, i64); N]) -> Floors {
        let floor = |floor| Floor { floor: at(floor), ..Floor::default() };
        Floors::new(all.map(|(name, first)| (topic(name), floor(first))))
    }

    #[test]
    fn who_is_below_a_floor_of_its_own_topics_is_told_what_it_misses() {
        let floors = floors([("a.low", 4), ("a.high", 9)]);
        let gap = |from, to| Some(Gap { topic: topic("a.high"), from: at(from), to: at(to) });
        assert_eq!(floors.gap(&Filter::default(), at(0)), gap(1, 8));
        assert_eq!(floors.gap(&Filter::default(), at(7)), gap(8, 8));
        assert_eq!(floors.gap(&Filter::default(), at(8)), None);
        assert_eq!(floors.gap(&only("a.low"), at(3)), None);
        let low = floors.gap(&only("a.low"), at(2)).map(|gap| gap.topic);
        assert_eq!(low, Some(topic("a.low")));
        assert_eq!(floors.gap(&only("b"), at(0)), None);
        assert_eq!(floors.highest(), at(9), "from there on nothing is missing");
    }

    #[test]
    fn who_asks_for_all_gaps_is_told_those_of_each_topic() {
        let floors = floors([("a.low", 4), ("a.high", 9)]);
        let gap = |name, from, to| Gap { topic: topic(name), from: at(from), to: at(to) };
        let both = [gap("a.high", 2, 8), gap("a.low", 2, 3)];
        assert_eq!(floors.all_gaps(&Filter::default(), at(1)), both);
        assert_eq!(floors.all_gaps(&Filter::default(), at(3)), [gap("a.high", 4, 8)]);
        assert!(floors.all_gaps(&only("a.low"), at(3)).is_empty());
    }

    #[test]
    fn what_is_accepted_of_a_topic_is_no_gap_and_what_is_removed_after_that_is_one() {
        let all = Filter::default();
        let accepted = floors([("a.low", 4), ("a.high", 9)]).accept(&all, at(1));
        let gap = |name, from, to| Some(Gap { topic: topic(name), from: at(from), to: at(to) });
        let told = |all: [(&str, i64); 2], after| {
            floors(all).new_gap(&Filter::default(), at(after), &accepted)
        };
        assert_eq!(told([("a.low", 4), ("a.high", 9)], 1), None);
        assert_eq!(told([("a.low", 4), ("a.high", 12)], 1), gap("a.high", 9, 11));
        assert_eq!(told([("a.low", 6), ("a.high", 9)], 1), gap("a.low", 4, 5), "of each topic");
        assert_eq!(told([("a.low", 6), ("a.high", 9)], 4), gap("a.low", 5, 5));
        assert_eq!(told([("a.low", 4), ("b", 3)], 1), gap("b", 2, 2), "a topic that is new");
        assert_eq!(floors([("a.low", 4)]).accept(&all, at(3)), AcceptedGaps::default());
        assert_eq!(floors([("a.low", 4)]).accept(&only("b"), at(0)), AcceptedGaps::default());
    }

    #[test]
    fn accepted_gaps_are_read_back_and_forgotten_once_they_are_passed() {
        let mut accepted = floors([("a.low", 4), ("a.high", 9)]).accept(&Filter::default(), at(0));
        assert_eq!(accepted.as_column(), r#"{"a.high":8,"a.low":3}"#);
        let again = AcceptedGaps::from_column(&accepted.as_column()).unwrap();
        assert_eq!(again, accepted);
        accepted.keep_after(at(3), &Filter::default());
        assert_eq!(accepted.as_column(), r#"{"a.high":8}"#);
        accepted.keep_after(at(3), &only("a.low"));
        assert_eq!(accepted.as_column(), "{}");
        for illegal in ["", "[]", r#"{"a b":1}"#, r#"{"a":-1}"#, r#"{"a":"1"}"#] {
            assert!(AcceptedGaps::from_column(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn compaction_raises_no_floor() {
        let compacted = Floor { compacted_to: at(7), ..Floor::default() };
        let floors = Floors::new([(topic("a"), compacted)]);
        assert_eq!(floors.gap(&Filter::default(), at(0)), None);
        assert_eq!(floors.highest(), Position::START);
        let compacted = floors.of(&topic("a"));
        assert!(compacted.may_lack(at(7)) && !compacted.may_lack(at(8)));
    }
}
