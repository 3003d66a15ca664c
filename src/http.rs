//! In: the HTTP surface, whose every route stands in `routes` below.
//!
//! Fed by modules, tenant admins and probes; feeds `intake` with drafts, and reads what the store
//! and `follow` know. Every answer of a handler that isn't a success is a `problem`; every body is
//! bounded in bytes, in time and together with all others; whose log is touched is in the type of
//! each handler that touches one.

mod batch;
mod body;
mod boundary;
mod budget;
mod context;
mod delete_all;
mod domain_events;
mod event;
mod header;
mod health;
mod last;
mod log;
mod media_type;
mod metrics;
mod parked;
mod path;
mod percent;
mod prefer;
mod problem;
mod process_events;
mod query;
mod receipts;
mod token;

use std::net::TcpListener;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::guard::{Any, Get, Head};
use actix_web::{App, FromRequest, Handler, HttpResponse, HttpServer, Resource, Responder, middleware, web};

use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::follow::health::Health;
use crate::follow::published::Published;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::store::{Store, Tally};

use budget::Budget;
use last::Last;
use problem::Problem;

pub use token::Auth;

/// How long a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Limits of the way in, and who may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How callers are told.
    pub auth: Auth,
    /// A request's body, in bytes.
    pub body_bytes_max: usize,
    /// All bodies that are being read or wait for their commit, in bytes.
    pub bodies_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Changes in one request.
    pub batch_changes_max: usize,
    /// A sealed record, in bytes: Kafka's `MAX_REQUEST_SIZE`.
    pub record_bytes_max: usize,
    /// Reads of the log at once: the store's other readers are for those who follow it.
    pub reads_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// How long open requests may take once it stops.
    pub shutdown_timeout: Duration,
}

/// What the routes are made of.
#[derive(Clone)]
pub struct Parts {
    /// Limits, and who may come.
    pub config: Config,
    /// What each tenant is set to.
    pub settings: Arc<Settings>,
    /// Read from, and asked how it is.
    pub store: Arc<dyn Store>,
    /// The way into the log.
    pub intake: Arc<Intake>,
    /// Tells what is published.
    pub published: Arc<Published>,
    /// How the ways out are.
    pub health: Arc<Health>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Makes ids.
    pub clock: Arc<dyn Clock>,
}

/// What all handlers share.
struct Gateway {
    parts: Parts,
    bodies: Arc<Budget>,
    reads: Semaphore,
    said: Last<health::Said>,
    tally: Last<Option<Tally>>,
}

/// Handlers' view of it.
type Shared = web::Data<Gateway>;

/// The server on that listener; it runs when it is awaited, and stops by its handle alone.
pub fn server(parts: Parts, listener: TcpListener) -> std::io::Result<Server> {
    let Config { connections_max, bodies_bytes_max, reads_max, shutdown_timeout, .. } = parts.config;
    let workers = std::thread::available_parallelism().map_or(2, NonZero::get);
    let bodies = Arc::new(Budget::new(bodies_bytes_max));
    let (said, tally) = (Last::default(), Last::default());
    let reads = Semaphore::new(reads_max);
    let gateway = Shared::new(Gateway { parts, bodies, reads, said, tally });
    let app = move || {
        App::new().app_data(gateway.clone()).wrap(middleware::from_fn(boundary::around)).configure(routes)
    };
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(connections_max.div_ceil(workers))
        .client_request_timeout(HEAD_TIMEOUT)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(shutdown_timeout.as_secs().max(1))
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

/// The whole surface.
fn routes(app: &mut web::ServiceConfig) {
    app.service(post("/domain-events/{producer}/{entity}", domain_events::post))
        .service(post("/domain-events/{producer}/{entity}/delete-all", delete_all::post))
        .service(post("/process-events/{producer}/{event}", process_events::post))
        .service(read("/domain-events", log::page))
        .service(read("/domain-events/{eventId}", log::one))
        .service(read("/parked", parked::all))
        .service(post("/parked/{id}/release", parked::release))
        .service(post("/parked/{id}/discard", parked::discard))
        .service(read("/livez", health::up))
        .service(read("/admin/health", health::up))
        .service(read("/readyz", health::ready))
        .service(read("/metrics", metrics::all))
        .default_service(web::to(no_route));
}

fn post<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "POST" }) };
    web::resource(path).route(web::post().to(handler)).default_service(web::to(other))
}

fn read<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let other = || async { refused(Problem::MethodNotAllowed { allow: "GET, HEAD" }) };
    let route = web::route().guard(Any(Get()).or(Head())).to(handler);
    web::resource(path).route(route).default_service(web::to(other))
}

async fn no_route() -> Result<HttpResponse, Problem> {
    refused(Problem::NotFound)
}

fn refused(problem: Problem) -> Result<HttpResponse, Problem> {
    Err(problem)
}
