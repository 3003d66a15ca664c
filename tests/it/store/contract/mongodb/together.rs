//! Several replicas on one database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use event_gateway::domain::follower::{Cursor, Follower};
use event_gateway::domain::lane::Lane;
use event_gateway::store::{Batch, Lease, Outcome, Store};
use mongodb::bson::{Document, doc};

use super::{OwnDatabase, append, log, open_at, open_store};
use crate::support::drafts::{create_in, event_id};
use crate::support::services::mongodb::TRANSACTION_MAX;
use crate::support::store_fixture::{
    StoreFixture, college, diku, log_id, position, receipts, tenant,
};
use crash::mongodb::client;

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
    assert_eq!(enabled.len(), 8);
    assert!(started.iter().all(|(l, e)| l == lanes && e == enabled));
    let mut tenants = BTreeMap::new();
    enabled.iter().for_each(|e| *tenants.entry(e.lane).or_insert(0) += 1);
    let (fewest, most) = (8 / usize::from(*lanes), 8_usize.div_ceil(usize::from(*lanes)));
    assert!(tenants.len() == usize::from(*lanes).min(8), "{tenants:?}");
    assert!(tenants.values().all(|&n| (fewest..=most).contains(&n)), "{tenants:?}");
}

/// Each replica posts its own events, and the same ones as all others, to two tenants at once.
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

/// Writes down the relay's cursors of four tenants.
async fn checkpoint(store: &Arc<dyn Store>) {
    let at = Cursor { log_id: log_id(1), position: position(1), event_id: event_id(1) };
    let cursors = [0, 1, 2, 3].map(|number| (tenant(&format!("t{number}")), at));
    let lease = Lease { lane: Lane::new(0), term: 1 };
    store.checkpoint(&lease, &Follower::relay(), &cursors).await.unwrap();
}

/// A replica that appends to four tenants at once, and notes their cursors, until it is gone from one
/// moment to the next.
fn dying_replica(url: String, database: String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(open_at(&url, &database)).unwrap();
    for number in 0..4_u128 {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            let tenant = tenant(&format!("t{number}"));
            for id in 1.. {
                append(&store, &tenant, &[create_in(&tenant, id)]).await.unwrap();
            }
        });
    }
    runtime.spawn(async move {
        loop {
            checkpoint(&store).await;
        }
    });
    std::thread::sleep(Duration::from_millis(400));
    runtime.shutdown_background();
}

/// Lets replicas die until one of them does so in the midst of an append, and appends to its tenants.
pub async fn dead_replicas_let_go(url: &str, database: &str) {
    let tenants = [0, 1, 2, 3].map(|number| tenant(&format!("t{number}")));
    let store = open_store(url, database, &tenants).await;
    let begun = client(url).await.database(database).collection::<Document>("transactions");
    let mut died = 0;
    while died < 10 && begun.count_documents(doc! { "open": true }).await.unwrap() == 0 {
        let (url, database) = (url.to_owned(), database.to_owned());
        tokio::task::spawn_blocking(move || dying_replica(url, database)).await.unwrap();
        died += 1;
    }
    assert!(died < 10, "none died in an append");
    let since = Instant::now();
    for tenant in &tenants {
        let id = 1 << 100;
        receipts(&append(&store, tenant, &[create_in(tenant, id)]).await.unwrap());
        assert_eq!(log(&store, tenant).await.last(), Some(&event_id(id).to_string()));
    }
    checkpoint(&store).await;
    assert!(since.elapsed() < TRANSACTION_MAX / 2, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_replica_has_locked_is_free_after_seconds() {
    let fixture = OwnDatabase::new().await;
    dead_replicas_let_go(&fixture.url, &fixture.database).await;
}
