//! Topics for events: created when they are missing, otherwise left as they are.
//!
//! Fed by lanes before each page; feeds the cluster. What was seen in the last 5 s isn't asked
//! again, unless a page has failed since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::TopicResult;
use rdkafka::error::RDKafkaErrorCode;

use super::admin::{Admin, State};
use super::{classify, left};
use crate::domain::topic::{Topic, TopicSpec};
use crate::sink::{Error, PartitionsGrown, UnavailableTopic};

/// How long the leaders of a topic may take to answer that was doubted.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
const SEEN_FOR: Duration = Duration::from_secs(5);

/// What is known of topics.
#[derive(Default)]
pub(super) struct Topics(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Those that were there a moment ago.
    seen: HashMap<Topic, Instant>,
    /// Those whose leader didn't answer a page.
    invalidated: HashSet<Topic>,
    /// How many partitions each had when it was first seen, and when it was last.
    partitions: HashMap<Topic, (usize, usize)>,
}

impl Topics {
    /// Those that must be asked about, each once.
    pub(super) fn unseen(&self, wanted: &[TopicSpec]) -> Vec<TopicSpec> {
        let seen = &mut self.known().seen;
        seen.retain(|_, at| at.elapsed() < SEEN_FOR);
        let mut unseen: HashMap<&Topic, &TopicSpec> = HashMap::new();
        for spec in wanted.iter().filter(|spec| !seen.contains_key(&spec.topic)) {
            unseen.entry(&spec.topic).or_insert(spec);
        }
        unseen.into_values().cloned().collect()
    }

    /// Asks about all of them again.
    pub(super) fn forget(&self) {
        self.known().seen.clear();
    }

    /// Has their leaders answer before the next page is sent to them: metadata names a broker for a
    /// while after it has died.
    pub(super) fn invalidate(&self, topics: &[UnavailableTopic]) {
        self.known().invalidated.extend(topics.iter().map(|unwritable| unwritable.topic.clone()));
    }

    /// Those that have more partitions than at first.
    pub(super) fn partitions_grown(&self) -> Vec<PartitionsGrown> {
        let known = self.known();
        let wider = known.partitions.iter().filter(|(_, (before, now))| now > before);
        wider
            .map(|(topic, (before, now))| PartitionsGrown {
                topic: topic.clone(),
                before: *before,
                now: *now,
            })
            .collect()
    }

    /// Creates what is missing. If a topic is refused, the others are created none the less.
    pub(super) fn ensure(&self, admin: &Admin, wanted: &[TopicSpec]) -> Result<(), Error> {
        let names: Vec<&str> = wanted.iter().map(|spec| spec.topic.as_str()).collect();
        let states = admin.states(&names)?;
        let (mut missing, mut refused, mut away, mut short) =
            (Vec::new(), None, Vec::new(), Vec::new());
        for spec in wanted {
            match states.get(spec.topic.as_str()) {
                Some(State::Exists(partitions))
                    if self.is_silent(admin, &spec.topic, *partitions) =>
                {
                    away.push(unwritable(spec, "its leader doesn't answer"));
                }
                Some(State::Exists(partitions)) => {
                    self.saw(&spec.topic);
                    self.count(&spec.topic, *partitions);
                }
                Some(State::Leaderless(_)) => {
                    away.push(unwritable(spec, "a partition has no leader"))
                }
                Some(State::Short { partitions, in_sync }) => {
                    self.count(&spec.topic, *partitions);
                    short.push((spec, *in_sync));
                }
                Some(State::Refused(code)) => {
                    refused = refused.or(Some(classify::classify_topic(
                        "ask about it",
                        &spec.topic,
                        *code,
                    )));
                }
                Some(State::Missing) | None => missing.push(spec),
            }
        }
        self.create(admin, &missing)?;
        away.extend(self.too_short(admin, &short)?);
        match refused {
            Some(refused) => Err(refused),
            None if away.is_empty() => Ok(()),
            None => Err(Error::Unavailable(away)),
        }
    }

    /// Those of the topics with replicas out of sync that have too few to take a record.
    fn too_short(
        &self,
        admin: &Admin,
        short: &[(&TopicSpec, usize)],
    ) -> Result<Vec<UnavailableTopic>, Error> {
        if short.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = short.iter().map(|(spec, _)| spec.topic.as_str()).collect();
        let mut away = Vec::new();
        for ((spec, in_sync), settings) in short.iter().zip(admin.settings_of(&names)?) {
            let wanted = settings
                .get("min.insync.replicas")
                .and_then(|value| value.parse().ok())
                .unwrap_or(1);
            if *in_sync < wanted {
                let why = format!(
                    "a partition has {in_sync} replicas in sync, and min.insync.replicas={wanted}"
                );
                away.push(unwritable(spec, &why));
            } else {
                self.saw(&spec.topic);
            }
        }
        Ok(away)
    }

    fn create(&self, admin: &Admin, missing: &[&TopicSpec]) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        let retentions: Vec<String> =
            missing.iter().map(|spec| spec.retention_ms.to_string()).collect();
        let topics: Vec<_> = missing
            .iter()
            .zip(&retentions)
            .map(|(spec, retention)| {
                let policy = if spec.compacted { "compact" } else { "delete" };
                let mut settings =
                    vec![("cleanup.policy", policy), ("retention.ms", retention.as_str())];
                settings.extend(admin.record_limit().map(|bytes| ("max.message.bytes", bytes)));
                admin.topic(spec.topic.as_str(), spec.partitions, &settings)
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
                self.count(&spec.topic, spec.partitions.into());
            }
            Err(RDKafkaErrorCode::TopicAlreadyExists) => {}
            Err(RDKafkaErrorCode::InvalidReplicationFactor) => {
                return Some(admin.too_few_brokers());
            }
            Err(code) => {
                let why = admin.explain(spec.topic.as_str(), code);
                return Some(classify::classify_topic(
                    &format!("create it: {why}"),
                    &spec.topic,
                    code,
                ));
            }
        }
        self.saw(&spec.topic);
        None
    }

    /// Whether the topic was doubted, and a partition's leader doesn't answer still.
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

    fn saw(&self, topic: &Topic) {
        self.known().seen.insert(topic.clone(), Instant::now());
    }

    fn count(&self, topic: &Topic, partitions: usize) {
        let mut known = self.known();
        let (before, now) =
            known.partitions.entry(topic.clone()).or_insert((partitions, partitions));
        // With fewer it is another topic of that name.
        (*before, *now) = (partitions.min(*before), partitions);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwritable(spec: &TopicSpec, why: &str) -> UnavailableTopic {
    UnavailableTopic { topic: spec.topic.clone(), why: why.to_owned() }
}

/// What became of one topic's creation.
pub(super) fn result_of(topic: &str, results: &[TopicResult]) -> Result<(), RDKafkaErrorCode> {
    for result in results {
        match result {
            Ok(name) if name == topic => return Ok(()),
            Err((name, code)) if name == topic => return Err(*code),
            _ => {}
        }
    }
    Err(RDKafkaErrorCode::Unknown)
}
