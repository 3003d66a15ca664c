//! Descriptions of topics in the cluster: their partitions, and the settings that decide how long
//! records are kept.
//!
//! They come from the cluster's metadata and settings, and are compared with the tenants' files, or
//! tell when Kafka will take a record. A query never creates a topic.

use std::collections::HashMap;

use super::admin::{Admin, State};
use super::classify::classify_topic;
use crate::domain::topic::Topic;
use crate::sink::{Error, Replicas, TopicDescription};

/// The most topics of one query for settings.
const ASK_MAX: usize = 200;

/// Describes the topics; one that is missing is left out.
pub(super) fn topics(
    admin: &Admin,
    topics: &[Topic],
) -> Result<HashMap<Topic, TopicDescription>, Error> {
    let names: Vec<&str> = topics.iter().map(Topic::as_str).collect();
    let states = admin.with_replicas(&names)?;
    let mut found = HashMap::new();
    for topic in topics {
        let (state, replicas) =
            states.get(topic.as_str()).copied().unwrap_or((State::Missing, None));
        if let State::Refused(code) = state {
            return Err(classify_topic("ask about it", topic, code));
        }
        let partitions = state.partitions();
        found.extend(partitions.map(|partitions| (topic.clone(), (partitions, replicas))));
    }
    let there: Vec<&Topic> = found.keys().collect();
    let mut described = HashMap::new();
    for some in there.chunks(ASK_MAX) {
        let names: Vec<&str> = some.iter().map(|topic| topic.as_str()).collect();
        for (topic, settings) in some.iter().zip(admin.settings_of(&names)?) {
            described.insert((*topic).clone(), of(found[*topic], &settings));
        }
    }
    Ok(described)
}

fn of(
    (partitions, replicas): (usize, Option<Replicas>),
    settings: &HashMap<String, String>,
) -> TopicDescription {
    let number = |name: &str| settings.get(name).and_then(|value| value.parse::<i64>().ok());
    let limit = |name: &str| number(name).filter(|ms| (0..i64::MAX).contains(ms));
    let deletes = settings.get("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
    // Before Kafka 3.6, one setting limited both.
    let either = || limit("message.timestamp.difference.max.ms");
    TopicDescription {
        partitions,
        retention_ms: limit("retention.ms").filter(|_| deletes),
        age_ms_max: limit("message.timestamp.before.max.ms").or_else(either),
        ahead_ms: limit("message.timestamp.after.max.ms").or_else(either),
        cleanup_policy: settings.get("cleanup.policy").cloned(),
        compression: settings.get("compression.type").cloned(),
        replicas,
        min_in_sync: number("min.insync.replicas").and_then(|it| usize::try_from(it).ok()),
    }
}
