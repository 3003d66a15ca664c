//! The actor `Gateway`: the HTTP server in this process, over a store in a folder of its own.
//!
//! The stories about HTTP use it. It speaks raw TCP, so that a test can send what no client library
//! would send, and reads the log from the store, so that no answer is trusted.

mod parts;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use crash::PATIENCE;
use event_gateway::access::{Auth, Tokens};
use event_gateway::clock::{Clock, Manual, System};
use event_gateway::domain::entity::{Entity, EntityName, EventName, ProcessEvent, TopicSettings};
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::filter::Filter;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Pointer;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::producer::Producer;
use event_gateway::domain::quota::Quota;
use event_gateway::domain::retention::Lifetimes;
use event_gateway::domain::settings::{Settings, TenantSettings};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::topic::{Naming, Template};
use event_gateway::domain::wire_form::WireForm;
use event_gateway::follow::published::Published;
use event_gateway::follow::replay::submit::SubmitDeps;
use event_gateway::follow::{self, Followers, Wakeups};
use event_gateway::health::Health;
use event_gateway::http;
use event_gateway::intake::{self, Intake, Wake, Writers};
use event_gateway::metrics::Metrics;
use event_gateway::quota::Quotas;
use event_gateway::sink::Sinks;
use event_gateway::store::{self, Access, Scan, Slice, Store};
use event_gateway::subscribe::SubscribeTasks;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::fake_sink::FakeKafka;
use crate::support::raw_http::{Answer, answer, request};

pub use parts::tenant_deps;
use parts::{erasure_deps, intake_deps, subscribing};

type Around = Box<dyn FnOnce(Arc<dyn Store>) -> Arc<dyn Store>>;

/// The set-up of a gateway: small limits, so that tests can reach them.
pub struct Setup {
    pub http: http::Config,
    auth: Auth,
    pub intake: intake::Config,
    pub quota: Quota,
    /// The most tenants that the metrics name.
    pub metrics_tenants_max: usize,
    followers: Vec<Follower>,
    around: Around,
    clock: Arc<dyn Clock>,
}

impl Setup {
    pub fn new() -> Self {
        let http = http::Config {
            tls: None,
            metrics_open: true,
            body_bytes_max: 512 << 10,
            bodies_bytes_max: 16 << 20,
            tenant_bodies_bytes_max: 16 << 20,
            head_timeout: PATIENCE,
            answer_timeout: PATIENCE,
            body_timeout: PATIENCE,
            batch_changes_max: 1000,
            reads_max: 2,
            turns_max: 100,
            tenant_turns_max: 100,
            connections_max: 1000,
            waiters_max: 100,
            tenant_waiters_max: 100,
            subscribers_max: 100,
            tenant_subscribers_max: 100,
            slow_reader_timeout: PATIENCE,
            shutdown_timeout: Duration::from_secs(1),
        };
        Self {
            http,
            auth: Auth::Perimeter,
            intake: intake::Config { record_bytes_max: 64 << 10, ..intake::Config::default() },
            quota: Quota::NONE,
            metrics_tenants_max: 0,
            followers: Vec::new(),
            around: Box::new(|store| store),
            clock: Arc::new(System),
        }
    }

    /// Checks tokens in this way, by this clock.
    pub fn with_auth(mut self, auth: Auth, clock: &Arc<Manual>) -> Self {
        (self.auth, self.http.metrics_open) = (auth, false);
        Self { clock: clock.clone(), ..self }
    }

    /// Gives each tenant this quota, by this clock.
    pub fn with_quota(self, quota: Quota, clock: &Arc<Manual>) -> Self {
        Self { quota, clock: clock.clone(), ..self }
    }

    /// Whether a relay is assumed: then `published` follows the checkpoint in the store.
    pub fn with_relay(self) -> Self {
        self.with_follower(Follower::relay())
    }

    /// As if there were a sink of that follower.
    pub fn with_follower(mut self, follower: Follower) -> Self {
        self.followers.push(follower);
        self
    }

