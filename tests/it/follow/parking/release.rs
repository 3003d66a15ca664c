//! Stories about a release while the relay goes on, whatever fails: the key is resolved once.

use std::sync::Arc;

use event_gateway::domain::parked::{Parked, Request, State};
use event_gateway::store::Batch;

use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::{Harness, tenants};
use crate::support::parking::{ITEM, draft, mixed};

/// Releases a key, which is refused once more, and then released in pages of one event, so that it
/// is resolved without a page after its last event; the next page of the relay has its next event.
/// A call to the store fails; returns the number of calls.
async fn story_by_ones(fault: (usize, Fault)) -> usize {
    let tenants = tenants(1);
    let mut harness = Harness::new(1, &tenants).await;
    let tenant = &tenants[0];
    harness.refuse(ITEM, "k7");
    harness.append(tenant, mixed(tenant, 0..20)).await;
    let followers = harness.follow();
    let waits = |parked: &[Parked]| {
        parked.iter().any(|p| p.state == State::Parked && p.requested.is_none() && p.events == 2)
    };
    let parked = harness.parked(tenant, waits).await.remove(0);
    followers.stop().await;

    harness.ask(&parked, Request::Release).await;
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), Some(fault)));
    harness.parts.store = faulty.clone();
    let followers = harness.follow();
    let parked = harness.parked(tenant, waits).await.remove(0);
    let others = (20..1_520).map(|id| draft(tenant, ITEM, "k1", id));
    let drafts = others.chain(mixed(tenant, 1_520..1_540)).collect();
    harness.store.append(&[Batch { tenant: tenant.clone(), drafts }]).await.unwrap();
    harness.allow_all();
    harness.ask(&parked, Request::Release).await;
    harness.published(&tenants).await;
    harness.parked(tenant, |parked| matches!(parked[0].state, State::Resolved(_))).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    faulty.calls()
}

/// Releases a key while pages of its tenant follow one another, and a call to the store fails;
/// returns the number of calls.
async fn story(fault: (usize, Fault)) -> usize {
    let tenants = tenants(1);
    let mut harness = Harness::new(1, &tenants).await;
    let tenant = &tenants[0];
    harness.refuse(ITEM, "k7");
    harness.append(tenant, mixed(tenant, 0..60)).await;
    let followers = harness.follow();
    let parked =
        harness.parked(tenant, |parked| parked.iter().any(|p| p.events == 4)).await.remove(0);
    followers.stop().await;

    harness.allow_all();
    harness.ask(&parked, Request::Release).await;
    harness.append(tenant, mixed(tenant, 60..1_160)).await;
    let faulty = Arc::new(FaultyStore::with_fault(harness.store.clone(), Some(fault)));
    harness.parts.store = faulty.clone();
    let followers = harness.follow();
    harness.published(&tenants).await;
    let joined = |parked: &[Parked]| matches!(parked[0].state, State::Resolved(_));
    harness.parked(tenant, joined).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    faulty.calls()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_what_is_released_meanwhile_is_resolved_once() {
    at_each_call(20, story).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_what_has_nothing_left_to_send_is_resolved_once() {
    at_each_call(20, story_by_ones).await;
}
