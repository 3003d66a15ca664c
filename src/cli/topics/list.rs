//! `topics list`: the topics of the tenants, each once, with the settings with which each is
//! created, and those that Kafka has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::deps::Deps;
use crate::cli::output::{Column, OutputOptions, Rows};
use crate::clock::Clock;
use crate::config::TopicsOptions;
use crate::domain::topic::Topic;
use crate::sink::{Sinks, TopicDescription};

const COLUMNS: [Column; 5] = columns("none");
/// The columns where Kafka could not be asked.
const UNASKED: [Column; 5] = columns("unknown");

const fn columns(none: &'static str) -> [Column; 5] {
    [
        ("TOPIC", "topic", -63, "-"),
        ("PARTITIONS", "partitions", 10, "-"),
        ("RETENTION_MS", "retentionMs", 15, "-"),
        ("COMPACTED", "compacted", 10, "-"),
        ("IN_KAFKA", "partitionsInKafka", 9, none),
    ]
}

/// Options of `topics list`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    topics: TopicsOptions,
}

/// Prints a line for each topic; logs a warning for each that has other settings in Kafka than in
/// the files.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let deps = Deps::with_broker(&options.topics, clock).await?;
    let Deps { store, settings, sinks } = &deps;
    let tenants = store.list().await?;
    let specs = tenants.iter().flat_map(|enabled| settings.specs(&enabled.tenant));
    // Tenants may share a topic.
    let specs: BTreeMap<_, _> = specs.map(|spec| (spec.topic.clone(), spec)).collect();
    let specs: Vec<_> = specs.into_values().collect();
    let topics: Vec<Topic> = specs.iter().map(|spec| spec.topic.clone()).collect();
    let there = described(sinks, &topics).await;
    let columns = if there.is_some() { &COLUMNS } else { &UNASKED };
    let mut rows = Rows::begin(options.output.form, columns)?;
    for spec in &specs {
        let found = there.as_ref().and_then(|there| there.get(&spec.topic));
        rows.row(&json!({
            "topic": spec.topic.as_str(),
            "partitions": spec.partitions,
            "retentionMs": spec.retention_ms,
            "compacted": spec.compacted,
            "partitionsInKafka": found.map(|found| found.partitions),
            "isKnown": there.is_some(),
        }))?;
    }
    let there = there.unwrap_or_default();
    for spec in &specs {
        if let (Some(described), Some(kafka)) = (there.get(&spec.topic), sinks.broker())
            && let Some(why) = described.differs(spec, kafka.names())
        {
            tracing::warn!(topic = %spec.topic, "{why}");
        }
    }
    Ok(())
}

/// Asks Kafka for the topics; `None` if there is no Kafka, or it does not answer.
async fn described(sinks: &Sinks, topics: &[Topic]) -> Option<HashMap<Topic, TopicDescription>> {
    match sinks.broker()?.describe(topics).await {
        Ok(described) => Some(described),
        Err(error) => {
            tracing::warn!(%error, "failed to ask Kafka about the topics");
            None
        }
    }
}
