//! Faults: a server that is killed, takes no writes, or fails at any statement; a connection that
//! is cut anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::postgres::PrivatePostgres;
use crash::proxy::{Cut, Proxy};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::store::{Batch, Error, Lease, LeaseCheck, Receipt, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::{Schema, open_as, open_store_on};
use crate::support::drafts::{create, create_in, delete_all};
use crate::support::ids::{college, diku, event_id, position};
use crate::support::services::postgres;
use crate::support::store_fixture::{OpenStore, all, cursors, positions, receipts};

/// Appends, and retries with the same ids until there is an answer; returns how often there was
/// none.
async fn append_at_last(store: &Arc<dyn Store>, batch: &Batch) -> (Vec<Receipt>, u32) {
    let (until, mut failed) = (Instant::now() + PATIENCE, 0);
    loop {
        match store.append(std::slice::from_ref(batch)).await {
            Ok(outcomes) => return (receipts(&outcomes[0]), failed),
            Err(Error::Unavailable(_) | Error::Unknown(_)) => failed += 1,
            Err(other) => panic!("neither unavailable nor unknown: {other:?}"),
        }
        assert!(Instant::now() < until, "the store doesn't come back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_mid_commit_loses_nothing_and_doubles_nothing() {
    const WRITERS: u128 = 4;
    const KILLS: u64 = 6;
    let mut server = PrivatePostgres::start(&[]).await;
    let opened = open_store_on(&server).await;
    let enough = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, enough) = (Arc::clone(&opened.store), Arc::clone(&enough));
        writers.spawn(async move {
            let (mut acknowledged, mut failed, mut id) = (Vec::new(), 0, 1 + writer * 1_000_000);
            while !enough.load(Ordering::SeqCst) {
                let batch = Batch { tenant: diku(), drafts: vec![create(id), create(id + 1)] };
                let (receipts, failures) = append_at_last(&store, &batch).await;
                acknowledged.extend((id..).zip(receipts));
                failed += failures;
                id += 2;
            }
            (acknowledged, failed)
        });
    }
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(150 + kill * 37)).await;
        server.kill();
        server.restart().await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    enough.store(true, Ordering::SeqCst);
    let (acknowledged, failed): (Vec<_>, Vec<_>) = writers.join_all().await.into_iter().unzip();
    assert!(failed.iter().sum::<u32>() >= u32::try_from(KILLS).unwrap(), "{failed:?} failed");
    let mut acknowledged = acknowledged.concat();
    acknowledged.sort_by_key(|(_, receipt)| receipt.position);
    let mut log = Vec::new();
    while log.len() < acknowledged.len() {
        let page = opened.read(&diku(), position(log.len() as u64), &all()).await;
        assert!(!page.events.is_empty(), "{} of {}", log.len(), acknowledged.len());
        log.extend(page.events.into_iter().map(|event| (event.position, event.event_id)));
    }
    let expected = acknowledged.iter().map(|(id, receipt)| (receipt.position, event_id(*id)));
    assert!(log.iter().copied().eq(expected));
    assert!(log.iter().map(|(position, _)| position.number()).eq(1..=log.len() as u64));
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_unavailable_until_it_does() {
    let server = PrivatePostgres::start(&[]).await;
    let opened = open_store_on(&server).await;
    let mut outside = PgConnection::connect(&server.url()).await.unwrap();
    opened.post(&[create(1)]).await;
    for _ in 0..2 {
        outside.execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
        outside.execute("SELECT pg_reload_conf()").await.unwrap();
        let until = Instant::now() + PATIENCE;
        while opened.store.check().await.is_ok() {
            assert!(Instant::now() < until, "it takes writes");
        }
        let batch = Batch { tenant: diku(), drafts: vec![create(2)] };
        let refused = opened.store.append(std::slice::from_ref(&batch)).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
        assert!(matches!(opened.store.check().await, Err(Error::Unavailable(_))));
        assert_eq!(opened.log(&diku()).await.len(), 1);
        outside.execute("SET default_transaction_read_only = off").await.unwrap();
        outside.execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
        outside.execute("SELECT pg_reload_conf()").await.unwrap();
        while opened.store.check().await.is_err() {
            assert!(Instant::now() < until, "it takes no writes");
        }
    }
    assert_eq!(opened.post(&[create(2)]).await[0].position.number(), 2);
}

/// The n-th of these writes fails with a SQLSTATE: disk full, out of memory, an I/O error, a lock
/// that isn't granted, a deadlock.
#[tokio::test]
async fn a_failed_write_leaves_nothing_and_the_next_one_works() {
    let writes = [
        ("events", "INSERT"),
        ("idempotency", "INSERT"),
        ("delete_alls", "INSERT"),
        ("heads", "UPDATE"),
    ];
    let opened = OpenStore::<Schema>::new().await;
    let mut outside = opened.fixture.outside().await;
    let drafts = [create(1), delete_all("folio.diku.inventory.item", 2), create(3)];
    let batch = Batch { tenant: diku(), drafts: drafts.to_vec() };
    let states = ["53100", "53200", "58030", "55P03", "40P01"];
    for (state, (table, write)) in
        states.iter().flat_map(|state| writes.map(|write| (state, write)))
    {
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$;
             CREATE TRIGGER fails BEFORE {write} ON {table} EXECUTE FUNCTION fail()"
        );
        sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut outside).await.unwrap();
        for _ in 0..2 {
            let failed = opened.store.append(std::slice::from_ref(&batch)).await;
            assert!(matches!(failed, Err(Error::Unavailable(_))), "{table} {state}: {failed:?}");
        }
        assert!(opened.log(&diku()).await.is_empty());
        assert!(opened.store.find(&diku(), event_id(1)).await.unwrap().is_none());
        outside.execute(AssertSqlSafe(format!("DROP TRIGGER fails ON {table}"))).await.unwrap();
        opened.store.check().await.unwrap();
    }
    assert!(opened.post(&drafts).await.iter().map(|r| r.position.number()).eq(1..=3));
}

