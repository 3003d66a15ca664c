//! Several sinks on one lane: a Kafka, and a collection of documents without transactions over
//! topics. Each has a cursor, a checkpoint and a health of its own.

use std::collections::BTreeSet;
use std::sync::Arc;

use crash::until;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::Followers;
use event_gateway::health::Component;
use event_gateway::sink::Sinks;

use crate::support::fake_documents::FakeDocuments;
use crate::support::harness::{Harness, drafts, tenants};

fn hexkit() -> Follower {
    Follower::parse("hexkit").unwrap()
}

fn follow(harness: &Harness, documents: &FakeDocuments) -> Followers {
    let kafka = Arc::new(harness.kafka.clone());
    let sinks = Sinks::default().with_kafka(kafka).with(Arc::new(documents.clone()));
    Followers::start(&harness.parts, &sinks)
}

/// How far the store knows a sink to be.
async fn checkpoint(harness: &Harness, tenant: &TenantId, follower: &Follower) -> u64 {
    let cursor = harness.store.load(tenant, follower).await.unwrap();
    cursor.map_or(0, |cursor| cursor.position.number())
}

async fn caught_up(harness: &Harness, tenants: &[TenantId], follower: &Follower) {
    for tenant in tenants {
        let head = harness.log(tenant).await.len() as u64;
        until("the sink has all of the log", async || {
            checkpoint(harness, tenant, follower).await == head
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_is_away_holds_up_no_other_and_goes_on_by_its_own_cursor() {
    let tenants = tenants(3);
    let harness = Harness::new(1, &tenants).await;
    let documents = FakeDocuments::new("hexkit");
    documents.state(|state| state.away = true);
    let of = |follower| Component::Lane(Lane::new(0), follower);
    let cause_of = |follower| harness.parts.health.cause_of(&of(follower));

    let followers = follow(&harness, &documents);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 0..20)).await;
    }
    harness.published(&tenants).await;
    until("the sink that is away is named", async || cause_of(hexkit()).is_some()).await;
    assert!(cause_of(hexkit()).unwrap().contains("the collection is away"));
    assert_eq!(cause_of(Follower::relay()), None);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 20..25)).await;
        assert_eq!(checkpoint(&harness, tenant, &hexkit()).await, 0);
    }
    harness.published(&tenants).await;
    let fences = harness.kafka.fences();
    assert_eq!(fences, 1, "the trouble of one sink is no takeover of another");

    documents.state(|state| state.away = false);
    caught_up(&harness, &tenants, &hexkit()).await;
    until("the sink is well", async || cause_of(hexkit()).is_none()).await;
    assert_eq!(harness.kafka.fences(), fences);
    assert_eq!(followers.stop().await, None);

    documents.state(|state| state.away = true);
    let followers = follow(&harness, &documents);
    for tenant in &tenants {
        harness.append(tenant, drafts(tenant, 25..30)).await;
    }
    harness.published(&tenants).await;
    for tenant in &tenants {
        assert_eq!(checkpoint(&harness, tenant, &hexkit()).await, 25);
    }
    documents.state(|state| state.away = false);
    caught_up(&harness, &tenants, &hexkit()).await;
    assert_eq!(followers.stop().await, None);
    let held = documents.state(|state| {
        let of_cursors = state.cursors.values().flat_map(|cursors| cursors.keys());
        assert!(of_cursors.clone().count() > 0);
        assert!(of_cursors.clone().all(|(_, follower)| *follower == hexkit()));
        state.documents.len()
    });
    let mut records = BTreeSet::new();
    for tenant in &tenants {
        let log = harness.log(tenant).await;
        records.extend(log.into_iter().map(|event| (event.tenant, event.topic, event.key)));
    }
    assert_eq!(held, records.len(), "every record has its document");
}
