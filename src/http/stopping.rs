//! Answers the requests that are open when the gateway stops, and would take too long: with a 503,
//! before their connections are cut.
//!
//! `routes` wraps every handler in it.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::gateway::Shared;
use super::problem::Problem;

/// Runs one request; when the gateway stops, at most for three quarters of the time after which
/// connections are cut. A change that is queued by then is appended all the same.
pub(super) async fn answer_in_time(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gateway = request.app_data::<Shared>().expect("the app is built with it").clone();
    let http = request.request().clone();
    tokio::select! {
        biased;
        answer = next.call(request) => answer,
        () = over(&gateway.deps.closing, gateway.deps.config.shutdown_timeout) => {
            Ok(ServiceResponse::from_err(Problem::Stopping, http))
        }
    }
}

async fn over(closing: &CancellationToken, shutdown_timeout: Duration) {
    closing.cancelled().await;
    sleep(shutdown_timeout * 3 / 4).await;
}
