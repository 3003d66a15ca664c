//! `topics list`: the topics of the tenants, each once, with the settings with which each is
//! created, and those that Kafka has.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use crate::cli::deps::Deps;
use crate::domain::topic::Topic;
use crate::sink::{Sinks, TopicDescription};

/// Prints a line for each topic; logs a warning for each that has other settings in Kafka than in
/// the files.
pub async fn run(deps: &Deps) -> anyhow::Result<()> {
    let Deps { store, settings, sinks } = deps;
    let tenants = store.list().await?;
    let specs = tenants.iter().flat_map(|enabled| settings.specs(&enabled.tenant));
    // Tenants may share a topic.
    let specs: BTreeMap<_, _> = specs.map(|spec| (spec.topic.clone(), spec)).collect();
    let specs: Vec<_> = specs.into_values().collect();
    let topics: Vec<Topic> = specs.iter().map(|spec| spec.topic.clone()).collect();
    let there = described(sinks, &topics).await;
    let mut out = super::super::stdout();
    writeln!(
        out,
        "{:<64}{:>11}{:>16}{:>11}{:>10}",
        "TOPIC", "PARTITIONS", "RETENTION_MS", "COMPACTED", "IN_KAFKA"
    )?;
    for spec in &specs {
        let compacted = if spec.compacted { "yes" } else { "no" };
        let in_kafka = match &there {
            None => "unknown".to_owned(),
            Some(there) => {
                there.get(&spec.topic).map_or("none".to_owned(), |it| it.partitions.to_string())
            }
        };
        let (topic, partitions, retention) =
            (spec.topic.to_string(), spec.partitions, spec.retention_ms);
        writeln!(out, "{topic:<64}{partitions:>11}{retention:>16}{compacted:>11}{in_kafka:>10}")?;
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
