//! Spans around each call of the ports `Subscriptions` and `Watch`.

use async_trait::async_trait;
use tracing::instrument;

use super::{Spans, trail};
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::store::{
    Error, FoundSubscription, Growth, Lag, Store, SubscriptionChange, Subscriptions, Watch,
};

#[async_trait]
impl<S: Store> Subscriptions for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(tenant = tenant.map(TenantId::as_str)))]
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        self.0.list_subscriptions(tenant).await
    }

    #[instrument(level = "debug", skip_all, fields(groups = names.len()))]
    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        self.0.find_subscriptions(names).await
    }

    #[instrument(level = "debug", skip_all, fields(changes = changes.len()))]
    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        let written = self.0.change_subscriptions(changes).await?;
        let done = changes.iter().zip(&written).filter(|(_, written)| **written);
        done.for_each(|(change, _)| trail::told(change.by.as_ref()));
        Ok(written)
    }
}

#[async_trait]
impl<S: Store> Watch for Spans<S> {
    #[instrument(level = "debug", skip_all)]
    async fn watch(&self) -> Result<Option<Box<dyn Growth>>, Error> {
        self.0.watch().await
    }

    fn announces(&self) -> bool {
        self.0.announces()
    }

    #[instrument(level = "debug", skip_all, fields(tenants = tenants.len()))]
    async fn announce(&self, tenants: &[TenantId]) -> Result<(), Error> {
        self.0.announce(tenants).await
    }
}
