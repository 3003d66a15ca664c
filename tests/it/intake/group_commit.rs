//! The promises of intake: commits are shared, commits of unknown outcome are retried, queues are
//! bounded.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::intake::{Appended, Config, Error, GroupCommit, Wake};
use event_gateway::store::{self, Batch, Store, Tenants};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::commits::Commits;
use crate::support::drafts::{create, create_in, created};
use crate::support::fake_sink::Fault;
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::ids::{college, diku, log_id};

#[tokio::test]
async fn what_comes_during_a_commit_shares_the_next_one() {
    let commits = Commits::new(None).await;
    commits.store.set(Mode::Holding);
    let first = commits.submit(1);
    commits.begun(1).await;
    let others: Vec<_> = (2..=50).map(|id| commits.submit(id)).collect();
    // Each task runs up to its wait for the answer before this one goes on.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    commits.store.set(Mode::Healthy);
    assert_eq!(first.await.unwrap().unwrap().receipts[0].position.number(), 1);
    let mut positions = Vec::new();
    for other in others {
        positions.push(other.await.unwrap().unwrap().receipts[0].position.number());
    }
    assert!(positions.into_iter().eq(2..=50));
    assert_eq!(
        commits.store.begun.load(Ordering::SeqCst),
        2,
        "49 requests didn't share one commit"
    );
    assert_eq!(*commits.woken.lock().unwrap(), [Lane::new(0); 2]);
}

/// Starts two clients: the first is answered, while the second's change waits for the next commit.
async fn two_by_turns(group_drafts_min: usize) -> (Commits, impl Future<Output = u64>) {
    let commits =
        Commits::over(1, |inner| FaultyStore::with_group_min(inner, group_drafts_min)).await;
    commits.store.set(Mode::Holding);
    let first = commits.submit(1);
    commits.begun(1).await;
    let second = commits.submit(2);
    tokio::task::yield_now().await;
    commits.store.set(Mode::Healthy);
    first.await.unwrap().unwrap();
    (commits, async { second.await.unwrap().unwrap().receipts[0].position.number() })
}

// In these tests time stands still while any task has something to do.

