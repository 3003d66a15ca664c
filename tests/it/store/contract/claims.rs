//! Claims: an event is claimed once for each action, until the claim is over or is given back.

use std::collections::BTreeSet;
use std::time::Duration;

use event_gateway::domain::claim::{Action, ActionRun, RootId};
use event_gateway::domain::replay::ReplayId;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::store::Store;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::support::drafts::create;
use crate::support::ids::{college, diku, log_id, position, tenant};
use crate::support::store_fixture::{OpenStore, StoreFixture};

const DAY: Duration = Duration::from_secs(86_400);

fn index() -> ActionRun {
    ActionRun { action: Action::parse("index").unwrap(), replay: None }
}

fn roots(ids: &[&str]) -> BTreeSet<RootId> {
    ids.iter().map(|id| RootId::parse(id).unwrap()).collect()
}

/// Claims `diku`'s events for the action `index`; returns those that were new.
async fn claim(store: &dyn Store, ids: &[&str]) -> BTreeSet<RootId> {
    store.claim(&diku(), &index(), &roots(ids), DAY).await.unwrap()
}

async fn found(store: &dyn Store, tenant: &TenantId, run: &ActionRun) -> BTreeSet<RootId> {
    store.find_claims(tenant, run, &roots(&["$a", "b", "Order-7", "d"])).await.unwrap()
}

pub async fn an_event_is_claimed_once_for_each_action_replay_and_tenant<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    assert_eq!(claim(store, &["$a", "b"]).await, roots(&["$a", "b"]));
    assert_eq!(claim(store, &["b", "Order-7"]).await, roots(&["Order-7"]), "the other is claimed");
    let opened = opened.reopen().await;
    let store = &*opened.store;
    assert_eq!(claim(store, &["$a", "b", "Order-7"]).await, roots(&[]));
    assert_eq!(found(store, &diku(), &index()).await, roots(&["$a", "b", "Order-7"]));
    let mail = ActionRun { action: Action::parse("mail").unwrap(), replay: None };
    let again = ActionRun { replay: Some(ReplayId::new(Uuid::from_u128(7))), ..index() };
    for (tenant, run) in [(diku(), mail), (diku(), again), (college(), index())] {
        assert_eq!(found(store, &tenant, &run).await, roots(&[]), "{tenant} {run:?}");
        let new = store.claim(&tenant, &run, &roots(&["b"]), DAY).await.unwrap();
        assert_eq!(new, roots(&["b"]), "{tenant} {run:?}");
        assert_eq!(found(store, &tenant, &run).await, roots(&["b"]), "{tenant} {run:?}");
    }
    assert_eq!(claim(store, &[]).await, roots(&[]));
}

pub async fn of_many_who_claim_an_event_one_gets_it<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let over = roots(&["b"]);
    store.claim(&diku(), &index(), &over, Duration::ZERO).await.unwrap();
    for ids in [["$a"], ["b"]] {
        let all = join_all((0..16).map(|_| claim(store, &ids))).await;
        assert_eq!(all.iter().filter(|new| **new == roots(&ids)).count(), 1, "{ids:?}: {all:?}");
        assert!(all.iter().all(|new| new.is_empty() || *new == roots(&ids)), "{all:?}");
    }
}

pub async fn a_claim_that_is_given_back_is_claimed_again<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    claim(store, &["$a", "b"]).await;
    let root = RootId::parse("$a").unwrap();
    assert!(!store.release_claim(&college(), &index(), &root).await.unwrap());
    assert!(store.release_claim(&diku(), &index(), &root).await.unwrap());
    assert!(!store.release_claim(&diku(), &index(), &root).await.unwrap(), "it is given back");
    assert_eq!(found(store, &diku(), &index()).await, roots(&["b"]));
    assert_eq!(claim(store, &["$a", "b"]).await, roots(&["$a"]));
}

pub async fn a_claim_that_is_over_is_claimed_again_and_dropped<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let (all, none) = (roots(&["$a", "b", "Order-7"]), Duration::ZERO);
    let new = store.claim(&diku(), &index(), &all, none).await.unwrap();
    assert_eq!(new, all);
    assert_eq!(found(store, &diku(), &index()).await, roots(&[]), "it is over at once");
    let root = RootId::parse("b").unwrap();
    assert!(!store.release_claim(&diku(), &index(), &root).await.unwrap());
    assert_eq!(claim(store, &["b"]).await, roots(&["b"]));
    assert_eq!(store.claim(&diku(), &index(), &roots(&["b"]), none).await.unwrap(), roots(&[]));
    assert_eq!(found(store, &diku(), &index()).await, roots(&["b"]), "it keeps its end");
    assert_eq!(store.claim(&college(), &index(), &roots(&["d"]), none).await.unwrap().len(), 1);
    let mut dropped = Vec::new();
    for _ in 0..3 {
        dropped.push(store.drop_claims(2).await.unwrap());
    }
    assert_eq!(dropped, [2, 1, 0]);
    assert_eq!(found(store, &diku(), &index()).await, roots(&["b"]));
}

pub async fn nothing_is_claimed_of_a_tenant_that_has_no_log<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let (nobody, all) = (tenant("nobody"), roots(&["b"]));
    assert_eq!(store.claim(&nobody, &index(), &all, DAY).await.unwrap(), roots(&[]));
    assert_eq!(found(store, &nobody, &index()).await, roots(&[]));
    claim(store, &["b"]).await;
    store.begin_purge(&diku(), Time::from_ms(9), None, None).await.unwrap();
    assert_eq!(claim(store, &["d"]).await, roots(&[]));
}

pub async fn a_restored_log_keeps_its_claims<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let store = &*opened.store;
    claim(store, &["b"]).await;
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(5), position(1)).await.unwrap());
    assert_eq!(found(store, &diku(), &index()).await, roots(&["b"]), "what was done stays done");
}
