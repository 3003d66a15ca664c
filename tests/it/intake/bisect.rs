//! Whatever makes one batch of a commit fail, the others of its commit are in the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use event_gateway::clock::System;
use event_gateway::intake::{Appended, Config, Error, GroupCommit, Wake, Writers};
use event_gateway::store::{self, Access, Batch, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::drafts::create;
use crate::support::faulty_store::{FaultyStore, Mode};
use crate::support::ids::{diku, event_id, log_id};

/// How many batches share the commit.
const GROUP: u128 = 40;

struct IntakeHarness {
    _folder: TempDir,
    store: Arc<FaultyStore>,
    intake: Arc<GroupCommit>,
    _writers: Writers,
}

impl IntakeHarness {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config::Sqlite { path: folder.path().join("store.db") };
        let inner = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
        inner.lanes(1).await.unwrap();
        inner.enable_if_new(&diku(), log_id(1)).await.unwrap();
        let store = Arc::new(FaultyStore::new(inner));
        let shared: Arc<dyn Store> = store.clone();
        let (intake, writers) =
            GroupCommit::start(&Config::default(), &shared, &(Arc::new(|_| {}) as Wake));
        Self { _folder: folder, store, intake: Arc::new(intake), _writers: writers }
    }

    fn submit(&self, id: u128) -> JoinHandle<Result<Appended, Error>> {
        let (intake, batch) =
            (self.intake.clone(), Batch { tenant: diku(), drafts: vec![create(id)] });
        tokio::spawn(async move { intake.submit(batch).await })
    }

    /// The outcomes of one commit's group, in the order of their ids, while the store is in that mode.
    async fn group(&self, mode: Mode) -> Vec<Result<Appended, Error>> {
        self.store.set(Mode::Holding);
        let first = self.submit(0);
        while self.store.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let group: Vec<_> = (1..=GROUP).map(|id| self.submit(id)).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.store.set(mode);
        first.await.unwrap().unwrap();
        let mut answers = Vec::new();
        for submitted in group {
            answers.push(submitted.await.unwrap());
        }
        answers
    }

    async fn head(&self) -> u64 {
        use event_gateway::store::Tenants;
        self.store.set(Mode::Healthy);
        self.store.list().await.unwrap()[0].head.number()
    }
}

const ERRORS: [fn(usize) -> store::Error; 4] = [
    |_| store::Error::Corrupt("choked".to_owned()),
    |_| store::Error::Refused("choked".to_owned()),
    |_| store::Error::Unavailable("choked".to_owned()),
    |_| store::Error::Unknown("choked".to_owned()),
];

#[tokio::test(start_paused = true)]
async fn what_the_store_can_t_take_fails_alone() {
    for guilty in [vec![1], vec![17], vec![GROUP], vec![5, 6, 30], (1..=GROUP).collect()] {
        for error in ERRORS {
            let harness = IntakeHarness::new().await;
            let ids = guilty.iter().copied().map(event_id).collect();
            let answers = harness.group(Mode::RefusingEvents(ids, error)).await;
            let error = error(1);
            let mut position = 1;
            for (id, answer) in (1..).zip(answers) {
                match (guilty.contains(&id), &error, answer) {
                    (false, _, Ok(accepted)) => {
                        position += 1;
                        assert_eq!(
                            accepted.receipts[0].position.number(),
                            position,
                            "{id} {error}"
                        );
                    }
                    (
                        true,
                        store::Error::Corrupt(_) | store::Error::Refused(_),
                        Err(Error::Unstorable(why)),
                    ) => {
                        assert!(why.to_string().contains("choked"), "{why}");
                    }
                    (
                        true,
                        store::Error::Unavailable(_),
                        Err(Error::Store(store::Error::Unavailable(_))),
                    ) => {}
                    (
                        true,
                        store::Error::Unknown(_),
                        Err(Error::Store(store::Error::Unknown(_))),
                    ) => {}
                    (_, _, answer) => panic!("{id} of {guilty:?}, {error}: {answer:?}"),
                }
            }
            assert_eq!(harness.head().await, position, "{error}");
        }
    }
}

/// The first commit may have happened, whatever is said when a part of it is asked for.
#[tokio::test(start_paused = true)]
async fn what_was_part_of_an_unknown_outcome_stays_unknown() {
    let harness = IntakeHarness::new().await;
    let choking = Mode::RefusingEvents(vec![event_id(3)], |batches| match batches {
        1 => store::Error::Corrupt("choked".to_owned()),
        _ => store::Error::Unknown("choked".to_owned()),
    });
    let answers = harness.group(choking).await;
    assert!(matches!(&answers[2], Err(Error::Store(store::Error::Unknown(_)))), "{:?}", answers[2]);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), answers.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_not_asked_by_halves() {
    for error in ERRORS.map(|error| error(1)) {
        let harness = IntakeHarness::new().await;
        harness.store.set(Mode::Holding);
        let first = harness.submit(0);
        while harness.store.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let group: Vec<_> = (1..=GROUP).map(|id| harness.submit(id)).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        harness.store.set(Mode::Failing(error.clone()));
        assert!(matches!(first.await.unwrap(), Err(Error::Store(_))));
        for answer in group {
            assert!(matches!(answer.await.unwrap(), Err(Error::Store(_))));
        }
        let asked = if matches!(error, store::Error::Unknown(_)) { 14 } else { 2 };
        assert_eq!(harness.store.begun.load(Ordering::SeqCst), asked, "{error}");
    }
}
