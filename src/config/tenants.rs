//! The tenants' files: `_default.toml` for all, `<id>.toml` for what differs.
//!
//! Read once at start; feeds `domain::settings`. An unknown key, an illegal name or value ends the
//! start, with the file and the key named.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use crate::domain::entity::{Entity, EntityName, EventName, TopicSettings};
use crate::domain::key::Pointer;
use crate::domain::producer::Producer;
use crate::domain::settings::{Settings, TenantSettings};
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Naming, Template};
use crate::domain::wire_form::WireForm;

const DEFAULT: &str = "_default";
const PARTITIONS_MAX: u16 = 1000;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    producers: BTreeMap<String, ProducerTable>,
    #[serde(default)]
    entities: BTreeMap<String, EntityTable>,
    #[serde(default)]
    process_events: BTreeMap<String, TopicTable>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProducerTable {
    name: String,
}

/// `serde(flatten)` would let unknown keys pass, so the topic's keys stand here again.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityTable {
    key: Option<String>,
    topic: Option<String>,
    partitions: Option<u16>,
    retention_ms: Option<i64>,
    compacted: Option<bool>,
    stored: Option<bool>,
    delete_all: Option<String>,
    wire_form: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicTable {
    topic: Option<String>,
    partitions: Option<u16>,
    retention_ms: Option<i64>,
}

impl EntityTable {
    /// What `own` says, else what this says.
    fn overlaid(&self, own: Self) -> Self {
        Self {
            key: own.key.or_else(|| self.key.clone()),
            topic: own.topic.or_else(|| self.topic.clone()),
            partitions: own.partitions.or(self.partitions),
            retention_ms: own.retention_ms.or(self.retention_ms),
            compacted: own.compacted.or(self.compacted),
            stored: own.stored.or(self.stored),
            delete_all: own.delete_all.or_else(|| self.delete_all.clone()),
            wire_form: own.wire_form.or_else(|| self.wire_form.clone()),
        }
    }
}

impl TopicTable {
    fn overlaid(&self, own: Self) -> Self {
        Self {
            topic: own.topic.or_else(|| self.topic.clone()),
            partitions: own.partitions.or(self.partitions),
            retention_ms: own.retention_ms.or(self.retention_ms),
        }
    }
}

impl File {
    /// The sum of both; `own` wins key by key.
    fn overlaid(&self, own: File) -> File {
        let mut sum = self.clone();
        sum.producers.extend(own.producers);
        for (name, table) in own.entities {
            let table = sum.entities.get(&name).cloned().unwrap_or_default().overlaid(table);
            sum.entities.insert(name, table);
        }
        for (name, table) in own.process_events {
            let table = sum.process_events.get(&name).cloned().unwrap_or_default().overlaid(table);
            sum.process_events.insert(name, table);
        }
        sum
    }
}

/// Reads all files of the folder. `environment` may hold `KAFKA_<ENTITY>_TOPIC_NUM_PARTITIONS`, which
/// counts where no file says how many partitions.
pub(super) fn read(
    folder: &Path,
    naming: Naming,
    environment: &[(String, String)],
) -> anyhow::Result<Settings> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".toml"))
        else {
            continue;
        };
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let file: File =
            toml::from_str(&text).with_context(|| format!("failed to read {}", path.display()))?;
        files.insert(name.to_owned(), file);
    }
    let default = files.remove(DEFAULT).unwrap_or_default();
    let mut own = BTreeMap::new();
    for (name, file) in files {
        let tenant = TenantId::parse(&name).with_context(|| format!("failed to read {name}.toml"))?;
        let settings = settings(default.overlaid(file), environment)
            .with_context(|| format!("failed to read {name}.toml"))?;
        own.insert(tenant, settings);
    }
    let default = settings(default, environment).with_context(|| format!("failed to read {DEFAULT}.toml"))?;
    Ok(Settings::new(naming, default, own)?)
}

