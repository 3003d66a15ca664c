//! The plan of a replay: which events it sends, where to, and how. Nothing of it changes after the
//! submission.
//!
//! `follow::replay` makes it of a request; the store keeps it as one column of JSON.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;
use crate::domain::filter::{Filter, TopicPattern};
use crate::domain::key::Key;
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::domain::topic::{Topic, TopicSpec};

/// The time that the records of a replay have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timestamp {
    /// The event's own time.
    #[default]
    Original,
    /// The time at which it is sent again.
    Now,
}

impl Timestamp {
    /// The words that the API has.
    pub const WORDS: [&str; 2] = [Self::Original.as_str(), Self::Now.as_str()];

    /// Returns the word that the API has for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Now => "now",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        match word {
            "original" => Ok(Self::Original),
            "now" => Ok(Self::Now),
            _ => Err(Invalid::new("timestamp", word, "must be `original` or `now`")),
        }
    }
}

/// The topic that a replay goes to, if that is none of the tenant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The topic.
    pub topic: Topic,
    /// The number of partitions that it is created with.
    pub partitions: u16,
}

impl Target {
    /// Returns the settings with which it is created: it keeps its records for ever, since Kafka
    /// soon deletes records that are older than a topic's retention.
    pub fn spec(&self) -> TopicSpec {
        let (topic, partitions) = (self.topic.clone(), self.partitions);
        TopicSpec { topic, partitions, retention_ms: -1, compacted: false, compression: None }
    }
}

/// The plan of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The topics whose events are sent.
    pub topics: Vec<Topic>,
    /// The keys; an empty list matches any.
    pub keys: Vec<Key>,
    /// The types; an empty list matches any.
    pub types: Vec<String>,
    /// The earliest time.
    pub from: Option<Time>,
    /// The time before which events must be.
    pub to: Option<Time>,
    /// The position after which it begins.
    pub after: Position,
    /// Whether only events are sent that the relay had not reached at the submission.
    pub pending_only: bool,
    /// Another topic to send them to.
    pub target: Option<Target>,
    /// The time of the records.
    pub timestamp: Timestamp,
    /// Whether a record that the sink refuses is skipped, instead of ending the replay.
    pub skip_refused: bool,
    /// The relay's position at the submission. A replay to the tenant's own topics that is past it
    /// has no limit of its rate, so that it joins the relay.
    pub joins_from: Position,
}

impl Plan {
    /// Returns the filter that matches its events.
    pub fn filter(&self) -> Filter {
        Filter {
            topics: self.topics.iter().map(TopicPattern::exact).collect(),
            keys: self.keys.clone(),
            types: self.types.clone(),
            ..Filter::default()
        }
    }

    /// Returns the topics that it sends to.
    pub fn destinations(&self) -> BTreeSet<&Topic> {
        match &self.target {
            Some(target) => BTreeSet::from([&target.topic]),
            None => self.topics.iter().collect(),
        }
    }

