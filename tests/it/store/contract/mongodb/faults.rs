//! Commands that fail, a server that is killed or stands still, and events that are too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::mongodb::PrivateMongodb;
use event_gateway::domain::draft::Draft;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::store::Error;
use mongodb::bson::{Document, doc};
use tokio::task::JoinSet;

use super::{append, insist, log, open_store};
use crate::support::drafts::{create, created};
use crate::support::ids::{college, diku, event_id, position, tenant};
use crate::support::services::mongodb::TRANSACTION_MAX;
use crate::support::store_fixture::{cursors, positions, receipts};

/// Lets a command of the gateway fail so many times.
async fn fail(server: &PrivateMongodb, command: &str, times: i32, how: Document) {
    let mut data = doc! { "failCommands": [command], "appName": "event-gateway" };
    data.extend(how);
    let fail =
        doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    server.admin(fail).await.unwrap();
}

fn disconnected() -> Document {
    doc! { "closeConnection": true }
}

#[tokio::test]
async fn a_command_that_fails_once_is_not_noticed() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    let conflict = || doc! { "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
    let stepped_down = || doc! { "errorCode": 10107 };
    let mut id = 0;
    for command in ["update", "find", "insert", "commitTransaction", "abortTransaction"] {
        for how in [disconnected(), conflict(), stepped_down()] {
            id += 1;
            fail(&server, command, 1, how.clone()).await;
            let outcome = append(&store, &diku(), &[create(id)]).await;
            let outcome = outcome.unwrap_or_else(|e| panic!("{command} {how}: {e}"));
            assert_eq!(positions(&outcome), [u64::try_from(id).unwrap()], "{command} {how}");
        }
    }
    assert_eq!(log(&store, &diku()).await.len(), id as usize);
}

