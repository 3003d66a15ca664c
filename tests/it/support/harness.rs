//! The actor `Harness`: one replica that follows a store of its own, with a Kafka in memory.

use std::sync::Arc;
use std::time::Duration;

use crash::{PATIENCE, until};
use event_gateway::clock::{Clock, System};
use event_gateway::domain::draft::Draft;
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::position::Position;
use event_gateway::domain::retention::Lifetimes;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::tenant::TenantId;
use event_gateway::follow::{FollowDeps, Followers, Wakeups};
use event_gateway::health::Health;
use event_gateway::sink::Sinks;
use event_gateway::store::{Access, Batch, Config, Store, open};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::drafts::create_in;
use crate::support::fake_sink::FakeKafka;
use crate::support::gateway::tenant_deps;
use crate::support::ids::{key, log_id, tenant};
use crate::support::store_fixture::all;

/// One replica on a store of its own.
pub struct Harness {
    pub folder: TempDir,
    pub store: Arc<dyn Store>,
    pub kafka: FakeKafka,
    pub parts: FollowDeps,
}

impl Harness {
    pub async fn new(lanes: u16, tenants: &[TenantId]) -> Self {
        Self::on_clock(lanes, tenants, Arc::new(System)).await
    }

    /// Makes one lane, on which each tenant has so many events, which are published; the followers
    /// are stopped.
    pub async fn with_published(tenants: &[TenantId], events: u128) -> Self {
        let harness = Self::new(1, tenants).await;
        for tenant in tenants {
            harness.append(tenant, drafts(tenant, 0..events)).await;
        }
        harness.publish(tenants).await;
        harness
    }

    /// The same as [`Self::new`], with a store that has a clock.
    pub async fn on_clock(lanes: u16, tenants: &[TenantId], clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::Sqlite { path: folder.path().join("store.db") };
        let store = open(&config, Access::Serve, clock).await.unwrap();
        store.lanes(lanes).await.unwrap();
        for (number, tenant) in tenants.iter().enumerate() {
            store.enable_if_new(tenant, log_id(number as u128 + 1)).await.unwrap();
        }
        let settings = Arc::new(Settings::default());
        let parts = FollowDeps {
            tenants: tenant_deps(&store, &settings, &[]),
            store: store.clone(),
            settings,
            wakeups: Wakeups::new(lanes),
            health: Arc::new(Health::default()),
            metrics: Arc::default(),
            traces: Arc::default(),
            pages: watch::channel(()).0,
            clock: Arc::new(System),
            replica: "one".to_owned(),
            instance: "first run".to_owned(),
            audit_every: None,
            replay_pause_max: Duration::from_secs(86_400),
            lifetimes: Lifetimes::default(),
            removal: Default::default(),
        };
        Self { folder, store, kafka: FakeKafka::default(), parts }
    }

    pub fn follow(&self) -> Followers {
        Followers::start(&self.parts, &Sinks::default().with_kafka(Arc::new(self.kafka.clone())))
    }

    /// Publishes all of these tenants' logs, and stops.
    pub async fn publish(&self, tenants: &[TenantId]) {
        let followers = self.follow();
        self.published(tenants).await;
        followers.stop().await;
    }

    /// Follows until a component is degraded, and stops; returns the cause.
    pub async fn trouble_once_followed(&self, who: &str) -> String {
        let followers = self.follow();
        let trouble = self.trouble(who).await;
        followers.stop().await;
        trouble
    }

    pub async fn append(&self, tenant: &TenantId, drafts: Vec<Draft>) {
        self.store.append(&[Batch { tenant: tenant.clone(), drafts }]).await.unwrap();
        let enabled =
            self.store.list().await.unwrap().into_iter().find(|e| e.tenant == *tenant).unwrap();
        self.parts.wakeups.wake(enabled.lane);
    }

    /// Counts a tenant's records in Kafka.
    pub fn records_of(&self, tenant: &TenantId) -> usize {
        self.kafka.state(|state| state.records.iter().filter(|r| r.tenant == *tenant).count())
    }

    /// Waits until Kafka has all of these tenants' logs, and the store's checkpoints show it.
    pub async fn published(&self, tenants: &[TenantId]) {
        for tenant in tenants {
            let head = self.log(tenant).await.len() as u64;
            self.until_cursor(|cursor| cursor == Some(head), tenant).await;
        }
    }

    pub async fn until_cursor(&self, wanted: impl Fn(Option<u64>) -> bool, tenant: &TenantId) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let cursor = self.store.load(tenant, &Follower::relay()).await.unwrap();
            if wanted(cursor.map(|c| c.position.number())) {
                return;
            }
            let troubles = self.parts.health.troubles();
            assert!(
                tokio::time::Instant::now() < deadline,
                "{tenant} stands at {cursor:?}: {troubles:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a lane has another producer, after the former one asked to be recycled.
    pub async fn wear_out(&self) {
        let fences = self.kafka.fences();
        self.kafka.state(|state| state.recycle = true);
        self.store
            .list()
            .await
            .unwrap()
            .iter()
            .for_each(|enabled| self.parts.wakeups.wake(enabled.lane));
        until("a worn producer is replaced", async || self.kafka.fences() > fences).await;
    }

    pub async fn log(&self, tenant: &TenantId) -> Vec<Envelope> {
        self.store.read(&[(tenant.clone(), Position::START.into())], &all()).await.unwrap()[0]
            .events
            .clone()
    }

    /// Checks that Kafka's records of a tenant are its log: each event once, in order, byte for
    /// byte.
    pub async fn assert_same(&self, tenants: &[TenantId]) {
        for tenant in tenants {
            let records = self.kafka.state(|state| state.records.clone());
            let records: Vec<_> = records.into_iter().filter(|r| r.tenant == *tenant).collect();
            assert_eq!(records, self.log(tenant).await, "{tenant}");
        }
    }

    /// Waits until a component is degraded, and returns the cause.
    pub async fn trouble(&self, who: &str) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(why) = self.parts.health.troubles().remove(who) {
                return why;
            }
            assert!(tokio::time::Instant::now() < deadline, "{who} is in no trouble");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

pub fn tenants(count: usize) -> Vec<TenantId> {
    (0..count).map(|n| tenant(&format!("t{n}"))).collect()
}

pub fn drafts(tenant: &TenantId, ids: std::ops::Range<u128>) -> Vec<Draft> {
    ids.map(|id| Draft { key: key(&format!("k{}", id % 3)), ..create_in(tenant, id) }).collect()
}
