//! `GET /metrics`: what there is to watch, for Prometheus; no tenant is asked for, and none is
//! named.
//!
//! Fed by the store's event counts and check, which a few scrapes share, and by what `follow`
//! counts.

use std::time::Duration;

use actix_web::HttpResponse;
use tokio::time::timeout;

use super::gateway::{Gateway, Shared};
use super::health;
use crate::metrics::MEDIA_TYPE;
use crate::store::EventCounts;

/// How long the store may count.
const COUNTS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what it counted holds.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

/// All metrics.
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

/// What the store counts, if it does in time.
async fn event_counts(gateway: &Gateway) -> Option<EventCounts> {
    timeout(COUNTS_TIMEOUT, gateway.deps.store.event_counts()).await.ok().and_then(Result::ok)
}