#[tokio::test]
async fn tables_that_are_not_as_they_must_be_are_named() {
    let opened = OpenStore::<Schema>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let mut outside = opened.fixture.outside().await;
    outside.execute("UPDATE events SET headers = 'none' WHERE position = 2").await.unwrap();
    let read = opened.store.read(&[(diku(), position(0).into())], &all()).await;
    let Err(Error::Corrupt(message)) = read else { panic!("read: {read:?}") };
    assert!(message.contains("tenant `diku`, position 2"), "{message}");
    outside.execute("ALTER TABLE events RENAME TO others").await.unwrap();
    let found = opened.store.find(&diku(), event_id(1)).await;
    assert!(matches!(found, Err(Error::Corrupt(_))), "{found:?}");
}

/// The connection is cut at the n-th message of the client, n = 1, 2, …, before the server gets it
/// or before the client gets the answer, until a whole append passes untouched.
#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_connection_is_cut_an_append_lands_once() {
    let opened = OpenStore::<Schema>::new().await;
    let proxy = Proxy::start(&postgres::url()).await;
    let (mut id, mut unknown) = (1_u64, 0);
    for cut in [Cut::Before, Cut::After] {
        for message in 1.. {
            let store =
                open_as(postgres::config(&proxy.url(&postgres::url()), &opened.fixture.name))
                    .await
                    .unwrap();
            let batches = [
                Batch { tenant: diku(), drafts: vec![create(id.into()), create((id + 1).into())] },
                Batch { tenant: college(), drafts: vec![create_in(&college(), id.into())] },
            ];
            proxy.cut_at(message, cut);
            let first = store.append(&batches).await;
            let untouched = proxy.let_pass() == 1;
            let landed = opened.store.find(&diku(), event_id(id.into())).await.unwrap().is_some();
            match first {
                Ok(_) => assert!(landed),
                Err(Error::Unavailable(_)) => assert!(!landed, "message {message}"),
                Err(Error::Unknown(_)) => unknown += 1,
                Err(other) => panic!("neither unavailable nor unknown: {other:?}"),
            }
            let again = store.append(&batches).await.unwrap();
            assert_eq!(positions(&again[0]), [id, id + 1]);
            assert_eq!(positions(&again[1]), [id.div_ceil(2)]);
            id += 2;
            if untouched {
                break;
            }
        }
    }
    assert!(unknown >= 2, "{unknown} commits, not the commit and its answer");
    assert!(opened.log(&diku()).await.iter().map(|e| e.position.number()).eq(1..id));
}

