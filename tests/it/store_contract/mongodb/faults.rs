//! Commands that fail, a server that is killed or stands still, and what is too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use event_gateway::domain::draft::Draft;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Error, Outcome, Store};
use mongodb::bson::{Document, doc};
use tokio::task::JoinSet;

use super::super::bench::{college, diku, position, positions, receipts, tenant};
use super::{append, log, stage};
use crate::mongodb::PrivateMongodb;
use crate::store_contract::drafts::{create, create_in, created, event_id};

/// Lets a command of the gateway fail so often.
async fn fail(server: &PrivateMongodb, command: &str, times: i32, how: Document) {
    let mut data = doc! { "failCommands": [command], "appName": "event-gateway" };
    data.extend(how);
    let fail = doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": data };
    server.admin(fail).await.unwrap();
}

fn disconnected() -> Document {
    doc! { "closeConnection": true }
}

#[tokio::test]
async fn a_command_that_fails_once_is_not_noticed() {
    let server = PrivateMongodb::start().await;
    let store = stage(&server.url(), "own", &[diku()]).await;
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
    let store = stage(&server.url(), "own", &[diku(), college()]).await;
    // The first is not executed, the second is: only its majority is not awaited.
    let not_awaited =
        doc! { "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } };
    for (id, how, done) in [(1, disconnected(), 0), (2, not_awaited, 2)] {
        fail(&server, "commitTransaction", 100, how).await;
        let unknown = append(&store, &diku(), &[create(id)]).await;
        assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
        server.admin(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await.unwrap();
        while log(&store, &diku()).await.len() < done {}
        let since = Instant::now();
        assert_eq!(positions(&append(&store, &diku(), &[create(id)]).await.unwrap()), [id as u64]);
        assert!(since.elapsed() < Duration::from_secs(3), "it left its locks behind: {:?}", since.elapsed());
    }
    assert_eq!(log(&store, &diku()).await.len(), 2);
}

/// Appends until it is told to stop; what fails is asked for again with the same ids.
async fn insist(store: Arc<dyn Store>, tenant: TenantId, stop: Arc<AtomicBool>) -> (Vec<Outcome>, u32) {
    let (mut outcomes, mut failures) = (Vec::new(), 0);
    for id in (1..).step_by(2) {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let drafts: [Draft; 2] = [create_in(&tenant, id), create_in(&tenant, id + 1)];
        let since = Instant::now();
        outcomes.push(loop {
            assert!(since.elapsed() < Duration::from_secs(60), "{tenant}: never appended");
            match append(&store, &tenant, &drafts).await {
                Ok(outcome) => break outcome,
                Err(Error::Unavailable(_) | Error::Unknown(_)) => failures += 1,
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    (outcomes, failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_server_s_death_and_what_was_not_lands_once() {
    let mut server = PrivateMongodb::start().await;
    let tenants = [0, 1, 2, 3].map(|number| tenant(&format!("t{number}")));
    let store = stage(&server.url(), "own", &tenants).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for tenant in tenants.clone() {
        let insist = insist(Arc::clone(&store), tenant.clone(), Arc::clone(&stop));
        writers.spawn(async move { (tenant, insist.await) });
    }
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.kill();
        server.restart().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::SeqCst);
    for (tenant, (outcomes, _)) in writers.join_all().await {
        let places: Vec<_> = outcomes.iter().flat_map(positions).collect();
        assert!(places.len() > 10, "{tenant}: only {}", places.len());
        assert!(places.iter().copied().eq(1..=places.len() as u64), "{tenant}: {places:?}");
        let ids: Vec<_> = (1..=places.len() as u128).map(|id| event_id(id).to_string()).collect();
        assert_eq!(log(&store, &tenant).await, ids);
    }
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stands_still_is_not_awaited_for_ever() {
    let server = PrivateMongodb::start().await;
    let store = stage(&server.url(), "own", &[diku()]).await;
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
    let store = stage(&server.url(), "own", &[diku()]).await;
    let body = |bytes| created(&format!("{{\"id\":\"k\",\"x\":\"{}\"}}", "x".repeat(bytes)));
    let too_large = Draft { body: body(16 << 20), ..create(1) };
    let refused = append(&store, &diku(), &[create(2), too_large]).await;
    assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("16 MiB")), "{refused:?}");
    assert!(log(&store, &diku()).await.is_empty());
    // The largest, and more than one document can hold.
    let large = |bytes| move |id| Draft { body: body(bytes), ..create(id) };
    let drafts: Vec<_> = (3..4).map(large((16 << 20) - 1_000)).chain((4..8).map(large(1 << 20))).collect();
    let places = positions(&append(&store, &diku(), &drafts).await.unwrap());
    assert_eq!(places, [1, 2, 3, 4, 5]);
    let found = store.find(&diku(), event_id(7)).await.unwrap().unwrap();
    assert_eq!(found.position, position(5));
    assert_eq!(log(&store, &diku()).await.len(), 5);
    assert_eq!(receipts(&append(&store, &diku(), &drafts[..1]).await.unwrap())[0].position, position(1));
}
