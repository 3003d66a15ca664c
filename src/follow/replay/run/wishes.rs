//! Operators' wishes for a replay: to pause it, to resume it, to cancel it.
//!
//! `turn` asks here first. A pause that leaves older records as the last ones of their keys is
//! reported, and does not last for ever.

use super::Run;
use crate::domain::follower::Follower;
use crate::domain::replay::Wish;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor};
use crate::follow::FollowDeps;
use crate::follow::source::Error;
use crate::health::{Component, Occurrence, SinkPart};
use crate::store::Lease;

impl Run {
    /// Does what operators wish. Returns whether the replay waits.
    pub(super) async fn obey(&mut self, deps: &FollowDeps, lease: &Lease) -> Result<bool, Error> {
        let is_closing = self.replay.progress.closing.is_some();
        match self.replay.wish {
            _ if is_closing || !self.replay.is_open() => Ok(false),
            (Wish::Run, _) => {
                deps.health.healthy(&self.component());
                Ok(false)
            }
            (Wish::Cancel, _) => {
                self.end_early();
                self.persist(deps, lease).await?;
                Ok(false)
            }
            (Wish::Pause, since) => {
                if self.replay.is_to_own_topics() {
                    self.warn_of_pause(deps, lease, since).await?;
                }
                Ok(true)
            }
        }
    }

    /// Cancels a replay that was paused for too long: until it ends, nothing leaves its topics.
    /// Reports a pause that leaves older records as the last ones of their keys.
    async fn warn_of_pause(
        &mut self,
        deps: &FollowDeps,
        lease: &Lease,
        since: Time,
    ) -> Result<(), Error> {
        let (now, id) = (deps.clock.now(), self.replay.id);
        let paused_ms = now.as_ms().saturating_sub(since.as_ms());
        if paused_ms > i64::try_from(deps.replay_pause_max.as_millis()).unwrap_or(i64::MAX) {
            tracing::warn!(tenant = %self.replay.tenant, %id, %since, "cancels a replay that was \
                paused for too long");
            let tenant = &self.replay.tenant;
            let by = Actor::gateway().does(Act::CancelReplay).of(tenant).on(id);
            let by = by.because(Some("it was paused for too long"));
            deps.store.wish_replay(tenant, id, (Wish::Cancel, now), None, Some(&by)).await?;
            return Ok(());
        }
        if self.replay.progress.sent.events == 0 {
            return Ok(());
        }
        let why = format!(
            "replay {id} to its own topics is paused since {since}: until it is resumed or \
             cancelled, consumers may have an older record as the last one of a key"
        );
        if deps.health.degraded_on(lease.lane, self.component(), &why) == Occurrence::First {
            tracing::warn!(tenant = %self.replay.tenant, "{why}");
        }
        Ok(())
    }

    /// Returns the component that tells of a pause in `/readyz`.
    pub(super) fn component(&self) -> Component {
        SinkPart::Replay(self.replay.tenant.clone(), self.replay.id).of(&Follower::relay())
    }
}
