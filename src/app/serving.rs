//! The count of the replicas that serve requests, by which the quotas are divided.
//!
//! While any tenant has a quota, a replica registers in the store that it serves, and counts those
//! that do. While the store does not answer, the last count holds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::http::HttpDeps;
use crate::metrics::Metrics;
use crate::quota::Quotas;
use crate::store::{self, Store};

/// The interval of the counts: a change of the replicas is noticed within twice that time.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// The longest time that a count may take.
const COUNT_WITHIN: Duration = Duration::from_secs(2);
/// The time for which a replica without a sign of life counts.
const COUNTS_FOR: Duration = Duration::from_secs(5);

/// The count of the replicas.
pub(super) struct Serving {
    store: Arc<dyn Store>,
    quotas: Arc<Quotas>,
    metrics: Arc<Metrics>,
    instance: String,
}

impl Serving {
    /// Makes the count of a run of this replica.
    pub(super) fn new(http: &HttpDeps, instance: &str) -> Self {
        let HttpDeps { store, quotas, metrics, .. } = http;
        Self {
            store: store.clone(),
            quotas: quotas.clone(),
            metrics: metrics.clone(),
            instance: instance.to_owned(),
        }
    }

    /// Counts until the gateway stops, and leaves.
    pub(super) async fn run(self, closing: CancellationToken) {
        let mut is_registered = false;
        loop {
            if self.quotas.limits_any() {
                is_registered = true;
                match timeout(COUNT_WITHIN, self.count()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "failed to count the replicas"),
                    Err(_) => tracing::debug!("failed to count the replicas in time"),
                }
            }
            if closing.run_until_cancelled(sleep(COUNT_EVERY)).await.is_none() {
                break;
            }
        }
        if is_registered && let Err(error) = self.store.leave(&self.instance).await {
            tracing::debug!(%error, "failed to leave; the others will notice that the replica is \
                                     gone");
        }
    }

    async fn count(&self) -> Result<(), store::Error> {
        self.store.serve(&self.instance, COUNTS_FOR).await?;
        let serving = self.store.members().await?.serving;
        self.quotas.share_among(serving as u64);
        self.metrics.quotas_shared(serving);
        Ok(())
    }
}
