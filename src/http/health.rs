//! `/livez`, `/admin/health` and `/readyz`: how it is, for probes; no tenant is asked for.
//!
//! Fed by the store's check and by what `follow` says of itself. Kafka down is degraded, and ready;
//! store down is not ready.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::Serialize;
use tokio::time::timeout;

use super::gateway::{Gateway, Shared, StoreCheck};
use crate::store::Error;

/// How long the store may think about how it is.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long its answer holds.
const CHECK_EVERY: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct State {
    status: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    troubles: Troubles,
}

/// What is wrong, by who says so.
type Troubles = BTreeMap<String, String>;

/// It runs.
pub(super) async fn up() -> HttpResponse {
    HttpResponse::Ok().json(State { status: "UP", troubles: BTreeMap::new() })
}

/// Whether it takes changes.
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

/// Returns all that is wrong; an error, if the store takes no changes, which is then named alone.
pub(super) async fn troubles(gateway: &Gateway) -> Result<Troubles, Troubles> {
    match gateway.store_check.ask(CHECK_EVERY, check(gateway)).await {
        Ok(()) => Ok(gateway.deps.health.troubles()),
        Err(why) => {
            let why = format!("{} {why}", gateway.deps.store.name());
            Err(BTreeMap::from([("store".to_owned(), why)]))
        }
    }
}

/// Why the store takes no changes, in words of ours alone.
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
