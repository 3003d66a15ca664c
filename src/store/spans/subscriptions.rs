//! Spans around each call of the ports `Subscriptions` and `Watch`.

use async_trait::async_trait;
use tracing::instrument;

use super::{Spans, trail};
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group};
use crate::domain::tenant::TenantId;
use crate::store::{
    DeadCount, Error, FoundSubscription, Growth, Lag, Store, SubscriptionChange, Subscriptions,
    Watch,
};

#[async_trait]
impl<S: Store> Subscriptions for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(tenant = tenant.map(TenantId::as_str)))]
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        timed!(self.list_subscriptions(tenant))
    }

    #[instrument(level = "debug", skip_all, fields(groups = names.len()))]
    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        timed!(self.find_subscriptions(names))
    }

    #[instrument(level = "debug", skip_all, fields(changes = changes.len()))]
    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        let written = timed!(self.change_subscriptions(changes))?;
        let done = changes.iter().zip(&written).filter(|(_, written)| **written);
        done.for_each(|(change, _)| trail::told(change.by.as_ref()));
        Ok(written)
    }

    #[instrument(level = "debug", skip_all, fields(%tenant, %group))]
    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        timed!(self.list_dead_letters(tenant, group, after, limit))
    }

    #[instrument(
        level = "debug", skip_all,
        fields(group = of.and_then(|(_, group)| group).map(Group::as_str)),
    )]
    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error> {
        timed!(self.count_dead_letters(of))
    }
}

#[async_trait]
impl<S: Store> Watch for Spans<S> {
    #[instrument(level = "debug", skip_all)]
    async fn watch(&self) -> Result<Option<Box<dyn Growth>>, Error> {
        timed!(self.watch())
    }

    fn announces(&self) -> bool {
        self.store.announces()
    }

    #[instrument(level = "debug", skip_all, fields(tenants = tenants.len()))]
    async fn announce(&self, tenants: &[TenantId]) -> Result<(), Error> {
        timed!(self.announce(tenants))
    }
}
