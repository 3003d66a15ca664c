//! Out: the Kafka protocol, spoken on the logs, so that Kafka's clients follow them in durable
//! groups without a Kafka.
//!
//! `app` runs it. A topic's partitions are computed from its log (`feed`): an event's offset is its
//! position, and its partition the one where Java would put its key. Groups are as Kafka's classic
//! protocol has them (`group`); where they stand is in their subscriptions (`places`). Records
//! can't be written here.

mod answer;
mod batch;
mod cache;
mod commits;
mod connection;
mod coordinator;
mod described;
mod feed;
mod fetch;
#[cfg(test)]
mod fixture;
mod group;
mod group_metrics;
mod logs;
mod members;
mod metadata;
mod offsets;
mod places;
mod requests;
mod shapes;
mod topics;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, Actor, TrailEntry};
use crate::metrics::Metrics;
use crate::store::Store;
use crate::subscribe::Subscribe;
use cache::Cache;
use coordinator::Coordinator;
use feed::Feed;
use logs::Logs;
use topics::{Served, Topics};

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);
/// The most groups and tenants of which a connection remembers that it has moved them.
const MOVED_MAX: usize = 100;
/// The scope of groups that read the topics of all tenants.
const ALL_TENANTS: &str = "*";

/// How the listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address of the socket; port 0 takes a free one.
    pub address: SocketAddr,
    /// The host and port that clients are told to connect to; those of the socket if there are
    /// none.
    pub advertised: Option<(String, u16)>,
    /// The most connections at once.
    pub connections_max: usize,
    /// The most bytes of a request.
    pub request_bytes_max: usize,
    /// The most bytes of all requests that are under way.
    pub requests_bytes_max: usize,
    /// The bytes of records that are kept in memory.
    pub cache_bytes_max: usize,
}

/// The parts that the listener needs.
#[derive(Clone)]
pub struct ListenDeps {
    /// The logs and the groups.
    pub store: Arc<dyn Store>,
    /// The tenants' settings.
    pub settings: Arc<Settings>,
    /// The readers of the logs.
    pub subscribe: Arc<Subscribe>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The times, and new ids.
    pub clock: Arc<dyn Clock>,
    /// The run of this replica.
    pub instance: String,
    /// Cancelled once the gateway stops.
    pub closing: CancellationToken,
}

/// The parts that all connections share.
struct Server {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    topics: Topics,
    logs: Logs,
    coordinator: Coordinator,
    /// The host and port that clients are told.
    advertised: (String, i32),
    /// The name of the cluster.
    cluster: String,
    request_bytes_max: usize,
    requests: Arc<Semaphore>,
    closing: CancellationToken,
}

/// A client, as long as it is connected.
#[derive(Debug)]
struct Session {
    peer: SocketAddr,
    /// The name that the client gives itself.
    client_id: String,
    /// Whether it has tried to write.
    has_produced: bool,
    /// The groups, with the tenants, that it has moved without being a member: the trail has told
    /// so once.
    moved: BTreeSet<(String, TenantId)>,
}

/// The listener, once it has a socket.
pub struct Listener {
    socket: TcpListener,
    server: Arc<Server>,
    connections_max: usize,
}

impl Listener {
    /// Binds the socket.
    pub async fn bind(config: &Config, deps: ListenDeps) -> std::io::Result<Self> {
        let socket = TcpListener::bind(config.address).await?;
        let bound = socket.local_addr()?;
        let advertised = config.advertised.clone();
        let (host, port) = advertised.unwrap_or_else(|| (bound.ip().to_string(), bound.port()));
        let ListenDeps { store, settings, subscribe, metrics, clock, instance, closing } = deps;
        let topics = Topics::new(store.clone(), settings.clone());
        let cache = Cache::new(config.cache_bytes_max, metrics.clone());
        let logs = Logs::new(subscribe, store.clone(), cache, closing.clone());
        let coordinator =
            Coordinator::new(store.clone(), clock, metrics.clone(), instance, closing.clone());
        let cluster = settings.naming().own("log");
        let server = Server {
            store,
            settings,
            metrics,
            topics,
            logs,
            coordinator,
            advertised: (host, port.into()),
            cluster,
            request_bytes_max: config.request_bytes_max,
            requests: Arc::new(Semaphore::new(config.requests_bytes_max)),
            closing,
        };
        Ok(Self { socket, server: Arc::new(server), connections_max: config.connections_max })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> String {
        let (host, port) = &self.server.advertised;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Serves clients until the gateway stops.
    pub async fn run(self) {
        let (mut clients, server) = (JoinSet::new(), self.server);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = clients.join_next() => continue,
                () = server.closing.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Such as that the process has as many files open as it may have.
                    tracing::warn!(%error, "failed to accept a Kafka client");
                    sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            if clients.len() >= self.connections_max {
                tracing::warn!(%peer, "turned a Kafka client away: there are as many as may be");
                server.metrics.client_ended("full");
                continue;
            }
            let server = server.clone();
            clients.spawn(async move {
                let session = Session::of(peer);
                let _connected = server.metrics.client_came();
                if let Err(error) = connection::serve(&server, stream, session).await {
                    tracing::debug!(%peer, %error, "a Kafka client's connection has ended");
                    error.reason().inspect(|reason| server.metrics.client_ended(reason));
                }
            });
        }
        while clients.join_next().await.is_some() {}
    }
}

impl Server {
    /// Returns the scope of the groups that a client may join.
    fn scope(&self) -> String {
        ALL_TENANTS.to_owned()
    }

    /// Returns the feed of a topic.
    async fn feed(&self, served: &Served) -> Result<Arc<Feed>, crate::subscribe::Error> {
        self.logs.feed(served).await
    }
}

impl Session {
    fn of(peer: SocketAddr) -> Self {
        Self { peer, client_id: String::new(), has_produced: false, moved: BTreeSet::new() }
    }

    /// Begins the entry of an act of the client, for the trail.
    fn does(&self, act: Act, group: &str) -> TrailEntry {
        Actor::kafka(&self.client_id, &self.peer.ip().to_string()).does(act).on(group)
    }

    /// Returns whether the trail has told that the client moves a group with a tenant, though it is
    /// no member of it.
    fn has_moved(&self, group: &str, tenant: &TenantId) -> bool {
        self.moved.contains(&(group.to_owned(), tenant.clone()))
    }

    /// Notes that the trail tells so. Of many groups some are forgotten, and told again.
    fn note_moved(&mut self, group: &str, tenant: &TenantId) {
        if self.moved.len() >= MOVED_MAX {
            self.moved.pop_first();
        }
        self.moved.insert((group.to_owned(), tenant.clone()));
    }

    /// Returns the client's address as Kafka's tools show it.
    fn host(&self) -> String {
        format!("/{}", self.peer.ip())
    }
}
