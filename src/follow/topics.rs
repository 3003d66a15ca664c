//! The topics that the tenants' files want, beside those that Kafka has.
//!
//! The subcommands of `topics` and the tenant jobs call it. It reads the tenants from the store and
//! their topics from the settings, describes them in Kafka, and changes there only what is safe:
//! partitions and deletions have files of their own, since they need the lanes.

pub mod acl;
pub mod grow;
mod lanes;
pub mod obsolete;
pub mod report;

use std::collections::BTreeMap;

use crate::domain::lane::Lane;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::topic::{Topic, TopicSpec};
use crate::domain::trail::{Act, Actor, TrailEntry};
use crate::sink::{self, Difference, Repair, TopicDescription, TopicSetting};
use crate::store::{self, NotedTopic, Store, TenantLog};

/// The most noted topics that are read at once.
const NOTED_MAX: usize = 10_000;

/// The parts that the work on topics needs.
#[derive(Clone, Copy)]
pub struct TopicDeps<'a> {
    /// The tenants, and the topics that they have had.
    pub store: &'a dyn Store,
    /// The tenants' settings, which name their topics.
    pub settings: &'a Settings,
    /// The Kafka that has the topics.
    pub kafka: &'a dyn Repair,
}

/// The reason why topics were not compared or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed, or refused.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// Another process took a lane while its topics were changed.
    #[error("{0} was taken by another command meanwhile; try again")]
    Lost(Lane),
    /// A topic whose partitions can't be grown as it is.
    #[error("{0}: {1}")]
    NotGrown(Topic, String),
}

/// A topic that the files want, with the tenants that have it: several, if they share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTopic {
    /// The settings with which the topic is created.
    pub spec: TopicSpec,
    /// The tenants that have the topic.
    pub tenants: Vec<TenantLog>,
}

/// A topic of the files, compared with Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedTopic {
    /// The topic that the files want.
    pub wanted: WantedTopic,
    /// The topic that Kafka has; `None` if it is missing.
    pub found: Option<TopicDescription>,
    /// The settings that differ.
    pub differences: Vec<Difference>,
}

/// The way in which a difference can be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// `topics apply` does it.
    Apply,
    /// `topics apply --shorten` does it, since Kafka then removes records that it has kept.
    Shorten,
    /// `topics grow` does it, since keys move to other partitions.
    Grow,
    /// The gateway doesn't do it.
    None,
}

impl ComparedTopic {
    /// Returns whether Kafka has the topic as the files want it.
    pub fn is_same(&self) -> bool {
        self.found.is_some() && self.differences.is_empty()
    }

    /// Returns the way in which a difference of this topic can be removed. Partitions never become
    /// fewer, replicas are Kafka's own matter, and no more replicas are demanded for a record than
    /// are in sync. Records that Kafka keeps are removed only if that is asked for: the log need
    /// not have them any more.
    pub fn remedy(&self, difference: &Difference) -> Remedy {
        let found = self.found.clone().unwrap_or_default();
        match difference.setting {
            // Another policy keeps other records, whichever of them it is.
            TopicSetting::CleanupPolicy => Remedy::Shorten,
            TopicSetting::Retention if self.has_another_policy() => Remedy::Shorten,
            TopicSetting::Retention if difference.is_shorter() => Remedy::Shorten,
            TopicSetting::Retention | TopicSetting::Compression => Remedy::Apply,
            TopicSetting::Partitions
                if found.partitions < usize::from(self.wanted.spec.partitions) =>
            {
                Remedy::Grow
            }
            TopicSetting::MinInSync => {
                let in_sync = found.replicas.map_or(0, |replicas| replicas.in_sync);
                let is_met = difference.wanted.parse().is_ok_and(|wanted: usize| wanted <= in_sync);
                if is_met { Remedy::Apply } else { Remedy::None }
            }
            TopicSetting::Partitions | TopicSetting::ReplicationFactor => Remedy::None,
        }
    }
}

impl ComparedTopic {
    fn has_another_policy(&self) -> bool {
        self.differences.iter().any(|it| it.setting == TopicSetting::CleanupPolicy)
    }
}

/// Whether Kafka may remove records that it has kept until now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shorten {
    /// It may.
    Yes,
    /// It keeps them.
    No,
}

/// Returns the topics that the files want of one tenant, or of all that the store has, in the order
/// of their names. A topic that tenants share occurs once, with all of its tenants.
pub async fn wanted(
    deps: TopicDeps<'_>,
    tenant: Option<&TenantId>,
) -> Result<Vec<WantedTopic>, store::Error> {
    let mut all: BTreeMap<Topic, WantedTopic> = BTreeMap::new();
    for log in deps.store.list().await? {
        for spec in deps.settings.specs(&log.tenant) {
            let topic = spec.topic.clone();
            let wanted =
                all.entry(topic).or_insert_with(|| WantedTopic { spec, tenants: Vec::new() });
            wanted.tenants.push(log.clone());
        }
    }
    let is_its = |wanted: &WantedTopic| {
        tenant.is_none_or(|tenant| wanted.tenants.iter().any(|log| log.tenant == *tenant))
    };
    Ok(all.into_values().filter(is_its).collect())
}

/// Calls `look` with each topic that was noted of any tenant, in the order of the tenants' ids.
pub async fn each_noted(
    store: &dyn Store,
    mut look: impl FnMut(NotedTopic),
) -> Result<(), store::Error> {
    let mut after: Option<NotedTopic> = None;
    loop {
        let page = store.noted_topics(after.as_ref(), NOTED_MAX).await?;
        let is_last = page.len() < NOTED_MAX;
        after = page.last().cloned();
        page.into_iter().for_each(&mut look);
        if is_last {
            return Ok(());
        }
    }
}