    /// Returns a topic to which both plans send events that may have the same key. Then the two
    /// replays would mix.
    pub fn overlap<'p>(&'p self, other: &Plan) -> Option<&'p Topic> {
        let share_keys = self.keys.is_empty()
            || other.keys.is_empty()
            || self.keys.iter().any(|key| other.keys.contains(key));
        let theirs = other.destinations();
        self.destinations().into_iter().find(|topic| share_keys && theirs.contains(topic))
    }

    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        let texts = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
        let column = Column {
            topics: texts(&mut self.topics.iter().map(Topic::to_string)),
            keys: texts(&mut self.keys.iter().map(Key::to_string)),
            types: self.types.clone(),
            from_ms: self.from.map(Time::as_ms),
            to_ms: self.to.map(Time::as_ms),
            after: self.after.number(),
            pending_only: self.pending_only,
            target: self.target.as_ref().map(|target| target.topic.to_string()),
            partitions: self.target.as_ref().map(|target| target.partitions),
            timestamp: self.timestamp.as_str().to_owned(),
            skip_refused: self.skip_refused,
            joins_from: self.joins_from.number(),
        };
        serde_json::to_string(&column).expect("texts and numbers are JSON")
    }

    /// Reads a plan from the store's column.
    pub fn from_column(json: &str) -> Result<Self, String> {
        let column: Column = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let topic = column.target.map(|topic| Topic::parse(&topic)).transpose();
        let target = match (topic.map_err(text)?, column.partitions) {
            (Some(topic), Some(partitions)) => Some(Target { topic, partitions }),
            (None, None) => None,
            _ => return Err("a target has a number of partitions".to_owned()),
        };
        Ok(Self {
            topics: each(&column.topics, Topic::parse)?,
            keys: each(&column.keys, Key::parse)?,
            types: column.types,
            from: column.from_ms.map(Time::from_ms),
            to: column.to_ms.map(Time::from_ms),
            after: Position::new(column.after).map_err(text)?,
            pending_only: column.pending_only,
            target,
            timestamp: Timestamp::parse(&column.timestamp).map_err(text)?,
            skip_refused: column.skip_refused,
            joins_from: Position::new(column.joins_from).map_err(text)?,
        })
    }
}

/// A plan as the store has it.
#[derive(Serialize, Deserialize)]
struct Column {
    topics: Vec<String>,
    keys: Vec<String>,
    types: Vec<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    after: u64,
    pending_only: bool,
    target: Option<String>,
    partitions: Option<u16>,
    timestamp: String,
    skip_refused: bool,
    joins_from: u64,
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn each<T>(texts: &[String], parse: fn(&str) -> Result<T, Invalid>) -> Result<Vec<T>, String> {
    texts.iter().map(|one| parse(one).map_err(text)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Key, Plan, Position, Target, Time, Timestamp, Topic};

    fn plan(topics: &[&str], keys: &[&str]) -> Plan {
        Plan {
            topics: topics.iter().map(|topic| Topic::parse(topic).unwrap()).collect(),
            keys: keys.iter().map(|key| Key::parse(key).unwrap()).collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn a_plan_reads_back() {
        let target = Target { topic: Topic::parse("folio.diku.again").unwrap(), partitions: 3 };
        let all = Plan {
            types: vec!["UPDATE".to_owned()],
            from: Some(Time::from_ms(7)),
            to: Some(Time::from_ms(9)),
            after: Position::from_column(5),
            pending_only: true,
            target: Some(target),
            timestamp: Timestamp::Now,
            skip_refused: true,
            joins_from: Position::from_column(8),
            ..plan(&["a", "b"], &["k"])
        };
        for plan in [all, Plan::default()] {
            assert_eq!(Plan::from_column(&plan.as_column()).unwrap(), plan);
        }
        assert!(Plan::from_column("{}").is_err());
    }

    #[test]
    fn plans_overlap_that_send_the_same_key_to_the_same_topic() {
        let overlap = |one: &Plan, other: &Plan| {
            assert_eq!(one.overlap(other).is_some(), other.overlap(one).is_some());
            one.overlap(other).map(|topic| topic.as_str().to_owned())
        };
        let shared = Some("b".to_owned());
        assert_eq!(overlap(&plan(&["a", "b"], &[]), &plan(&["b", "c"], &["k"])), shared);
        assert_eq!(overlap(&plan(&["b"], &["k", "l"]), &plan(&["b"], &["l"])), shared);
        assert_eq!(overlap(&plan(&["b"], &["k"]), &plan(&["b"], &["l"])), None);
        assert_eq!(overlap(&plan(&["a"], &[]), &plan(&["b"], &[])), None);
        let target = Target { topic: Topic::parse("t").unwrap(), partitions: 1 };
        let to = |plan| Plan { target: Some(target.clone()), ..plan };
        assert_eq!(overlap(&to(plan(&["a"], &[])), &plan(&["a"], &[])), None);
        assert_eq!(overlap(&to(plan(&["a"], &[])), &to(plan(&["b"], &[]))), Some("t".to_owned()));
    }
}
