//! Topics for events: created when they are missing, otherwise left as they are.
//!
//! Fed by lanes before each page; feeds the cluster. What was seen in the last 5 s isn't asked
//! again, unless a page has failed since.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::TopicResult;
use rdkafka::error::RDKafkaErrorCode;

use super::cluster::{Cluster, State};
use super::{left, refusal};
use crate::broker::{Error, Unwritable, Widened};
use crate::domain::topic::{Topic, TopicSpec};

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
    doubted: HashSet<Topic>,
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
    pub(super) fn doubt(&self, topics: &[Unwritable]) {
        self.known().doubted.extend(topics.iter().map(|unwritable| unwritable.topic.clone()));
    }

    /// Those that have more partitions than at first.
    pub(super) fn widened(&self) -> Vec<Widened> {
        let known = self.known();
        let wider = known.partitions.iter().filter(|(_, (before, now))| now > before);
        wider
            .map(|(topic, (before, now))| Widened {
                topic: topic.clone(),
                before: *before,
                now: *now,
            })
            .collect()
    }

    /// Creates what is missing. If a topic is refused, the others are created none the less.
    pub(super) fn ensure(&self, cluster: &Cluster, wanted: &[TopicSpec]) -> Result<(), Error> {
        let names: Vec<&str> = wanted.iter().map(|spec| spec.topic.as_str()).collect();
        let states = cluster.states(&names)?;
        let (mut missing, mut refused, mut away, mut short) =
            (Vec::new(), None, Vec::new(), Vec::new());
        for spec in wanted {
            match states.get(spec.topic.as_str()) {
                Some(State::Exists(partitions))
                    if self.is_silent(cluster, &spec.topic, *partitions) =>
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
                    refused =
                        refused.or(Some(refusal::of_topic("ask about it", &spec.topic, *code)));
                }
                Some(State::Missing) | None => missing.push(spec),
            }
        }
        self.create(cluster, &missing)?;
        away.extend(self.too_short(cluster, &short)?);
        match refused {
            Some(refused) => Err(refused),
            None if away.is_empty() => Ok(()),
            None => Err(Error::Away(away)),
        }
    }

    /// Those of the topics with replicas out of sync that have too few to take a record.
    fn too_short(
        &self,
        cluster: &Cluster,
        short: &[(&TopicSpec, usize)],
    ) -> Result<Vec<Unwritable>, Error> {
        if short.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = short.iter().map(|(spec, _)| spec.topic.as_str()).collect();
        let mut away = Vec::new();
        for ((spec, in_sync), settings) in short.iter().zip(cluster.settings_of(&names)?) {
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

    fn create(&self, cluster: &Cluster, missing: &[&TopicSpec]) -> Result<(), Error> {
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
                settings.extend(cluster.record_limit().map(|bytes| ("max.message.bytes", bytes)));
                cluster.topic(spec.topic.as_str(), spec.partitions, &settings)
            })
            .collect();
        let results = cluster.create(&topics)?;
        let refusals: Vec<Error> =
            missing.iter().filter_map(|spec| self.created(cluster, spec, &results)).collect();
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    fn created(
        &self,
        cluster: &Cluster,
        spec: &TopicSpec,
        results: &[TopicResult],
    ) -> Option<Error> {
        match result_of(spec.topic.as_str(), results) {
            Ok(()) => {
                tracing::info!(topic = %spec.topic, partitions = spec.partitions, "created a \
                    topic");
                self.count(&spec.topic, spec.partitions.into());
            }
            Err(RDKafkaErrorCode::TopicAlreadyExists) => {}
            Err(RDKafkaErrorCode::InvalidReplicationFactor) => {
                return Some(cluster.too_few_brokers());
            }
            Err(code) => {
                let why = cluster.explain(spec.topic.as_str(), code);
                return Some(refusal::of_topic(&format!("create it: {why}"), &spec.topic, code));
            }
        }
        self.saw(&spec.topic);
        None
    }

    /// Whether the topic was doubted, and a partition's leader doesn't answer still.
    fn is_silent(&self, cluster: &Cluster, topic: &Topic, partitions: usize) -> bool {
        if !self.known().doubted.contains(topic) {
            return false;
        }
        let until = Instant::now() + ANSWERS_WITHIN;
        let answers =
            |partition| cluster.end_within(topic.as_str(), partition, left(until)).is_ok();
        if !(0..).take(partitions).all(answers) {
            return true;
        }
        self.known().doubted.remove(topic);
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

fn unwritable(spec: &TopicSpec, why: &str) -> Unwritable {
    Unwritable { topic: spec.topic.clone(), why: why.to_owned() }
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
