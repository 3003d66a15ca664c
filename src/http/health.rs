//! `/livez`, `/admin/health` and `/readyz`: the gateway's health, for probes. No tenant is needed.
//!
//! It reads the store's check and `health`. While Kafka is down the gateway is degraded but ready;
//! while the store is down it is not ready.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::Serialize;
use tokio::time::timeout;

use super::gateway::{Gateway, Shared, StoreCheck};
use crate::store::Error;

/// The longest time that the store's check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for which the result of a check is reused.
const CHECK_EVERY: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct State {
    status: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    troubles: Troubles,
}

/// Each degraded component, and why.
type Troubles = BTreeMap<String, String>;

/// Answers that the process runs.
pub(super) async fn up() -> HttpResponse {
    HttpResponse::Ok().json(State { status: "UP", troubles: BTreeMap::new() })
}

/// Answers whether the gateway takes changes.
pub(super) async fn ready(gateway: Shared) -> HttpResponse {
    match troubles(&gateway).await {
        Err(troubles) => {
            HttpResponse::ServiceUnavailable().json(State { status: "DOWN", troubles })
        }
        Ok(troubles) => {
            let status = if troubles.is_empty() { "ready" } else { "degraded" };
            HttpResponse::Ok().json(State { status, troubles })
        }
    }
}

/// Returns all degraded components. If the store takes no changes, returns an error that names the
/// store alone.
pub(super) async fn troubles(gateway: &Gateway) -> Result<Troubles, Troubles> {
    match gateway.store_check.ask(CHECK_EVERY, check(gateway)).await {
        Ok(()) => Ok(gateway.deps.health.troubles()),
        Err(why) => {
            let why = format!("{} {why}", gateway.deps.store.name());
            Err(BTreeMap::from([("store".to_owned(), why)]))
        }
    }
}

/// Asks the store whether it takes changes. A failure's reason is one of the gateway's own texts,
/// never the store's.
async fn check(gateway: &Gateway) -> StoreCheck {
    match timeout(CHECK_TIMEOUT, gateway.deps.store.check()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Error::Unavailable(_) | Error::Unknown(_))) => Err("is unavailable"),
        Ok(Err(Error::Refused(_))) => Err("is refused"),
        Ok(Err(Error::Corrupt(_))) => Err("is unreadable"),
        Ok(Err(Error::Gone(_))) => {
            Err("is not where it was opened: its files were moved, replaced or cut")
        }
        Err(_) => Err("did not answer in time"),
    }
}
