//! The calls about subscriptions of a store that fails.

use async_trait::async_trait;
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{DeadLetter, Group};
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::*;

use super::{Call, FaultyStore};

#[async_trait]
impl Subscriptions for FaultyStore {
    async fn list_subscriptions(
        &self,
        tenant: Option<&TenantId>,
    ) -> Result<Vec<(FoundSubscription, Lag)>, Error> {
        self.through(Call::Other, self.inner.list_subscriptions(tenant)).await
    }

    async fn find_subscriptions(
        &self,
        names: &[(TenantId, Group)],
    ) -> Result<Vec<FoundSubscription>, Error> {
        self.through(Call::Other, self.inner.find_subscriptions(names)).await
    }

    async fn change_subscriptions(
        &self,
        changes: &[SubscriptionChange],
    ) -> Result<Vec<bool>, Error> {
        self.through(Call::Other, self.inner.change_subscriptions(changes)).await
    }

    async fn list_dead_letters(
        &self,
        tenant: &TenantId,
        group: &Group,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let list = self.inner.list_dead_letters(tenant, group, after, limit);
        self.through(Call::Other, list).await
    }

    async fn count_dead_letters(
        &self,
        of: Option<(&TenantId, Option<&Group>)>,
    ) -> Result<Vec<DeadCount>, Error> {
        self.through(Call::Other, self.inner.count_dead_letters(of)).await
    }
}

impl Watch for FaultyStore {}
