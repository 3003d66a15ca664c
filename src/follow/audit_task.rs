//! The audit task: audits what was appended lately to the logs of this replica's lanes, now and
//! then, so that a defect is noticed though nobody asks.
//!
//! It sets the metrics, and logs each tenant with a defect. It reads the store and Kafka alone, so
//! a stop may cut it off anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::audit::{self, Audit, AuditDeps, Defect, Scope, TopicAudit};
use super::interruptible::Interruptible;
use super::worker::{Backoff, Progress};
use super::{FollowDeps, store};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::sink::Repair;
use crate::store::TenantLog;

/// The longest time after which a replica without lanes looks whether it has some.
const LANES_AGAIN: Duration = Duration::from_secs(5);

/// The task that audits the logs of this replica's lanes.
pub(super) struct AuditTask {
    deps: FollowDeps,
    kafka: Arc<dyn Repair>,
    every: Duration,
    /// The tenants with defects that no later audit has found to be gone.
    found: BTreeMap<TenantId, Found>,
}

/// The defects of one tenant, and the time from which on its events were audited.
struct Found {
    since: Time,
    defects: BTreeMap<Defect, u64>,
}

impl AuditTask {
    /// Makes the task, which audits in this interval. Each audit begins one interval before the
    /// last one, so that what was pending then is audited too.
    pub(super) fn new(deps: FollowDeps, kafka: Arc<dyn Repair>, every: Duration) -> Self {
        Self { deps, kafka, every, found: BTreeMap::new() }
    }

    /// Audits all logs of this replica's lanes. A tenant that can't be audited keeps no other from
    /// it; the first such error is returned.
    async fn audit_all(&mut self) -> Result<Progress, audit::Error> {
        let now = self.deps.clock.now();
        let own = self.own().await?;
        self.found.retain(|tenant, _| own.iter().any(|enabled| enabled.tenant == *tenant));
        let mut failed = None;
        for enabled in &own {
            failed = failed.or(self.audit_again(enabled, now).await.err());
        }
        let all = || self.found.values().flat_map(|found| &found.defects);
        let count = |kind| all().filter(|(its, _)| **its == kind).map(|(_, count)| count).sum();
        let metrics = &self.deps.metrics;
        metrics.defects(Defect::ALL.map(|defect| (defect.as_str(), count(defect))));
        if own.is_empty() {
            metrics.audited(None);
            return Ok(Progress::Until(Instant::now() + self.every.min(LANES_AGAIN)));
        }
        if failed.is_none() {
            metrics.audited(Some(now));
        }
        failed.map_or(Ok(Progress::Idle), Err)
    }

    /// Audits a tenant's events of the last two intervals. Where defects were found, the audit goes
    /// back to the same events, or a defect would be forgotten that is still there.
    async fn audit_again(&mut self, enabled: &TenantLog, now: Time) -> Result<(), audit::Error> {
        let back = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX / 4);
        let lately = Time::from_ms(now.as_ms().saturating_sub(back.saturating_mul(2)));
        let found = self.found.get(&enabled.tenant);
        let since = found.map_or(lately, |found| found.since.min(lately));
        let scope = Scope { topics: Vec::new(), since: Some(since) };
        let audited = self.audit(enabled, &scope).await?;
        report(&audited);
        let mut defects = BTreeMap::new();
        for (defect, count) in audited.topics.iter().flat_map(|topic| &topic.defects) {
            *defects.entry(*defect).or_default() += count;
        }
        if defects.is_empty() {
            self.found.remove(&enabled.tenant);
        } else {
            self.found.insert(enabled.tenant.clone(), Found { since, defects });
        }
        Ok(())
    }

    async fn audit(&self, enabled: &TenantLog, scope: &Scope) -> Result<Audit, audit::Error> {
        let FollowDeps { store, settings, .. } = &self.deps;
        let deps = AuditDeps { store: &**store, kafka: &*self.kafka, settings };
        audit::audit(deps, enabled, scope, &|_| {}).await
    }

    /// Returns the tenants of the lanes that this replica holds.
    async fn own(&self) -> Result<Vec<TenantLog>, store::Error> {
        let FollowDeps { store, replica, .. } = &self.deps;
        let lanes = store.members().await?.lanes.into_iter();
        let own: BTreeSet<_> = lanes
            .filter(|lease| lease.holder.as_ref() == Some(replica))
            .map(|lease| lease.lane)
            .collect();
        let mut enabled = store.list().await?;
        enabled.retain(|enabled| own.contains(&enabled.lane));
        Ok(enabled)
    }
}

#[async_trait]
impl Interruptible for AuditTask {
    const NAME: &'static str = "audit";
    type Error = audit::Error;

    fn pauses(&self) -> (Duration, Backoff) {
        (self.every, Backoff::constant(self.every))
    }

    async fn round(&mut self) -> Result<Progress, audit::Error> {
        self.audit_all().await
    }
}

/// Logs each topic that has a defect, with the first one of each kind.
fn report(audited: &Audit) {
    for TopicAudit { topic, defects, findings, .. } in &audited.topics {
        for (defect, count) in defects {
            let first = findings.iter().find(|finding| finding.defect == *defect);
            let position = first.map_or_else(String::new, |first| first.position.to_string());
            tracing::error!(
                tenant = %audited.tenant, %topic, defect = defect.as_str(), count, %position,
                "the audit has found defects; `event-gateway audit` shows them"
            );
        }
    }
}
