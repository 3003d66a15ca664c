//! The settings of each tenant: its producers, entities and process events.
//!
//! `config` builds them once from the tenants' files. `http` asks whether an entity is known, and
//! for its topic; `follow` asks what a topic is created with.

mod added;
mod topics;

use std::collections::{BTreeMap, BTreeSet};

use super::Invalid;
use super::entity::{
    DeleteAllMode, Entity, EntityName, EventName, LogRetention, ProcessEvent, TopicSettings,
};
use super::filter::TopicPattern;
use super::producer::Producer;
use super::quota::QuotaSettings;
use super::service_name::ServiceName;
use super::subject::Subject;
use super::tenant::TenantId;
use super::topic::{Naming, Topic, TopicSpec};
use super::wire_form::WireForm;

use added::Added;
pub use added::{FoundFiles, LeftOut, NotAdded};
pub use topics::IllegalTopic;

/// The least likeness of a topic to a pattern that may have meant it; 1 is that of equal texts.
const ALIKE: f64 = 0.7;
/// The most topics that a pattern may have meant.
const NEAREST_MAX: usize = 3;

/// An entity or process event that the tenant's settings don't name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{asked}` is not known; known are: {}", known.join(", "))]
pub struct Unknown {
    /// The name that was asked for, as `producer.entity`.
    pub asked: String,
    /// All known names, in order.
    pub known: Vec<String>,
}

/// One tenant's settings: the default ones, merged with its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantSettings {
    /// The producers whose names are overridden, by the module's name without its version.
    pub producers: BTreeMap<String, Producer>,
    /// The known entities.
    pub entities: BTreeMap<(Producer, EntityName), Entity>,
    /// The known process events.
    pub process_events: BTreeMap<(Producer, EventName), ProcessEvent>,
    /// The hexkit service whose collection the tenant's events are kept in.
    pub hexkit: Option<ServiceName>,
    /// How much the tenant may post.
    pub quota: QuotaSettings,
}

impl TenantSettings {
    /// Returns each topic's settings, with the producer and the entity or process event.
    fn topics(&self) -> impl Iterator<Item = (&Producer, &str, &TopicSettings)> {
        let entities = self.entities.iter().map(|((p, e), entity)| (p, e.as_str(), &entity.topic));
        let events = self.process_events.iter();
        entities.chain(events.map(|((p, e), event)| (p, e.as_str(), &event.topic)))
    }
}

/// The rule by which the log keeps the events of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRule {
    /// The topic.
    pub topic: Topic,
    /// How long its events are kept; `None`: as long as those of topics that don't say it.
    pub retention: Option<LogRetention>,
    /// Whether only the last event of each key is kept, of those that are published.
    pub compacted: bool,
    /// Whether events are kept that every sink has.
    pub stored: bool,
    /// How a DELETE_ALL is published.
    pub delete_all: DeleteAllMode,
}

impl LogRule {
    /// The rule of a topic that no file names.
    pub fn of_unnamed(topic: Topic) -> Self {
        Self::new(topic, &TopicSettings::default())
    }

    fn new(topic: Topic, set: &TopicSettings) -> Self {
        let TopicSettings { log_retention: retention, compacted, stored, delete_all, .. } = *set;
        Self { topic, retention, compacted, stored, delete_all }
    }
}

/// All tenants' settings, and the parts that topic names share. Settings never change, but those of
/// further tenants may be added.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    naming: Naming,
    default: TenantSettings,
    own: BTreeMap<TenantId, TenantSettings>,
    added: Added,
}

impl Settings {
    /// Returns the names of the entities and process events, as `producer.name`, whose events some
    /// tenant's log keeps only until every sink has them.
    pub fn not_stored(&self) -> BTreeSet<String> {
        let all = self.all().flat_map(TenantSettings::topics);
        let lost = all.filter(|(_, _, set)| !set.stored);
        lost.map(|(producer, name, _)| format!("{producer}.{name}")).collect()
    }

