//! The view of a log before a step: what must stay, and where the step may remove.
//!
//! The checkpoints are read before the parked scopes: an event below a checkpoint that is parked
//! has its row by then. Both only rise, so a step on an old view removes too little.

use super::Reason;
use super::holds::{self, Hold};
use super::pace::Pace;
use crate::domain::entity::LogRetention;
use crate::domain::floors::{Floor, Floors};
use crate::domain::follower::Follower;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::domain::settings::LogRule;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::follow::{FollowDeps, store};
use crate::store::{LogEntry, RemovalStep, TenantLog, TopicRange};

/// One log, as it was when it was looked at.
pub(super) struct LogView<'a> {
    pub(super) deps: &'a FollowDeps,
    pub(super) enabled: &'a TenantLog,
    holds: Vec<Hold>,
    /// The scopes that any sink has parked, also those that have ended.
    parked: Vec<Parked>,
    floors: Floors,
}

impl<'a> LogView<'a> {
    /// Looks at a log.
    pub(super) async fn open(
        deps: &'a FollowDeps,
        sinks: &[Follower],
        enabled: &'a TenantLog,
    ) -> Result<Self, store::Error> {
        let holds = holds::holds(deps, sinks, enabled).await?;
        let mut parked = Vec::new();
        for hold in &holds {
            if let Some(follower) = &hold.sink {
                parked.extend(deps.store.parked(&enabled.tenant, follower).await?);
            }
        }
        let floors = deps.store.floors(&enabled.tenant).await?;
        Ok(Self { deps, enabled, holds, parked, floors })
    }

    /// Returns the rules of the topics of which events are removed.
    pub(super) async fn rules(&self) -> Result<Vec<LogRule>, store::Error> {
        let FollowDeps { store, settings, removal, .. } = self.deps;
        let mut rules = settings.log_rules(&self.enabled.tenant);
        // Topics that no file names any more are kept like those that don't say it.
        if removal.log_retention.is_some() {
            for topic in store.topics(&self.enabled.tenant).await? {
                rules.entry(topic.clone()).or_insert_with(|| LogRule::of_unnamed(topic));
            }
        }
        let is_removed =
            |rule: &LogRule| rule.compacted || !rule.stored || self.retention_ms(rule).is_some();
        Ok(rules.into_values().filter(is_removed).collect())
    }

    /// Returns for how long the log keeps events of a topic; `None` for ever.
    pub(super) fn retention_ms(&self, rule: &LogRule) -> Option<i64> {
        retention_of(self.deps, rule)
    }

    /// Returns the first position of a topic that stays for whoever may need it.
    pub(super) fn before(&self, topic: &Topic) -> Position {
        let holds = self.holds.iter().filter(|hold| hold.is_of(topic)).map(|hold| hold.from);
        holds.fold(self.enabled.head.next(), Position::min)
    }

    /// Returns the first position that an open scope of a topic holds.
    pub(super) fn first_parked(&self, topic: &Topic) -> Option<Position> {
        let open = self.parked.iter().filter(|parked| parked.is_open() && parked.topic == *topic);
        open.map(|parked| parked.position).min()
    }

    /// Returns whether everybody who may need events has passed the head as it was.
    pub(super) fn is_passed(&self) -> bool {
        self.holds.iter().all(|hold| hold.from >= self.enabled.head)
    }

    pub(super) fn floor(&self, topic: &Topic) -> Floor {
        self.floors.of(topic)
    }

    /// Returns whether an event is of a scope that is parked, released up to now or not.
    pub(super) fn is_parked(&self, topic: &Topic, entry: &LogEntry) -> bool {
        let holds = |it: &Parked| it.is_open() && it.concerns(topic, &entry.key, entry.position);
        self.parked.iter().any(holds)
    }

    /// Returns whether an event was published, as far as it was passed.
    pub(super) fn is_published(&self, topic: &Topic, entry: &LogEntry) -> bool {
        let holds = |it: &Parked| it.holds(it.log_id, topic, &entry.key, entry.position);
        !self.parked.iter().any(holds)
    }

    /// Returns a range of a topic.
    pub(super) fn range(&self, topic: &Topic, after: Position, before: Position) -> TopicRange {
        let (tenant, topic) = (self.enabled.tenant.clone(), topic.clone());
        TopicRange { tenant, topic, after, before }
    }

    /// Removes events of a topic. Returns `false` if the log is not the one that was looked at: its
    /// id was rotated, or its sinks are further behind, since the store went back in time.
    pub(super) async fn remove(
        &self,
        topic: &Topic,
        entries: &[&LogEntry],
        compacted_to: Position,
        reason: Reason,
    ) -> Result<bool, store::Error> {
        let FollowDeps { store, metrics, removal, clock, .. } = self.deps;
        let idempotency_ms = i64::try_from(removal.idempotency.as_millis()).unwrap_or(i64::MAX);
        let step = RemovalStep {
            tenant: self.enabled.tenant.clone(),
            log_id: self.enabled.log_id,
            stands: self.holds.iter().filter_map(Hold::stand).collect(),
            topic: topic.clone(),
            positions: entries.iter().map(|entry| entry.position).collect(),
            last_time: entries.iter().map(|entry| entry.time).max().unwrap_or(Time::ZERO),
            raises_floor: reason != Reason::Compaction,
            compacted_to,
            forget_before: clock.now().before(idempotency_ms),
        };
        let removed = store.remove(&step).await?;
        metrics.removed(reason.as_str(), removed.unwrap_or_default());
        Ok(removed.is_some())
    }

    /// Forgets the ids of removed events that need no longer be known; returns whether there may be
    /// more.
    pub(super) async fn forget_ids(
        &self,
        pace: &mut Pace,
        now: Time,
    ) -> Result<bool, store::Error> {
        let FollowDeps { store, removal, .. } = self.deps;
        let idempotency_ms = i64::try_from(removal.idempotency.as_millis()).unwrap_or(i64::MAX);
        let (before, tenant) = (now.before(idempotency_ms), &self.enabled.tenant);
        pace.step(async |rows| Ok(store.forget_ids(tenant, before, rows).await? >= rows as u64))
            .await
    }
}

/// Returns for how many milliseconds the log keeps events of a topic; `None` for ever.
pub(super) fn retention_of(deps: &FollowDeps, rule: &LogRule) -> Option<i64> {
    match rule.retention {
        Some(LogRetention::Forever) => None,
        Some(LogRetention::Ms(ms)) => Some(ms),
        None => {
            let all = deps.removal.log_retention?;
            Some(i64::try_from(all.as_millis()).unwrap_or(i64::MAX))
        }
    }
}
