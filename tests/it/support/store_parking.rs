//! The lane that parks in a store, and the rows that the store has of it then.

use std::time::Duration;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::Parked;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::store::Lease;

use crate::support::store_fixture::{OpenStore, StoreFixture};

const TTL: Duration = Duration::from_secs(5);

/// The lease of the tenant's lane.
pub async fn hold<B: StoreFixture>(opened: &OpenStore<B>, tenant: &TenantId) -> Lease {
    let enabled =
        opened.store.list().await.unwrap().into_iter().find(|e| e.tenant == *tenant).unwrap();
    opened.store.acquire(enabled.lane, "one", TTL).await.unwrap().unwrap()
}

/// The rows but for their time, which is the store's.
pub async fn found<B: StoreFixture>(opened: &OpenStore<B>, tenant: &TenantId) -> Vec<Parked> {
    let found = opened.store.parked(tenant, &Follower::relay()).await.unwrap();
    assert!(found.iter().all(|parked| parked.time > Time::ZERO || parked.events == 0));
    found.into_iter().map(|parked| Parked { time: Time::ZERO, ..parked }).collect()
}
