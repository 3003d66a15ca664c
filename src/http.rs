//! In: the HTTP surface, whose every route stands in `routes` below.
//!
//! Fed by modules, tenant admins and probes; feeds `intake` with drafts, and reads what the store
//! and `follow` know. Every answer of a handler that isn't a success is a `problem`; every body is
//! bounded in bytes, in time and together with all others; whose log is touched is in the type of
//! each handler that touches one.

mod batch;
mod body;
mod body_guard;
mod cached;
mod connections;
mod context;
mod delete_all;
mod domain_events;
mod event;
mod gate;
mod header;
mod health;
mod log;
mod media_type;
mod metrics;
mod observe;
mod parked;
mod path;
mod percent;
mod prefer;
mod problem;
mod process_events;
mod query;
mod server;
mod submit;
mod token;

use std::sync::Arc;
use std::time::Duration;

use actix_web::guard::{Any, Get, Head};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};
use tokio::sync::Semaphore;

use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::follow::published::Published;
use crate::health::Health;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::shares::Shares;
use crate::store::{Store, Tally};

use cached::Cached;
use problem::Problem;

pub use server::server;
pub use token::Auth;

/// Limits of the way in, and who may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How callers are told.
    pub auth: Auth,
    /// A request's body, in bytes.
    pub body_bytes_max: usize,
    /// All bodies that are being read or wait for their commit, in bytes.
    pub bodies_bytes_max: usize,
    /// Those of one tenant.
    pub tenant_bodies_bytes_max: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long a client may take none of its answer.
    pub answer_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// Changes in one request.
    pub batch_changes_max: usize,
    /// A sealed record, in bytes: Kafka's `MAX_REQUEST_SIZE`.
    pub record_bytes_max: usize,
    /// Reads of the log at once: the store's other readers are for those who follow it.
    pub reads_max: usize,
    /// Reads that are under way or wait for their turn.
    pub readers_max: usize,
    /// Those of one tenant.
    pub tenant_readers_max: usize,
    /// Connections at once; a few more come in to ask how the gateway is.
    pub connections_max: usize,
    /// Requests at once that wait for their events to be published; who comes then is answered at
    /// once.
    pub waiters_max: usize,
    /// Those of one tenant.
    pub tenant_waiters_max: usize,
    /// How long open requests may take once it stops.
    pub shutdown_timeout: Duration,
}

/// What the routes are made of.
#[derive(Clone)]
pub struct HttpDeps {
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
    deps: HttpDeps,
    /// The bytes of all bodies that are being read or wait for their commit: what is set aside for
    /// them, so that a slow client holds 64 KiB, or twice what it has sent.
    bodies: Arc<Shares>,
    waiters: Arc<Shares>,
    readers: Arc<Shares>,
    reads: Semaphore,
    store_check: Cached<health::StoreCheck>,
    tally: Cached<Option<Tally>>,
}

/// Handlers' view of it.
type Shared = web::Data<Gateway>;

/// The whole surface, for what is counted; `routes` says the same with its handlers.
const ROUTES: [&str; 12] = [
    "/domain-events/{producer}/{entity}",
    "/domain-events/{producer}/{entity}/delete-all",
    "/process-events/{producer}/{event}",
    "/domain-events",
    "/domain-events/{eventId}",
    "/parked",
    "/parked/{id}/release",
    "/parked/{id}/discard",
    "/livez",
    "/admin/health",
    "/readyz",
    "/metrics",
];

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
