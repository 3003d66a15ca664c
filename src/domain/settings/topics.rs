//! Settings are made here, once their topics are checked: none is the gateway's own, entities and
//! tenants that share one agree on it, two tenants share none without a tenant collection, and no
//! two collide in Kafka.
//!
//! `config` makes them, and says which files are at fault; whoever enables a tenant checks its
//! topics beside those of the others.

use std::collections::BTreeMap;

use super::{LogRule, Settings, TenantSettings};
use crate::domain::compression::Compression;
use crate::domain::entity::{DeleteAllMode, LogRetention};
use crate::domain::known_topic::{KnownTopic, Taking};
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Naming, Topic, TopicSpec};

/// A topic that no settings may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IllegalTopic {
    /// The tenants whose own settings are at fault; none if it is the default ones.
    pub tenants: Vec<TenantId>,
    message: String,
}

/// How a topic is created, and how the log keeps it.
type Rules = (TopicSpec, LogRule);

/// A topic of a tenant.
struct Owned<'a> {
    spec: TopicSpec,
    /// An entity or process event that has it, as `producer.name`.
    name: String,
    tenant: &'a TenantId,
}

impl Settings {
    /// Builds the settings; `default` is for every tenant that `own` doesn't name. Refuses two
    /// entities of a tenant that share a topic and would create it differently, a topic that is
    /// reserved for the gateway, topics that collide, and a topic that two tenants share without a
    /// tenant collection, or with one create differently.
    pub fn new(
        naming: Naming,
        default: TenantSettings,
        own: BTreeMap<TenantId, TenantSettings>,
    ) -> Result<Self, IllegalTopic> {
        let settings = Self { naming, default, own, ..Self::default() };
        // First those of the default settings, so that no tenant is blamed for them.
        let any = TenantId::parse("default").expect("a legal tenant");
        settings.check_topics(&mut [&any].into_iter().chain(settings.own.keys()))?;
        Ok(settings)
    }

    /// Checks the topics of these tenants beside each other, and beside those of all tenants that
    /// have settings of their own. Tenants without such settings may be among them.
    pub fn check_beside(&self, tenants: &[TenantId]) -> Result<(), IllegalTopic> {
        self.check_topics(&mut self.tenants().chain(tenants))
    }

    /// Checks a tenant's topics beside those that the store knows.
    pub fn check_known(&self, tenant: &TenantId, known: &[KnownTopic]) -> Result<(), IllegalTopic> {
        for TopicSpec { topic, .. } in self.specs(tenant) {
            let (taking, is_shared) = (Taking::Events(tenant, &topic), self.naming.is_shared());
            if let Some(message) = known.iter().find_map(|it| it.clash(taking, is_shared)) {
                return Err(IllegalTopic { tenants: vec![tenant.clone()], message });
            }
        }
        Ok(())
    }

