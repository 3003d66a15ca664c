//! The audit: compares a tenant's log with its topics, and reports what is missing, duplicated,
//! reordered or altered.
//!
//! It walks the log up to the relay's cursor, then reads the topics, in flat memory: of each event
//! it keeps a bit, and of each block of positions a sum of digests. Only blocks whose sums differ
//! are read again. It changes nothing.

mod audited_log;
mod digest;
mod finding;
mod repair;
mod seen;
mod topic;

use std::collections::BTreeMap;

use self::audited_log::{AuditedLog, Expected};
use self::topic::TopicInAudit;
use crate::domain::filter::TopicPattern;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::sink::{self, Repair};
use crate::store::{self, Store, TenantLog};

pub use finding::{Audit, Counts, Defect, Finding, Run, TopicAudit};
pub use repair::repair;

/// The reason why a tenant could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// The log lacks the event at the relay's cursor.
    #[error(
        "the log of tenant {0} lacks the event at the relay's cursor, so the store went back in \
         time; `event-gateway restore` shows where the two differ"
    )]
    WentBack(TenantId),
}

/// The parts that an audit needs.
#[derive(Clone, Copy)]
pub struct AuditDeps<'a> {
    /// The logs.
    pub store: &'a dyn Store,
    /// The Kafka that the logs are published to.
    pub kafka: &'a dyn Repair,
    /// The settings, which name each tenant's topics.
    pub settings: &'a Settings,
}

/// The part of a tenant's log that is audited.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The topics; an empty list matches all of the tenant's.
    pub topics: Vec<TopicPattern>,
    /// The earliest time of the events.
    pub since: Option<Time>,
}

/// How far an audit is, or the comparison of `restore`.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// The log is walked along: positions that are done, and all.
    Log(u64, u64),
    /// A topic is read: offsets that are done, and all.
    Topic(&'a Topic, u64, u64),
}

/// Compares a tenant's log with its topics. Events after the relay's cursor, as it is at the
/// beginning, are left out. `report` is given the progress now and then.
pub async fn audit(
    deps: AuditDeps<'_>,
    enabled: &TenantLog,
    scope: &Scope,
    report: &(dyn Fn(Progress<'_>) + Send + Sync),
) -> Result<Audit, Error> {
    let log = AuditedLog::open(deps, enabled, scope).await?;
    let mut expected: BTreeMap<Topic, Expected> = log.walk(report).await?;
    // They are read after the log: what it lacked by then lies below them.
    let floors = deps.store.floors(&enabled.tenant).await?;
    for spec in deps.settings.specs(&enabled.tenant) {
        if scope.topics.is_empty() || scope.topics.iter().any(|topic| topic.matches(&spec.topic)) {
            expected.entry(spec.topic).or_default();
        }
    }
    let mut topics = Vec::new();
    for (topic, expected) in &expected {
        let floor = floors.of(topic);
        topics.push(TopicInAudit::new(&log, topic, floor, expected).audit(report).await?);
    }
    let TenantLog { tenant, log_id, .. } = enabled.clone();
    Ok(Audit { tenant, log_id, from: log.from, to: log.to, topics })
}
