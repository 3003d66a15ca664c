//! What all handlers share: the rooms behind them, and how much of each may be taken at once.
//!
//! Made by `server` of what `app` has built; asked by every handler.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::Semaphore;

use super::cached::Cached;
use super::config::Config;
use crate::clock::Clock;
use crate::domain::settings::Settings;
use crate::follow::published::Published;
use crate::health::Health;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::shares::Shares;
use crate::store::{EventCounts, Store};

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

/// What the store says of itself, in words of ours alone; probes share it, since each check is a
/// durable write.
pub(super) type StoreCheck = Result<(), &'static str>;

/// What all handlers share.
pub(super) struct Gateway {
    pub(super) deps: HttpDeps,
    /// The bytes of all bodies that are being read or wait for their commit: what is set aside for
    /// them, so that a slow client holds 64 KiB, or twice what it has sent.
    pub(super) bodies: Arc<Shares>,
    pub(super) waiters: Arc<Shares>,
    pub(super) readers: Arc<Shares>,
    pub(super) reads: Semaphore,
    pub(super) store_check: Cached<StoreCheck>,
    pub(super) event_counts: Cached<Option<EventCounts>>,
}

/// Handlers' view of it.
pub(super) type Shared = web::Data<Gateway>;

impl Gateway {
    /// From what `app` has built.
    pub(super) fn new(deps: HttpDeps) -> Self {
        let config = &deps.config;
        let bodies = Shares::new(config.bodies_bytes_max, config.tenant_bodies_bytes_max);
        let waiters = Shares::new(config.waiters_max, config.tenant_waiters_max);
        let readers = Shares::new(config.readers_max, config.tenant_readers_max);
        let reads = Semaphore::new(config.reads_max);
        Self {
            deps,
            bodies,
            waiters,
            readers,
            reads,
            store_check: Cached::default(),
            event_counts: Cached::default(),
        }
    }
}
