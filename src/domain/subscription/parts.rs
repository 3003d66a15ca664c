//! The parts of a group that Kafka clients read for: a cursor for each partition of its topics.
//!
//! The listener moves them, and the store keeps them in the subscription's row. A partition without
//! a cursor has been read by nobody: it counts as if it stood before the first event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Form, ReaderLease, Refusal, Subscription};
use crate::domain::Invalid;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// Where a group stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The position up to which the partition's events are never delivered again.
    pub cursor: Position,
    /// The text that the client has committed with it.
    pub metadata: String,
}

/// A commit of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCommit {
    /// The topic.
    pub topic: Topic,
    /// The partition's number.
    pub partition: usize,
    /// The number of the topic's partitions.
    pub partitions: usize,
    /// Where the group stands then.
    pub part: Part,
}

/// The cursors of a group, by topic and partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts(BTreeMap<Topic, Vec<Option<Part>>>);

impl Parts {
    /// Makes the parts of topics with so many partitions that a group has read up to a position.
    pub fn at(position: Position, topics: &[(Topic, usize)]) -> Self {
        let part = Part { cursor: position, metadata: String::new() };
        let parts = |(topic, partitions): &(Topic, usize)| {
            (topic.clone(), vec![Some(part.clone()); *partitions])
        };
        Self(topics.iter().map(parts).collect())
    }

    /// Moves a partition's cursor.
    pub fn commit(&mut self, commit: PartCommit) {
        let PartCommit { topic, partition, partitions, part } = commit;
        let parts = self.0.entry(topic).or_default();
        parts.resize(parts.len().max(partitions).max(partition + 1), None);
        parts[partition] = Some(part);
    }

    /// Forgets a topic's cursors.
    pub fn forget(&mut self, topic: &Topic, partition: usize) {
        if let Some(part) = self.0.get_mut(topic).and_then(|parts| parts.get_mut(partition)) {
            *part = None;
        }
        self.0.retain(|_, parts| parts.iter().any(Option::is_some));
    }

    /// Returns where the group stands in a partition; `None` if nobody has committed there.
    pub fn of(&self, topic: &Topic, partition: usize) -> Option<&Part> {
        self.0.get(topic)?.get(partition)?.as_ref()
    }

    /// Returns the topics, with their partitions' cursors.
    pub fn iter(&self) -> impl Iterator<Item = (&Topic, &[Option<Part>])> {
        self.0.iter().map(|(topic, parts)| (topic, parts.as_slice()))
    }

    /// Returns the topics.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.0.keys()
    }

    /// Returns whether nobody has committed anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the least cursor: up to it, the group has read all of its topics.
    pub fn least(&self) -> Position {
        self.cursors().min().unwrap_or_default()
    }

    /// Returns the greatest cursor.
    pub fn greatest(&self) -> Position {
        self.cursors().max().unwrap_or_default()
    }

    /// Moves those back that lie beyond a position.
    pub fn go_back(&mut self, at: Position) {
        for part in self.0.values_mut().flatten().flatten() {
            part.cursor = part.cursor.min(at);
        }
    }

    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        let one = |part: &Option<Part>| match part {
            None => Value::Null,
            Some(Part { cursor, metadata }) => json!([cursor.number(), metadata]),
        };
        let topic = |(topic, parts): (&Topic, &Vec<Option<Part>>)| {
            (topic.to_string(), parts.iter().map(one).collect())
        };
        Value::Object(self.0.iter().map(topic).collect()).to_string()
    }

    /// Reads them from the store's column.
    pub fn from_column(text: &str) -> Result<Self, Invalid> {
        let invalid =
            || Invalid::new("parts", text, "must be a JSON object of topics and their cursors");
        let all: BTreeMap<String, Vec<Option<(u64, String)>>> =
            serde_json::from_str(text).map_err(|_| invalid())?;
        let part = |one: Option<(u64, String)>| {
            one.map(|(cursor, metadata)| Ok(Part { cursor: Position::new(cursor)?, metadata }))
                .transpose()
        };
        let topic = |(topic, parts): (String, Vec<_>)| {
            let parts = parts.into_iter().map(part).collect::<Result<_, Invalid>>()?;
            Ok((Topic::parse(&topic)?, parts))
        };
        all.into_iter().map(topic).collect::<Result<_, Invalid>>().map(Self)
    }

    fn cursors(&self) -> impl Iterator<Item = Position> {
        let cursor = |part: &Option<Part>| part.as_ref().map(|it| it.cursor).unwrap_or_default();
        self.0.values().flatten().map(cursor)
    }
}

