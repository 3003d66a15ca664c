//! A server that fails for good at any command, or is no primary: once it works again, so does the
//! store, which stays open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::mongodb::PrivateMongodb;
use event_gateway::domain::lane::Lane;
use event_gateway::store::{Batch, ChangeToken, Error, Store};
use mongodb::bson::doc;

use super::{append, insist, log, open_store};
use crate::support::drafts::{create, create_in, delete_all};
use crate::support::ids::{college, diku};
use crate::support::services::mongodb::TRANSACTION_MAX;
use crate::support::store_fixture::positions;

const OUT_OF_DISK_SPACE: i32 = 14031;
/// The longest time that calls without a primary may take in all.
const WITHIN: Duration = Duration::from_secs(30);

/// Lets every command of an append fail, after so many that don't.
async fn fail_after(server: &PrivateMongodb, commands: u64) {
    let fail = doc! {
        "configureFailPoint": "failCommand",
        "mode": { "skip": i64::try_from(commands).unwrap() },
        "data": {
            "failCommands": ["update", "find", "insert", "commitTransaction"],
            "appName": "event-gateway",
            "errorCode": OUT_OF_DISK_SPACE,
        },
    };
    server.admin(fail).await.unwrap();
}

async fn mend(server: &PrivateMongodb) {
    server.admin(doc! { "configureFailPoint": "failCommand", "mode": "off" }).await.unwrap();
}

async fn lengths(store: &Arc<dyn Store>) -> [usize; 2] {
    [log(store, &diku()).await.len(), log(store, &college()).await.len()]
}

#[tokio::test]
async fn whichever_command_fails_for_good_an_append_lands_once_when_it_works_again() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku(), college()]).await;
    let (mut failed, mut unknown) = (0, 0);
    for n in 0_u64.. {
        let id = u128::from(n) * 2 + 1;
        let drafts = vec![create(id), delete_all("folio.diku.inventory.item", id + 1)];
        let theirs = Batch { tenant: college(), drafts: vec![create_in(&college(), id)] };
        let batches = [Batch { tenant: diku(), drafts }, theirs];
        let before = lengths(&store).await;
        fail_after(&server, n).await;
        let first = store.append(&batches).await;
        mend(&server).await;
        let untouched = first.is_ok();
        match first {
            Ok(_) => assert_eq!(lengths(&store).await, [before[0] + 2, before[1] + 1]),
            Err(Error::Unavailable(_)) => failed += 1,
            Err(Error::Unknown(_)) => unknown += 1,
            Err(other) => panic!("{n}: neither unavailable nor unknown: {other:?}"),
        }
        if !untouched {
            assert_eq!(lengths(&store).await, before, "{n}");
        }
        let since = Instant::now();
        let again = store.append(&batches).await.unwrap();
        assert_eq!(
            [positions(&again[0]), positions(&again[1])],
            [vec![n * 2 + 1, n * 2 + 2], vec![n + 1]]
        );
        assert_eq!(lengths(&store).await, [before[0] + 2, before[1] + 1]);
        assert!(since.elapsed() < TRANSACTION_MAX / 2, "{n}: {:?}", since.elapsed());
        if untouched {
            break;
        }
        assert!(n < 50, "it never passes");
    }
    assert!(failed >= 6 && unknown == 1, "{failed} failed, {unknown} unknown");
}

/// The only member steps down, and isn't elected again until the test says so.
async fn step_down(server: &PrivateMongodb) {
    server.admin(doc! { "replSetStepDown": 600, "force": true }).await.unwrap();
}

async fn step_up(server: &PrivateMongodb) {
    server.admin(doc! { "replSetFreeze": 0 }).await.unwrap();
}

#[tokio::test]
async fn without_a_primary_the_store_is_unavailable_until_there_is_one() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    append(&store, &diku(), &[create(1)]).await.unwrap();
    for id in [2, 3] {
        step_down(&server).await;
        let since = Instant::now();
        let appended = append(&store, &diku(), &[create(id)]).await;
        assert!(matches!(appended, Err(Error::Unavailable(_))), "{appended:?}");
        let changed = store.changed_since(Lane::new(0), ChangeToken::START).await;
        assert!(matches!(changed, Err(Error::Unavailable(_))), "{changed:?}");
        assert!(store.check().await.is_err());
        assert!(since.elapsed() < WITHIN, "{:?}", since.elapsed());
        step_up(&server).await;
        let outcome = loop {
            match append(&store, &diku(), &[create(id)]).await {
                Ok(outcome) => break outcome,
                Err(Error::Unavailable(_)) => assert!(since.elapsed() < PATIENCE, "no primary"),
                Err(other) => panic!("{other:?}"),
            }
        };
        assert_eq!(positions(&outcome), [id as u64]);
        store.check().await.unwrap();
    }
    assert_eq!(log(&store, &diku()).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_go_on_over_changes_of_the_primary() {
    let server = PrivateMongodb::start().await;
    let store = open_store(&server.url(), "own", &[diku()]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(insist(Arc::clone(&store), diku(), Arc::clone(&stop)));
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        step_down(&server).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        step_up(&server).await;
    }
    let written = log(&store, &diku()).await.len();
    let until = Instant::now() + PATIENCE;
    while log(&store, &diku()).await.len() < written + 10 {
        assert!(Instant::now() < until, "it doesn't go on");
    }
    stop.store(true, Ordering::SeqCst);
    let appended = writer.await.unwrap();
    let places = appended.iter().flat_map(|append| positions(&append.outcome));
    assert!(places.eq(1..=log(&store, &diku()).await.len() as u64));
}
