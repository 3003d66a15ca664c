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
mod places;
mod principal;
mod requests;
mod rooms;
mod sasl;
mod seats;
mod shapes;
mod socket;
mod topics;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::access::{Caller, Credentials, Tokens};
use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor, CallerNames, TrailEntry};
use crate::metrics::Metrics;
use crate::shares::{Full, Share};
use crate::store::Store;
use crate::subscribe::Subscribe;
use crate::tls::Tls;
use answer::unread;
use cache::Cache;
use coordinator::Coordinator;
use feed::Feed;
use group::Client;
use listeners::Listeners;
use logs::Logs;
use principal::{Principal, Scope};
use requests::Broken;
use rooms::{Room, Rooms};
use sasl::Mechanism;
use seats::{Seats, Stranger};
use topics::{Seen, Served, Topics};

/// The pause after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(500);
/// The most groups and tenants of which a connection remembers that it has moved them.
const MOVED_MAX: usize = 100;

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

/// Whoever is at the other end of a connection.
struct Peer {
    address: SocketAddr,
    /// The way that it has chosen to say who it is.
    mechanism: Option<Mechanism>,
    /// `None` until it is let in.
    session: Option<Session>,
    /// The seat that it has until then.
    stranger: Option<Stranger>,
    /// The seat that it has afterwards, for as long as the connection lasts.
    _seat: Option<Share>,
    /// Whether the connection ends with this answer, since it is not let in.
    is_refused: bool,
}

/// A client that is let in, as long as it is connected.
struct Session {
    principal: Principal,
    peer: SocketAddr,
    /// The name that the client gives itself.
    client_id: String,
    /// Whether it has tried to write.
    has_produced: bool,
    /// The groups and tenants of which the trail has told that it moves them, being no member.
    moved: BTreeSet<(String, TenantId)>,
    /// The room for the records of the answer that it has not read yet.
    unread: Option<Room>,
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
        let cache = Cache::new(config.cache_bytes_max, metrics.clone());
        let logs = Logs::new(subscribe, store.clone(), cache, closing.clone());
        let listeners = Arc::new(Listeners::new(store.clone(), instance, address));
        let (its, all, end) = (clock.clone(), listeners.clone(), closing.clone());
        let coordinator = Coordinator::new(store.clone(), its, metrics.clone(), all, end);
        let cluster = settings.naming().own("log");
        let server = Server {
            tokens: deps.tokens,
            credentials: deps.credentials,
            clock,
            store,
            settings,
            metrics,
            topics,
            logs,
            coordinator,
            listeners,
            cluster,
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
        let groups = server.clone();
        tasks.spawn(async move { groups.coordinator.expire_groups().await });
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
            let stream = match stream
                .set_nodelay(true)
                .and_then(|()| Tls::stream(self.tls.as_deref(), stream))
            {
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

impl Peer {
    /// Returns a peer that has just connected. Where nobody asks who it is, it is let in.
    fn new(address: SocketAddr, server: &Server) -> Self {
        let principal = (!server.asks()).then(Principal::anyone);
        let session = principal.map(|principal| Session::of(address, principal));
        let stranger = session.is_none().then(|| server.seats.stranger());
        Self { address, mechanism: None, session, stranger, _seat: None, is_refused: false }
    }

    /// Returns the session of a peer that is let in at a time.
    fn session(&mut self, now: Time) -> Result<&mut Session, Broken> {
        let session = self.session.as_mut().ok_or(Broken::Stranger)?;
        match session.principal.ends() {
            Some(end) if end <= now => Err(Broken::Expired),
            _ => Ok(session),
        }
    }

    /// Returns whether the peer is let in with other tenants' topics.
    fn is_other(&self, principal: &Principal) -> bool {
        self.session.as_ref().is_some_and(|it| it.principal.scope != principal.scope)
    }

    /// Lets the peer in, if its tenant has a seat for it, or goes on to with a new token.
    fn is_let_in(&mut self, principal: Principal, seats: &Seats) -> Result<(), Full> {
        if let Some(session) = &mut self.session {
            session.principal = principal;
            return Ok(());
        }
        if let Scope::Tenant(tenant) = &principal.scope {
            self._seat = Some(seats.take(tenant)?);
        }
        self.session = Some(Session::of(self.address, principal));
        self.stranger = None;
        Ok(())
    }
}

impl Session {
    fn of(peer: SocketAddr, principal: Principal) -> Self {
        let (client_id, moved) = (String::new(), BTreeSet::new());
        Self { principal, peer, client_id, has_produced: false, moved, unread: None }
    }

    /// Returns the names by which people know the client.
    fn client(&self) -> Client {
        Client { id: self.client_id.clone(), host: self.host() }
    }

    /// Begins the entry of an act of the client, for the trail.
    fn does(&self, act: Act, group: &str) -> TrailEntry {
        let actor = match &self.principal.caller {
            None => Actor::kafka(&self.client_id, &self.peer.ip().to_string()),
            Some(Caller { credential: Some(credential), .. }) => {
                Actor::credential(credential.name().as_str())
            }
            Some(caller) => {
                let (user, subject) = (caller.user.as_deref(), caller.subject.as_deref());
                Actor::caller(CallerNames { user, subject }, caller.issuer.as_deref(), None)
            }
        };
        actor.does(act).on(group)
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

    /// Returns the part of the gateway that the client sees.
    fn scope(&self) -> &Scope {
        &self.principal.scope
    }

    /// Returns the client's address as Kafka's tools show it.
    fn host(&self) -> String {
        format!("/{}", self.peer.ip())
    }
}
