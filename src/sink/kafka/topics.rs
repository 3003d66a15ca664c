//! Topics of events: missing ones are created, existing ones are left as they are.
//!
//! Lanes ensure a page's topics here before they publish it. A topic that was seen in the last 5 s
//! isn't asked for again, unless a page has failed since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::TopicResult;
use rdkafka::error::RDKafkaErrorCode;

use super::admin::{Admin, State, result_of};
use super::classify::classify_topic;
use super::left;
use crate::domain::topic::{Topic, TopicSpec};
use crate::sink::{Error, PartitionsGrown, UnavailableTopic};

/// The longest time that the leaders of a topic may take to answer, after one of them did not
/// answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
const SEEN_FOR: Duration = Duration::from_secs(5);

/// The topics, as far as this process knows them.
#[derive(Default)]
pub(super) struct Topics(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The topics that existed a moment ago, and when they were seen.
    seen: HashMap<Topic, Instant>,
    /// The topics with a leader that did not answer a page.
    invalidated: HashSet<Topic>,
    /// The number of partitions of each topic when it was first seen, and now.
    partitions: HashMap<Topic, (usize, usize)>,
}

impl Topics {
    /// Returns the topics that must be asked for, each once.
    pub(super) fn unseen(&self, wanted: &[TopicSpec]) -> Vec<TopicSpec> {
        let seen = &mut self.known().seen;
        seen.retain(|_, at| at.elapsed() < SEEN_FOR);
        let mut unseen: HashMap<&Topic, &TopicSpec> = HashMap::new();
        for spec in wanted.iter().filter(|spec| !seen.contains_key(&spec.topic)) {
            unseen.entry(&spec.topic).or_insert(spec);
        }
        unseen.into_values().cloned().collect()
    }

    /// Forgets which topics were seen, so that all are asked for again.
    pub(super) fn forget_seen(&self) {
        self.known().seen.clear();
    }

    /// Requires the leaders of these topics to answer before the next page is sent to them, since
    /// metadata names a broker for a while after it has died.
    pub(super) fn invalidate(&self, topics: &[UnavailableTopic]) {
        self.known().invalidated.extend(topics.iter().map(|unavailable| unavailable.topic.clone()));
    }

    /// Returns the topics that have more partitions than at first.
    pub(super) fn partitions_grown(&self) -> Vec<PartitionsGrown> {
        let known = self.known();
        let grown = known.partitions.iter().filter(|(_, (before, now))| now > before);
        grown
            .map(|(topic, (before, now))| PartitionsGrown {
                topic: topic.clone(),
                before: *before,
                now: *now,
            })
            .collect()
    }

    /// Creates the topics that are missing. If one is refused, the others are created all the same.
    pub(super) fn ensure(&self, admin: &Admin, wanted: &[TopicSpec]) -> Result<(), Error> {
        let names: Vec<&str> = wanted.iter().map(|spec| spec.topic.as_str()).collect();
        let states = admin.states(&names)?;
        let (mut missing, mut refused, mut away, mut under_replicated) =
            (Vec::new(), None, Vec::new(), Vec::new());
        for spec in wanted {
            match states.get(spec.topic.as_str()) {
                Some(State::Exists(partitions))
                    if self.is_silent(admin, &spec.topic, *partitions) =>
                {
                    away.push(unavailable(spec, "its leader doesn't answer"));
                }
                Some(State::Exists(partitions)) => {
                    self.mark_seen(&spec.topic);
                    self.note_partitions(&spec.topic, *partitions);
                }
                Some(State::Leaderless(_)) => {
                    away.push(unavailable(spec, "a partition has no leader"))
                }
                Some(State::UnderReplicated { partitions, in_sync }) => {
                    self.note_partitions(&spec.topic, *partitions);
                    under_replicated.push((spec, *in_sync));
                }
                Some(State::Refused(code)) => {
                    refused = refused.or(Some(classify_topic("ask about it", &spec.topic, *code)));
                }
                Some(State::Missing) | None => missing.push(spec),
            }
        }
        self.create(admin, &missing)?;
        away.extend(self.without_quorum(admin, &under_replicated)?);
        match refused {
            Some(refused) => Err(refused),
            None if away.is_empty() => Ok(()),
            None => Err(Error::Unavailable(away)),
        }
    }