/// Compares these topics with Kafka's.
pub async fn compare(
    deps: TopicDeps<'_>,
    wanted: Vec<WantedTopic>,
) -> Result<Vec<ComparedTopic>, sink::Error> {
    let topics: Vec<_> = wanted.iter().map(|wanted| wanted.spec.topic.clone()).collect();
    let mut there = deps.kafka.describe(&topics).await?;
    let replication = deps.kafka.replication().await?;
    let compared = wanted.into_iter().map(|wanted| {
        let found = there.remove(&wanted.spec.topic);
        let differences =
            found.iter().flat_map(|it| it.differences(&wanted.spec, Some(replication)));
        ComparedTopic { differences: differences.collect(), found, wanted }
    });
    Ok(compared.collect())
}

/// Returns the cursors topic, and how its replicas differ from what no death of a broker harms.
pub async fn cursors_topic(
    deps: TopicDeps<'_>,
) -> Result<Option<(Topic, Vec<Difference>)>, sink::Error> {
    let Some(topic) = deps.kafka.cursors_topic() else { return Ok(None) };
    let described = deps.kafka.describe(std::slice::from_ref(&topic)).await?.remove(&topic);
    let replication = deps.kafka.replication().await?;
    let differences = described.map(|it| it.durability(Some(replication)));
    Ok(Some((topic, differences.unwrap_or_default())))
}

/// Returns the entry of an act on a topic, of its tenant if it has only one.
pub fn act(actor: &Actor, topic: &Topic, tenants: &[TenantLog]) -> TrailEntry {
    let entry = actor.does(Act::ChangeTopics).on(topic);
    match tenants {
        [one] => entry.of(&one.tenant),
        _ => entry,
    }
}

/// Creates a topic that is missing, or sets those of its settings for which that is safe, or asked
/// for; the actor stands in the trail. Returns the differences that it has removed.
pub async fn apply(
    deps: TopicDeps<'_>,
    compared: &ComparedTopic,
    shorten: Shorten,
    actor: &Actor,
) -> Result<Vec<Difference>, Error> {
    let WantedTopic { spec, tenants } = &compared.wanted;
    let entry = act(actor, &spec.topic, tenants);
    if compared.found.is_none() {
        deps.store.add_trail(&entry.because(Some("created"))).await?;
        deps.kafka.ensure(std::slice::from_ref(spec)).await?;
        return Ok(Vec::new());
    }
    let safe = |it: &&Difference| match compared.remedy(it) {
        Remedy::Apply => true,
        Remedy::Shorten => shorten == Shorten::Yes,
        Remedy::Grow | Remedy::None => false,
    };
    let safe: Vec<_> = compared.differences.iter().filter(safe).cloned().collect();
    let value = |it: &Difference| match it.setting {
        // Of a compacted topic, the comparison is about records that are kept for ever.
        TopicSetting::Retention => spec.retention_ms.to_string(),
        _ => it.wanted.clone(),
    };
    let settings: Vec<_> = safe.iter().map(|it| (it.setting.name(), value(it))).collect();
    if !settings.is_empty() {
        let why = safe
            .iter()
            .zip(&settings)
            .map(|(it, (name, to))| format!("{name} {} -> {to}", it.found));
        let why = why.collect::<Vec<_>>().join(", ");
        deps.store.add_trail(&entry.because(Some(&why))).await?;
        deps.kafka.alter(&spec.topic, &settings).await?;
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::{ComparedTopic, Remedy, TopicDescription, WantedTopic};
    use crate::domain::topic::{Topic, TopicSpec};

    fn remedies(wanted: (i64, bool), found: (Option<i64>, &str)) -> Vec<Remedy> {
        let topic = Topic::parse("folio.diku.inventory.item").unwrap();
        let (retention_ms, compacted) = wanted;
        let spec = TopicSpec { topic, partitions: 1, retention_ms, compacted, compression: None };
        let found = TopicDescription {
            partitions: 1,
            retention_ms: found.0,
            cleanup_policy: Some(found.1.to_owned()),
            ..TopicDescription::default()
        };
        let differences = found.differences(&spec, None);
        let wanted = WantedTopic { spec, tenants: Vec::new() };
        let compared = ComparedTopic { wanted, found: Some(found), differences };
        compared.differences.iter().map(|it| compared.remedy(it)).collect()
    }

    #[test]
    fn records_that_kafka_keeps_are_removed_only_if_that_is_asked_for() {
        for (wanted, found, remedy) in [
            ((60_000, false), (Some(60_000), "delete"), vec![]),
            ((60_000, false), (Some(59_999), "delete"), vec![Remedy::Apply]),
            ((-1, false), (Some(60_000), "delete"), vec![Remedy::Apply]),
            ((60_000, false), (Some(60_001), "delete"), vec![Remedy::Shorten]),
            ((60_000, false), (None, "delete"), vec![Remedy::Shorten]),
            ((60_000, true), (None, "compact"), vec![]),
            ((-1, true), (None, "delete"), vec![Remedy::Shorten]),
            ((60_000, true), (Some(60_000), "delete"), vec![Remedy::Shorten; 2]),
            ((60_000, false), (None, "compact"), vec![Remedy::Shorten; 2]),
        ] {
            assert_eq!(remedies(wanted, found), remedy, "{wanted:?} {found:?}");
        }
    }
}
