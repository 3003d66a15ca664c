//! Removal that is held back: names the sinks that keep events from being removed for more than an
//! hour, with how many events and bytes.

use std::collections::BTreeMap;

use super::holds::{self, Hold};
use super::view::retention_of;
use crate::domain::follower::Follower;
use crate::domain::position::Position;
use crate::domain::settings::LogRule;
use crate::domain::time::Time;
use crate::follow::{FollowDeps, page_scan, store};
use crate::health::SinkPart;
use crate::store::{TenantLog, TopicRange, Weight};

/// How long a sink may hold removal back before that is told.
const TOLERATED_MS: i64 = 3_600_000;
/// The interval in which it is looked at.
const EVERY_MS: i64 = 60_000;
/// The most logs that one read looks at.
const LOGS_MAX: usize = 50;

/// The sinks that were told of.
#[derive(Default)]
pub(super) struct HeldBack {
    looked: Option<Time>,
    told: BTreeMap<Follower, Weight>,
}

impl HeldBack {
    /// Looks now and then which sinks hold removal back, and tells it in `health` and the metrics.
    pub(super) async fn look(
        &mut self,
        deps: &FollowDeps,
        sinks: &[Follower],
        own: &[TenantLog],
        now: Time,
    ) -> Result<(), store::Error> {
        if self.looked.is_some_and(|looked| now < looked.after(EVERY_MS)) {
            return Ok(());
        }
        self.looked = Some(now);
        let mut held: BTreeMap<Follower, Weight> = BTreeMap::new();
        for enabled in own {
            for hold in holds::holds(deps, sinks, enabled).await? {
                let Some(follower) = hold.sink.clone() else { continue };
                let weight = weight(deps, enabled, &hold, now).await?;
                let sum = held.entry(follower).or_default();
                sum.events += weight.events;
                sum.bytes += weight.bytes;
            }
        }
        held.retain(|_, weight| weight.events > 0);
        self.tell(deps, sinks, held);
        let oldest = oldest(deps, own).await?;
        let age_ms = oldest.map_or(0, |oldest| now.as_ms() - oldest.as_ms());
        deps.metrics.oldest_event(age_ms / 1_000);
        Ok(())
    }

    fn tell(&mut self, deps: &FollowDeps, sinks: &[Follower], held: BTreeMap<Follower, Weight>) {
        for follower in self.told.keys().filter(|follower| !held.contains_key(*follower)) {
            deps.health.healthy(&SinkPart::Removal.of(follower));
        }
        for (follower, Weight { events, bytes }) in &held {
            let mut why = format!(
                "it has kept {events} events ({bytes} bytes) from being removed for more than an \
                 hour, since it has not passed them"
            );
            if !sinks.contains(follower) {
                why.push_str(&format!(
                    "; it is not configured here: if it is nowhere, run `event-gateway sinks \
                     forget {follower}`"
                ));
            }
            let component = SinkPart::Removal.of(follower);
            if !self.told.contains_key(follower) {
                tracing::warn!("{component}: {why}");
            }
            deps.health.degraded(component, why);
        }
        deps.metrics.held_back(held.iter().map(|(follower, held)| (follower, held.events)));
        self.told = held;
    }
}

/// Returns the time of the oldest event in these logs.
async fn oldest(deps: &FollowDeps, own: &[TenantLog]) -> Result<Option<Time>, store::Error> {
    let mut oldest: Option<Time> = None;
    for some in own.chunks(LOGS_MAX) {
        let starts = some.iter().map(|enabled| (enabled.tenant.clone(), Position::START.into()));
        let starts: Vec<_> = starts.collect();
        let slices = deps.store.read(&starts, &page_scan(1)).await?;
        let times = slices.iter().flat_map(|slice| &slice.events).map(|event| event.time);
        oldest = oldest.into_iter().chain(times).min();
    }
    Ok(oldest)
}

/// Returns what a hold has kept for too long.
async fn weight(
    deps: &FollowDeps,
    enabled: &TenantLog,
    hold: &Hold,
    now: Time,
) -> Result<Weight, store::Error> {
    let mut sum = Weight::default();
    if hold.from >= enabled.head {
        return Ok(sum);
    }
    for rule in deps.settings.log_rules(&enabled.tenant).into_values() {
        let Some(due_ms) = due_ms(deps, &rule) else { continue };
        let range = TopicRange::after(enabled.tenant.clone(), rule.topic, hold.from);
        let due = now.before(due_ms);
        let first = deps.store.entries(&range, 1).await?;
        if first.first().is_some_and(|first| first.time < due.before(TOLERATED_MS)) {
            let Weight { events, bytes } = deps.store.weigh(&range, due).await?;
            sum.events += events;
            sum.bytes += bytes;
        }
    }
    Ok(sum)
}

/// Returns the age at which events of a topic may be removed once every sink has passed them.
fn due_ms(deps: &FollowDeps, rule: &LogRule) -> Option<i64> {
    if !rule.stored || rule.compacted { Some(0) } else { retention_of(deps, rule) }
}
