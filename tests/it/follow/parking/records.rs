//! Stories about parked records, whatever fails: on a real store, with a Kafka that refuses keys
//! and topics.

use std::sync::Arc;

use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;

use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::{Harness, tenants};
use crate::support::ids::{key, position};
use crate::support::parking::{ITEM, LOAN, delete_all_of, ended, mixed, topic_over_key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_refused_is_parked_with_its_key_alone() {
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

/// Parks a key of each tenant, with 27 events of 400.
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
async fn what_is_released_is_published_in_order_and_resolved() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    let followers = parked(&harness, &tenants).await;
    // It is released once while it would still be refused, and once when it is taken.
    for allowed in [false, true] {
        if allowed {
            harness.allow_all();
        }
        let parked = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap().remove(0);
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
    assert_eq!(harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap()[0].events, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_discarded_is_never_published_and_its_key_is_free() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let followers = parked(&harness, &tenants).await;
    let one = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap().remove(0);
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
async fn a_delete_all_supersedes_parked_events_and_frees_their_key() {
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

/// Runs the story with one call that fails; returns the number of calls.
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
