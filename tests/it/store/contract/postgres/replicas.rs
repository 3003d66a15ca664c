//! Replicas: several pools on one schema, as several processes have them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crash::PATIENCE;
use event_gateway::domain::lane::Lane;
use event_gateway::store::{Batch, ChangeToken, Store};
use sqlx::{Executor, Row};
use tokio::task::JoinSet;

use super::Schema;
use crate::support::drafts::{create, create_in};
use crate::support::ids::{college, diku, log_id, tenant};
use crate::support::store_fixture::{OpenStore, StoreFixture, receipts};

const WRITERS: u128 = 4;

/// Opens two replicas.
async fn replicas() -> (OpenStore<Schema>, [Arc<dyn Store>; 2]) {
    let opened = OpenStore::<Schema>::new().await;
    let stores = [Arc::clone(&opened.store), opened.fixture.open().await];
    (opened, stores)
}

/// Every append names all tenants, each writer's in an order of its own, and one event that the
/// writers share.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_append_to_the_same_tenants_at_once() {
    const APPENDS: u128 = 100;
    let (opened, stores) = replicas().await;
    let tenants: Vec<_> =
        ["zeta", "alpha", "mid"].into_iter().map(tenant).chain([diku(), college()]).collect();
    for (number, tenant) in (10..).zip(&tenants[..3]) {
        opened.store.enable_if_new(tenant, log_id(number)).await.unwrap();
    }
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, mut tenants) = (Arc::clone(&stores[writer as usize % 2]), tenants.clone());
        tenants.rotate_left(writer as usize);
        writers.spawn(async move {
            let mut shared = BTreeMap::new();
            for append in 0..APPENDS {
                let ids = [1_000_000 + append, writer * APPENDS + append];
                let drafts = |tenant| ids.iter().map(|id| create_in(tenant, *id)).collect();
                let batches: Vec<_> = tenants
                    .iter()
                    .map(|t| Batch { tenant: t.clone(), drafts: drafts(t) })
                    .collect();
                let outcomes = store.append(&batches).await.unwrap();
                for (batch, outcome) in batches.iter().zip(&outcomes) {
                    shared.insert((batch.tenant.clone(), append), receipts(outcome)[0].position);
                }
            }
            shared
        });
    }
    let shared = writers.join_all().await;
    assert!(shared.iter().all(|receipts| *receipts == shared[0]));
    for tenant in &tenants {
        let log = opened.log(tenant).await;
        assert!(log.iter().map(|e| e.position.number()).eq(1..=((WRITERS + 1) * APPENDS) as u64));
        assert!(log.is_sorted_by_key(|event| event.time));
    }
}

#[tokio::test]
async fn an_append_that_was_undone_for_another_s_sake_is_run_again() {
    let opened = OpenStore::<Schema>::new().await;
    let mut other = opened.fixture.outside().await;
    let lock = "SELECT FROM heads WHERE tenant = 'diku' FOR UPDATE";
    let lock_first = "SELECT FROM heads WHERE tenant = 'college' FOR UPDATE";
    other.execute("SET deadlock_timeout = '1min'").await.unwrap();
    other.execute("BEGIN").await.unwrap();
    other.execute(lock).await.unwrap();
    let batches = [diku(), college()].map(|t| Batch { drafts: vec![create_in(&t, 1)], tenant: t });
    let store = Arc::clone(&opened.store);
    let appending = tokio::spawn(async move { store.append(&batches).await });
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'heads'::regclass";
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
        AND transactionid = pg_current_xact_id()::xid";
    let until = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0
        && sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() == 0
    {
        assert!(Instant::now() < until, "it doesn't wait");
    }
    other.execute(lock_first).await.unwrap();
    other.execute("COMMIT").await.unwrap();
    let outcomes = appending.await.unwrap().unwrap();
    assert!(outcomes.iter().all(|outcome| receipts(outcome)[0].position.number() == 1));
}