fn settings(file: File, environment: &[(String, String)]) -> anyhow::Result<TenantSettings> {
    let mut settings = TenantSettings::default();
    refuse_excluding(&file.entities)?;
    for (module, table) in file.producers {
        settings.producers.insert(module, Producer::parse(&table.name)?);
    }
    for (name, table) in file.entities {
        let (producer, entity) = pair(&name)?;
        let key = (producer, EntityName::parse(entity)?);
        let of_environment = partitions_of(entity, environment)?;
        let entity = table.entity(of_environment).with_context(|| format!("entities.\"{name}\""))?;
        settings.entities.insert(key, entity);
    }
    for (name, table) in file.process_events {
        let (producer, event) = pair(&name)?;
        let topic = table.settings().with_context(|| format!("process_events.\"{name}\""))?;
        settings.process_events.insert((producer, EventName::parse(event)?), topic);
    }
    Ok(settings)
}

fn pair(name: &str) -> anyhow::Result<(Producer, &str)> {
    let (producer, rest) = name.split_once('.').ok_or_else(|| anyhow!("`{name}` must be producer.name"))?;
    Ok((Producer::parse(producer)?, rest))
}

/// The message is hexkit's.
fn refuse_excluding(entities: &BTreeMap<String, EntityTable>) -> anyhow::Result<()> {
    let both = entities.iter().filter(|(_, t)| t.compacted == Some(true) && t.stored == Some(false));
    let both: Vec<_> = both.map(|(name, _)| name.as_str()).collect();
    if !both.is_empty() {
        bail!(
            "Values for `topics_not_stored` and `compacted_topics` must be exclusive. \
             Please review the following values: {}.",
            both.join(", ")
        );
    }
    Ok(())
}

impl EntityTable {
    fn entity(self, partitions: Option<u16>) -> anyhow::Result<Entity> {
        if self.stored == Some(false) {
            bail!("stored = false is not supported by this version: every event is kept");
        }
        if let Some(other) = self.delete_all.as_deref().filter(|d| *d != "record") {
            bail!("delete_all = \"{other}\" is not supported by this version; it must be \"record\"");
        }
        let wire_form = self.wire_form.as_deref().unwrap_or("convention");
        let wire_form = WireForm::of_name(wire_form)
            .ok_or_else(|| anyhow!("wire_form = \"{wire_form}\" is not known; it must be \"convention\""))?;
        let topic = TopicTable {
            topic: self.topic,
            partitions: self.partitions.or(partitions),
            retention_ms: self.retention_ms,
        };
        let topic = TopicSettings { compacted: self.compacted.unwrap_or(false), ..topic.settings()? };
        Ok(Entity { key: Pointer::parse(self.key.as_deref().unwrap_or("/id"))?, wire_form, topic })
    }
}

impl TopicTable {
    fn settings(self) -> anyhow::Result<TopicSettings> {
        let default = TopicSettings::default();
        let partitions = self.partitions.unwrap_or(default.partitions);
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            bail!("partitions = {partitions} must be from 1 to {PARTITIONS_MAX}");
        }
        let retention_ms = self.retention_ms.unwrap_or(default.retention_ms);
        if retention_ms < -1 {
            bail!("retention_ms = {retention_ms} must be -1 (for ever) or more");
        }
        let template = self.topic.as_deref().map_or(Ok(default.template), Template::parse)?;
        Ok(TopicSettings { template, partitions, retention_ms, compacted: false })
    }
}

