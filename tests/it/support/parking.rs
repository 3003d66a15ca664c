//! Helpers of the stories about parking: two topics, keys that Kafka refuses, and the account of
//! all events.

use std::collections::HashMap;
use std::time::Duration;

use crash::PATIENCE;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::{EventId, EventType};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request};
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;
use event_gateway::store::EventCounts;
use tokio::time::Instant;

use crate::support::drafts::{create_in, delete_all, origin};
use crate::support::harness::Harness;
use crate::support::ids::{key, topic};

pub const ITEM: &str = "folio.diku.inventory.item";

pub const LOAN: &str = "folio.diku.circulation.loan";

/// Makes one event of a key.
pub fn draft(tenant: &TenantId, on: &str, of: &str, id: u128) -> Draft {
    Draft { topic: topic(on), key: key(of), ..create_in(tenant, id) }
}

/// Makes events of ten keys on two topics.
pub fn mixed(tenant: &TenantId, ids: std::ops::Range<u128>) -> Vec<Draft> {
    ids.map(|id| draft(tenant, if id % 3 == 0 { LOAN } else { ITEM }, &format!("k{}", id % 10), id))
        .collect()
}

pub fn delete_all_of(tenant: &TenantId, on: &str, id: u128) -> Draft {
    Draft { origin: origin(tenant.clone(), &[]), ..delete_all(on, id) }
}

impl Harness {
    pub fn refuse(&self, on: &str, of: &str) {
        self.kafka.state(|state| state.refused_keys.insert((topic(on), key(of))));
    }

    pub fn allow_all(&self) {
        self.kafka.state(|state| {
            state.refused_keys.clear();
            state.refused_topics.clear();
        });
    }

    /// Wakes the lanes, which would look by themselves later.
    pub async fn ring(&self) {
        for enabled in self.store.list().await.unwrap() {
            self.parts.wakeups.wake(enabled.lane);
        }
    }

    pub async fn ask(&self, parked: &Parked, asked: Request) {
        assert!(
            self.store
                .request(
                    &parked.tenant,
                    &Follower::relay(),
                    parked.event_id,
                    (asked, Some("a test")),
                    None
                )
                .await
                .unwrap()
        );
        self.ring().await;
    }

    /// Waits until a tenant's parked scopes are as wanted.
    pub async fn parked(
        &self,
        tenant: &TenantId,
        wanted: impl Fn(&[Parked]) -> bool,
    ) -> Vec<Parked> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let parked = self.store.parked(tenant, &Follower::relay()).await.unwrap();
            if wanted(&parked) {
                return parked;
            }
            let troubles = self.parts.health.troubles();
            assert!(Instant::now() < deadline, "{tenant}: {parked:#?} {troubles:?}");
            self.ring().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Checks that every event of the logs was sent once, in order of its key, or is held by a
    /// parked scope, and that the counts say so.
    pub async fn assert_accounted(&self, tenants: &[TenantId]) {
        for tenant in tenants {
            let (log, parked) = (
                self.log(tenant).await,
                self.store.parked(tenant, &Follower::relay()).await.unwrap(),
            );
            let records: Vec<_> = self.kafka.state(|state| {
                state.records.iter().filter(|record| record.tenant == *tenant).cloned().collect()
            });
            let mut times_sent: HashMap<EventId, usize> = HashMap::new();
            for record in &records {
                *times_sent.entry(record.event_id).or_default() += 1;
            }
            let is_held = |event: &Envelope| {
                parked
                    .iter()
                    .any(|p| p.holds(event.log_id, &event.topic, &event.key, event.position))
            };
            let mut all_held = 0;
            for event in &log {
                let sent = times_sent.get(&event.event_id).copied().unwrap_or_default();
                let held = usize::from(is_held(event));
                assert_eq!(sent + held, 1, "{tenant} {}: sent {sent}, held {held}", event.position);
                all_held += held;
            }
            assert_eq!(records.len() + all_held, log.len());
            let counted: u64 = parked.iter().map(|parked| parked.events).sum();
            assert_eq!(counted as usize, log.len() - records.len(), "{tenant}: {parked:#?}");
            in_order(&records);
        }
        let event_counts = self.store.event_counts().await.unwrap();
        let EventCounts { head, published, pending, parked, superseded, discarded, .. } =
            event_counts;
        assert_eq!(head, published + pending + parked + superseded + discarded, "{event_counts:?}");
        assert_eq!(
            published as usize,
            self.kafka.state(|state| state.records.len()),
            "{event_counts:?}"
        );
    }
}