/// Otherwise two appends that name the same tenants would lock each other out.
#[tokio::test]
async fn heads_are_locked_in_the_order_of_their_tenants() {
    let opened = OpenStore::<Schema>::new().await;
    let mut other = opened.fixture.outside().await;
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT FROM heads WHERE tenant = 'college' FOR UPDATE").await.unwrap();
    let batches = [diku(), college()].map(|t| Batch { drafts: vec![create_in(&t, 1)], tenant: t });
    let store = Arc::clone(&opened.store);
    let appending = tokio::spawn(async move { store.append(&batches).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'
        AND transactionid = pg_current_xact_id()::xid";
    let until = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() == 0 {
        assert!(Instant::now() < until, "it doesn't wait");
    }
    other.execute("SELECT FROM heads WHERE tenant = 'diku' FOR UPDATE NOWAIT").await.unwrap();
    other.execute("COMMIT").await.unwrap();
    assert_eq!(appending.await.unwrap().unwrap().len(), 2);
}

/// A replica's own clock may be wrong.
#[tokio::test]
async fn leases_and_times_are_given_by_the_server_s_clock() {
    const HOUR: Duration = Duration::from_secs(3600);
    let opened = OpenStore::<Schema>::new().await;
    let before = opened.post(&[create(1)]).await[0];
    assert!(opened.store.acquire(Lane::new(0), "one", HOUR / 2).await.unwrap().is_some());
    assert!(opened.store.acquire(Lane::new(0), "two", HOUR / 2).await.unwrap().is_none());
    let turn = "CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
        'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000'";
    opened.fixture.outside().await.execute(turn).await.unwrap();
    let after = opened.post(&[create(2)]).await[0];
    assert!(after.time.as_ms() >= before.time.as_ms() + 3_600_000, "{before:?} {after:?}");
    assert!(opened.store.acquire(Lane::new(0), "two", HOUR / 2).await.unwrap().is_some());
    let opened = opened.reopen().await;
    assert!(opened.settle(3).await.iter().all(|receipt| receipt.time >= after.time));
}

#[tokio::test]
async fn heads_are_updated_on_their_page() {
    let opened = OpenStore::<Schema>::new().await;
    for id in 1..=500 {
        opened.post(&[create(id)]).await;
    }
    let mut outside = opened.fixture.outside().await;
    let stats =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'heads'::regclass";
    let (mut updates, mut hot) = (0_i64, 0_i64);
    let until = Instant::now() + PATIENCE;
    while updates < 500 {
        assert!(Instant::now() < until, "{updates} updates");
        let row = outside.fetch_one(stats).await.unwrap();
        (updates, hot) = (row.get("n_tup_upd"), row.get("n_tup_hot_upd"));
    }
    assert!(hot * 100 >= updates * 95, "{hot} of {updates}");
}

/// Reading the heads reads the tenants, appending does not. A replica reads the heads on a new
/// connection, or if it has not read them for long: so one of several appends must do without.
#[tokio::test]
async fn who_appends_alone_asks_for_nothing_before() {
    let opened = OpenStore::<Schema>::new().await;
    let mut outside = opened.fixture.outside().await;
    for first in (1..).step_by(100).take(5) {
        let before = opened.settle(first).await[19].position;
        outside.execute("BEGIN").await.unwrap();
        outside.execute("LOCK TABLE tenants IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let batch = Batch { tenant: diku(), drafts: vec![create(first + 99)] };
        let appended = opened.store.append(&[batch]).await;
        outside.execute("ROLLBACK").await.unwrap();
        if let Ok(outcomes) = appended {
            assert_eq!(receipts(&outcomes[0])[0].position, before.next());
            return;
        }
    }
    panic!("every append asked");
}

/// A replica's append may commit after an append that began later.
#[tokio::test]
async fn a_late_commit_is_named_all_the_same() {
    let opened = OpenStore::<Schema>::new().await;
    let lane =
        opened.store.list().await.unwrap().into_iter().find(|e| e.tenant == diku()).unwrap().lane;
    let mut late = opened.fixture.outside().await;
    late.execute("BEGIN").await.unwrap();
    let raise = "UPDATE heads SET position = 1, version = pg_current_xact_id()::text::bigint WHERE \
                 tenant = 'diku'";
    late.execute(raise).await.unwrap();
    let mut token = ChangeToken::START;
    for id in 1..=20 {
        opened.post(&[create_in(&college(), id)]).await;
        let changed = opened.store.changed_since(lane, token).await.unwrap();
        assert!(
            changed.heads.is_empty()
                && (changed.token.incarnation, changed.token.at) >= (token.incarnation, token.at)
        );
        token = changed.token;
    }
    late.execute("COMMIT").await.unwrap();
    let changed = opened.store.changed_since(lane, token).await.unwrap();
    assert_eq!(changed.heads[0].tenant, diku());
}

/// Versions are the server's transactions; another server has others.
#[tokio::test]
async fn a_store_that_came_to_another_server_names_what_changes_there() {
    let opened = OpenStore::<Schema>::new().await;
    opened.post(&[create(1)]).await;
    let lane =
        opened.store.list().await.unwrap().into_iter().find(|e| e.tenant == diku()).unwrap().lane;
    let mut outside = opened.fixture.outside().await;
    outside.execute("UPDATE heads SET version = version + 1000000000000").await.unwrap();
    let all = opened.store.changed_since(lane, ChangeToken::START).await.unwrap();
    assert_eq!(all.heads.len(), 1);
    assert!(opened.store.changed_since(lane, all.token).await.unwrap().heads.is_empty());
    let of_old = opened
        .store
        .changed_since(lane, ChangeToken { at: all.token.at + 1_000_000_000_000, ..all.token })
        .await
        .unwrap();
    assert_eq!(of_old.heads, all.heads);
    opened.post(&[create(2)]).await;
    let changed = opened.store.changed_since(lane, of_old.token).await.unwrap();
    assert_eq!(changed.heads[0].position.number(), 2);
}
