//! Events, and a log with them, as the tests of the listener read it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::cache::Cache;
use super::logs::Logs;
use super::principal::{Principal, Scope};
use super::topics::Served;
use super::{Config, ListenDeps, Listener, Server, Session};
use crate::clock::{Clock, System};
use crate::domain::compression::Compression;
use crate::domain::draft::{Content, Draft, Origin, Place};
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::headers::Headers;
use crate::domain::json::Raw;
use crate::domain::key::Key;
use crate::domain::position::{LogId, Position};
use crate::domain::settings::Settings;
use crate::domain::states::States;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::domain::wire_form::WireForm;
use crate::store::{self, Access, Batch, Store};
use crate::subscribe::{Grown, Subscribe, SubscribeDeps, SubscribeTasks};

/// The topic of the log's events.
pub(super) const ITEM: &str = "folio.diku.inventory.item";

/// Returns an event of an entity's record at a position.
pub(super) fn event(entity: &str, key: &str, position: u64) -> Envelope {
    let mut headers = Headers::default();
    headers.push("correlation_id", "c");
    Envelope {
        log_id: LogId::new(Uuid::from_u128(1)),
        tenant: TenantId::parse("diku").unwrap(),
        position: Position::new(position).unwrap(),
        time: Time::from_ms(1_700_000_000_000 + position.cast_signed()),
        last_delete_all: None,
        erased: None,
        event_id: EventId::new(Uuid::from_u128(position.into())),
        topic: Topic::parse(&format!("folio.diku.inventory.{entity}")).unwrap(),
        key: Key::parse(key).unwrap(),
        event_type: EventType::Create,
        headers,
        payload: Bytes::from(format!("{{\"new\":{{\"id\":\"{key}\",\"n\":{position}}}}}")),
    }
}

/// Returns the event of a record that was erased, in a compacted topic.
pub(super) fn tombstone(entity: &str, key: &str, position: u64) -> Envelope {
    let payload = WireForm::TOMBSTONE.into();
    Envelope { event_type: EventType::Erased, payload, ..event(entity, key, position) }
}

/// A store of its own, with the tenant's log and its readers.
pub(super) struct Bed {
    pub(super) store: Arc<dyn Store>,
    pub(super) logs: Arc<Logs>,
    pub(super) subscribe: Arc<Subscribe>,
    grown: Grown,
    posted: u128,
    _tasks: SubscribeTasks,
    _folder: TempDir,
}

/// The tenant of the log.
pub(super) fn diku() -> TenantId {
    TenantId::parse("diku").unwrap()
}

/// The topic of the log's events.
pub(super) fn item() -> Topic {
    Topic::parse(ITEM).unwrap()
}

/// Returns a topic of the log as it is served.
pub(super) fn served(topic: &Topic, partitions: u16) -> Served {
    let (tenant, topic, compression) = (diku(), topic.clone(), Compression::None);
    Served { tenant, topic, partitions, compacted: false, compression }
}

/// Returns a client that may do everything.
pub(super) fn anyone() -> Session {
    client(Scope::All)
}

/// Returns a client that may do everything with what it sees.
pub(super) fn client(scope: Scope) -> Session {
    Session::of(SocketAddr::from(([127, 0, 0, 1], 9)), Principal { scope, caller: None })
}

impl Bed {
    pub(super) async fn new() -> Self {
        Self::with_cache(Cache::new(1 << 20, Arc::default())).await
    }

    /// Makes one whose topics are kept in a cache.
    pub(super) async fn with_cache(cache: Cache) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(System);
        let config = store::Config::Sqlite { path: folder.path().join("store.db") };
        let store = store::open(&config, Access::Serve, clock.clone()).await.unwrap();
        store.lanes(1).await.unwrap();
        store.enable_if_new(&diku(), LogId::new(clock.new_id())).await.unwrap();
        let closing = CancellationToken::new();
        let (subscribe, tasks) = Subscribe::start(SubscribeDeps {
            store: store.clone(),
            settings: Arc::new(Settings::default()),
            metrics: Arc::default(),
            lanes: 1,
            closing: closing.clone(),
        });
        let logs = Arc::new(Logs::new(subscribe.clone(), store.clone(), cache, closing));
        let grown = subscribe.grown();
        Self { store, logs, subscribe, grown, posted: 0, _tasks: tasks, _folder: folder }
    }

    /// Returns a listener on the store; nobody connects to it.
    pub(super) async fn server(&self) -> Arc<Server> {
        let config = Config {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            or_free: false,
            advertised: None,
            tls: None,
            connections_max: 8,
            request_bytes_max: 1 << 20,
            requests_bytes_max: 4 << 20,
            answers_bytes_max: 4 << 20,
            cache_bytes_max: 1 << 20,
            cache_file: None,
        };
        let deps = ListenDeps {
            tokens: None,
            credentials: None,
            store: self.store.clone(),
            settings: Arc::new(Settings::default()),
            subscribe: self.subscribe.clone(),
            metrics: Arc::default(),
            clock: Arc::new(System),
            instance: "one".to_owned(),
            closing: CancellationToken::new(),
        };
        let server = Listener::bind(&config, deps).await.unwrap().server;
        server.listeners.announce().await.unwrap();
        server
    }

    /// Appends a change of each of these records, and wakes whoever reads.
    pub(super) async fn append(&mut self, keys: &[&str]) {
        let drafts = keys.iter().map(|key| {
            let new = Raw::parse(&Bytes::from(format!("{{\"id\":\"{key}\"}}"))).unwrap();
            let (states, wire_form) = (States::Create { new }, WireForm::Convention);
            self.draft(key, Content::Change { states, wire_form })
        });
        let drafts = drafts.collect();
        self.post(drafts).await;
    }

    /// Appends the event that ends an erasure of a record.
    pub(super) async fn append_erased(&mut self, key: &str) {
        let content = Content::Erased { wire_form: WireForm::Convention, is_compacted: false };
        let draft = self.draft(key, content);
        self.post(vec![draft]).await;
    }

    async fn post(&self, drafts: Vec<Draft>) {
        let batch = Batch { tenant: diku(), drafts };
        self.store.append(&[batch]).await.unwrap();
        self.grown.tell(&diku());
    }

    fn draft(&mut self, key: &str, content: Content) -> Draft {
        self.posted += 1;
        let origin = Origin { tenant: diku(), headers: Arc::new(Headers::default()) };
        let place = Place { subject: Subject::new("inventory", "item"), topic: item() };
        let id = EventId::new(Uuid::from_u128(self.posted));
        let all = Draft::delete_all(place, WireForm::Convention, id, &origin);
        Draft { key: Key::parse(key).unwrap(), content, ..all }
    }
}
