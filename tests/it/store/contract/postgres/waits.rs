//! Waiting: for a lock, for a server that stands still, for the only connection.

use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::postgres::PrivatePostgres;
use event_gateway::domain::follower::Follower;
use event_gateway::store::{Batch, ChangeToken, Error, PostgresConfig};
use sqlx::Executor;

use super::{Schema, open_as, open_store_on};
use crate::support::drafts::{create, parked};
use crate::support::ids::{diku, event_id, log_id, position};
use crate::support::services::postgres;
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture, all, cursors, positions};
use crate::support::store_parking::{hold, write_rows};

/// This is longer than a call may take, with a margin for a slow machine.
const IN_TIME: Duration = Duration::from_secs(25);

fn batch(id: u128) -> [Batch; 1] {
    [Batch { tenant: diku(), drafts: vec![create(id)] }]
}

#[tokio::test]
async fn a_tenant_that_another_program_keeps_locked_is_unavailable_until_it_lets_go() {
    let opened = OpenStore::<Schema>::new().await;
    let mut other = opened.fixture.outside().await;
    other.execute("BEGIN").await.unwrap();
    other.execute("SELECT FROM heads WHERE tenant = 'diku' FOR UPDATE").await.unwrap();
    let since = Instant::now();
    let waited = opened.store.append(&batch(1)).await;
    assert!(matches!(&waited, Err(Error::Unavailable(why)) if why.contains("55P03")), "{waited:?}");
    assert!(since.elapsed() < IN_TIME, "{:?}", since.elapsed());
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(positions(&opened.store.append(&batch(1)).await.unwrap()[0]), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_not_awaited_for_ever() {
    let server = PrivatePostgres::start(&[]).await;
    let opened = open_store_on(&server).await;
    opened.post(&[create(1)]).await;
    server.signal("STOP");
    let since = Instant::now();
    let (batch, diku) = (batch(2), diku());
    let (appended, checked, found) = tokio::join!(
        opened.store.append(&batch),
        opened.store.check(),
        opened.store.find(&diku, event_id(1))
    );
    let elapsed = since.elapsed();
    server.signal("CONT");
    assert!(matches!(appended, Err(Error::Unavailable(_) | Error::Unknown(_))), "{appended:?}");
    assert!(checked.is_err() && found.is_err());
    assert!(elapsed < IN_TIME, "{elapsed:?}");
    assert_eq!(positions(&opened.store.append(&batch).await.unwrap()[0]), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_enough() {
    let fixture = Schema::new().await;
    let config =
        PostgresConfig { connections_max: 1, ..postgres::config(&postgres::url(), &fixture.name) };
    let store = open_as(config).await.unwrap();
    assert_eq!(store.writers(), 1);
    store.lanes(LANES).await.unwrap();
    store.enable_if_new(&diku(), log_id(1)).await.unwrap();
    let from = [(diku(), position(0).into())];
    for id in 1..=20 {
        let (batch, relay, tenant, all) = (batch(id), Follower::relay(), diku(), all());
        let (appended, read, loaded, listed) = tokio::join!(
            store.append(&batch),
            store.read(&from, &all),
            store.load(&tenant, &relay),
            store.list()
        );
        assert_eq!(positions(&appended.unwrap()[0]), [id as u64]);
        assert!(read.is_ok() && loaded.is_ok() && listed.is_ok());
    }
}

/// Another server may have taken over, whose logs end earlier.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_what_changed_over_a_new_connection_is_given_all() {
    let mut server = PrivatePostgres::start(&[]).await;
    let opened = open_store_on(&server).await;
    opened.post(&[create(1)]).await;
    let lane =
        opened.store.list().await.unwrap().into_iter().find(|e| e.tenant == diku()).unwrap().lane;
    let mut token = opened.store.changed_since(lane, ChangeToken::START).await.unwrap().token;
    while !opened.store.changed_since(lane, token).await.unwrap().heads.is_empty() {
        token = opened.store.changed_since(lane, token).await.unwrap().token;
    }
    server.kill();
    server.restart().await;
    let ahead = ChangeToken { at: token.at + 1, ..token };
    let until = Instant::now() + PATIENCE;
    let changed = loop {
        match opened.store.changed_since(lane, ahead).await {
            Ok(changed) => break changed,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    assert_ne!(changed.token.incarnation, token.incarnation);
    assert_eq!(changed.heads.len(), 1);
}

/// The table is locked between the reader's two statements, so that they could be of two states.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_after_the_relay_s_cursor_was_read_is_parked_beside_that_cursor() {
    let opened = OpenStore::<Schema>::new().await;
    opened.post(&[create(1)]).await;
    let lease = hold(&opened, &diku()).await;
    write_rows(&*opened.store, &lease, &[parked(&diku(), 1)]).await;
    let cursor = cursors(&*opened.store, &diku()).await[1];
    let relay = Follower::relay();
    opened.store.checkpoint(&lease, &relay, &[(diku(), cursor)]).await.unwrap();
    let mut other = opened.fixture.outside().await;
    other.execute("BEGIN").await.unwrap();
    other.execute("LOCK TABLE parked").await.unwrap();
    let store = opened.store.clone();
    let reading = tokio::spawn(async move { store.relayed(&diku(), position(1)).await });
    let waiting =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'parked'::regclass";
    let until = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() == 0 {
        assert!(Instant::now() < until, "nobody reads the parked rows");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    other.execute("DELETE FROM parked").await.unwrap();
    other.execute("COMMIT").await.unwrap();
    let (told, parked) = reading.await.unwrap().unwrap();
    assert_eq!((told, parked.len()), (Some(cursor), 1));
}
