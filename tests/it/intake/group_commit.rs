//! The promises of intake: commits are shared, unknown outcomes are asked for, queues are bounded.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event_gateway::clock::System;
use event_gateway::domain::lane::Lane;
use event_gateway::intake::{Appended, Config, Error, GroupCommit, Wake, Writers};
use event_gateway::store::{self, Access, Batch, Store, Tenants};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::drafts::{create, create_in, created};
use crate::support::fake_sink::Fault;
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::ids::{college, diku, log_id};

struct IntakeHarness {
    _folder: TempDir,
    store: Arc<FaultyStore>,
    intake: Arc<GroupCommit>,
    writers: Writers,
    woken: Arc<Mutex<Vec<Lane>>>,
}

impl IntakeHarness {
    async fn new(fault: Option<(usize, Fault)>) -> Self {
        Self::with_lanes(1, fault).await
    }

    async fn with_lanes(lanes: u16, fault: Option<(usize, Fault)>) -> Self {
        Self::over(lanes, |inner| FaultyStore::with_fault(inner, fault)).await
    }

    async fn over(lanes: u16, faulty: impl FnOnce(Arc<dyn Store>) -> FaultyStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config::Sqlite { path: folder.path().join("store.db") };
        let inner = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
        inner.lanes(lanes).await.unwrap();
        inner.enable_if_new(&diku(), log_id(1)).await.unwrap();
        let store = Arc::new(faulty(inner));
        let woken = Arc::<Mutex<Vec<Lane>>>::default();
        let wake: Wake = Arc::new({
            let woken = woken.clone();
            move |lane| woken.lock().unwrap().push(lane)
        });
        let shared: Arc<dyn Store> = store.clone();
        let (intake, writers) = GroupCommit::start(&Config::default(), &shared, &wake);
        Self { _folder: folder, store, intake: Arc::new(intake), writers, woken }
    }

    fn submit(&self, id: u128) -> tokio::task::JoinHandle<Result<Appended, Error>> {
        let (intake, batch) =
            (self.intake.clone(), Batch { tenant: diku(), drafts: vec![create(id)] });
        tokio::spawn(async move { intake.submit(batch).await })
    }

