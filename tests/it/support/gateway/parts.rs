//! The parts that the HTTP server is built on, as `Setup` has them.

use std::sync::Arc;

use event_gateway::clock::{Clock, System};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::settings::{FoundFiles, Settings};
use event_gateway::follow::erasure::submit::ErasureDeps;
use event_gateway::follow::tenant_jobs::TenantDeps;
use event_gateway::intake::IntakeDeps;
use event_gateway::metrics::Metrics;
use event_gateway::store::Store;
use event_gateway::subscribe::{Subscribe, SubscribeDeps, SubscribeTasks};
use tokio_util::sync::CancellationToken;

pub fn intake_deps(
    store: &Arc<dyn Store>,
    settings: &Arc<Settings>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> IntakeDeps {
    let (settings, metrics) = (settings.clone(), metrics.clone());
    IntakeDeps { store: store.clone(), settings, clock: clock.clone(), metrics }
}

pub fn erasure_deps(
    store: &Arc<dyn Store>,
    settings: &Arc<Settings>,
    sinks: &[Follower],
) -> ErasureDeps {
    let (store, settings) = (store.clone(), settings.clone());
    ErasureDeps { store, settings, sinks: sinks.to_vec(), clock: Arc::new(System) }
}

pub fn tenant_deps(
    store: &Arc<dyn Store>,
    settings: &Arc<Settings>,
    sinks: &[Follower],
) -> TenantDeps {
    let (store, settings) = (store.clone(), settings.clone());
    TenantDeps::new(
        store,
        settings,
        Arc::new(FoundFiles::default),
        sinks.to_vec(),
        Arc::new(System),
    )
}

/// Starts what the readers of subscriptions need.
pub fn subscribing(
    store: &Arc<dyn Store>,
    settings: &Arc<Settings>,
    metrics: &Arc<Metrics>,
    closing: &CancellationToken,
) -> (Arc<Subscribe>, SubscribeTasks) {
    Subscribe::start(SubscribeDeps {
        store: store.clone(),
        settings: settings.clone(),
        metrics: metrics.clone(),
        lanes: 2,
        closing: closing.clone(),
    })
}
