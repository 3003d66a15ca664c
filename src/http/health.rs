//! `/livez`, `/admin/health` and `/readyz`: the gateway's health, for probes. No tenant is needed.
//!
//! It reads the store's check and `health`. While Kafka is down the gateway is degraded but ready;
//! while the store is down it is not ready. Where callers need tokens, `/readyz` names what is
//! degraded only to who may read the metrics, since the names are those of tenants and topics.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::allowed::Anyone;
use super::gateway::{Gateway, Shared, StoreCheck};
use super::operation::{Described, Operation};
use crate::store::Error;

/// The longest time that the store's check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// The time for which the result of a check is reused.
const CHECK_EVERY: Duration = Duration::from_millis(500);

#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct State {
    /// `UP`; or `ready`, `degraded` or `DOWN`.
    status: &'static str,
    /// Each degraded component, and why. With `AUTH_MODE` `okapi` or `keycloak` only who may read
    /// the metrics is told them, apart from the store.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    troubles: Troubles,
}

/// The probe whether the process runs.
pub(super) struct Live;
/// The same under the path that FOLIO's modules have.
pub(super) struct Up;
/// The probe whether the gateway takes changes.
pub(super) struct Ready;

impl Described for Live {
    fn describe() -> Operation {
        let about = "The process runs, whatever else is degraded.";
        Operation::new(about).titled("Probe the process").answer::<State>(200, "It runs.")
    }
}

impl Described for Up {
    fn describe() -> Operation {
        let about = "The same as `/livez`, where FOLIO's modules have it.";
        Operation::new(about).titled("Probe the process").answer::<State>(200, "It runs.")
    }
}

impl Described for Ready {
    fn describe() -> Operation {
        Operation::new("A gateway that is degraded takes changes all the same.")
            .titled("Probe the readiness")
            .answer::<State>(200, "It takes changes.")
            .answer::<State>(503, "The store takes no changes, or too many connections are open.")
    }
}

/// Each degraded component, and why.
type Troubles = BTreeMap<String, String>;

/// Answers that the process runs.
pub(super) async fn live(_: Anyone<Live>) -> HttpResponse {
    runs()
}

/// Answers that the process runs.
pub(super) async fn up(_: Anyone<Up>) -> HttpResponse {
    runs()
}

fn runs() -> HttpResponse {
    HttpResponse::Ok().json(State { status: "UP", troubles: BTreeMap::new() })
}

/// Answers whether the gateway takes changes.
pub(super) async fn ready(_: Anyone<Ready>, request: HttpRequest) -> HttpResponse {
    let gateway = request.app_data::<Shared>().expect("the app is built with it");
    match troubles(gateway).await {
        Err(troubles) => {
            HttpResponse::ServiceUnavailable().json(State { status: "DOWN", troubles })
        }
        Ok(mut troubles) => {
            let status = if troubles.is_empty() { "ready" } else { "degraded" };
            if !troubles.is_empty() && !gateway.shows_metrics_to(&request).await {
                troubles.clear();
            }
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