/// FOLIO's `KAFKA_HOLDINGS_RECORD_TOPIC_NUM_PARTITIONS` for the entity `holdings-record`.
fn partitions_of(entity: &str, environment: &[(String, String)]) -> anyhow::Result<Option<u16>> {
    let variable = format!("KAFKA_{}_TOPIC_NUM_PARTITIONS", entity.to_ascii_uppercase().replace('-', "_"));
    let Some((_, value)) = environment.iter().find(|(name, value)| *name == variable && !value.is_empty())
    else {
        return Ok(None);
    };
    Ok(Some(
        value
            .parse()
            .with_context(|| format!("{variable} is `{value}`, which is no number of partitions"))?,
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::read;
    use crate::domain::settings::Settings;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::Naming;

    fn settings(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let environment: Vec<_> =
            environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let naming = Naming::new(Some("folio"), None).unwrap();
        read(folder.path(), naming, &environment).map_err(|e| format!("{e:#}"))
    }

    fn diku() -> TenantId {
        TenantId::parse("diku").unwrap()
    }

    #[test]
    fn known_entities_are_the_sum_of_both_files() {
        let default = "[entities.\"inventory.item\"]\npartitions = 5\nretention_ms = 7\n";
        let own = "[entities.\"inventory.item\"]\npartitions = 9\n[entities.\"users.user\"]\n";
        let settings = settings(&[("_default.toml", default), ("diku.toml", own)], &[]).unwrap();
        let specs = settings.specs(&diku());
        let found: Vec<_> = specs.iter().map(|s| (s.topic.as_str(), s.partitions, s.retention_ms)).collect();
        assert_eq!(found, [("folio.diku.inventory.item", 9, 7), ("folio.diku.users.user", 1, 604_800_000)]);
        assert_eq!(settings.specs(&TenantId::parse("other").unwrap())[0].partitions, 5);
    }

    #[test]
    fn the_environment_tells_partitions_where_no_file_does() {
        let file =
            "[entities.\"inventory.holdings-record\"]\n[entities.\"inventory.item\"]\npartitions = 2\n";
        let environment =
            [("KAFKA_HOLDINGS_RECORD_TOPIC_NUM_PARTITIONS", "4"), ("KAFKA_ITEM_TOPIC_NUM_PARTITIONS", "4")];
        let specs = settings(&[("_default.toml", file)], &environment).unwrap().specs(&diku());
        assert_eq!(specs.iter().map(|s| s.partitions).collect::<Vec<_>>(), [4, 2]);
    }

    #[test]
    fn what_is_illegal_names_its_file_and_key() {
        let cases = [
            ("diku.toml", "x = 1", "unknown field `x`"),
            ("diku.toml", "[entities.\"inventory.item\"]\nkeys = \"/id\"", "unknown field `keys`"),
            ("Diku.toml", "", "tenant `Diku`"),
            ("diku.toml", "[entities.item]", "`item` must be producer.name"),
            ("diku.toml", "[entities.\"inventory.a_b\"]", "entity `a_b`"),
            ("diku.toml", "[entities.\"a_b.item\"]", "producer `a_b`"),
            ("diku.toml", "[entities.\"a.b\"]\npartitions = 0", "partitions = 0"),
            ("diku.toml", "[entities.\"a.b\"]\nkey = \"id\"", "key pointer `id`"),
            ("diku.toml", "[entities.\"a.b\"]\ntopic = \"x.y\"", "must contain {tenant}"),
            ("diku.toml", "[entities.\"a.b\"]\ncompacted = true\nstored = false", "following values: a.b."),
            ("diku.toml", "[entities.\"a.b\"]\nwire_form = \"xml\"", "wire_form = \"xml\""),
            ("diku.toml", "[process_events.\"a.CREATE\"]", "process event `CREATE`"),
            ("diku.toml", "not toml", "diku.toml"),
        ];
        for (name, text, expected) in cases {
            let error = settings(&[(name, text)], &[]).unwrap_err();
            assert!(error.contains(expected), "{error} doesn't say {expected}");
        }
    }

    #[test]
    fn entities_that_share_a_topic_must_agree_on_it() {
        let shared = "topic = \"{env}.{tenant}.mod-audit\"";
        let agree = format!("[entities.\"a.x\"]\n{shared}\n[entities.\"b.y\"]\n{shared}\n");
        assert_eq!(settings(&[("diku.toml", &agree)], &[]).unwrap().specs(&diku()).len(), 1);
        let error = settings(&[("diku.toml", &format!("{agree}partitions = 2\n"))], &[]).unwrap_err();
        assert!(error.contains("folio.diku.mod-audit"), "{error}");
    }

    #[test]
    fn the_project_s_own_files_are_legal() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tenants");
        let settings = read(&folder, Naming::default(), &[]).unwrap();
        assert!(settings.entity(&diku(), "mod-inventory-storage", "instance").is_ok());
        assert!(settings.entity(&diku(), "mod-circulation-storage", "loan").is_ok());
    }
}
