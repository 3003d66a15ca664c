//! Stories about the truth of `published` when the store dies at any call: late at worst, never
//! early.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::position::Position;
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::published::Published;
use event_gateway::store::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::harness::{Harness, tenants};
use crate::support::parking::{ITEM, mixed};

/// Makes a harness whose store fails for its followers from a call on.
struct Mortal {
    harness: Harness,
    store: Arc<FaultyStore>,
    last: usize,
}

impl Mortal {
    async fn new(tenants: &[TenantId], last: usize) -> Self {
        let mut harness = Harness::new(1, tenants).await;
        let store = Arc::new(FaultyStore::new(harness.store.clone()));
        store.set(Mode::FailingFrom(last, Error::Unavailable("away".to_owned())));
        harness.parts.store = store.clone();
        Self { harness, store, last }
    }

    fn is_dead(&self) -> bool {
        self.store.calls() >= self.last
    }

    /// Waits until the tenant's parked scopes are as wanted; `None` if the store dies before.
    async fn parked(&self, tenant: &TenantId, wanted: impl Fn(&Parked) -> bool) -> Option<Parked> {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_dead() {
            let parked = self.harness.store.parked(tenant, &Follower::relay()).await.unwrap();
            if let Some(parked) = parked.into_iter().find(&wanted) {
                return Some(parked);
            }
            assert!(Instant::now() < deadline, "{:?}", self.harness.parts.health.troubles());
            self.harness.ring().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        None
    }

    /// Checks that every event that counts as published is in Kafka.
    async fn assert_never_early(&self, tenant: &TenantId) {
        let harness = &self.harness;
        let pages = Some(harness.parts.pages.subscribe());
        let published = Published::new(harness.store.clone(), pages, CancellationToken::new());
        let up_to = published.up_to(tenant, Position::START.next()).await.unwrap();
        let event_counts = harness.store.event_counts().await.unwrap();
        let sent: HashSet<_> =
            harness.kafka.state(|s| s.records.iter().map(|r| r.event_id).collect());
        assert!(
            event_counts.published <= sent.len() as u64,
            "call {}: {} sent, {event_counts:?}",
            self.last,
            sent.len()
        );
        for event in harness.log(tenant).await {
            let told = up_to.covers(event.log_id, &event.topic, &event.key, event.position);
            let is_sent = sent.contains(&event.event_id);
            assert!(
                told == Some(false) || is_sent,
                "call {}: {} isn't sent",
                self.last,
                event.position
            );
        }
    }
}

/// Parks and releases a key, until the store dies; returns whether it did.
async fn story(last: usize) -> bool {
    let tenants = tenants(1);
    let mortal = Mortal::new(&tenants, last).await;
    let (harness, tenant) = (&mortal.harness, &tenants[0]);
    harness.refuse(ITEM, "k7");
    harness.append(tenant, mixed(tenant, 0..60)).await;
    let followers = harness.follow();
    if let Some(parked) = mortal.parked(tenant, |parked| parked.events == 4).await {
        harness.append(tenant, mixed(tenant, 60..70)).await;
        harness.allow_all();
        harness.ask(&parked, Request::Release).await;
        mortal.parked(tenant, |parked| matches!(parked.state, State::Resolved(_))).await;
    }
    followers.stop().await;
    mortal.assert_never_early(tenant).await;
    mortal.is_dead()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_is_the_last_nothing_is_called_published_that_is_not() {
    let mut last = 1;
    while story(last).await {
        last += 1;
    }
    assert!(last > 20, "a story of {last} calls tells nothing");
}
