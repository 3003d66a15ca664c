//! Append: the only way into the logs; the part that is the same for every database.
//!
//! Each adapter's `append` passes in fingerprinted batches, and gets the plan to write. The
//! protocol is optimistic, and the same for every store that serves several processes:
//! **predict** the heads from what this process wrote last, **plan**, **write** if no head has
//! changed and no event id is known, and **commit** the new heads to the cache; if nothing can be
//! predicted, or a head has changed, **read** the store, **refresh** the cache and plan again. The
//! state that a plan is based on still holds when it is written, or nothing is written.
//!
//! SQLite has one writer in one process: it reads and plans in its transaction, and needs no more.

pub(in crate::store) mod batch;
pub(in crate::store) mod head_cache;
pub(in crate::store) mod plan;
pub(in crate::store) mod snapshot;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use async_trait::async_trait;

use super::Outcome;
use crate::domain::tenant::TenantId;
use batch::FingerprintedBatch;
use head_cache::{Checkout, HeadCache};
use plan::{AppendPlan, plan};
use snapshot::Snapshot;

/// The version of each tenant's head.
pub(super) type Versions<V> = HashMap<TenantId, V>;

/// The steps of an append that each store does in its own way.
#[async_trait]
pub(super) trait AppendStore: Send {
    /// The version of a head, which changes whenever the head does.
    type HeadVersion: Clone + PartialEq + Send + Sync;
    /// The reason why a step failed. The append fails with it, or its adapter tries again.
    type Error: Send;

    /// Returns whether heads may still have these versions, which were read some time ago.
    fn is_current(&self, _versions: &Versions<Self::HeadVersion>) -> bool {
        true
    }

    /// Reads the logs and the event ids of the batches, in one state of the store.
    async fn read(
        &mut self,
        batches: &[FingerprintedBatch<'_>],
    ) -> Result<Snapshot<Self::HeadVersion>, Self::Error>;

    /// Writes a plan with new events, if each of its heads has the given version and no event id is
    /// known. Then replaces the versions by the heads' new ones.
    async fn write(
        &mut self,
        plan: &AppendPlan,
        versions: &mut Versions<Self::HeadVersion>,
    ) -> Result<Result<(), HeadChanged>, Self::Error>;

    /// Makes durable what was read, if nothing is new, since its receipts are answered again.
    async fn write_nothing(
        &mut self,
        _batches: &[FingerprintedBatch<'_>],
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Prepares to read after a prediction that did not hold; an error if the store must begin
    /// again for that.
    fn mispredicted(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// The reason why a plan was not written, or will not be committed: a head has another version, or
/// an event id is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadChanged;

/// An append that was written, and is committed or about to be.
pub(super) struct Appended<V> {
    plan: AppendPlan,
    checkout: Checkout<V>,
    versions: Versions<V>,
}

impl<V> Appended<V> {
    /// Caches the heads, now that they are committed, and returns the outcomes to answer.
    pub(super) fn commit(self, cache: &HeadCache<V>) -> Vec<Outcome> {
        cache.commit(self.checkout, &self.plan, self.versions);
        self.plan.outcomes
    }
}

/// Writes the batches on the state that the cache predicts, or else on the state that the store
/// has; `HeadChanged` if that changed after it was read.
pub(super) async fn attempt<S: AppendStore>(
    store: &mut S,
    cache: &HeadCache<S::HeadVersion>,
    batches: &[FingerprintedBatch<'_>],
) -> Result<Result<Appended<S::HeadVersion>, HeadChanged>, S::Error> {
    let mut checkout = cache.checkout(batches);
    if let Some(Snapshot { logs, mut versions, now }) = checkout.predict(batches) {
        let plan = plan(batches, logs, now);
        if plan.is_all_new() && store.is_current(&versions) {
            match store.write(&plan, &mut versions).await? {
                Ok(()) => return Ok(Ok(Appended { plan, checkout, versions })),
                Err(HeadChanged) => store.mispredicted()?,
            }
        }
    }
    let snapshot = store.read(batches).await?;
    checkout.refresh(batches, &snapshot);
    let Snapshot { logs, mut versions, now } = snapshot;
    let plan = plan(batches, logs, now);
    let written = if plan.new_events.is_empty() {
        store.write_nothing(batches).await?;
        Ok(())
    } else {
        store.write(&plan, &mut versions).await?
    };
    Ok(written.map(|()| Appended { plan, checkout, versions }))
}
