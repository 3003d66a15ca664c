//! Calls that are dropped half way: all or nothing, and without harm to other calls.

use std::time::Instant;

use crash::PATIENCE;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::store::Lease;
use sqlx::Connection;

use super::Schema;
use crate::support::drafts::create;
use crate::support::dropped::append_dropped_half_way;
use crate::support::ids::{diku, log_id, position};
use crate::support::store_fixture::{OpenStore, all, cursors, polled};

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_is_dropped_half_way_is_whole_or_nothing() {
    let (dropped, untouched) = append_dropped_half_way::<Schema>(12).await;
    assert!(dropped >= 10 && untouched >= 3, "{dropped} dropped, {untouched} untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_dropped_half_way_leaves_nothing_open() {
    let opened = OpenStore::<Schema>::new().await;
    opened.post(&(1..=300).map(create).collect::<Vec<_>>()).await;
    let (from, all) = ([(diku(), position(0).into())], all());
    let relay = Follower::relay();
    let cursor = cursors(&*opened.store, &diku()).await[1];
    let (lease, cursors) = (Lease { lane: Lane::new(0), term: 1 }, [(diku(), cursor)]);
    for polls in 1..40 {
        polled(opened.store.read(&from, &all), polls).await;
        polled(opened.store.checkpoint(&lease, &relay, &cursors), polls).await;
        polled(opened.store.check(), polls).await;
        polled(opened.store.enable_if_new(&diku(), log_id(9)), polls).await;
        assert_eq!(opened.log(&diku()).await.len(), 300);
        opened.store.check().await.unwrap();
    }
    assert_eq!(opened.store.load(&diku(), &relay).await.unwrap(), Some(cursor));
    let mut outside = opened.fixture.outside().await;
    let open = "SELECT count(*) FROM pg_locks
        WHERE relation IN ('heads'::regclass, 'events'::regclass, 'cursors'::regclass, 'checks'::regclass)";
    let until = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut outside).await.unwrap() > 0 {
        assert!(Instant::now() < until, "something is left open");
    }
    outside.close().await.unwrap();
}