    async fn begun(&self, appends: usize) {
        while self.store.begun.load(Ordering::SeqCst) < appends {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_comes_during_a_commit_shares_the_next_one() {
    let harness = IntakeHarness::new(None).await;
    harness.store.set(Mode::Holding);
    let first = harness.submit(1);
    harness.begun(1).await;
    let others: Vec<_> = (2..=50).map(|id| harness.submit(id)).collect();
    // Each task runs up to its wait for the answer before this one goes on.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    harness.store.set(Mode::Healthy);
    assert_eq!(first.await.unwrap().unwrap().receipts[0].position.number(), 1);
    let mut positions = Vec::new();
    for other in others {
        positions.push(other.await.unwrap().unwrap().receipts[0].position.number());
    }
    assert!(positions.into_iter().eq(2..=50));
    assert_eq!(
        harness.store.begun.load(Ordering::SeqCst),
        2,
        "49 requests didn't share one commit"
    );
    assert_eq!(*harness.woken.lock().unwrap(), [Lane::new(0); 2]);
}

/// Two clients, of whom the first is answered, while the second's change waits for the next commit.
async fn two_by_turns(group_drafts_min: usize) -> (IntakeHarness, impl Future<Output = u64>) {
    let harness =
        IntakeHarness::over(1, |inner| FaultyStore::with_group_min(inner, group_drafts_min)).await;
    harness.store.set(Mode::Holding);
    let first = harness.submit(1);
    harness.begun(1).await;
    let second = harness.submit(2);
    tokio::task::yield_now().await;
    harness.store.set(Mode::Healthy);
    first.await.unwrap().unwrap();
    (harness, async { second.await.unwrap().unwrap().receipts[0].position.number() })
}

// Time stands still in these while anybody has something to do.

#[tokio::test(start_paused = true)]
async fn who_was_just_answered_joins_the_next_commit_where_the_store_likes_that() {
    for (group_drafts_min, appends) in [(100, 2), (2, 2), (1, 3)] {
        let (harness, second) = two_by_turns(group_drafts_min).await;
        let third = harness.submit(3).await.unwrap().unwrap();
        assert_eq!((second.await, third.receipts[0].position.number()), (2, 3));
        assert_eq!(harness.store.begun.load(Ordering::SeqCst), appends, "{group_drafts_min}");
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
    let harness = IntakeHarness::over(1, |inner| FaultyStore::with_group_min(inner, 100)).await;
    let since = Instant::now();
    for id in 1..=10 {
        harness.submit(id).await.unwrap().unwrap();
    }
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn every_lane_of_a_commit_is_woken() {
    let harness = IntakeHarness::with_lanes(2, None).await;
    harness.store.enable_if_new(&college(), log_id(2)).await.unwrap();
    harness.store.set(Mode::Holding);
    let first = harness.submit(1);
    harness.begun(1).await;
    let others = [diku(), college()].map(|tenant| {
        let (intake, drafts) = (harness.intake.clone(), vec![create_in(&tenant, 2)]);
        tokio::spawn(async move { intake.submit(Batch { tenant, drafts }).await })
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    harness.store.set(Mode::Healthy);
    first.await.unwrap().unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(*harness.woken.lock().unwrap(), [0, 0, 1].map(Lane::new));
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_asked_for_and_answered_once() {
    let harness = IntakeHarness::new(Some((1, Fault::After))).await;
    let accepted = harness.submit(1).await.unwrap().unwrap();
    assert_eq!(accepted.receipts[0].position.number(), 1);
    assert_eq!(harness.submit(2).await.unwrap().unwrap().receipts[0].position.number(), 2);
}

#[tokio::test]
async fn an_unknown_outcome_stays_unknown_whatever_is_said_when_it_is_asked_for() {
    for other in [store::Error::Refused, store::Error::Corrupt] {
        let harness = IntakeHarness::new(Some((1, Fault::After))).await;
        harness.store.set(Mode::FailingFrom(2, other("something else".to_owned())));
        let told = harness.submit(1).await.unwrap();
        assert!(matches!(told, Err(Error::Store(store::Error::Unknown(_)))), "{told:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_refuses_and_the_next_try_works() {
    let harness = IntakeHarness::new(Some((1, Fault::Before))).await;
    let refused = harness.submit(1).await.unwrap();
    assert!(matches!(refused, Err(Error::Store(store::Error::Unavailable(_)))), "{refused:?}");
    assert_eq!(harness.submit(1).await.unwrap().unwrap().receipts[0].position.number(), 1);
}

#[tokio::test]
async fn what_is_queued_is_appended_though_its_client_is_gone_and_the_gateway_stops() {
    let harness = IntakeHarness::new(None).await;
    harness.store.set(Mode::Holding);
    let first = harness.submit(1);
    harness.begun(1).await;
    let second = harness.submit(2);
    tokio::task::yield_now().await;
    first.abort();
    second.abort();
    harness.store.set(Mode::Healthy);
    let IntakeHarness { intake, writers, store, .. } = harness;
    drop((first.await, second.await, intake));
    writers.finish().await;
    let head = store.list().await.unwrap()[0].head;
    assert_eq!(head.number(), 2);
}

#[tokio::test]
async fn a_tenant_may_not_fill_the_queue_of_all() {
    let harness = IntakeHarness::new(None).await;
    let shared: Arc<dyn Store> = harness.store.clone();
    let config = Config { tenant_bytes_max: 3000, queue_bytes_max: 10_000, ..Config::default() };
    let (intake, _writers) = GroupCommit::start(&config, &shared, &(Arc::new(|_| {}) as Wake));
    let intake = Arc::new(intake);
    harness.store.set(Mode::Holding);
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
    harness.begun(1).await;
    assert!(
        matches!(intake.submit(large(2)).await, Err(Error::TenantFull(tenant)) if tenant == diku())
    );
    harness.store.set(Mode::Healthy);
    waiting.await.unwrap().unwrap();
    intake.submit(large(2)).await.unwrap();
}
