//! The actor `Commits`: intake's group commit over a store that fails as a test asks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use event_gateway::clock::System;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::intake::{Appended, Config, Error, GroupCommit, Wake, Writers};
use event_gateway::store::{self, Access, Batch, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::support::drafts::create;
use crate::support::fake_sink::Fault;
use crate::support::faulty_store::FaultyStore;
use crate::support::ids::{diku, log_id};

/// A group commit at work.
pub struct Commits {
    _folder: TempDir,
    pub store: Arc<FaultyStore>,
    pub intake: Arc<GroupCommit>,
    pub writers: Writers,
    /// The lanes that were woken, in order.
    pub woken: Arc<Mutex<Vec<Lane>>>,
}

impl Commits {
    pub async fn new(fault: Option<(usize, Fault)>) -> Self {
        Self::with_lanes(1, fault).await
    }

    pub async fn with_lanes(lanes: u16, fault: Option<(usize, Fault)>) -> Self {
        Self::over(lanes, |inner| FaultyStore::with_fault(inner, fault)).await
    }

    pub async fn over(lanes: u16, faulty: impl FnOnce(Arc<dyn Store>) -> FaultyStore) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config::Sqlite { path: folder.path().join("store.db") };
        let inner = store::open(&config, Access::Serve, Arc::new(System)).await.unwrap();
        inner.lanes(lanes).await.unwrap();
        inner.enable_if_new(&diku(), log_id(1)).await.unwrap();
        let store = Arc::new(faulty(inner));
        let woken = Arc::<Mutex<Vec<Lane>>>::default();
        let wake: Wake = Arc::new({
            let woken = woken.clone();
            move |_: &TenantId, lane| woken.lock().unwrap().push(lane)
        });
        let shared: Arc<dyn Store> = store.clone();
        let (intake, writers) =
            GroupCommit::start(&Config::default(), &shared, &Arc::default(), &wake);
        Self { _folder: folder, store, intake: Arc::new(intake), writers, woken }
    }

    /// Submits one change of tenant `diku`.
    pub fn submit(&self, id: u128) -> JoinHandle<Result<Appended, Error>> {
        let (intake, batch) =
            (self.intake.clone(), Batch { tenant: diku(), drafts: vec![create(id)] });
        tokio::spawn(async move { intake.submit(batch).await })
    }

    /// Waits until so many appends have begun.
    pub async fn begun(&self, appends: usize) {
        while self.store.begun.load(Ordering::SeqCst) < appends {
            tokio::task::yield_now().await;
        }
    }
}