    /// Deletes topics, with all their records. One that is missing is no error.
    pub(super) fn remove(&self, admin: &Admin, topics: &[Topic]) -> Result<(), Error> {
        for topic in topics {
            admin.delete(topic.as_str())?;
            self.forget(topic);
        }
        Ok(())
    }

    fn forget(&self, topic: &Topic) {
        let mut known = self.known();
        known.seen.remove(topic);
        known.invalidated.remove(topic);
        known.partitions.remove(topic);
    }

    /// Returns the under-replicated topics that have too few replicas in sync to take a record.
    fn without_quorum(
        &self,
        admin: &Admin,
        under_replicated: &[(&TopicSpec, usize)],
    ) -> Result<Vec<UnavailableTopic>, Error> {
        if under_replicated.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> =
            under_replicated.iter().map(|(spec, _)| spec.topic.as_str()).collect();
        let mut away = Vec::new();
        for ((spec, in_sync), settings) in under_replicated.iter().zip(admin.settings_of(&names)?) {
            let wanted = settings
                .get("min.insync.replicas")
                .and_then(|value| value.parse().ok())
                .unwrap_or(1);
            if *in_sync < wanted {
                let why = format!(
                    "a partition has {in_sync} replicas in sync, and min.insync.replicas={wanted}"
                );
                away.push(unavailable(spec, &why));
            } else {
                self.mark_seen(&spec.topic);
            }
        }
        Ok(away)
    }

    fn create(&self, admin: &Admin, missing: &[&TopicSpec]) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let replication = admin.replication()?;
        let retentions: Vec<String> =
            missing.iter().map(|spec| spec.retention_ms.to_string()).collect();
        let topics: Vec<_> = missing
            .iter()
            .zip(&retentions)
            .map(|(spec, retention)| {
                let policy = if spec.compacted { "compact" } else { "delete" };
                let mut settings =
                    vec![("cleanup.policy", policy), ("retention.ms", retention.as_str())];
                settings.extend(spec.compression.map(|it| ("compression.type", it.as_kafka())));
                settings.extend(admin.record_limit().map(|bytes| ("max.message.bytes", bytes)));
                admin.new_topic(spec.topic.as_str(), (spec.partitions, replication), &settings)
            })
            .collect();
        let results = admin.create(&topics)?;
        let refusals: Vec<Error> =
            missing.iter().filter_map(|spec| self.created(admin, spec, &results)).collect();
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    fn created(&self, admin: &Admin, spec: &TopicSpec, results: &[TopicResult]) -> Option<Error> {
        match result_of(spec.topic.as_str(), results) {
            Ok(()) => {
                tracing::info!(topic = %spec.topic, partitions = spec.partitions, "created a \
                    topic");
                self.note_partitions(&spec.topic, spec.partitions.into());
            }
            Err(RDKafkaErrorCode::TopicAlreadyExists) => {}
            Err(RDKafkaErrorCode::InvalidReplicationFactor) => {
                return Some(admin.too_few_brokers());
            }
            Err(code) => {
                let why = admin.explain(spec.topic.as_str(), code);
                return Some(classify_topic(&format!("create it: {why}"), &spec.topic, code));
            }
        }
        self.mark_seen(&spec.topic);
        None
    }

    /// Returns whether a leader of the topic did not answer a page, and still doesn't answer.
    fn is_silent(&self, admin: &Admin, topic: &Topic, partitions: usize) -> bool {
        if !self.known().invalidated.contains(topic) {
            return false;
        }
        let until = Instant::now() + ANSWERS_WITHIN;
        let answers = |partition| admin.end_within(topic.as_str(), partition, left(until)).is_ok();
        if !(0..).take(partitions).all(answers) {
            return true;
        }
        self.known().invalidated.remove(topic);
        false
    }

    fn mark_seen(&self, topic: &Topic) {
        self.known().seen.insert(topic.clone(), Instant::now());
    }

    fn note_partitions(&self, topic: &Topic, partitions: usize) {
        let mut known = self.known();
        let (before, now) =
            known.partitions.entry(topic.clone()).or_insert((partitions, partitions));
        // A topic with fewer partitions than before is a new one of the same name.
        (*before, *now) = (partitions.min(*before), partitions);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable(spec: &TopicSpec, why: &str) -> UnavailableTopic {
    UnavailableTopic { topic: spec.topic.clone(), why: why.to_owned() }
}
