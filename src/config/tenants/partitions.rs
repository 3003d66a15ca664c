//! FOLIO's variables `KAFKA_<ENTITY>_TOPIC_NUM_PARTITIONS`, such as
//! `KAFKA_HOLDINGS_RECORD_TOPIC_NUM_PARTITIONS` for the entity `holdings-record`.
//!
//! They are read before any file, so that the error of an illegal one names the variable.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

use super::PARTITIONS_MAX;

/// The number of partitions that the environment sets for each entity.
pub(super) struct Partitions(BTreeMap<String, u16>);

impl Partitions {
    /// Reads these variables.
    pub(super) fn of(environment: &[(String, String)]) -> anyhow::Result<Self> {
        let mut all = BTreeMap::new();
        for (name, value) in environment {
            let Some(entity) = entity(name) else { continue };
            let partitions =
                value.parse().ok().filter(|number| (1..=PARTITIONS_MAX).contains(number));
            let shown = value.escape_debug();
            let Some(partitions) = partitions else {
                bail!(
                    "{name} is `{shown}`: it must be a number of partitions, from 1 to \
                     {PARTITIONS_MAX}"
                );
            };
            all.insert(entity.to_owned(), partitions);
        }
        Ok(Self(all))
    }

    /// Returns the number for an entity.
    pub(super) fn for_entity(&self, entity: &str) -> Option<u16> {
        self.0.get(&written(entity)).copied()
    }

    /// Returns the variables that are for none of these entities.
    pub(super) fn for_no_entity<'a>(&self, entities: impl Iterator<Item = &'a str>) -> Vec<String> {
        let known: BTreeSet<_> = entities.map(written).collect();
        let unknown = self.0.keys().filter(|entity| !known.contains(*entity));
        unknown.map(|entity| format!("KAFKA_{entity}_TOPIC_NUM_PARTITIONS")).collect()
    }
}

fn entity(variable: &str) -> Option<&str> {
    let entity = variable.strip_prefix("KAFKA_")?.strip_suffix("_TOPIC_NUM_PARTITIONS")?;
    (!entity.is_empty() && !entity.starts_with("CONFIG_")).then_some(entity)
}

fn written(entity: &str) -> String {
    entity.to_ascii_uppercase().replace('-', "_")
}
