//! The count of the replicas that serve requests, by which the quotas are divided.
//!
//! While any tenant has a quota, a replica registers in the store that it serves, and counts those
//! that do. While the store does not answer, the last count holds; and until all have had the time
//! to register again, a count that is lower does not.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
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
    count: Count,
}

/// The count that holds.
#[derive(Debug, Default)]
struct Count {
    replicas: usize,
    /// The time since when this replica has counted without a failure.
    since: Option<Instant>,
}

impl Count {
    /// Returns the count that holds, after so many replicas were found. While the store was away,
    /// the rows of all may have expired: the first ones that are back find nobody else yet.
    fn found(&mut self, serving: usize, now: Instant) -> usize {
        let is_settled = now - *self.since.get_or_insert(now) >= COUNTS_FOR;
        self.replicas = if is_settled { serving } else { serving.max(self.replicas) };
        self.replicas
    }

    /// Notes that the replicas could not be counted.
    fn failed(&mut self) {
        self.since = None;
    }
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
            count: Count::default(),
        }
    }

    /// Counts until the gateway stops, and leaves.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let mut is_registered = false;
        loop {
            if self.quotas.limits_any() {
                is_registered = true;
                match timeout(COUNT_WITHIN, self.serving()).await {
                    Ok(Ok(serving)) => {
                        let replicas = self.count.found(serving, Instant::now());
                        self.quotas.divide_among(replicas as u64);
                        self.metrics.quotas_shared(replicas);
                    }
                    failed => {
                        self.count.failed();
                        match failed {
                            Ok(Err(error)) => {
                                tracing::debug!(%error, "failed to count the replicas");
                            }
                            _ => tracing::debug!("failed to count the replicas in time"),
                        }
                    }
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

    /// Registers, and returns the number of replicas that are registered.
    async fn serving(&self) -> Result<usize, store::Error> {
        self.store.serve(&self.instance, COUNTS_FOR).await?;
        Ok(self.store.members().await?.serving)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{COUNTS_FOR, Count};

    #[test]
    fn whoever_is_back_first_after_an_outage_does_not_count_alone() {
        let (begin, mut count) = (Instant::now(), Count::default());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(count.found(1, at(0)), 1);
        assert_eq!(count.found(3, at(1)), 3, "more are believed at once");
        assert_eq!(count.found(2, at(2)), 3);
        let settled = at(COUNTS_FOR.as_secs());
        assert_eq!(count.found(3, settled), 3);
        assert_eq!(count.found(2, settled), 2, "one has left");
        assert_eq!(count.found(3, settled), 3);
        count.failed();
        for seconds in 60..60 + COUNTS_FOR.as_secs() {
            assert_eq!(count.found(1, at(seconds)), 3, "{seconds}");
        }
        assert_eq!(count.found(1, at(60) + COUNTS_FOR), 1);
    }
}
