//! Out: the Kafka protocol, spoken on the logs, so that Kafka's clients follow them in durable
//! groups without a Kafka.
//!
//! `app` runs it. A topic's partitions are computed from its log (`feed`): an event's offset is its
//! position, and its partition the one where Java would put its key. Groups are as Kafka's classic
//! protocol has them (`group`); where they stand is in their subscriptions (`places`). The replicas
//! that listen are the brokers that clients see (`listeners`). Where tokens are checked, or there
//! are credentials, a client says who it is (`login`), and sees no more than it may (`principal`).
//! Records can't be written here.

mod answer;
mod batch;
mod cache;
mod commits;
mod compressed;
mod connection;
mod coordinator;
mod described;
mod epochs;
mod feed;
mod fetch;
mod file_cache;
#[cfg(test)]
mod fixture;
mod frame;
mod group;
mod group_metrics;
mod listeners;
mod login;
mod logs;
mod members;
mod metadata;
mod offsets;
mod peer;
mod places;
mod principal;
mod requests;
mod rooms;
mod sasl;
mod seats;
mod shapes;
mod socket;
mod topics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::access::{Credentials, Tokens};
use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::subscribe::Subscribe;
use crate::tls::Tls;
use answer::unread;
use cache::Cache;
use coordinator::Coordinator;
use feed::Feed;
use file_cache::FileCache;
use listeners::Listeners;
use logs::Logs;
use peer::{Peer, Session};
use rooms::Rooms;
use seats::Seats;
use topics::{Seen, Served, Topics};

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);

/// How the listener listens.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of the socket; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether the socket gets a free port if the address is in use.
    pub or_free: bool,
    /// The host and port that clients are told to connect to; those of the socket if there are
    /// none.
    pub advertised: Option<(String, u16)>,
    /// TLS of the listener; `None` for plain text.
    pub tls: Option<Arc<Tls>>,
    /// The most connections at once.
    pub connections_max: usize,
    /// The most bytes of a request.
    pub request_bytes_max: usize,
    /// The most bytes of all requests that are under way.
    pub requests_bytes_max: usize,
    /// The most bytes of records in all answers that are under way.
    pub answers_bytes_max: usize,
    /// The bytes of records that are kept in memory.
    pub cache_bytes_max: usize,
    /// The file for records that memory has no room for; `None` for none.
    pub cache_file: Option<CacheFile>,
}

/// A file without a name that has records for Kafka's clients, as long as the process lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheFile {
    /// The folder on whose disk it is.
    pub folder: PathBuf,
    /// The most bytes of it.
    pub bytes_max: u64,
}

/// The parts that the listener needs.
#[derive(Clone)]
pub struct ListenDeps {
    /// The check of clients' tokens; `None` if nobody checks any.
    pub tokens: Option<Arc<Tokens>>,
    /// The credentials of clients without tokens. Without tokens and credentials each client is
    /// let in.
    pub credentials: Option<Arc<Credentials>>,
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
    tokens: Option<Arc<Tokens>>,
    credentials: Option<Arc<Credentials>>,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    topics: Topics,
    logs: Logs,
    coordinator: Coordinator,
    /// This replica's listener, and all others'.
    listeners: Arc<Listeners>,
    /// The name of the cluster.
    cluster: String,
    seats: Arc<Seats>,
    request_bytes_max: usize,
    requests: Arc<Rooms>,
    answers: Arc<Rooms>,
    closing: CancellationToken,
}

/// The listener, once it has a socket.
pub struct Listener {
    socket: TcpListener,
    server: Arc<Server>,
    tls: Option<Arc<Tls>>,
    connections_max: usize,
}

impl Listener {
    /// Binds the socket.
    pub async fn bind(config: &Config, deps: ListenDeps) -> std::io::Result<Self> {
        let socket = socket::bind(config.address, config.or_free).await?;
        let bound = socket.local_addr()?;
        let advertised = config.advertised.clone();
        let address = advertised.unwrap_or_else(|| (bound.ip().to_string(), bound.port()));
        let ListenDeps { store, settings, subscribe, metrics, clock, instance, closing, .. } = deps;
        let topics = Topics::new(store.clone(), settings.clone());
        let open = |file| FileCache::open(file, clock.new_id(), metrics.clone());
        let cache = Cache::new(config.cache_bytes_max, metrics.clone())
            .with_file(config.cache_file.as_ref().and_then(open));
        let logs = Logs::new(subscribe, store.clone(), cache, closing.clone());
        let listeners = Arc::new(Listeners::new(store.clone(), instance, address));
        let (its, all, end) = (clock.clone(), listeners.clone(), closing.clone());
        let coordinator = Coordinator::new(store.clone(), its, metrics.clone(), all, end);
        let server = Server {
            tokens: deps.tokens,
            credentials: deps.credentials,
            clock,
            store,
            cluster: settings.naming().own("log"),
            settings,
            metrics,
            topics,
            logs,
            coordinator,
            listeners,
            seats: Seats::new(config.connections_max),
            request_bytes_max: config.request_bytes_max,
            requests: Rooms::new(config.requests_bytes_max),
            answers: Rooms::new(config.answers_bytes_max),
            closing,
        };
        let (tls, connections_max) = (config.tls.clone(), config.connections_max);
        Ok(Self { socket, server: Arc::new(server), tls, connections_max })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> String {
        let (host, port) = self.server.listeners.address();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Serves clients until the gateway stops, once they are told of this replica.
    pub async fn run(self) {
        let server = self.server.clone();
        let (listeners, closing) = (&server.listeners, &server.closing);
        if closing.run_until_cancelled(listeners.begin()).await.is_some() {
            let let_go = || server.coordinator.let_go();
            tokio::join!(self.accept(), listeners.keep_announced(closing, let_go));
        }
    }

    /// Serves clients until the gateway stops.
    async fn accept(self) {
        let (mut clients, mut tasks, server) = (JoinSet::new(), JoinSet::new(), self.server);
        let own = server.clone();
        tasks.spawn(async move {
            tokio::join!(own.coordinator.expire_groups(), own.topics.watch());
        });
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
            let is_set = stream.set_nodelay(true);
            let stream = match is_set.and_then(|()| Tls::stream(self.tls.as_deref(), stream)) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%peer, %error, "a Kafka client has left");
                    continue;
                }
            };
            let (server, client) = (server.clone(), Peer::new(peer, &server));
            clients.spawn(async move {
                let _connected = server.metrics.client_came();
                if let Err(error) = connection::serve(&server, stream, client).await {
                    tracing::debug!(%peer, %error, "a Kafka client's connection has ended");
                    error.reason().inspect(|reason| server.metrics.client_ended(reason));
                }
            });
        }
        while clients.join_next().await.is_some() {}
    }
}

impl Server {
    /// Returns whether a client has to say who it is.
    fn asks(&self) -> bool {
        self.tokens.is_some() || self.credentials.is_some()
    }

    /// Returns the feed of a topic, if it is open by a time. If not, a client asks again, and the
    /// opening goes on where it has come to.
    async fn feed(
        &self,
        topics: &Seen,
        served: &Served,
        until: Instant,
    ) -> Result<Arc<Feed>, ResponseError> {
        let told = topics.log_id(&served.tenant);
        match timeout_at(until, self.logs.feed(served, told)).await {
            Ok(opened) => opened.map_err(|error| unread(&error)),
            Err(_) => Err(ResponseError::KafkaStorageError),
        }
    }
}