    fn check_topics<'a>(
        &'a self,
        tenants: &mut dyn Iterator<Item = &'a TenantId>,
    ) -> Result<(), IllegalTopic> {
        // By their folded names, each with a tenant that has it.
        let mut owners: BTreeMap<String, Owned> = BTreeMap::new();
        for tenant in tenants {
            let at_fault = |all: &[&TenantId]| {
                let own = all.iter().filter(|it| self.tenants().any(|known| known == **it));
                own.map(|it| (*it).clone()).collect::<Vec<_>>()
            };
            let specs = self.specs_of(tenant);
            for (name, spec) in
                specs.map_err(|message| IllegalTopic { tenants: at_fault(&[tenant]), message })?
            {
                let owned = Owned { spec, name, tenant };
                let folded = owned.spec.topic.folded();
                if let Some(other) = owners.get(&folded)
                    && let Some(message) = self.clash(other, &owned)
                {
                    let mut all = vec![other.tenant, tenant];
                    all.dedup();
                    return Err(IllegalTopic { tenants: at_fault(&all), message });
                }
                owners.insert(folded, owned);
            }
        }
        Ok(())
    }

    /// Says why two topics whose names are the same to Kafka can't be beside each other.
    fn clash(&self, before: &Owned<'_>, owned: &Owned<'_>) -> Option<String> {
        let (other, Owned { spec, tenant, .. }) = (before.tenant, owned);
        let topic = &spec.topic;
        let named = match before.name == owned.name {
            true => format!("`{}`", owned.name),
            false => format!("`{}` and `{}`", before.name, owned.name),
        };
        if before.spec.topic != *topic {
            return Some(format!(
                "the topics `{}` of tenant `{other}` and `{topic}` of tenant `{tenant}` collide: \
                 Kafka treats `.` and `_` as the same; they are those of {named}: give one of them \
                 another `topic`",
                before.spec.topic
            ));
        }
        if *tenant == other {
            return None;
        }
        if !self.naming.is_shared() {
            return Some(format!(
                "topic `{topic}` is that of two tenants, `{other}` and `{tenant}`: {{tenant}} must \
                 stand where no other tenant's topics can meet, in the `topic` of {named}"
            ));
        }
        let told = differences(&created_with(&before.spec), &created_with(spec));
        (!told.is_empty()).then(|| {
            format!(
                "topic `{topic}` is shared by the tenants `{other}` and `{tenant}`, which differ \
                 in {told} of {named}: let them be the same"
            )
        })
    }

    /// Returns the settings with which a tenant's topics are created, each with an entity or
    /// process event that has it, or says what is illegal about one.
    fn specs_of(&self, tenant: &TenantId) -> Result<Vec<(String, TopicSpec)>, String> {
        let mut seen: BTreeMap<Topic, (String, Rules)> = BTreeMap::new();
        for (producer, name, set) in self.of(tenant).topics() {
            let spec = self.spec_of(tenant, producer, name, set);
            let (topic, name) = (spec.topic.clone(), format!("{producer}.{name}"));
            if topic.is_reserved() {
                return Err(format!(
                    "topic `{topic}` of `{name}` is reserved for the gateway, as every \
                     ENV.event-gateway.NAME is"
                ));
            }
            let rules = (spec, LogRule::new(topic.clone(), set));
            let (first, its) =
                seen.entry(topic.clone()).or_insert_with(|| (name.clone(), rules.clone()));
            if *its != rules {
                return Err(format!(
                    "topic `{topic}` is shared by `{first}` and `{name}`, which differ in {}",
                    differences(&values(its), &values(&rules))
                ));
            }
        }
        Ok(seen.into_values().map(|(name, (spec, _))| (name, spec)).collect())
    }
}

/// A key of the files, with its value.
type Value = (&'static str, String);

/// Returns the settings that differ, by the keys of the files, with their values.
fn differences(one: &[Value], other: &[Value]) -> String {
    let differ = one.iter().zip(other).filter(|(one, other)| one != other);
    let told = differ.map(|((key, one), (_, other))| format!("{key} ({one} and {other})"));
    told.collect::<Vec<_>>().join(", ")
}

fn created_with(spec: &TopicSpec) -> [Value; 4] {
    let compression = spec.compression.map_or("not set", Compression::name);
    [
        ("partitions", spec.partitions.to_string()),
        ("retention_ms", spec.retention_ms.to_string()),
        ("compacted", spec.compacted.to_string()),
        ("compression", compression.to_owned()),
    ]
}

fn values((spec, rule): &Rules) -> [Value; 7] {
    let log_retention = match rule.retention {
        None => "none".to_owned(),
        Some(LogRetention::Forever) => "-1".to_owned(),
        Some(LogRetention::Ms(ms)) => ms.to_string(),
    };
    let delete_all = match rule.delete_all {
        DeleteAllMode::Record => "record",
        DeleteAllMode::Expand => "expand",
    };
    let [partitions, retention_ms, compacted, compression] = created_with(spec);
    [
        partitions,
        retention_ms,
        ("log_retention_ms", log_retention),
        compacted,
        compression,
        ("stored", rule.stored.to_string()),
        ("delete_all", delete_all.to_owned()),
    ]
}
