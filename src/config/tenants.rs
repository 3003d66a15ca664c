//! The tenants' files: `_default.toml` for all, `<id>.toml` for what differs.
//!
//! They are read once at start, into `domain::settings`. An unknown key, or an illegal name or
//! value, ends the start with an error that names the file and the key; where only two files
//! together are illegal, both.

mod added;
mod number;
mod partitions;
mod quota;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::folder;
use crate::domain::compression::Compression;
use crate::domain::entity::{
    DeleteAllMode, Entity, EntityName, EventName, LogRetention, ProcessEvent, TopicSettings,
};
use crate::domain::key::Pointer;
use crate::domain::producer::Producer;
use crate::domain::service_name::ServiceName;
use crate::domain::settings::{Settings, TenantSettings};
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Naming, Template};
use crate::domain::wire_form::WireForm;

pub use added::AddedFiles;
use partitions::Partitions;
use quota::QuotaTable;

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
    hexkit: Option<HexkitTable>,
    #[serde(default)]
    quota: QuotaTable,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProducerTable {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct HexkitTable {
    service_name: String,
}

/// An entity's table. It repeats the topic's keys, since `serde(flatten)` would let unknown keys
/// pass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntityTable {
    key: Option<String>,
    topic: Option<String>,
    #[serde(default, deserialize_with = "number::read")]
    partitions: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    retention_ms: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    log_retention_ms: Option<i64>,
    compacted: Option<bool>,
    compression: Option<String>,
    stored: Option<bool>,
    delete_all: Option<String>,
    wire_form: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicTable {
    topic: Option<String>,
    #[serde(default, deserialize_with = "number::read")]
    partitions: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    retention_ms: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    log_retention_ms: Option<i64>,
    compression: Option<String>,
    stored: Option<bool>,
    wire_form: Option<String>,
}

impl EntityTable {
    /// Returns the settings of `own`, and these where `own` has none.
    fn overlaid(&self, own: Self) -> Self {
        Self {
            key: own.key.or_else(|| self.key.clone()),
            topic: own.topic.or_else(|| self.topic.clone()),
            partitions: own.partitions.or(self.partitions),
            retention_ms: own.retention_ms.or(self.retention_ms),
            log_retention_ms: own.log_retention_ms.or(self.log_retention_ms),
            compacted: own.compacted.or(self.compacted),
            compression: own.compression.or_else(|| self.compression.clone()),
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
            log_retention_ms: own.log_retention_ms.or(self.log_retention_ms),
            compression: own.compression.or_else(|| self.compression.clone()),
            stored: own.stored.or(self.stored),
            wire_form: own.wire_form.or_else(|| self.wire_form.clone()),
        }
    }
}

impl File {
    /// Merges both files; `own` wins key by key.
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
        sum.hexkit = own.hexkit.or(sum.hexkit);
        sum.quota = sum.quota.overlaid(own.quota);
        sum
    }
}

/// Reads all files of the folder. `environment` may hold `KAFKA_<ENTITY>_TOPIC_NUM_PARTITIONS`,
/// which counts if no file sets the entity's partitions.
pub(super) fn read(
    folder: &Path,
    naming: Naming,
    environment: &[(String, String)],
) -> anyhow::Result<Settings> {
    let partitions = Partitions::of(environment)?;
    // A relative path tells nothing where it is not known from where the process was started.
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let shown = shown.display().to_string();
    read_files(folder, naming, &partitions).with_context(|| {
        format!("failed to read the tenants folder `{}` (TENANTS_DIR)", shown.escape_debug())
    })
}

/// Returns the variables and the files that are illegal by themselves, each with the error.
pub(super) fn check(
    folder: &Path,
    environment: &[(String, String)],
) -> Vec<(String, anyhow::Error)> {
    let (mut wrong, mut legal) = (Vec::new(), Vec::new());
    for variable in environment {
        match Partitions::of(std::slice::from_ref(variable)) {
            Ok(_) => legal.push(variable.clone()),
            Err(error) => wrong.push(("Tenants".to_owned(), error)),
        }
    }
    let (Ok(partitions), Ok(files)) = (Partitions::of(&legal), folder::each(folder)) else {
        return wrong;
    };
    wrong.extend(files.into_iter().filter_map(|(path, read)| {
        let check = |name: &str, text: &str| {
            if name != DEFAULT {
                TenantId::parse(name)?;
            }
            settings(toml::from_str(text)?, &partitions).map(drop)
        };
        let checked = read.and_then(|file| file.map_or(Ok(()), |(name, text)| check(&name, &text)));
        Some((path.display().to_string(), checked.err()?))
    }));
    wrong
}