/// Checks that the positions of each (topic, key) rise, and that nothing older than a DELETE_ALL
/// follows it.
pub fn in_order(records: &[Envelope]) {
    let (mut of_topics, mut of_keys, mut deletes_all) =
        (HashMap::new(), HashMap::new(), HashMap::new());
    for record in records {
        let Envelope { topic, key, position, .. } = record;
        let is_delete_all = record.event_type == EventType::DeleteAll;
        let newest = [
            of_keys.insert((topic, key), position),
            deletes_all.get(topic).copied(),
            of_topics.get(topic).copied().filter(|_| is_delete_all),
        ];
        let newer = newest.into_iter().flatten().find(|newest| *newest > position);
        assert!(newer.is_none(), "{position} after {}", newer.unwrap());
        if is_delete_all {
            deletes_all.insert(topic, position);
        }
        let newest = of_topics.entry(topic).or_insert(position);
        *newest = (*newest).max(position);
    }
}

pub fn ended(parked: &[Parked]) -> bool {
    parked.iter().all(|parked| !parked.is_open())
}

/// Parks a key; then its topic is refused, while these events are appended to it, until the topic
/// is parked with more events than so many.
pub async fn key_then_topic(
    harness: &Harness,
    tenant: &TenantId,
    drafts: Vec<Draft>,
    more_than: u64,
) -> (Followers, Vec<Parked>) {
    harness.refuse(ITEM, "k7");
    harness.append(tenant, mixed(tenant, 0..50)).await;
    let followers = harness.follow();
    harness.published(std::slice::from_ref(tenant)).await;
    harness.kafka.state(|state| state.refused_topics.insert(topic(ITEM)));
    harness.append(tenant, drafts).await;
    harness.published(std::slice::from_ref(tenant)).await;
    let parked = |p: &[Parked]| p.iter().any(|p| p.key.is_none() && p.events > more_than);
    let parked = harness.parked(tenant, parked).await;
    assert_eq!(parked.len(), 2, "{parked:#?}");
    (followers, parked)
}

/// Returns the parked topic among these scopes.
pub fn whole(parked: &[Parked]) -> &Parked {
    parked.iter().find(|parked| parked.key.is_none()).unwrap()
}

/// Returns the parked key among these scopes.
pub fn of_key(parked: &[Parked]) -> &Parked {
    parked.iter().find(|parked| parked.key.is_some()).unwrap()
}

/// Parks a key, then its topic, which has a DELETE_ALL. The topic is released, and the DELETE_ALL
/// makes the key's earlier events void, and none of its later ones.
pub async fn topic_over_key(harness: &Harness, tenant: &TenantId) -> Followers {
    let mut drafts = mixed(tenant, 50..100);
    drafts.push(delete_all_of(tenant, ITEM, 100));
    drafts.extend(mixed(tenant, 101..150));
    let (followers, parked) = key_then_topic(harness, tenant, drafts, 40).await;
    harness.assert_accounted(std::slice::from_ref(tenant)).await;
    harness.allow_all();
    harness.ask(whole(&parked), Request::Release).await;
    harness.parked(tenant, ended).await;
    harness.append(tenant, mixed(tenant, 150..170)).await;
    harness.published(std::slice::from_ref(tenant)).await;
    followers
}
