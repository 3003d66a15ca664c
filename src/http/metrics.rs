//! `GET /metrics`: what there is to watch, for Prometheus; no tenant is asked for, and none is named.
//!
//! Fed by the store's tally, which a few scrapes share, and by what `follow` counts.

use std::time::Duration;

use actix_web::HttpResponse;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::{Gateway, Shared};
use crate::metrics::MEDIA_TYPE;
use crate::store::Tally;

/// How long the store may count.
const TALLY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what it counted holds.
const TALLY_EVERY: Duration = Duration::from_secs(1);

/// What the store counted last, and when.
#[derive(Default)]
pub(super) struct Last(Mutex<Option<(Instant, Option<Tally>)>>);

impl Last {
    async fn tally(&self, gateway: &Gateway) -> Option<Tally> {
        let mut last = self.0.lock().await;
        if let Some((_, tally)) = last.filter(|(at, _)| at.elapsed() < TALLY_EVERY) {
            return tally;
        }
        let tally = timeout(TALLY_TIMEOUT, gateway.parts.store.tally()).await.ok().and_then(Result::ok);
        *last = Some((Instant::now(), tally));
        tally
    }
}

/// All metrics.
pub(super) async fn all(gateway: Shared) -> HttpResponse {
    let tally = gateway.tally.tally(&gateway).await;
    let metrics = &gateway.parts.metrics;
    metrics.troubled(gateway.parts.health.troubles().len());
    metrics.counted(tally.as_ref());
    if let Some(tally) = tally.filter(|_| gateway.parts.published.has_relay()) {
        metrics.relayed(&tally);
    }
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(metrics.text())
}
