//! `GET /metrics`: all metrics, for Prometheus. The request needs no tenant, and the answer names
//! none.
//!
//! It reads the store's event counts and check, which concurrent scrapes share, and the counters of
//! the process.

use std::time::Duration;

use actix_web::HttpResponse;
use tokio::time::timeout;

use super::gateway::{Gateway, Shared};
use super::health;
use crate::metrics::MEDIA_TYPE;
use crate::store::EventCounts;

/// The longest time that the store's count may take.
const COUNTS_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for which a count is reused.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// Answers with all metrics.
pub(super) async fn all(gateway: Shared) -> HttpResponse {
    let event_counts = gateway.event_counts.ask(COUNTS_EVERY, event_counts(&gateway)).await;
    let metrics = &gateway.deps.metrics;
    metrics.counted(event_counts.as_ref());
    let troubles = health::troubles(&gateway).await;
    if troubles.is_err() {
        metrics.store_down();
    }
    metrics.troubled(troubles.unwrap_or_else(|of_store| of_store).len());
    if let Some(event_counts) = event_counts.filter(|_| gateway.deps.published.has_relay()) {
        metrics.relayed(&event_counts);
    }
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(metrics.text())
}

/// Asks the store for its event counts; `None` if they don't come in time.
async fn event_counts(gateway: &Gateway) -> Option<EventCounts> {
    timeout(COUNTS_TIMEOUT, gateway.deps.store.event_counts()).await.ok().and_then(Result::ok)
}
