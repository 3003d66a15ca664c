//! Settings are made here, once their topics are checked: none is the gateway's own, entities that
//! share one agree on it, and two tenants share none without a tenant collection.
//!
//! `config` makes them, and says which files are at fault.

use std::collections::BTreeMap;

use super::{LogRule, Settings, TenantSettings};
use crate::domain::entity::{DeleteAllMode, LogRetention};
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

impl Settings {
    /// Builds the settings; `default` is for every tenant that `own` doesn't name. Refuses two
    /// entities of a tenant that share a topic and would create it differently, a topic that is
    /// reserved for the gateway, and a topic that two tenants share without a tenant collection.
    pub fn new(
        naming: Naming,
        default: TenantSettings,
        own: BTreeMap<TenantId, TenantSettings>,
    ) -> Result<Self, IllegalTopic> {
        let settings = Self { naming, default, own, ..Self::default() };
        settings.check_topics()?;
        Ok(settings)
    }

    /// Checks the topics of all tenants: first those of the default settings, so that no tenant is
    /// blamed for them.
    fn check_topics(&self) -> Result<(), IllegalTopic> {
        let any = TenantId::parse("default").expect("a legal tenant");
        let mut owners: BTreeMap<Topic, &TenantId> = BTreeMap::new();
        for tenant in [&any].into_iter().chain(self.own.keys()) {
            let is_own = self.own.contains_key(tenant);
            let tenants: Vec<_> = is_own.then(|| tenant.clone()).into_iter().collect();
            let topics = self.topics_of(tenant);
            for topic in topics.map_err(|message| IllegalTopic { tenants, message })? {
                let other = owners.insert(topic.clone(), tenant).filter(|other| *other != tenant);
                if let (Some(other), false) = (other, self.naming.is_shared()) {
                    let tenants =
                        [other, tenant].into_iter().filter(|it| self.own.contains_key(*it));
                    let message = format!(
                        "topic `{topic}` is that of two tenants, `{other}` and `{tenant}`: \
                         {{tenant}} must stand where no other tenant's topics can meet"
                    );
                    return Err(IllegalTopic { tenants: tenants.cloned().collect(), message });
                }
            }
        }
        Ok(())
    }

    /// Returns a tenant's topics, or says what is illegal about one.
    fn topics_of(&self, tenant: &TenantId) -> Result<Vec<Topic>, String> {
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
                    differences(its, &rules)
                ));
            }
        }
        Ok(seen.into_keys().collect())
    }
}

/// Returns the settings in which two entities differ, by the keys of the files, with their values.
fn differences(one: &Rules, other: &Rules) -> String {
    let differ = values(one).into_iter().zip(values(other)).filter(|(one, other)| one != other);
    let told = differ.map(|((key, one), (_, other))| format!("{key} ({one} and {other})"));
    told.collect::<Vec<_>>().join(", ")
}

fn values((spec, rule): &Rules) -> [(&'static str, String); 6] {
    let log_retention = match rule.retention {
        None => "none".to_owned(),
        Some(LogRetention::Forever) => "-1".to_owned(),
        Some(LogRetention::Ms(ms)) => ms.to_string(),
    };
    let delete_all = match rule.delete_all {
        DeleteAllMode::Record => "record",
        DeleteAllMode::Expand => "expand",
    };
    [
        ("partitions", spec.partitions.to_string()),
        ("retention_ms", spec.retention_ms.to_string()),
        ("log_retention_ms", log_retention),
        ("compacted", spec.compacted.to_string()),
        ("stored", rule.stored.to_string()),
        ("delete_all", delete_all.to_owned()),
    ]
}