    /// Puts another store in front of the real one.
    pub fn with_store(
        self,
        around: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store> + 'static,
    ) -> Self {
        Self { around: Box::new(around), ..self }
    }

    pub async fn start(self) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config::Sqlite { path: folder.path().join("gateway.db") };
        let clock: Arc<dyn Clock> = Arc::new(System);
        let store = opened(&config, &clock).await;
        let seen = (self.around)(store.clone());
        let settings = Arc::new(settings());
        let quotas = Quotas::new(self.quota, settings.clone(), self.clock.clone());
        let (metrics, closing) = (Arc::<Metrics>::default(), CancellationToken::new());
        store.observe(metrics.clone());
        metrics.limit_tenants(self.metrics_tenants_max);
        let (subscribe, subscriptions) = subscribing(&seen, &settings, &metrics, &closing);
        let grown = subscribe.grown();
        let wake: Wake = Arc::new(move |tenant, _| grown.tell(tenant));
        let deps = intake_deps(&seen, &settings, &clock, &metrics);
        let (intake, writers) = Intake::start(&self.intake, deps, &wake);
        let (pages, ticks) = watch::channel(());
        let relayed = self.followers.contains(&Follower::relay()).then_some(ticks);
        let health = Arc::new(Health::default());
        let tokens = Tokens::new(&self.auth, &seen, &self.clock, &metrics).unwrap().map(Arc::new);
        let parts = http::HttpDeps {
            config: self.http,
            tokens,
            erasures: erasure_deps(&seen, &settings, &self.followers),
            tenants: tenant_deps(&seen, &settings, &self.followers),
            replays: SubmitDeps {
                store: seen.clone(),
                settings: settings.clone(),
                broker: None,
                clock: clock.clone(),
            },
            settings,
            store: seen.clone(),
            intake: Arc::new(intake),
            quotas: Arc::new(quotas),
            subscribe,
            published: Arc::new(Published::new(seen, relayed, closing.clone())),
            followers: self.followers,
            health: health.clone(),
            metrics,
            traces: Arc::default(),
            clock: self.clock,
            closing: closing.clone(),
        };
        let (address, handle) = serve(parts);
        Gateway {
            address,
            store,
            health,
            pages,
            closing,
            handle,
            _writers: writers,
            _subscriptions: subscriptions,
            folder,
        }
    }
}

/// Opens a store with two tenants.
async fn opened(config: &store::Config, clock: &Arc<dyn Clock>) -> Arc<dyn Store> {
    let store = store::open(config, Access::Serve, clock.clone()).await.unwrap();
    store.lanes(2).await.unwrap();
    for tenant in ["diku", "college"] {
        store.enable_if_new(&tenant_id(tenant), LogId::new(clock.new_id())).await.unwrap();
    }
    store
}

/// Runs the server in a thread of its own, which ends when the server is stopped.
fn serve(parts: http::HttpDeps) -> (SocketAddr, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = http::server(parts, listener).unwrap();
            sender.send(server.handle()).unwrap();
            server.await
        })
    });
    (address, receiver.recv().unwrap())
}

pub fn settings() -> Settings {
    let entity = || Entity {
        key: Pointer::parse("/id").unwrap(),
        wire_form: WireForm::Convention,
        topic: TopicSettings::default(),
    };
    let entities = [
        ("inventory", "instance"),
        ("inventory", "holdings-record"),
        ("inventory", "item"),
        ("circulation", "loan"),
    ];
    let named = |(p, e)| ((Producer::parse(p).unwrap(), EntityName::parse(e).unwrap()), entity());
    let import =
        (Producer::parse("data-import").unwrap(), EventName::parse("DI_COMPLETED").unwrap());
    let template = Template::parse("{env}.Default.{tenant}.{event}").unwrap();
    let topic = TopicSettings { template, ..TopicSettings::default() };
    let import_settings = ProcessEvent { topic, ..ProcessEvent::default() };
    let default = TenantSettings {
        producers: Default::default(),
        entities: entities.map(named).into(),
        process_events: [(import, import_settings)].into(),
        ..TenantSettings::default()
    };
    Settings::new(Naming::new(Some("folio"), None).unwrap(), default, Default::default()).unwrap()
}