fn read_files(folder: &Path, naming: Naming, partitions: &Partitions) -> anyhow::Result<Settings> {
    let mut files = BTreeMap::new();
    for (name, text) in folder::texts(folder)? {
        let file: File = toml::from_str(&text).with_context(|| format!("{name}.toml"))?;
        files.insert(name, file);
    }
    let default = files.remove(DEFAULT);
    warn_of_missing(folder, default.as_ref(), files.len());
    // The files at fault for what only both say.
    let both = |tenant: &str| match default {
        Some(_) => format!("{tenant}.toml and {DEFAULT}.toml"),
        None => format!("{tenant}.toml"),
    };
    let defaults = default.clone().unwrap_or_default();
    let of_all =
        settings(defaults.clone(), partitions).with_context(|| format!("{DEFAULT}.toml"))?;
    let mut own = BTreeMap::new();
    for (name, file) in files {
        let tenant = TenantId::parse(&name).with_context(|| format!("{name}.toml"))?;
        // What is illegal by itself is the file's own fault.
        settings(file.clone(), partitions).with_context(|| format!("{name}.toml"))?;
        let merged = settings(defaults.overlaid(file), partitions);
        own.insert(tenant, merged.with_context(|| both(&name))?);
    }
    refuse_partitions(partitions, own.values().chain([&of_all]))?;
    Settings::new(naming, of_all, own).map_err(|illegal| {
        let files: Vec<_> = illegal.tenants.iter().map(|tenant| both(tenant.as_str())).collect();
        let files = if files.is_empty() { vec![format!("{DEFAULT}.toml")] } else { files };
        anyhow::Error::new(illegal).context(files.join(", "))
    })
}

/// Refuses variables for entities that no file names.
fn refuse_partitions<'a>(
    partitions: &Partitions,
    all: impl Iterator<Item = &'a TenantSettings>,
) -> anyhow::Result<()> {
    let entities = all.flat_map(|settings| settings.entities.keys());
    let unknown = partitions.for_no_entity(entities.map(|(_, entity)| entity.as_str()));
    if !unknown.is_empty() {
        bail!("no file names the entity of {}", unknown.join(", "));
    }
    Ok(())
}

/// Warns of a folder that is legal, but hardly intended.
fn warn_of_missing(folder: &Path, default: Option<&File>, tenants: usize) {
    let shown = folder.display().to_string();
    let folder = shown.escape_debug();
    if default.is_none() {
        tracing::warn!(
            "the tenants folder `{folder}` has no {DEFAULT}.toml: a tenant has only the entities \
             of its own file"
        );
    }
    if tenants == 0 {
        tracing::warn!(
            "the tenants folder `{folder}` has no file of a tenant: only the tenants that the \
             store has already are enabled"
        );
    }
}

fn settings(file: File, partitions: &Partitions) -> anyhow::Result<TenantSettings> {
    let mut settings = TenantSettings::default();
    refuse_excluding(&file.entities)?;
    for (module, table) in file.producers {
        let named = || format!("producers.\"{module}\"");
        let producer = Producer::parse(&table.name).with_context(named)?;
        settings.producers.insert(module, producer);
    }
    for (name, table) in file.entities {
        let named = || format!("entities.\"{name}\"");
        let (producer, entity) = pair(&name).with_context(named)?;
        let key = (producer, EntityName::parse(entity).with_context(named)?);
        let said = partitions.for_entity(entity);
        settings.entities.insert(key, table.entity(said).with_context(named)?);
    }
    for (name, table) in file.process_events {
        let named = || format!("process_events.\"{name}\"");
        let (producer, event) = pair(&name).with_context(named)?;
        let event = EventName::parse(event).with_context(named)?;
        let wire_form = table.wire_form().with_context(named)?;
        let event_settings =
            ProcessEvent { wire_form, topic: table.settings().with_context(named)? };
        settings.process_events.insert((producer, event), event_settings);
    }
    settings.quota = file.quota.settings().context("quota")?;
    if let Some(table) = file.hexkit {
        let name = ServiceName::parse(&table.service_name).context("hexkit")?;
        settings.hexkit = Some(name);
    }
    Ok(settings)
}

