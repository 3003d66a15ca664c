//! Closes the gateway: no request is routed before its caller is authenticated, except to the
//! routes that are open.
//!
//! `server` puts it in front of all routes, so that a path that nobody serves is closed, too.
//! `allowed` takes the caller that it leaves.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::gateway::Shared;
use super::token;

/// Runs one request, if its caller is known or the route is open.
pub(super) async fn authenticate(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let gateway = request.app_data::<Shared>().expect("the app is built with it").clone();
    if gateway.is_open(request.path()) {
        return next.call(request).await;
    }
    match token::caller(gateway.deps.tokens.as_deref(), request.request()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await
        }
        Err(problem) => Ok(request.error_response(problem)),
    }
}
