//! The halts of groups: an operator pauses one, or its handler stops it, until it is resumed or
//! skips the event at which it stopped.

use super::{Error, Groups, change};
use crate::domain::position::Position;
use crate::domain::subscription::{FailedEvent, Group};
use crate::domain::tenant::TenantId;
use crate::domain::trail::TrailEntry;
use crate::store::FoundSubscription;

impl Groups<'_> {
    /// Pauses a group, whose reader or handler is fenced. One that has halted stays as it is.
    pub async fn pause(
        &self,
        tenant: &TenantId,
        group: &Group,
        why: &str,
        by: &TrailEntry,
    ) -> Result<FoundSubscription, Error> {
        let pause = change::change(self.store, tenant, group, Some(by), |subscription, now| {
            subscription.pause(why, now);
            Ok(())
        });
        Ok(pause.await?.1)
    }

    /// Resumes a group that has halted: it goes on with the event at which it stopped.
    pub async fn resume(
        &self,
        tenant: &TenantId,
        group: &Group,
        by: &TrailEntry,
    ) -> Result<FoundSubscription, Error> {
        let resume = change::change(self.store, tenant, group, Some(by), |subscription, _| {
            subscription.resume();
            Ok(())
        });
        Ok(resume.await?.1)
    }

    /// Resumes a group after the event at which its handler failed, which is never delivered again.
    pub async fn skip(
        &self,
        tenant: &TenantId,
        group: &Group,
        position: Position,
        by: &TrailEntry,
    ) -> Result<FoundSubscription, Error> {
        let skip = change::change(self.store, tenant, group, Some(by), |subscription, _| {
            subscription.skip(position)
        });
        Ok(skip.await?.1)
    }

    /// Stops the group of a generation, whose handler can't go on, at the event at which it failed
    /// if it did.
    pub async fn stop(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        (why, failed): (&str, Option<FailedEvent>),
    ) -> Result<(), Error> {
        let stop = change::change(self.store, tenant, group, None, |subscription, now| {
            subscription.stop(generation, (why, failed), now)
        });
        stop.await.map(|((), _)| ())
    }
}
