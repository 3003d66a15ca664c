//! Several replicas on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_gateway::store::{Batch, Outcome, Store};

use super::{OwnDatabase, dead_replicas_let_go, log, open_store};
use crate::support::drafts::create_in;
use crate::support::ids::{college, diku, log_id, tenant};
use crate::support::store_fixture::{StoreFixture, Versions, receipts};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_make_one_store() {
    let fixture = OwnDatabase::new().await;
    let start = async |lanes| {
        let store = fixture.open().await;
        let lanes = store.lanes(lanes).await.unwrap();
        for number in 0..8 {
            store.enable_if_new(&tenant(&format!("t{number}")), log_id(number)).await.unwrap();
        }
        (lanes, store.list().await.unwrap())
    };
    let started: [_; 4] = tokio::join!(start(3), start(4), start(5), start(6)).into();
    let (lanes, enabled) = &started[0];
    let recorded = fixture.recorded().await;
    assert!(recorded.iter().map(|it| it.number).eq(1..=recorded.len() as i64), "{recorded:?}");
    assert_eq!(enabled.len(), 8);
    assert!(started.iter().all(|(l, e)| l == lanes && e == enabled));
    let mut tenants = BTreeMap::new();
    enabled.iter().for_each(|e| *tenants.entry(e.lane).or_insert(0) += 1);
    let (fewest, most) = (8 / usize::from(*lanes), 8_usize.div_ceil(usize::from(*lanes)));
    assert!(tenants.len() == usize::from(*lanes).min(8), "{tenants:?}");
    assert!(tenants.values().all(|&n| (fewest..=most).contains(&n)), "{tenants:?}");
}

/// Each replica posts events of its own, and events that all replicas post, to two tenants at once.
async fn post(store: Arc<dyn Store>, replica: u128) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for round in 0..50 {
        let batches = [college(), diku()].map(|tenant| {
            let own = create_in(&tenant, 1_000 * (replica + 1) + round);
            Batch { drafts: vec![own, create_in(&tenant, 1 + round)], tenant }
        });
        outcomes.extend(store.append(&batches).await.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_append_to_the_same_tenants_share_their_logs() {
    let fixture = OwnDatabase::new().await;
    let one = open_store(&fixture.url, &fixture.database, &[diku(), college()]).await;
    let other = fixture.open().await;
    let (ones, others) = tokio::join!(
        tokio::spawn(post(Arc::clone(&one), 1)),
        tokio::spawn(post(Arc::clone(&other), 2))
    );
    for (one, other) in ones.unwrap().iter().zip(&others.unwrap()) {
        assert_eq!(receipts(one)[1], receipts(other)[1]);
        assert_ne!(receipts(one)[0], receipts(other)[0]);
    }
    for tenant in [diku(), college()] {
        let ids = log(&one, &tenant).await;
        assert_eq!(ids.len(), 150);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 150);
        assert_eq!(log(&other, &tenant).await, ids);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_has_locked_is_free_after_seconds() {
    let fixture = OwnDatabase::new().await;
    dead_replicas_let_go(&fixture.url, &fixture.database).await;
}
