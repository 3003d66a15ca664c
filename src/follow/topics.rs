//! The keeper of topics: every enabled tenant has its topics whenever Kafka is up.
//!
//! Fed by the store's tenants and the settings; feeds the broker, and tells `health` whether it
//! answers. What it does may be done again at any time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backoff, Parts};
use crate::broker::{self, Broker};

const PROBE_EVERY: Duration = Duration::from_secs(2);
const WHO: &str = "kafka";

/// Probes the broker until `stop`; each time that it comes up, and when tenants have come, creates
/// what topics are missing.
pub(super) async fn run(parts: Parts, broker: Arc<dyn Broker>, stop: CancellationToken) {
    let mut ensured = 0;
    while !stop.is_cancelled() {
        match keep(&parts, &broker, ensured).await {
            Ok(tenants) => {
                ensured = tenants;
                parts.health.well(WHO);
            }
            Err(error) => {
                ensured = 0;
                tracing::warn!(%error, "failed to keep the tenants' topics");
                parts.health.trouble(WHO, error);
            }
        }
        Backoff::new(PROBE_EVERY, PROBE_EVERY).sleep(&stop).await;
    }
}

/// Returns how many tenants have their topics; `ensured` is what it returned the last time.
async fn keep(parts: &Parts, broker: &Arc<dyn Broker>, ensured: usize) -> Result<usize, broker::Error> {
    broker.check().await?;
    let tenants = parts.store.list().await.map_err(|e| broker::Error::Retry(e.to_string()))?;
    if tenants.len() != ensured {
        let specs: Vec<_> = tenants.iter().flat_map(|t| parts.settings.specs(&t.tenant)).collect();
        broker.ensure(&specs).await?;
    }
    Ok(tenants.len())
}