impl Subscription {
    /// Commits what Kafka clients have read, who are one reader together. It is refused while
    /// another one reads, or nobody may. With the first commit of a group that reads over HTTP, be
    /// it of nothing, each partition of `topics`, which are those of the log that the filter
    /// matches, stands where the group stood.
    pub fn commit_parts(
        &mut self,
        reader: &str,
        commits: &[PartCommit],
        topics: &[(Topic, usize)],
        now: Time,
    ) -> Result<(), Refusal> {
        self.refuse_whoever_comes()?;
        self.no_other_reads(reader, now)?;
        if self.is_only_begun() && !commits.is_empty() {
            // A topic without commits is none of those that it has read.
            let topics = commits.iter().map(|commit| &commit.topic);
            self.form = Form::of_topics(topics.collect::<BTreeSet<_>>());
        }
        if self.parts.is_none() {
            self.generation += 1;
            self.parts = Some(Parts::at(self.position, topics));
        }
        self.take_parts(commits);
        Ok(())
    }

    /// Returns where a Kafka client goes on in a partition; `None` if the group has not been there.
    pub fn part(&self, topic: &Topic, partition: usize) -> Option<Part> {
        match &self.parts {
            Some(parts) => parts.of(topic, partition).cloned(),
            None => self
                .form
                .filter
                .has_topic(topic)
                .then(|| Part { cursor: self.position, metadata: String::new() }),
        }
    }

    /// Forgets where Kafka clients stand in a partition.
    pub fn forget_part(&mut self, topic: &Topic, partition: usize) {
        if let Some(parts) = &mut self.parts {
            parts.forget(topic, partition);
        }
        self.take_parts(&[]);
    }

    /// Notes that a group's Kafka clients hold it for another while, or (without a time) no longer,
    /// unless another reader holds it, or it has halted.
    pub fn hold_parts(&mut self, reader: &str, ttl_ms: Option<i64>, now: Time) {
        let may_read =
            || self.refuse_whoever_comes().is_ok() && self.no_other_reads(reader, now).is_ok();
        if self.parts.is_some() && may_read() {
            self.lease = ttl_ms.map(|ttl_ms| ReaderLease {
                reader: reader.to_owned(),
                expires: now.after(ttl_ms),
                ttl_ms,
            });
        }
    }

    /// Moves the cursors of partitions, and what the row says of all of them.
    pub(super) fn take_parts(&mut self, commits: &[PartCommit]) {
        let Some(parts) = &mut self.parts else { return };
        commits.iter().for_each(|commit| parts.commit(commit.clone()));
        (self.position, self.scanned) = (parts.least(), parts.greatest());
        self.delivered = self.scanned;
        if !commits.is_empty() {
            self.went_back_from = None;
        }
        self.form.add_topics(parts.topics());
        self.gaps_to.keep_after(self.position, &self.form.filter);
    }

    /// Has the group read over HTTP, from the least cursor of its partitions on: some events are
    /// delivered again, and none is left out.
    pub(super) fn read_whole(&mut self) {
        if self.parts.take().is_some() {
            (self.delivered, self.scanned) = (self.position, self.position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, PartCommit, Parts};
    use crate::domain::position::Position;
    use crate::domain::topic::Topic;

    fn commit(partition: usize, cursor: u64) -> PartCommit {
        PartCommit {
            topic: Topic::parse("folio.diku.inventory.item").unwrap(),
            partition,
            partitions: 3,
            part: Part { cursor: Position::new(cursor).unwrap(), metadata: "\"m".to_owned() },
        }
    }

    #[test]
    fn a_partition_that_nobody_has_read_holds_the_least_cursor_back() {
        let mut parts = Parts::default();
        parts.commit(commit(0, 7));
        parts.commit(commit(2, 5));
        assert_eq!((parts.least(), parts.greatest()), (Position::START, commit(0, 7).part.cursor));
        parts.commit(commit(1, 9));
        assert_eq!(parts.least().number(), 5);
        assert_eq!(Parts::from_column(&parts.as_column()).unwrap(), parts);
        parts.go_back(Position::new(6).unwrap());
        assert_eq!((parts.least().number(), parts.greatest().number()), (5, 6));
    }

    #[test]
    fn a_topic_without_cursors_is_none_of_the_group_s() {
        let mut parts = Parts::default();
        parts.commit(commit(1, 7));
        let topic = commit(1, 7).topic;
        assert_eq!(parts.of(&topic, 1), Some(&commit(1, 7).part));
        assert_eq!((parts.of(&topic, 0), parts.of(&topic, 9)), (None, None));
        parts.forget(&topic, 1);
        assert!(parts.is_empty());
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "[]", "{\"a b\":[]}", "{\"a\":[[1]]}", "{\"a\":[[-1,\"\"]]}"] {
            assert!(Parts::from_column(text).is_err(), "{text}");
        }
    }
}
