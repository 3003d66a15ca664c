//! What stays behind, whatever fails: on a real store, with a Kafka that refuses keys and topics.

use std::sync::Arc;
use std::time::Duration;

use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::EventType;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;
use event_gateway::store::EventCounts;
use tokio::time::Instant;

use crate::follow::relay::{Harness, tenants};
use crate::support::drafts::{create_in, delete_all, key, origin, topic};
use crate::support::fake_sink::{Fault, PATIENCE, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::store_fixture::position;
pub const ITEM: &str = "folio.diku.inventory.item";
pub const LOAN: &str = "folio.diku.circulation.loan";

/// One event of a key.
pub fn draft(tenant: &TenantId, on: &str, of: &str, id: u128) -> Draft {
    Draft { topic: topic(on), key: key(of), ..create_in(tenant, id) }
}

/// Events of ten keys on two topics.
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

    /// Wakes the lanes, which would look by themselves in a while.
    pub async fn ring(&self) {
        for enabled in self.store.list().await.unwrap() {
            self.parts.wakeups.wake(enabled.lane);
        }
    }

    pub async fn ask(&self, parked: &Parked, asked: Request) {
        assert!(
            self.store
                .request(&parked.tenant, parked.event_id, asked, Some("a test"))
                .await
                .unwrap()
        );
        self.ring().await;
    }

    /// Waits until what a tenant has parked is as wanted.
    pub async fn parked(
        &self,
        tenant: &TenantId,
        wanted: impl Fn(&[Parked]) -> bool,
    ) -> Vec<Parked> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let parked = self.store.parked(tenant).await.unwrap();
            if wanted(&parked) {
                return parked;
            }
            let troubles = self.parts.health.troubles();
            assert!(Instant::now() < deadline, "{tenant}: {parked:#?} {troubles:?}");
            self.ring().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Every event of the logs was sent once, in order of its key, or is held by one that is parked; and
    /// the counts say so.
    pub async fn assert_accounted(&self, tenants: &[TenantId]) {
        for tenant in tenants {
            let (log, parked) = (self.log(tenant).await, self.store.parked(tenant).await.unwrap());
            let records = self.kafka.state(|state| state.records.clone());
            let records: Vec<_> =
                records.into_iter().filter(|record| record.tenant == *tenant).collect();
            let holders = |event: &Envelope| {
                let holds =
                    |p: &&Parked| p.holds(event.log_id, &event.topic, &event.key, event.position);
                parked.iter().filter(holds).count()
            };
            for event in &log {
                let sent =
                    records.iter().filter(|record| record.event_id == event.event_id).count();
                let held = usize::from(holders(event) > 0);
                assert_eq!(sent + held, 1, "{tenant} {}: sent {sent}, held {held}", event.position);
            }
            assert_eq!(records.len() + log.iter().filter(|e| holders(e) > 0).count(), log.len());
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

/// Positions of each (topic, key) rise; nothing older than a DELETE_ALL follows it.
fn in_order(records: &[Envelope]) {
    for (index, record) in records.iter().enumerate() {
        let of_key = |other: &&Envelope| {
            let deletes_all = record.event_type == EventType::DeleteAll
                || other.event_type == EventType::DeleteAll;
            other.topic == record.topic && (other.key == record.key || deletes_all)
        };
        let older = records[index + 1..]
            .iter()
            .filter(of_key)
            .find(|other| other.position < record.position);
        assert!(older.is_none(), "{} after {}", older.unwrap().position, record.position);
    }
}

pub fn ended(parked: &[Parked]) -> bool {
    parked.iter().all(|parked| !parked.is_open())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_refused_stays_behind_with_its_key_alone() {
    let tenants = tenants(3);
    let harness = Harness::new(1, &tenants).await;
    harness.refuse(ITEM, "k7");
    for tenant in &tenants {
        harness.append(tenant, mixed(tenant, 0..400)).await;
    }
    let followers = harness.follow();
    harness.published(&tenants).await;
    for tenant in &tenants {
        let parked = harness.parked(tenant, |parked| parked.iter().any(|p| p.events == 27)).await;
        let [parked] = parked.as_slice() else { panic!("{parked:#?}") };
        assert_eq!((parked.key.as_ref(), parked.position.number()), (Some(&key("k7")), 8));
        assert!(parked.cause.contains("too large"), "{}", parked.cause);
    }
    harness.assert_accounted(&tenants).await;
    harness.append(&tenants[0], mixed(&tenants[0], 400..500)).await;
    harness.published(&tenants).await;
    harness.parked(&tenants[0], |parked| parked[0].events == 34).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

/// A key of each tenant is parked, with 27 events of 400.
async fn parked(harness: &Harness, tenants: &[TenantId]) -> Followers {
    harness.refuse(ITEM, "k7");
    for tenant in tenants {
        harness.append(tenant, mixed(tenant, 0..400)).await;
    }
    let followers = harness.follow();
    harness.published(tenants).await;
    for tenant in tenants {
        harness.parked(tenant, |parked| parked.iter().any(|p| p.events == 27)).await;
    }
    followers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_released_is_published_in_order_and_joins_the_rest() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    let followers = parked(&harness, &tenants).await;
    // Once while it would still be refused, and once when it isn't.
    for allowed in [false, true] {
        if allowed {
            harness.allow_all();
        }
        let parked = harness.store.parked(&tenants[0]).await.unwrap().remove(0);
        harness.ask(&parked, Request::Release).await;
        harness
            .append(
                &tenants[0],
                mixed(
                    &tenants[0],
                    400 + 100 * u128::from(allowed)..500 + 100 * u128::from(allowed),
                ),
            )
            .await;
        let state = |parked: &[Parked]| match parked[0].state {
            State::Resolved(_) => allowed,
            State::Parked => !allowed && parked[0].requested.is_none(),
            _ => false,
        };
        harness.parked(&tenants[0], state).await;
        harness.published(&tenants).await;
    }
    harness.append(&tenants[0], mixed(&tenants[0], 600..700)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    assert_eq!(harness.store.parked(&tenants[0]).await.unwrap()[0].events, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_discarded_is_never_published_and_its_key_is_free() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let followers = parked(&harness, &tenants).await;
    let one = harness.store.parked(&tenants[0]).await.unwrap().remove(0);
    harness.ask(&one, Request::Discard).await;
    let over = harness.parked(&tenants[0], ended).await.remove(0);
    assert_eq!((over.events, over.reason.as_deref()), (27, Some("a test")));
    harness.allow_all();
    harness.append(&tenants[0], mixed(&tenants[0], 400..500)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    let of_key =
        harness.kafka.state(|state| state.records.iter().filter(|r| r.key == key("k7")).count());
    assert_eq!(of_key, 13 + 10, "those of the other topic, and all that came later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_all_makes_void_what_stays_behind_and_frees_its_key() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let followers = parked(&harness, &tenants).await;
    harness.allow_all();
    let mut drafts = mixed(&tenants[0], 400..450);
    drafts.push(delete_all_of(&tenants[0], LOAN, 450));
    drafts.extend(mixed(&tenants[0], 451..500));
    drafts.push(delete_all_of(&tenants[0], ITEM, 500));
    drafts.extend(mixed(&tenants[0], 501..600));
    harness.append(&tenants[0], drafts).await;
    let over = harness.parked(&tenants[0], ended).await.remove(0);
    assert_eq!((over.state, over.events), (State::Superseded(position(501)), 34));
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

/// A key is parked; then its topic is refused, as these are appended to it, until it is parked with more
/// events than that.
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

/// The topic that is among them as a whole.
pub fn whole(parked: &[Parked]) -> &Parked {
    parked.iter().find(|parked| parked.key.is_none()).unwrap()
}

/// The key that is among them.
pub fn of_key(parked: &[Parked]) -> &Parked {
    parked.iter().find(|parked| parked.key.is_some()).unwrap()
}

/// A key is parked, then its topic, which has a DELETE_ALL; the topic is released, and the DELETE_ALL
/// makes void what the key had before, and nothing that it had after.
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

/// Whatever call fails; returns how many were made.
async fn broken(
    of_kafka: Option<(usize, Fault)>,
    of_store: Option<(usize, Fault)>,
) -> (usize, usize) {
    let tenants = tenants(1);
    let mut harness = Harness::new(1, &tenants).await;
    harness.kafka.state(|state| state.fault = of_kafka);
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), of_store));
    harness.parts.store = faulty.clone();
    let followers = parked_and_released(&harness, &tenants[0]).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    (harness.kafka.state(|state| state.calls), faulty.calls())
}

async fn parked_and_released(harness: &Harness, tenant: &TenantId) -> Followers {
    let followers = topic_over_key(harness, tenant).await;
    harness.refuse(LOAN, "k3");
    harness.append(tenant, mixed(tenant, 170..200)).await;
    harness.published(std::slice::from_ref(tenant)).await;
    let last = |parked: &[Parked]| parked.last().is_some_and(|p| p.is_open() && p.events == 1);
    let parked = harness.parked(tenant, last).await;
    harness.allow_all();
    harness.ask(parked.last().unwrap(), Request::Release).await;
    harness.parked(tenant, ended).await;
    let relay = harness.store.load(tenant, &Follower::relay()).await.unwrap().unwrap();
    assert_eq!(relay.position.number(), 200);
    followers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_kafka_fails_everything_is_accounted_for() {
    at_each_call(15, async |fault| broken(Some(fault), None).await.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_everything_is_accounted_for() {
    at_each_call(30, async |fault| broken(None, Some(fault)).await.1).await;
}