fn pair(name: &str) -> anyhow::Result<(Producer, &str)> {
    let (producer, rest) =
        name.split_once('.').ok_or_else(|| anyhow!("`{name}` must be producer.name"))?;
    Ok((Producer::parse(producer)?, rest))
}

/// Refuses entities that are both compacted and not stored. The first sentences are hexkit's; the
/// last one names the keys of the file.
fn refuse_excluding(entities: &BTreeMap<String, EntityTable>) -> anyhow::Result<()> {
    let both =
        entities.iter().filter(|(_, t)| t.compacted == Some(true) && t.stored == Some(false));
    let both: Vec<_> = both.map(|(name, _)| name.as_str()).collect();
    if !both.is_empty() {
        bail!(
            "Values for `topics_not_stored` and `compacted_topics` must be exclusive. \
             Please review the following values: {}. Each of these entities has both \
             `stored = false` and `compacted = true`.",
            both.join(", ")
        );
    }
    Ok(())
}

impl EntityTable {
    fn entity(self, partitions: Option<u16>) -> anyhow::Result<Entity> {
        let delete_all = match self.delete_all.as_deref() {
            None | Some("record") => DeleteAllMode::Record,
            Some("expand") => DeleteAllMode::Expand,
            Some(other) => {
                bail!("delete_all = \"{other}\" is not known; it must be \"record\" or \"expand\"")
            }
        };
        if delete_all == DeleteAllMode::Expand && self.stored == Some(false) {
            bail!(
                "delete_all = \"expand\" and stored = false exclude each other: the log must have \
                 the records that are deleted"
            );
        }
        let topic = TopicTable {
            topic: self.topic,
            partitions: self.partitions.or(partitions.map(i64::from)),
            retention_ms: self.retention_ms,
            log_retention_ms: self.log_retention_ms,
            compression: self.compression,
            stored: self.stored,
            wire_form: self.wire_form,
        };
        let wire_form = topic.wire_form()?;
        let compacted = self.compacted.unwrap_or(false);
        let topic = TopicSettings { compacted, delete_all, ..topic.settings()? };
        Ok(Entity { key: Pointer::parse(self.key.as_deref().unwrap_or("/id"))?, wire_form, topic })
    }
}

impl TopicTable {
    fn wire_form(&self) -> anyhow::Result<WireForm> {
        let Some(name) = &self.wire_form else { return Ok(WireForm::default()) };
        WireForm::of_name(name).ok_or_else(|| {
            anyhow!("wire_form = \"{name}\" is not known; it must be {}", WireForm::names())
        })
    }

    fn compression(&self) -> anyhow::Result<Option<Compression>> {
        let Some(name) = &self.compression else { return Ok(None) };
        let named = Compression::of_name(name).ok_or_else(|| {
            let names = Compression::names();
            anyhow!("compression = \"{name}\" is not known; it must be {names}")
        });
        named.map(Some)
    }

    fn settings(self) -> anyhow::Result<TopicSettings> {
        let compression = self.compression()?;
        let default = TopicSettings::default();
        let partitions = self.partitions.unwrap_or(default.partitions.into());
        let legal =
            u16::try_from(partitions).ok().filter(|number| (1..=PARTITIONS_MAX).contains(number));
        let Some(legal) = legal else {
            bail!("partitions must be from 1 to {PARTITIONS_MAX}, not {partitions}");
        };
        let retention_ms = self.retention_ms.unwrap_or(default.retention_ms);
        if retention_ms < -1 || retention_ms == 0 {
            bail!("retention_ms must be -1 (for ever), or at least 1, not {retention_ms}");
        }
        let log_retention = match self.log_retention_ms {
            None => None,
            Some(-1) => Some(LogRetention::Forever),
            Some(ms) if ms > 0 => Some(LogRetention::Ms(ms)),
            Some(ms) => {
                bail!("log_retention_ms must be -1 (for ever), or at least 1, not {ms}");
            }
        };
        let stored = self.stored.unwrap_or(true);
        let template = self.topic.as_deref().map_or(Ok(default.template), Template::parse)?;
        Ok(TopicSettings {
            template,
            partitions: legal,
            retention_ms,
            compression,
            log_retention,
            stored,
            ..TopicSettings::default()
        })
    }
}

#[cfg(test)]
mod tests;
