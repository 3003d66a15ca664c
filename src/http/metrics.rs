//! `GET /metrics`: all metrics, for Prometheus. The request needs no tenant, and the answer names
//! none unless an operator wants some named.
//!
//! It reads the store's counts and check, which concurrent scrapes share, and the counters of the
//! process.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use serde_json::json;
use tokio::time::timeout;

use super::allowed::AllowedForAll;
use super::gateway::{Gateway, Shared};
use super::health;
use super::operation::{Described, Operation};
use crate::access::permission::GetMetrics;
use crate::metrics::{GroupLag, MEDIA_TYPE, Scrape, StoreCounts, TenantPositions};
use crate::store::{DeadCount, Error, FoundSubscription, Lag};

/// The longest time that the store's count may take.
const COUNTS_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for which a count is reused.
const COUNTS_EVERY: Duration = Duration::from_secs(1);

impl Described for GetMetrics {
    fn describe() -> Operation {
        let text = json!({ "type": "string" });
        Operation::new(
            "All metrics, for Prometheus. They name at most `METRICS_TENANTS_MAX` tenants: none by \
             default.",
        )
        .answer_of(200, "The metrics in OpenMetrics' text form.", &[(MEDIA_TYPE, text)])
    }
}

/// Answers with all metrics.
pub(super) async fn all(_: AllowedForAll<GetMetrics>, gateway: Shared) -> HttpResponse {
    let counts = gateway.counts.ask(COUNTS_EVERY, count_in_time(&gateway)).await;
    let troubles = health::troubles(&gateway).await;
    let scrape = Scrape {
        counts,
        takes_changes: troubles.is_ok(),
        has_relay: gateway.deps.published.has_relay(),
        troubles: troubles.unwrap_or_else(|of_store| of_store).len(),
    };
    HttpResponse::Ok().content_type(MEDIA_TYPE).body(gateway.deps.metrics.scraped(&scrape))
}

/// Asks the store for its counts; `None` if they don't come in time.
async fn count_in_time(gateway: &Gateway) -> Option<StoreCounts> {
    timeout(COUNTS_TIMEOUT, count(gateway)).await.ok().and_then(Result::ok)
}

async fn count(gateway: &Gateway) -> Result<StoreCounts, Error> {
    let store = &gateway.deps.store;
    let (events, mut lags) = (store.event_counts().await?, Vec::new());
    for follower in &gateway.deps.followers {
        lags.push((follower.clone(), store.lag(follower).await?));
    }
    let groups = store.list_subscriptions(None).await?.into_iter();
    let dead = store.count_dead_letters(None).await?.into_iter();
    let dead: BTreeMap<_, _> = dead.map(|it| ((it.tenant.clone(), it.group.clone()), it)).collect();
    let groups = groups.map(|(found, lag)| {
        let dead = dead.get(&(found.tenant.clone(), found.group.clone()));
        group_lag(found, lag, dead)
    });
    let groups = groups.collect();
    let tenants = positions(gateway).await?;
    // A right that the user of the database lacks must not hide the rest.
    let disk_bytes = store.disk_bytes().await.ok();
    Ok(StoreCounts { events, disk_bytes, lags, groups, tenants })
}

/// Asks the store for the ends of the logs of the tenants that the metrics name.
async fn positions(gateway: &Gateway) -> Result<Vec<TenantPositions>, Error> {
    let (store, mut floors) = (&gateway.deps.store, BTreeMap::new());
    // The heads are read last, so that no floor is above its head.
    for tenant in gateway.deps.metrics.named_tenants() {
        let floor = store.floors(&tenant).await?.highest();
        floors.insert(tenant, floor);
    }
    if floors.is_empty() {
        return Ok(Vec::new());
    }
    let logs = store.list().await?.into_iter();
    let named = logs.filter_map(|log| {
        let floor = floors.remove(&log.tenant)?;
        Some(TenantPositions { tenant: log.tenant, head: log.head, floor })
    });
    Ok(named.collect())
}

fn group_lag(found: FoundSubscription, lag: Lag, dead: Option<&DeadCount>) -> GroupLag {
    let since = |count: &DeadCount| found.now.as_ms().saturating_sub(count.oldest.as_ms());
    let dead_ms = dead.map_or(0, since);
    GroupLag {
        is_read: found.subscription.holder(found.now).is_some(),
        is_halted: found.subscription.halt.is_some(),
        lag,
        dead: dead.map_or(0, |count| count.count),
        dead_for: Duration::from_millis(u64::try_from(dead_ms).unwrap_or_default()),
        group: found.group,
    }
}
