//! Topics: their names, the templates that make names, and what a topic is created with.
//!
//! Templates come from the tenants' files, and `ENV` from the configuration. Names go into drafts,
//! and specs to the broker.

use std::fmt;
use std::sync::Arc;

use super::Invalid;
use super::compression::Compression;
use super::producer::Producer;
use super::tenant::TenantId;

/// The part that stands before the last one in names of the gateway's own topics.
const OWN: &str = "event-gateway";

/// A topic's name, legal for Kafka: 1 to 249 of `[a-zA-Z0-9._-]`. Its copies share one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The most bytes of a name.
    pub const BYTES_MAX: usize = 249;

    /// The form of a name.
    pub const PATTERN: &str = r"^(?!\.{1,2}$)[a-zA-Z0-9._-]+$";

    /// Parses a name, and checks Kafka's rule.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.is_empty()
            || name.len() > Topic::BYTES_MAX
            || [".", ".."].contains(&name)
            || !name.bytes().all(legal)
        {
            return Err(Invalid::new("topic", name, "must have 1 to 249 of a-z A-Z 0-9 . _ -"));
        }
        Ok(Self(name.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name as Kafka compares it with those of other topics: `.` and `_` are the same.
    pub fn folded(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Returns whether the name is reserved for a gateway's own topics, such as
    /// `folio.event-gateway.cursors`, whatever `ENV` that gateway has.
    pub fn is_reserved(&self) -> bool {
        // Kafka refuses a name that is another one's but for `.` and `_`.
        [&['.'][..], &['.', '_']].into_iter().any(|between| {
            let parts: Vec<_> = self.0.split(between).collect();
            matches!(parts[..], [OWN, _] | [_, OWN, _])
        })
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The settings with which a topic is created; an existing topic is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// The name of the topic.
    pub topic: Topic,
    /// The number of partitions.
    pub partitions: u16,
    /// Kafka's `retention.ms`; -1 keeps records for ever.
    pub retention_ms: i64,
    /// Whether Kafka's `cleanup.policy` is `compact` rather than `delete`.
    pub compacted: bool,
    /// Kafka's `compression.type`; `None` leaves it as the brokers have it.
    pub compression: Option<Compression>,
}

/// The parts of topic names that are the same for the whole gateway: `ENV` and the tenant
/// collection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Naming {
    env: Option<String>,
    collection: Option<String>,
}

impl Naming {
    /// Checks `ENV` (unset or empty: left out) and `KAFKA_PRODUCER_TENANT_COLLECTION`.
    pub fn new(env: Option<&str>, collection: Option<&str>) -> Result<Self, Invalid> {
        let env = env.filter(|e| !e.is_empty());
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if let Some(env) = env.filter(|e| e.len() > 60 || !e.bytes().all(word)) {
            return Err(Invalid::new("ENV", env, "must have 1 to 60 of a-z A-Z 0-9 _ -"));
        }
        if let Some(collection) = collection.filter(|c| !is_collection(c)) {
            let rule = "must match ^[A-Z][A-Z0-9]{0,30}$";
            return Err(Invalid::new("KAFKA_PRODUCER_TENANT_COLLECTION", collection, rule));
        }
        Ok(Self { env: env.map(str::to_owned), collection: collection.map(str::to_owned) })
    }

    /// Returns `ENV`, if it is set.
    pub fn env(&self) -> Option<&str> {
        self.env.as_deref()
    }

    /// Returns whether all tenants share their topics.
    pub fn is_shared(&self) -> bool {
        self.collection.is_some()
    }

    /// Returns the beginning of the names that the convention gives to a tenant's topics: `ENV`,
    /// and the tenant or the collection.
    pub fn prefix(&self, tenant: &TenantId) -> String {
        self.prefix_of(self.collection.as_deref().unwrap_or(tenant.as_str()))
    }

    /// Returns the beginning of the names of topics that are a tenant's alone, such as the targets
    /// of its replays, whether or not all tenants share those of its events.
    pub fn own_prefix(&self, tenant: &TenantId) -> String {
        self.prefix_of(tenant.as_str())
    }

    fn prefix_of(&self, tenant: &str) -> String {
        self.env().map_or_else(|| format!("{tenant}."), |env| format!("{env}.{tenant}."))
    }

    /// Returns whether the name can only be that of a topic of the tenant alone: the tenant's id is
    /// its first part after `ENV`, or another one, and then no part might be a tenant collection.
    pub fn is_of_tenant_alone(&self, topic: &Topic, tenant: &TenantId) -> bool {
        let mut parts = topic.0.split('.').peekable();
        parts.next_if(|first| self.env() == Some(first));
        let parts: Vec<_> = parts.collect();
        if parts.len() > 1 && parts[0] == tenant.as_str() {
            return true;
        }
        parts.contains(&tenant.as_str()) && !parts.iter().any(|part| is_collection(part))
    }

    /// Returns the name of a topic of the gateway's own, such as `folio.event-gateway.cursors`.
    pub fn own(&self, name: &str) -> String {
        match &self.env {
            Some(env) => format!("{env}.{OWN}.{name}"),
            None => format!("{OWN}.{name}"),
        }
    }
}

fn is_collection(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    text.len() <= 31
        && text.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
        && text.bytes().all(legal)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Env,
    Tenant,
    Producer,
    Name,
}

/// A pattern that makes topic names, such as `{env}.{tenant}.{producer}.{entity}`. Every name that
/// it makes is legal: the longest one is checked when the template is parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// Returns the template of FOLIO's convention, for an entity or a process event.
    pub fn convention() -> Self {
        Self(vec![Part::Env, Part::Tenant, Part::Producer, Part::Name])
    }

    /// Parses dot-separated parts, each a literal or one of `{env}`, `{tenant}`, `{producer}` and
    /// `{entity}` (of a process event: `{event}`); `{tenant}` must be among them.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = |rule| Invalid::new("topic template", text, rule);
        let parts: Vec<Part> = text.split('.').map(part).collect::<Option<_>>().ok_or_else(|| {
            refused(
                "must be parts joined by dots: {env}, {tenant}, {producer}, {entity} or {event}, \
                 or letters",
            )
        })?;
        if !parts.contains(&Part::Tenant) {
            return Err(refused("must contain {tenant} as a part of its own"));
        }
        let longest: usize = parts.iter().map(|p| 1 + longest(p)).sum();
        if longest - 1 > Topic::BYTES_MAX {
            return Err(refused("could make names of more than 249 bytes"));
        }
        Ok(Self(parts))
    }

    /// Returns the topic of a tenant's entity or process event.
    pub fn topic(
        &self,
        naming: &Naming,
        tenant: &TenantId,
        producer: &Producer,
        name: &str,
    ) -> Topic {
        let parts = self.0.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Env => naming.env.as_deref(),
            Part::Tenant => Some(naming.collection.as_deref().unwrap_or(tenant.as_str())),
            Part::Producer => Some(producer.as_str()),
            Part::Name => Some(name),
        });
        Topic(parts.collect::<Vec<_>>().join(".").into())
    }
}