#[tokio::test]
async fn a_commit_that_is_not_answered_is_unknown_until_it_is_asked_for() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku(), college()]).await;
    // The first is not executed; the second is, but without waiting for its majority.
    let not_awaited =
        doc! { "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } };
    for (id, how, done) in [(1, disconnected(), 0), (2, not_awaited, 2)] {
        fail(&server, "commitTransaction", 100, how).await;
        let unknown = append(&store, &diku(), &[create(id)]).await;
        assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
        server.admin(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await.unwrap();
        let since = Instant::now();
        while log(&store, &diku()).await.len() < done {
            assert!(since.elapsed() < PATIENCE, "its majority is never there");
        }
        let since = Instant::now();
        assert_eq!(positions(&append(&store, &diku(), &[create(id)]).await.unwrap()), [id as u64]);
        assert!(
            since.elapsed() < TRANSACTION_MAX / 2,
            "it left its locks behind: {:?}",
            since.elapsed()
        );
    }
    assert_eq!(log(&store, &diku()).await.len(), 2);
}

/// Kills the server a few times; returns the times for which it was down.
async fn kill_at_times(server: &mut PrivateMongodb) -> Vec<(Instant, Instant)> {
    let mut gone = Vec::new();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let from = Instant::now();
        server.kill();
        gone.push((from, Instant::now()));
        server.restart().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    gone
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_server_s_death_and_what_was_not_lands_once() {
    let mut server = PrivateMongodb::start().await;
    let tenants = [0, 1, 2, 3].map(|number| tenant(&format!("t{number}")));
    let store = open_store(&server.url(), "own", &tenants).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for tenant in tenants.clone() {
        let insist = insist(Arc::clone(&store), tenant.clone(), Arc::clone(&stop));
        writers.spawn(async move { (tenant, insist.await) });
    }
    let gone = kill_at_times(&mut server).await;
    stop.store(true, Ordering::SeqCst);
    let mut met = vec![0; gone.len()];
    for (tenant, appended) in writers.join_all().await {
        let places: Vec<_> =
            appended.iter().flat_map(|append| positions(&append.outcome)).collect();
        assert!(places.len() > 10, "{tenant}: only {}", places.len());
        assert!(places.iter().copied().eq(1..=places.len() as u64), "{tenant}: {places:?}");
        let ids: Vec<_> = (1..=places.len() as u128).map(|id| event_id(id).to_string()).collect();
        assert_eq!(log(&store, &tenant).await, ids);
        for (met, (from, to)) in met.iter_mut().zip(&gone) {
            *met +=
                u32::from(appended.iter().any(|append| append.begun < *from && append.ended > *to));
        }
    }
    // Failures wouldn't show it, since an append outlasts the server's restart and is run again.
    assert!(met.iter().all(|&appends| appends > 0), "kills met so many appends: {met:?}");
    store.check().await.unwrap();
}

/// The server's error for a write that it broke off, and that the driver repeated without success.
#[tokio::test]
async fn a_write_that_was_interrupted_is_unknown() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    append(&store, &diku(), &[create(1)]).await.unwrap();
    let lease = store.acquire(Lane::new(0), "one", Duration::from_secs(60)).await.unwrap().unwrap();
    let cursor = cursors(&*store, &diku()).await[1];
    fail(&server, "aggregate", 1, doc! { "errorCode": 11601 }).await;
    let written = store.checkpoint(&lease, &Follower::relay(), &[(diku(), cursor)]).await;
    assert!(matches!(written, Err(Error::Unknown(_))), "{written:?}");
    fail(&server, "aggregate", 1, doc! { "errorCode": 14031 }).await;
    let written = store.checkpoint(&lease, &Follower::relay(), &[(diku(), cursor)]).await;
    assert!(matches!(written, Err(Error::Unavailable(_))), "{written:?}");
    store.checkpoint(&lease, &Follower::relay(), &[(diku(), cursor)]).await.unwrap();
    // After the last one the driver waits until the server says that it is another.
    for code in [262, 89, 9001, 11602] {
        let labelled = doc! { "errorCode": code, "errorLabels": ["RetryableWriteError"] };
        fail(&server, "update", 2, labelled).await;
        let renewed = store.renew(&lease, Duration::from_secs(60)).await;
        assert!(matches!(renewed, Err(Error::Unknown(_))), "{code}: {renewed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_not_awaited_for_ever() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    append(&store, &diku(), &[create(1)]).await.unwrap();
    server.signal("STOP");
    let since = Instant::now();
    let (diku, drafts) = (diku(), [create(2)]);
    let (appended, checked, found) =
        tokio::join!(append(&store, &diku, &drafts), store.check(), store.find(&diku, event_id(1)));
    assert!(matches!(appended, Err(Error::Unavailable(_) | Error::Unknown(_))), "{appended:?}");
    assert!(checked.is_err() && found.is_err());
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    server.signal("CONT");
    assert_eq!(positions(&append(&store, &diku, &drafts).await.unwrap()), [2]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_for_a_document_is_refused_alone() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    let body = |bytes| created(&format!("{{\"id\":\"k\",\"x\":\"{}\"}}", "x".repeat(bytes)));
    let too_large = Draft { content: body(16 << 20), ..create(1) };
    let refused = append(&store, &diku(), &[create(2), too_large]).await;
    assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("16 MiB")), "{refused:?}");
    assert!(log(&store, &diku()).await.is_empty());
    // The largest, and more than one document can hold.
    let large = |bytes| move |id| Draft { content: body(bytes), ..create(id) };
    let drafts: Vec<_> =
        (3..4).map(large((16 << 20) - 1_000)).chain((4..8).map(large(1 << 20))).collect();
    let places = positions(&append(&store, &diku(), &drafts).await.unwrap());
    assert_eq!(places, [1, 2, 3, 4, 5]);
    let found = store.find(&diku(), event_id(7)).await.unwrap().unwrap();
    assert_eq!(found.position, position(5));
    assert_eq!(log(&store, &diku()).await.len(), 5);
    assert_eq!(
        receipts(&append(&store, &diku(), &drafts[..1]).await.unwrap())[0].position,
        position(1)
    );
}