    /// Returns the parts that topic names share.
    pub fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Returns the tenants that have settings of their own.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.own.keys().chain(self.added.tenants())
    }

    /// Returns whether a tenant has settings of its own.
    pub fn has_own(&self, tenant: &TenantId) -> bool {
        self.own.contains_key(tenant) || self.added.of(tenant).is_some()
    }

    /// Returns a tenant's settings.
    pub fn of(&self, tenant: &TenantId) -> &TenantSettings {
        let added = || self.added.of(tenant);
        self.own.get(tenant).or_else(added).unwrap_or(&self.default)
    }

    /// Returns the settings of all tenants that have their own, and the default ones.
    fn all(&self) -> impl Iterator<Item = &TenantSettings> {
        self.tenants().map(|tenant| self.of(tenant)).chain([&self.default])
    }

    /// Returns the quotas of all tenants that have settings of their own, and the default one.
    pub fn quotas(&self) -> impl Iterator<Item = &QuotaSettings> {
        self.all().map(|settings| &settings.quota)
    }

    /// Returns whether any tenant has a hexkit service.
    pub fn has_hexkit(&self) -> bool {
        self.all().any(|settings| settings.hexkit.is_some())
    }

    /// Returns the hexkit services of all tenants, each once.
    pub fn hexkit_services(&self) -> BTreeSet<&ServiceName> {
        self.all().filter_map(|settings| settings.hexkit.as_ref()).collect()
    }

    /// Returns the entity that a path names, and its topic. `producer` may be a module's name or
    /// id.
    pub fn entity(
        &self,
        tenant: &TenantId,
        producer: &str,
        entity: &str,
    ) -> Result<(&Entity, Topic), Unknown> {
        let settings = self.of(tenant);
        let named = parse_pair(settings, producer, EntityName::parse(entity));
        let found = named.and_then(|name| settings.entities.get_key_value(&name));
        let ((producer, name), entity) = found.ok_or_else(|| {
            let known = settings.entities.keys().map(|(p, e)| format!("{p}.{e}")).collect();
            Unknown { asked: format!("{producer}.{entity}"), known }
        })?;
        Ok((entity, entity.topic.template.topic(&self.naming, tenant, producer, name.as_str())))
    }

    /// Returns the process event that a path names, and its topic.
    pub fn process_event(
        &self,
        tenant: &TenantId,
        producer: &str,
        event: &str,
    ) -> Result<(&EventName, &ProcessEvent, Topic), Unknown> {
        let settings = self.of(tenant);
        let named = parse_pair(settings, producer, EventName::parse(event));
        let found = named.and_then(|name| settings.process_events.get_key_value(&name));
        let ((producer, name), event) = found.ok_or_else(|| {
            let known = settings.process_events.keys().map(|(p, e)| format!("{p}.{e}")).collect();
            Unknown { asked: format!("{producer}.{event}"), known }
        })?;
        let topic = event.topic.template.topic(&self.naming, tenant, producer, name.as_str());
        Ok((name, event, topic))
    }

    /// Returns the subject that the names of a module and of an entity or process event stand for,
    /// and its topic.
    pub fn subject(
        &self,
        tenant: &TenantId,
        producer: &str,
        name: &str,
    ) -> Result<(Subject, Topic), Unknown> {
        let settings = self.of(tenant);
        let producer_is = |p: &Producer| {
            Producer::of_module(producer, &settings.producers).is_ok_and(|named| named == *p)
        };
        let mut all = settings.topics();
        let found = all.find(|(p, its, _)| producer_is(p) && *its == name);
        let (producer, name, set) = found.ok_or_else(|| {
            let known = settings.topics().map(|(p, name, _)| format!("{p}.{name}")).collect();
            Unknown { asked: format!("{producer}.{name}"), known }
        })?;
        let topic = set.template.topic(&self.naming, tenant, producer, name);
        Ok((Subject::new(producer.as_str(), name), topic))
    }

    /// Returns the subject of each known entity and process event of a tenant, and its topic.
    pub fn subjects(&self, tenant: &TenantId) -> Vec<(Subject, Topic)> {
        let subject = |(producer, name, set): (&Producer, &str, &TopicSettings)| {
            let topic = set.template.topic(&self.naming, tenant, producer, name);
            (Subject::new(producer.as_str(), name), topic)
        };
        self.of(tenant).topics().map(subject).collect()
    }

    /// Returns the topics of a tenant's known entities and process events that have this producer
    /// and this name; `None` matches any. If none matches, the error names those that are known.
    pub fn topics(
        &self,
        tenant: &TenantId,
        producer: Option<&str>,
        entity: Option<&str>,
    ) -> Result<Vec<Topic>, Unknown> {
        let settings = self.of(tenant);
        let producer_is = |p: &Producer| {
            producer.is_none_or(|text| {
                Producer::of_module(text, &settings.producers).is_ok_and(|named| named == *p)
            })
        };
        let fits = settings
            .topics()
            .filter(|(p, name, _)| producer_is(p) && entity.is_none_or(|e| e == *name));
        let topics: Vec<Topic> =
            fits.map(|(p, name, set)| set.template.topic(&self.naming, tenant, p, name)).collect();
        if topics.is_empty() {
            let known = settings.topics().map(|(p, name, _)| format!("{p}.{name}")).collect();
            let asked: Vec<_> = producer.into_iter().chain(entity).collect();
            return Err(Unknown { asked: asked.join("."), known });
        }
        Ok(topics)
    }

    /// Returns the settings with which a tenant's topics are created, each topic once, in the order
    /// of their names.
    pub fn specs(&self, tenant: &TenantId) -> Vec<TopicSpec> {
        let specs =
            self.of(tenant).topics().map(|(p, name, set)| self.spec_of(tenant, p, name, set));
        let by_name: BTreeMap<Topic, TopicSpec> =
            specs.map(|spec| (spec.topic.clone(), spec)).collect();
        by_name.into_values().collect()
    }

    /// Returns whether the tenant's settings name the topic.
    pub fn names(&self, tenant: &TenantId, topic: &Topic) -> bool {
        let mut named = self.of(tenant).topics();
        named.any(|(producer, name, set)| {
            set.template.topic(&self.naming, tenant, producer, name) == *topic
        })
    }

    /// Returns the beginning of each topic that a replay of the tenant may have as its target.
    pub fn target_prefix(&self, tenant: &TenantId) -> String {
        let env = self.naming.env();
        env.map_or_else(|| format!("{tenant}."), |env| format!("{env}.{tenant}."))
    }

    /// Returns the indices of those patterns that match none of a tenant's topics: neither one of
    /// those that its log has, nor one that the files name.
    pub fn unmatched(
        &self,
        tenant: &TenantId,
        of_log: &[Topic],
        patterns: &[TopicPattern],
    ) -> Vec<usize> {
        let named: Vec<_> = self.subjects(tenant).into_iter().map(|(_, topic)| topic).collect();
        let is_known = |pattern: &TopicPattern| {
            of_log.iter().chain(&named).any(|topic| pattern.matches(topic))
        };
        let indexed = patterns.iter().enumerate();
        indexed.filter(|(_, pattern)| !is_known(pattern)).map(|(index, _)| index).collect()
    }

    /// Returns the topics of a tenant that are most alike to a pattern which matches none, the most
    /// alike first: those that its log has, and those that the files name.
    pub fn nearest(
        &self,
        tenant: &TenantId,
        of_log: &[Topic],
        pattern: &TopicPattern,
    ) -> Vec<Topic> {
        let named = self.subjects(tenant).into_iter().map(|(_, topic)| topic);
        let known: BTreeSet<_> = of_log.iter().cloned().chain(named).collect();
        let alike = |topic: Topic| {
            let score = strsim::normalized_damerau_levenshtein(pattern.as_str(), topic.as_str());
            (score >= ALIKE).then_some((score, topic))
        };
        let mut near: Vec<_> = known.into_iter().filter_map(alike).collect();
        near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        near.into_iter().take(NEAREST_MAX).map(|(_, topic)| topic).collect()
    }

    /// Returns the settings with which one topic is created. A topic that no file names any more
    /// gets the default settings.
    pub fn spec(&self, tenant: &TenantId, topic: &Topic) -> TopicSpec {
        self.specs(tenant).into_iter().find(|spec| spec.topic == *topic).unwrap_or_else(|| {
            let TopicSettings { partitions, retention_ms, compacted, compression, .. } =
                TopicSettings::default();
            TopicSpec { topic: topic.clone(), partitions, retention_ms, compacted, compression }
        })
    }

    /// Returns whether events of any topic are removed from a log, however long events are kept of
    /// topics that don't say it.
    pub fn removes(&self) -> bool {
        self.all().flat_map(TenantSettings::topics).any(|(_, _, set)| set.removes())
    }

    /// Returns the rules by which the log keeps a tenant's topics, by topic.
    pub fn log_rules(&self, tenant: &TenantId) -> BTreeMap<Topic, LogRule> {
        let rule = |(producer, name, set): (&Producer, &str, &TopicSettings)| {
            let topic = set.template.topic(&self.naming, tenant, producer, name);
            (topic.clone(), LogRule::new(topic, set))
        };
        self.of(tenant).topics().map(rule).collect()
    }

    /// Returns the rule by which the log keeps one topic.
    pub fn log_rule(&self, tenant: &TenantId, topic: &Topic) -> LogRule {
        let rule = self.log_rules(tenant).remove(topic);
        rule.unwrap_or_else(|| LogRule::of_unnamed(topic.clone()))
    }

    /// Returns the wire form of the entities or process events that have this topic.
    pub fn wire_form(&self, tenant: &TenantId, topic: &Topic) -> WireForm {
        let settings = self.of(tenant);
        let entities = settings.entities.iter();
        let entities = entities.map(|((p, e), it)| (p, e.as_str(), &it.topic, it.wire_form));
        let events = settings.process_events.iter();
        let events = events.map(|((p, e), it)| (p, e.as_str(), &it.topic, it.wire_form));
        let is_its = |(producer, name, set, _): &(&Producer, &str, &TopicSettings, WireForm)| {
            set.template.topic(&self.naming, tenant, producer, name) == *topic
        };
        entities.chain(events).find(is_its).map(|(.., form)| form).unwrap_or_default()
    }

    /// Returns whether a DELETE_ALL is expanded for any topic.
    pub fn expands(&self) -> bool {
        let mut all = self.all().flat_map(TenantSettings::topics);
        all.any(|(_, _, set)| set.delete_all == DeleteAllMode::Expand)
    }

    fn spec_of(
        &self,
        tenant: &TenantId,
        producer: &Producer,
        name: &str,
        set: &TopicSettings,
    ) -> TopicSpec {
        TopicSpec {
            topic: set.template.topic(&self.naming, tenant, producer, name),
            partitions: set.partitions,
            retention_ms: set.retention_ms,
            compacted: set.compacted,
            compression: set.compression,
        }
    }
}

fn parse_pair<N>(
    settings: &TenantSettings,
    producer: &str,
    name: Result<N, Invalid>,
) -> Option<(Producer, N)> {
    Some((Producer::of_module(producer, &settings.producers).ok()?, name.ok()?))
}