fn part(text: &str) -> Option<Part> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    match text {
        "{env}" => Some(Part::Env),
        "{tenant}" => Some(Part::Tenant),
        "{producer}" => Some(Part::Producer),
        "{entity}" | "{event}" => Some(Part::Name),
        _ if !text.is_empty() && text.bytes().all(legal) => Some(Part::Text(text.to_owned())),
        _ => None,
    }
}

fn longest(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        Part::Env => 60,
        Part::Tenant => 31,
        Part::Producer | Part::Name => 63,
    }
}

#[cfg(test)]
mod tests {
    use super::{Naming, Template, Topic};
    use crate::domain::producer::Producer;
    use crate::domain::tenant::TenantId;

    fn name(template: &str, naming: &Naming) -> String {
        let (tenant, producer) =
            (TenantId::parse("diku").unwrap(), Producer::parse("inventory").unwrap());
        Template::parse(template).unwrap().topic(naming, &tenant, &producer, "item").to_string()
    }

    #[test]
    fn the_convention_s_name_has_env_tenant_producer_entity() {
        let folio = Naming::new(Some("folio"), None).unwrap();
        assert_eq!(name("{env}.{tenant}.{producer}.{entity}", &folio), "folio.diku.inventory.item");
        assert_eq!(name("{env}.Default.{tenant}.DI_X", &folio), "folio.Default.diku.DI_X");
        assert_eq!(name("{env}.{tenant}.mod-audit", &folio), "folio.diku.mod-audit");
    }

    #[test]
    fn without_env_its_part_is_left_out() {
        let bare = Naming::new(Some(""), None).unwrap();
        assert_eq!(name("{env}.{tenant}.{producer}.{entity}", &bare), "diku.inventory.item");
        assert_eq!(bare.own("cursors"), "event-gateway.cursors");
    }

    #[test]
    fn a_collection_stands_in_the_tenant_s_place() {
        let all = Naming::new(Some("folio"), Some("ALL")).unwrap();
        assert_eq!(name("{env}.{tenant}.{producer}.{entity}", &all), "folio.ALL.inventory.item");
        for bad in ["all", "", "1A", "A_B", "A1234567890123456789012345678901"] {
            assert!(Naming::new(None, Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topic_that_may_be_a_collection_s_is_no_tenant_s_alone() {
        let is_own = |env: &str, topic: &str, tenant: &str| {
            let naming = Naming::new(Some(env), None).unwrap();
            let (topic, tenant) = (Topic::parse(topic).unwrap(), TenantId::parse(tenant).unwrap());
            naming.is_of_tenant_alone(&topic, &tenant)
        };
        assert!(is_own("folio", "folio.diku.inventory.item", "diku"));
        assert!(is_own("folio", "folio.Default.diku.DI_X", "diku"));
        assert!(is_own("", "diku.inventory.item", "diku"));
        assert!(is_own("diku", "diku.diku.inventory.item", "diku"));
        // The name of an event is no collection's.
        assert!(is_own("folio", "folio.diku.inventory.DONE", "diku"));
        assert!(!is_own("folio", "folio.Default.diku.DONE", "diku"), "it may be one");
        for (env, topic, tenant) in [
            ("folio", "folio.ALL.inventory.item", "diku"),
            ("folio", "folio.ALL.inventory.item", "inventory"),
            ("diku", "diku.ALL.inventory.item", "diku"),
            ("diku", "diku.other.inventory.item", "diku"),
            ("folio", "folio.other.inventory.item", "diku"),
            ("folio", "folio.diku2.inventory.item", "diku"),
        ] {
            assert!(!is_own(env, topic, tenant), "{topic} is not {tenant}'s alone");
        }
    }

    #[test]
    fn bad_envs_templates_and_topics_are_refused() {
        assert!(Naming::new(Some("a.b"), None).is_err());
        for bad in ["{env}.x", "{tenant}{env}", "{tenant}..x", "{tenant}.{other}", "", "x{tenant}"]
        {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        assert!(Template::parse(&format!("{{tenant}}.{}", "x".repeat(240))).is_err());
        for bad in ["", ".", "..", "a b", "a/b", "ä"] {
            assert!(Topic::parse(bad).is_err(), "{bad}");
        }
    }
}
