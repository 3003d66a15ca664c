//! The state that all handlers share: the parts that they call, and each tenant's share of what is
//! limited.
//!
//! `server` makes it from the parts that `app` built; every handler uses it.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::cached::Cached;
use super::config::Config;
use super::document::Document;
use super::token;
use crate::access::Tokens;
use crate::access::permission::{GetMetrics, Named};
use crate::clock::Clock;
use crate::domain::follower::Follower;
use crate::domain::settings::Settings;
use crate::follow::erasure::submit::ErasureDeps;
use crate::follow::published::Published;
use crate::follow::replay::submit::SubmitDeps;
use crate::follow::tenant_jobs::TenantDeps;
use crate::health::Health;
use crate::intake::Intake;
use crate::metrics::{Metrics, StoreCounts};
use crate::quota::Quotas;
use crate::shares::Shares;
use crate::store::Store;
use crate::subscribe::Subscribe;
use crate::traces::Traces;

/// The paths that are open to anyone: probes of the gateway's health.
pub(super) const OPEN: [&str; 3] = ["/livez", "/readyz", "/admin/health"];
/// The path of the metrics, which may be open.
pub(super) const METRICS: &str = "/metrics";

/// The parts that the HTTP surface is built on.
#[derive(Clone)]
pub struct HttpDeps {
    /// The limits.
    pub config: Config,
    /// The check of callers' tokens; `None` if the perimeter has checked them.
    pub tokens: Option<Arc<Tokens>>,
    /// Each tenant's settings.
    pub settings: Arc<Settings>,
    /// The store, which is read and checked for health.
    pub store: Arc<dyn Store>,
    /// The way into the log.
    pub intake: Arc<Intake>,
    /// How much each tenant may post.
    pub quotas: Arc<Quotas>,
    /// The subscriptions.
    pub subscribe: Arc<Subscribe>,
    /// The published part of each log.
    pub published: Arc<Published>,
    /// The submissions of erasures.
    pub erasures: ErasureDeps,
    /// The requests of the tenant interface.
    pub tenants: TenantDeps,
    /// The submissions of replays.
    pub replays: SubmitDeps,
    /// The followers of the sinks, whose lag is told.
    pub followers: Vec<Follower>,
    /// The degraded components.
    pub health: Arc<Health>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The spans.
    pub traces: Arc<Traces>,
    /// The source of ids.
    pub clock: Arc<dyn Clock>,
    /// Cancelled when the gateway stops.
    pub closing: CancellationToken,
}

/// The result of the store's check, which probes share, since each check is a durable write. A
/// failure's reason is one of the gateway's own texts.
pub(super) type StoreCheck = Result<(), &'static str>;

/// The state that all handlers share.
pub(super) struct Gateway {
    pub(super) deps: HttpDeps,
    pub(super) document: Document,
    /// The memory of all bodies that are being read or wait for their commit.
    pub(super) bodies: Arc<Shares>,
    /// The bodies that are awaited: each holds a connection, however small it is.
    pub(super) arriving: Arc<Shares>,
    pub(super) waiters: Arc<Shares>,
    /// The reads of the log that are running or wait for their turn.
    pub(super) turns: Arc<Shares>,
    /// The polls and streams of subscriptions.
    pub(super) subscribers: Arc<Shares>,
    pub(super) reads: Semaphore,
    pub(super) store_check: Cached<StoreCheck>,
    pub(super) counts: Cached<Option<StoreCounts>>,
}

/// The state in the form in which handlers take it.
pub(super) type Shared = web::Data<Gateway>;

impl Gateway {
    /// Builds the state from the parts that `app` built.
    pub(super) fn new(deps: HttpDeps, document: Document) -> Self {
        let config = &deps.config;
        let bodies = Shares::new(config.bodies_bytes_max, config.tenant_bodies_bytes_max);
        let arriving = Shares::new(config.connections_max, config.connections_max);
        let waiters = Shares::new(config.waiters_max, config.tenant_waiters_max);
        let turns = Shares::new(config.turns_max, config.tenant_turns_max);
        let reads = Semaphore::new(config.reads_max);
        let subscribers = Shares::new(config.subscribers_max, config.tenant_subscribers_max);
        Self {
            deps,
            document,
            bodies,
            arriving,
            waiters,
            turns,
            subscribers,
            reads,
            store_check: Cached::default(),
            counts: Cached::default(),
        }
    }

    /// Returns whether the caller of a request to an open route may read the metrics.
    pub(super) async fn shows_metrics_to(&self, request: &HttpRequest) -> bool {
        let tokens = self.deps.tokens.as_deref();
        self.is_open(METRICS) || token::lets(tokens, request, &GetMetrics::PERMISSION).await
    }

    /// Returns whether a path is open to anyone.
    pub(super) fn is_open(&self, path: &str) -> bool {
        OPEN.contains(&path) || (path == METRICS && self.deps.config.metrics_open)
    }
}