#[tokio::test(start_paused = true)]
async fn who_was_just_answered_joins_the_next_commit_where_the_store_likes_that() {
    for (group_drafts_min, appends) in [(100, 2), (2, 2), (1, 3)] {
        let (commits, second) = two_by_turns(group_drafts_min).await;
        let third = commits.submit(3).await.unwrap().unwrap();
        assert_eq!((second.await, third.receipts[0].position.number()), (2, 3));
        assert_eq!(commits.store.begun.load(Ordering::SeqCst), appends, "{group_drafts_min}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_client_that_does_not_come_back() {
    let since = Instant::now();
    let (_stage, second) = two_by_turns(100).await;
    assert_eq!(second.await, 2);
    let waited = since.elapsed();
    assert!((3..=5).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_alone_waits_for_nobody() {
    let commits = Commits::over(1, |inner| FaultyStore::with_group_min(inner, 100)).await;
    let since = Instant::now();
    for id in 1..=10 {
        commits.submit(id).await.unwrap().unwrap();
    }
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn every_lane_of_a_commit_is_woken() {
    let commits = Commits::with_lanes(2, None).await;
    commits.store.enable_if_new(&college(), log_id(2)).await.unwrap();
    commits.store.set(Mode::Holding);
    let first = commits.submit(1);
    commits.begun(1).await;
    let others = [diku(), college()].map(|tenant| {
        let (intake, drafts) = (commits.intake.clone(), vec![create_in(&tenant, 2)]);
        tokio::spawn(async move { intake.submit(Batch { tenant, drafts }).await })
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    commits.store.set(Mode::Healthy);
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(*commits.woken.lock().unwrap(), [0, 0, 1].map(Lane::new));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_asked_for_and_answered_once() {
    let commits = Commits::new(Some((1, Fault::After))).await;
    let accepted = commits.submit(1).await.unwrap().unwrap();
    assert_eq!(accepted.receipts[0].position.number(), 1);
    assert_eq!(commits.submit(2).await.unwrap().unwrap().receipts[0].position.number(), 2);
}

#[tokio::test]
async fn an_unknown_outcome_stays_unknown_whatever_is_said_when_it_is_asked_for() {
    for other in [store::Error::Refused, store::Error::Corrupt] {
        let commits = Commits::new(Some((1, Fault::After))).await;
        commits.store.set(Mode::FailingFrom(2, other("something else".to_owned())));
        let told = commits.submit(1).await.unwrap();
        assert!(matches!(told, Err(Error::Store(store::Error::Unknown(_)))), "{told:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_refuses_and_the_next_try_works() {
    let commits = Commits::new(Some((1, Fault::Before))).await;
    let refused = commits.submit(1).await.unwrap();
    assert!(matches!(refused, Err(Error::Store(store::Error::Unavailable(_)))), "{refused:?}");
    assert_eq!(commits.submit(1).await.unwrap().unwrap().receipts[0].position.number(), 1);
}

#[tokio::test]
async fn what_is_queued_is_appended_though_its_client_is_gone_and_the_gateway_stops() {
    let commits = Commits::new(None).await;
    commits.store.set(Mode::Holding);
    let first = commits.submit(1);
    commits.begun(1).await;
    let second = commits.submit(2);
    tokio::task::yield_now().await;
    first.abort();
    second.abort();
    commits.store.set(Mode::Healthy);
    let Commits { intake, writers, store, .. } = commits;
    drop((first.await, second.await, intake));
    writers.finish().await;
    let head = store.list().await.unwrap()[0].head;
    assert_eq!(head.number(), 2);
}

#[tokio::test]
async fn a_tenant_may_not_fill_the_queue_of_all() {
    let commits = Commits::new(None).await;
    let shared: Arc<dyn Store> = commits.store.clone();
    let config = Config { tenant_bytes_max: 3000, queue_bytes_max: 10_000, ..Config::default() };
    let (intake, _writers) =
        GroupCommit::start(&config, &shared, &Arc::default(), &(Arc::new(|_: &_, _| {}) as Wake));
    let intake = Arc::new(intake);
    commits.store.set(Mode::Holding);
    let large = |id| {
        let content = created(&format!(r#"{{"id":"k","x":"{}"}}"#, "x".repeat(2000)));
        Batch {
            tenant: diku(),
            drafts: vec![event_gateway::domain::draft::Draft { content, ..create(id) }],
        }
    };
    let waiting = tokio::spawn({
        let (intake, batch) = (intake.clone(), large(1));
        async move { intake.submit(batch).await }
    });
    commits.begun(1).await;
    assert!(
        matches!(intake.submit(large(2)).await, Err(Error::TenantFull(tenant)) if tenant == diku())
    );
    commits.store.set(Mode::Healthy);
    waiting.await.unwrap().unwrap();
    intake.submit(large(2)).await.unwrap();
}

/// Starts a group commit over a store that holds the first append back, which is begun.
async fn held(config: Config) -> (Commits, Arc<GroupCommit>, event_gateway::intake::Writers) {
    let commits = Commits::with_lanes(2, None).await;
    commits.store.enable_if_new(&college(), log_id(2)).await.unwrap();
    let shared: Arc<dyn Store> = commits.store.clone();
    let woken = commits.woken.clone();
    let wake: Wake = Arc::new(move |_: &_, lane| woken.lock().unwrap().push(lane));
    let (intake, writers) = GroupCommit::start(&config, &shared, &Arc::default(), &wake);
    commits.store.set(Mode::Holding);
    let intake = Arc::new(intake);
    drop(submitted(&intake, &diku(), 1));
    commits.begun(1).await;
    (commits, intake, writers)
}

fn submitted(
    intake: &Arc<GroupCommit>,
    tenant: &TenantId,
    id: u128,
) -> JoinHandle<Result<Appended, Error>> {
    let batch = Batch { tenant: tenant.clone(), drafts: vec![create_in(tenant, id)] };
    let intake = intake.clone();
    tokio::spawn(async move { intake.submit(batch).await })
}

#[tokio::test]
async fn a_tenant_with_a_backlog_gives_way_to_each_other_one_and_keeps_its_order() {
    let config = Config { group_drafts_max: 2, ..Config::default() };
    let (commits, intake, _writers) = held(config).await;
    let many: Vec<_> = (2..=9).map(|id| submitted(&intake, &diku(), id)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let other = submitted(&intake, &college(), 10);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    commits.store.set(Mode::Healthy);
    other.await.unwrap().unwrap();
    let mut positions = Vec::new();
    for one in many {
        positions.push(one.await.unwrap().unwrap().receipts[0].position.number());
    }
    assert!(positions.into_iter().eq(2..=9));
    // The commit after the first has one batch of each tenant.
    let woken: Vec<_> = commits.woken.lock().unwrap().iter().map(|lane| lane.number()).collect();
    assert_eq!(woken[..3], [0, 0, 1], "{woken:?}");
}

#[tokio::test]
async fn a_tenant_leaves_places_in_the_queue_to_the_others() {
    let config = Config { queue_batches_max: 6, tenant_batches_max: 2, ..Config::default() };
    let (commits, intake, _writers) = held(config).await;
    let waiting = [2, 3].map(|id| submitted(&intake, &diku(), id));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let refused = submitted(&intake, &diku(), 4).await.unwrap();
    assert!(matches!(refused, Err(Error::TenantFull(tenant)) if tenant == diku()));
    let others = [2, 3].map(|id| submitted(&intake, &college(), id));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    // Both leave places to whoever has none, until all are taken.
    let tenant = |id| TenantId::parse(id).unwrap();
    let strangers = ["third", "fourth"].map(|id| submitted(&intake, &tenant(id), 1));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(strangers.iter().all(|stranger| !stranger.is_finished()));
    let refused = submitted(&intake, &tenant("fifth"), 1).await.unwrap();
    assert!(matches!(refused, Err(Error::Full)));
    commits.store.set(Mode::Healthy);
    for one in waiting.into_iter().chain(others) {
        one.await.unwrap().unwrap();
    }
    submitted(&intake, &diku(), 4).await.unwrap().unwrap();
}
