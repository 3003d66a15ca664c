//! The load generator: connections that post one body after another and check every answer.
//!
//! It is a closed loop: each connection posts as fast as it is answered, which measures the
//! greatest throughput.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::contest::per_second;
use crate::options::Rounds;
use crate::records::{Body, PATH, Records};

/// Longer than any backlog takes.
const LONG: Duration = Duration::from_secs(3600);

/// The shape of the load.
#[derive(Clone)]
pub struct Plan {
    /// Where to.
    pub address: SocketAddr,
    /// The tenants whose changes are posted; requests take turns.
    pub tenants: Arc<Vec<String>>,
    /// Connections at once.
    pub connections: usize,
    /// Changes in a request.
    pub changes: usize,
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub time: Duration,
    /// Whether answers are receipts that name the keys; a bare handler knows no keys.
    pub receipts: bool,
    /// No more changes than these, warm-up included.
    pub limit: Option<u64>,
    /// Whether requests may be refused; refused ones don't count.
    pub refusals: bool,
    /// The most changes that may be accepted and not yet published; a connection that waits for
    /// room posts nothing.
    pub room: Option<Arc<Room>>,
}

impl Plan {
    /// A closed loop whose answers are receipts.
    pub fn new(
        address: SocketAddr,
        tenants: &[String],
        connections: usize,
        changes: usize,
    ) -> Self {
        Self {
            address,
            tenants: Arc::new(tenants.to_vec()),
            connections,
            changes,
            warm_up: Duration::ZERO,
            time: Duration::ZERO,
            receipts: true,
            limit: None,
            refusals: false,
            room: None,
        }
    }

    /// For as long as a round takes.
    pub fn during(self, rounds: &Rounds) -> Self {
        Self { warm_up: rounds.warm_up(), time: rounds.time(), ..self }
    }

    /// One change of each of these tenants.
    pub fn each_once(address: SocketAddr, tenants: &[String]) -> Self {
        Self { time: LONG, limit: Some(tenants.len() as u64), ..Self::new(address, tenants, 8, 1) }
    }

    /// Batches until there are so many changes, however long it takes.
    pub fn backlog(address: SocketAddr, tenants: &[String], events: u64) -> Self {
        Self { time: LONG, limit: Some(events), ..Self::new(address, tenants, 8, 100) }
    }
}

/// How much was accepted, and how much of that has gone on.
#[derive(Default)]
pub struct Room {
    /// Changes accepted so far.
    pub accepted: AtomicU64,
    /// Changes gone on so far.
    pub gone: AtomicU64,
    /// How many may be between.
    pub max: AtomicU64,
}

impl Room {
    /// How many are between.
    pub fn waiting(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed).saturating_sub(self.gone.load(Ordering::Relaxed))
    }

    fn is_left(&self) -> bool {
        self.waiting() <= self.max.load(Ordering::Relaxed)
    }
}

/// The result of a load.
pub struct Done {
    /// Changes acknowledged while it was measured.
    pub changes: u64,
    /// All that were acknowledged, warm-up included.
    pub acknowledged: u64,
    /// How long it was measured.
    pub time: Duration,
    /// The latency of each request that was measured, in ms.
    pub latencies_ms: Vec<f64>,
}

impl Done {
    /// Changes per second.
    pub fn rate(&self) -> f64 {
        per_second(self.changes, self.time)
    }
}

/// Posts the load; panics at a wrong answer.
pub async fn load(plan: &Plan) -> Done {
    let (measured, turn) = (Instant::now() + plan.warm_up, Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..plan.connections {
        let connection = Connection {
            poster: Poster::connect(plan.address).await,
            plan: plan.clone(),
            records: Records::default(),
            turn: turn.clone(),
        };
        tasks.spawn(connection.run(measured, measured + plan.time));
    }
    let mut done = Done { changes: 0, acknowledged: 0, time: plan.time, latencies_ms: Vec::new() };
    let mut last = measured;
    while let Some(one) = tasks.join_next().await {
        let (one, ended) = one.unwrap();
        done.changes += one.changes;
        done.acknowledged += one.acknowledged;
        done.latencies_ms.extend(one.latencies_ms);
        last = last.max(ended);
    }
    if plan.limit.is_some() {
        done.time = last - measured;
    }
    done
}

struct Connection {
    poster: Poster,
    plan: Plan,
    records: Records,
    turn: Arc<AtomicUsize>,
}

impl Connection {
    async fn run(mut self, from: Instant, until: Instant) -> (Done, Instant) {
        let changes = self.plan.changes as u64;
        let mut done =
            Done { changes: 0, acknowledged: 0, time: self.plan.time, latencies_ms: Vec::new() };
        loop {
            let body = self.records.body(self.plan.changes);
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let over = self.plan.limit.is_some_and(|limit| (turn as u64 + 1) * changes > limit);
            self.until_there_is_room(until).await;
            let start = Instant::now();
            if over || start >= until {
                return (done, start);
            }
            let tenant = &self.plan.tenants[turn % self.plan.tenants.len()];
            let answered = self.poster.post(tenant, &body, self.plan.receipts).await;
            assert!(self.plan.refusals || answered.is_ok(), "{answered:?}");
            let changes = if answered.is_ok() { changes } else { 0 };
            let now = Instant::now();
            done.acknowledged += changes;
            if let Some(room) = &self.plan.room {
                room.accepted.fetch_add(changes, Ordering::Relaxed);
            }
            if now >= from && (now < until || self.plan.limit.is_some()) {
                done.changes += changes;
                done.latencies_ms.push((now - start).as_secs_f64() * 1e3);
            }
        }
    }

    async fn until_there_is_room(&self, until: Instant) {
        let Some(room) = &self.plan.room else { return };
        while !room.is_left() && Instant::now() < until {
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// One connection, and another in its place once the server has closed it.
pub struct Poster {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Poster {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self { address, sender: sender(address).await }
    }

    /// Posts a body. The answer must be a 201, with a receipt for each key if receipts are
    /// expected; an error says what came instead.
    pub async fn post(&mut self, tenant: &str, body: &Body, receipts: bool) -> Result<(), String> {
        let posted = self.try_post(tenant, body, receipts).await;
        if self.sender.ready().await.is_err() {
            self.sender = sender(self.address).await;
        }
        posted
    }

    async fn try_post(&mut self, tenant: &str, body: &Body, receipts: bool) -> Result<(), String> {
        let request = Request::post(PATH)
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, "application/json")
            .header("X-Okapi-Tenant", tenant)
            .body(Full::new(body.text.clone()))
            .unwrap();
        let answer = self.sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let text = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        let right = status == StatusCode::CREATED && (!receipts || is_of(&text, &body.keys));
        right.then_some(()).ok_or_else(|| format!("{status}: {}", String::from_utf8_lossy(&text)))
    }
}

async fn sender(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Whether there is a receipt for each key, in order.
fn is_of(answer: &[u8], keys: &[String]) -> bool {
    let mut rest = std::str::from_utf8(answer).unwrap_or_default();
    keys.iter().all(|key| {
        let found = rest.find("\"key\":\"").map(|at| &rest[at + 7..]);
        rest = found.unwrap_or_default();
        rest.starts_with(key.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn receipts_must_name_every_key_in_order() {
        let keys = ["a".to_owned(), "b".to_owned()];
        assert!(is_of(br#"[{"key":"a"},{"key":"b"}]"#, &keys));
        assert!(!is_of(br#"[{"key":"b"},{"key":"a"}]"#, &keys));
        assert!(!is_of(br#"[{"key":"a"}]"#, &keys));
    }
}
