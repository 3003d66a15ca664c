//! Counts each answered request and its duration, ends its span, and logs each refusal at `debug`.
//!
//! `middleware` calls it. The number of labels is bounded: all targets that are no route share one.
//! A log line never contains a body or a token. In tests, an answer that the document of the API
//! lacks, or a header of one, is a panic.

use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::HeaderName;
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpMessage};

use super::context::REQUEST_ID;
use super::gateway::{Gateway, Shared};
use super::header;
use super::problem::Problem;
use super::routes::PATHS;
use super::spans;
use crate::domain::tenant::TenantId;
use crate::metrics::Request;

/// The label of a target that is no route.
const NO_ROUTE: &str = "none";

/// Counts the answer, and logs a refusal.
pub(super) fn observe(response: &ServiceResponse, took: Duration) {
    let request = response.request();
    let Some(gateway) = request.app_data::<Shared>() else { return };
    let problem = response.response().error().and_then(Error::as_error::<Problem>);
    let answered = Request {
        route: route(response),
        method: method(request.method()),
        status: response.status().as_u16(),
        problem: problem.map(|problem| problem.code()),
        took,
    };
    gateway.deps.metrics.answered(&answered);
    spans::end(response, &answered);
    debug_assert!(
        answered.route == NO_ROUTE
            || gateway.document.has(
                (answered.method, answered.route),
                answered.status,
                answered.problem
            ),
        "{} {} answered {} {:?}, which the document of the API lacks",
        answered.method,
        answered.route,
        answered.status,
        answered.problem
    );
    debug_assert_eq!(
        undocumented(response, gateway, &answered),
        None,
        "{} {} answered {} with a header that the document of the API lacks",
        answered.method,
        answered.route,
        answered.status
    );
    if let Some(problem) = problem {
        log_refusal(response, &answered, problem);
        if problem.kind().status() == StatusCode::INTERNAL_SERVER_ERROR {
            // The gateway or the store is at fault. `telemetry` logs it once, and counts
            // repetitions.
            tracing::warn!(problem = problem.code(), why = problem.cause(), "failed to answer");
        }
    }
}

/// Returns a header of the answer that the document of the API lacks.
fn undocumented<'a>(
    response: &'a ServiceResponse,
    gateway: &Gateway,
    answered: &Request,
) -> Option<&'a str> {
    let names = response.headers().keys().map(HeaderName::as_str);
    gateway.document.lacks((answered.method, answered.route), answered.status, names)
}

fn route(response: &ServiceResponse) -> &'static str {
    let pattern = response.request().match_pattern();
    let known = |pattern: String| PATHS.iter().copied().find(|path| *path == pattern);
    pattern.and_then(known).unwrap_or(NO_ROUTE)
}

fn method(method: &Method) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE"]
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}

fn log_refusal(response: &ServiceResponse, answered: &Request, problem: &Problem) {
    let extensions = response.request().extensions();
    let tenant = extensions.get::<TenantId>().map_or("", TenantId::as_str);
    let request_id = header::traced(response.request(), REQUEST_ID).unwrap_or_default();
    let (status, route, code) = (answered.status, answered.route, problem.code());
    let why = problem.cause();
    tracing::debug!(status, problem = code, tenant, route, request_id, why, "refused a request");
}