/// A server that lost its standby shows data that no standby has: only a commit waits for one.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_posted_before_is_answered_after_a_commit_too() {
    let opened = OpenStore::<Schema>::new().await;
    let batch = [Batch { tenant: diku(), drafts: vec![create(1)] }];
    let first = opened.store.append(&batch).await.unwrap();
    let proxy = Proxy::start(&postgres::url()).await;
    let mut unknown = 0;
    for message in 1.. {
        let store = open_as(postgres::config(&proxy.url(&postgres::url()), &opened.fixture.name))
            .await
            .unwrap();
        proxy.cut_at(message, Cut::Before);
        let again = store.append(&batch).await;
        let untouched = proxy.let_pass() == 1;
        match again {
            Ok(again) => assert_eq!(receipts(&again[0]), receipts(&first[0])),
            Err(Error::Unavailable(_)) => {}
            Err(Error::Unknown(_)) => unknown += 1,
            Err(other) => panic!("neither unavailable nor unknown: {other:?}"),
        }
        if untouched {
            break;
        }
    }
    assert_eq!(unknown, 2, "the statement that commits is prepared, then run");
}

/// A cursor's write commits itself: if the answer is lost, the outcome is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_s_lost_answer_is_reported_as_unknown() {
    let opened = OpenStore::<Schema>::new().await;
    opened.post(&(1..=100).map(create).collect::<Vec<_>>()).await;
    let proxy = Proxy::start(&postgres::url()).await;
    let relay = Follower::relay();
    let its = cursors(&*opened.store, &diku()).await;
    for (round, cut) in (1..).flat_map(|n| [(n, Cut::Before), (n, Cut::After)]) {
        let store = open_as(postgres::config(&proxy.url(&postgres::url()), &opened.fixture.name))
            .await
            .unwrap();
        store.load(&diku(), &relay).await.unwrap();
        let seen = opened.store.load(&diku(), &relay).await.unwrap();
        proxy.cut_at(round, cut);
        let to = its[seen.map_or(1, |cursor| cursor.position.number() as usize + 1)];
        let lease = Lease { lane: Lane::new(0), term: 1 };
        let written = store.checkpoint(&lease, &relay, &[(diku(), to)]).await;
        let untouched = proxy.let_pass() == 1;
        let stands = opened.store.load(&diku(), &relay).await.unwrap();
        match written {
            Ok(lease) => assert!(lease == LeaseCheck::Held && stands == Some(to)),
            Err(Error::Unavailable(_)) => assert_eq!(stands, seen),
            Err(Error::Unknown(_)) => assert!(stands == seen || stands == Some(to)),
            Err(other) => panic!("neither unavailable nor unknown: {other:?}"),
        }
        if untouched {
            break;
        }
    }
}

/// A statement that commits itself has written what it returns, so an unexpected answer is no
/// refusal.
#[tokio::test]
async fn an_append_that_wrote_something_else_may_have_been_committed() {
    let opened = OpenStore::<Schema>::new().await;
    let mut outside = opened.fixture.outside().await;
    let lose =
        "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER loses BEFORE INSERT ON idempotency FOR EACH ROW EXECUTE FUNCTION lose()";
    sqlx::raw_sql(lose).execute(&mut outside).await.unwrap();
    let batch = Batch { tenant: diku(), drafts: vec![create(1)] };
    let appended = opened.store.append(std::slice::from_ref(&batch)).await;
    assert!(matches!(appended, Err(Error::Unknown(_))), "{appended:?}");
    assert_eq!(opened.log(&diku()).await.len(), 1);
    outside.execute("DROP TRIGGER loses ON idempotency").await.unwrap();
}