pub fn tenant_id(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

/// A running gateway with the tenants `diku` and `college`; it stops when it is dropped.
pub struct Gateway {
    pub address: SocketAddr,
    /// The real store, whatever stands in front of it.
    pub store: Arc<dyn Store>,
    pub health: Arc<Health>,
    /// A channel that ticks like a lane that has committed a page.
    pub pages: watch::Sender<()>,
    /// Cancelled, it ends whatever waits.
    pub closing: CancellationToken,
    handle: ServerHandle,
    _writers: Writers,
    _subscriptions: SubscribeTasks,
    folder: TempDir,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Gateway {
    /// Publishes the events of its store to a Kafka.
    pub fn follow(&self, kafka: &FakeKafka) -> Followers {
        self.follow_on(&self.store, kafka)
    }

    /// The same, with another store in front of the real one.
    pub fn follow_on(&self, store: &Arc<dyn Store>, kafka: &FakeKafka) -> Followers {
        let settings = Arc::new(settings());
        let parts = follow::FollowDeps {
            tenants: tenant_deps(store, &settings, &[]),
            store: store.clone(),
            settings,
            wakeups: Wakeups::new(2),
            health: self.health.clone(),
            metrics: Arc::default(),
            traces: Arc::default(),
            pages: self.pages.clone(),
            clock: Arc::new(System),
            replica: "one".to_owned(),
            instance: "first run".to_owned(),
            audit_every: None,
            replay_pause_max: Duration::from_secs(86_400),
            lifetimes: Lifetimes::default(),
            removal: Default::default(),
        };
        Followers::start(&parts, &Sinks::default().with_kafka(Arc::new(kafka.clone())))
    }

    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// Returns what stands in the files of its store, as text.
    pub fn stored(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()
        };
        files.map(read).collect()
    }

    /// Returns the URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes on a new connection, and reads one answer.
    pub async fn exchange(&self, request: &[u8]) -> Answer {
        let mut connection = self.connect().await;
        // A refusal may come before everything is sent.
        let _ = connection.write_all(request).await;
        answer(&mut connection).await
    }

    /// Returns the head of the answer to these bytes.
    pub async fn head(&self, request: &[u8]) -> String {
        let mut connection = self.connect().await;
        connection.write_all(request).await.unwrap();
        let mut all = String::new();
        timeout(PATIENCE, connection.read_to_string(&mut all))
            .await
            .expect("an end in time")
            .unwrap();
        let (head, _) = all.split_once("\r\n\r\n").unwrap();
        format!("{head}\r\n")
    }

    /// As tenant `diku`.
    pub async fn post(&self, path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
        let headers = [("X-Okapi-Tenant", "diku"), ("Content-Type", content_type)];
        self.exchange(&request("POST", path, &headers, body.as_ref())).await
    }

    /// Posts one JSON body as tenant `diku`.
    pub async fn post_json(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post(path, "application/json", body).await
    }

    /// As tenant `diku`.
    pub async fn read(&self, target: &str) -> Answer {
        self.exchange(&request("GET", target, &[("X-Okapi-Tenant", "diku")], b"")).await
    }

    /// Returns all events of tenant `diku`.
    pub async fn log(&self) -> Vec<Envelope> {
        self.slice("diku").await.events
    }

    /// Returns all events of one tenant's log.
    pub async fn slice(&self, tenant: &str) -> Slice {
        let scan = Scan {
            filter: Filter::default(),
            from: None,
            to: None,
            events_each_max: 100_000,
            events_max: 100_000,
            bytes_max: usize::MAX,
            rows_max: 100_000,
            enabled_only: false,
        };
        let read = self.store.read(&[(tenant_id(tenant), Position::START.into())], &scan).await;
        read.unwrap().pop().unwrap()
    }
}
