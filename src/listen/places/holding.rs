//! How the members of a group keep others away while they read: by a lease on the subscription of
//! each tenant, from their first look at where the group stands on.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Kept, Known, Places, TRIES_MAX, changed_by_others, matched};
use crate::domain::subscription::{Refusal, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::listen::principal::Scope;
use crate::listen::topics::Seen;
use crate::store::{Error, FoundSubscription, Store, SubscriptionChange};

/// The time for which a group's Kafka clients keep readers over HTTP away, unless they are heard
/// of.
const LEASE_MS: i64 = 60_000;

impl Places {
    /// Lets the members begin to read topics of tenants: though they have committed nothing yet,
    /// nobody else reads for the group from now on. Returns the tenants with which they must wait,
    /// since somebody else reads.
    pub(in crate::listen) async fn begin(
        &mut self,
        store: &dyn Store,
        asked: &BTreeMap<TenantId, Vec<Topic>>,
        topics: &Seen,
    ) -> Result<BTreeMap<TenantId, Kept>, Kept> {
        for _ in 0..TRIES_MAX {
            let (mut changes, mut kept) = (Vec::new(), BTreeMap::new());
            for (tenant, named) in asked {
                let now = self.read(store, tenant).await?;
                let row = self.known[tenant].row.as_ref();
                let before = row.map(|found| &found.subscription);
                let next = match self.begun(before, (tenant, named.as_slice(), topics), now) {
                    Ok(next) => Some(next),
                    Err(refusal) => {
                        self.tell_of_handler(tenant, &refusal);
                        kept.insert(tenant.clone(), Kept::Refused(refusal));
                        continue;
                    }
                };
                if next.as_ref() != before {
                    let (tenant, group) = (tenant.clone(), self.group.clone());
                    let (version, dead) = (row.map_or(0, |found| found.version), Vec::new());
                    changes.push(SubscriptionChange {
                        tenant,
                        group,
                        version,
                        next,
                        dead,
                        by: None,
                    });
                }
            }
            if changes.is_empty() {
                return Ok(kept);
            }
            self.ensure_held(store).await?;
            let written = store.change_subscriptions(&changes).await?;
            self.read_all(store, asked.keys()).await?;
            for (change, _) in changes.iter().zip(&written).filter(|(_, written)| **written) {
                self.note_own(&change.tenant, change.next.as_ref().map(|it| it.generation));
            }
            let has_no_log = |(change, written): (&SubscriptionChange, bool)| {
                !written && change.version == 0 && self.known[&change.tenant].row.is_none()
            };
            if changes.iter().zip(written).any(has_no_log) {
                return Err(Kept::NotEnabled);
            }
        }
        Err(changed_by_others())
    }

    /// Tells once that the members get nothing, if that is for good.
    fn tell_of_handler(&mut self, tenant: &TenantId, refusal: &Refusal) {
        if *refusal == Refusal::HasHandler && !self.is_told {
            let group = &self.group;
            tracing::warn!(
                %tenant, %group,
                "Kafka clients have joined a group that has a handler, and are refused"
            );
            self.is_told = true;
        }
    }

    /// Returns a tenant's subscription once the members read. Only one that was found tells the
    /// store's time, so that a new one is held in the next round.
    fn begun(
        &self,
        row: Option<&Subscription>,
        (tenant, named, topics): (&TenantId, &[Topic], &Seen),
        now: Time,
    ) -> Result<Subscription, Refusal> {
        let Some(row) = row else { return Ok(Subscription::read_by_kafka(named.iter())) };
        row.refuse_whoever_comes()?;
        let (mut next, reader) = (row.clone(), self.reader());
        if let Some(lease) = row.holder(now).filter(|lease| lease.reader != reader) {
            return Err(Refusal::Held(lease.clone()));
        }
        let matched = matched(row, tenant, topics);
        if next.parts.is_none() && !matched.is_empty() {
            next.commit_parts(&reader, &[], &matched, now)?;
        }
        if is_due(&next, now) {
            next.hold_parts(&reader, Some(LEASE_MS), now);
        }
        Ok(next)
    }

    /// Keeps readers over HTTP away for another while, or (once no member is left) lets them in.
    pub(in crate::listen) async fn hold(
        &mut self,
        store: &dyn Store,
        held: bool,
    ) -> Result<(), Kept> {
        if held && !self.is_recalled {
            self.recall(store).await?;
        }
        let stale = self.known.iter().filter(|(_, known)| known.is_stale);
        let stale: Vec<_> = stale.map(|(tenant, _)| tenant.clone()).collect();
        if !stale.is_empty() {
            self.read_all(store, &stale).await?;
        }
        for tenant in self.known.keys().cloned().collect::<Vec<_>>() {
            self.hold_one(store, &tenant, held).await?;
        }
        Ok(())
    }

    /// Looks for the tenants with which the members have read before this process had the group.
    async fn recall(&mut self, store: &dyn Store) -> Result<(), Error> {
        let (all, reader) = (Scope::All.as_column(), self.reader());
        let mut logs = store.list().await?;
        logs.retain(|log| self.scope == all || self.scope == log.tenant.as_str());
        let named: Vec<_> = logs.into_iter().map(|log| (log.tenant, self.group.clone())).collect();
        let found = store.find_subscriptions(&named).await?;
        let read = Instant::now();
        let is_its = |row: &FoundSubscription| {
            row.subscription.lease.as_ref().is_some_and(|lease| lease.reader == reader)
        };
        for row in found.into_iter().filter(is_its) {
            let known = || Known { row: Some(row.clone()), read, is_stale: false, own: None };
            self.known.entry(row.tenant.clone()).or_insert_with(known);
        }
        self.is_recalled = true;
        Ok(())
    }

    /// The same, of one tenant. A lease that goes on for long enough stays as it is.
    pub(super) async fn hold_one(
        &mut self,
        store: &dyn Store,
        tenant: &TenantId,
        held: bool,
    ) -> Result<(), Kept> {
        let reader = self.reader();
        let hold = self.change(store, tenant, None, |row, now| {
            let is_held_by_others =
                |row: &Subscription| row.holder(now).is_some_and(|lease| lease.reader != reader);
            if !held && row.is_some_and(|row| row.is_only_begun() && !is_held_by_others(row)) {
                return Ok(None);
            }
            let mut next = row.cloned();
            if let Some(next) = &mut next
                && next.parts.is_some()
                && (!held && next.lease.is_some() || held && is_due(next, now))
            {
                next.hold_parts(&reader, held.then_some(LEASE_MS), now);
            }
            Ok(next)
        });
        hold.await.map(drop)
    }
}

/// Returns whether a lease is to be renewed.
fn is_due(subscription: &Subscription, now: Time) -> bool {
    let ends = subscription.lease.as_ref().map_or(now, |lease| lease.expires);
    ends < now.after(LEASE_MS / 2)
}
