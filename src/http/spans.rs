//! The span of each request, as `traces` makes it: begun before its route is known, ended with its
//! answer.
//!
//! `middleware` begins it and `observe` ends it; `context` gives it to the request's events. Probes
//! and scrapes have none: they come by the minute, and belong to no trace.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest};

use super::gateway::Shared;
use crate::domain::tenant::TenantId;
use crate::domain::trace_parent::{TRACE_PARENT, TraceParent};
use crate::metrics::Request;
use crate::traces::RequestSpan;

/// The paths whose requests have no span.
const UNTRACED: [&str; 4] = ["/livez", "/readyz", "/admin/health", "/metrics"];

/// Begins the span of a request.
pub(super) fn begin(request: &ServiceRequest) {
    let Some(gateway) = request.app_data::<Shared>() else { return };
    if !gateway.deps.traces.is_on() || UNTRACED.contains(&request.path()) {
        return;
    }
    let parent = of_caller(request.headers());
    let span = gateway.deps.traces.request(request.method().as_str(), parent.as_ref());
    if let Some(span) = span {
        request.extensions_mut().insert(span);
    }
}

/// Returns the `traceparent` of the request's events: the request's own span, or else the caller's.
pub(super) fn trace_parent(request: &HttpRequest) -> Option<TraceParent> {
    let own = request.extensions().get().map(RequestSpan::trace_parent);
    own.or_else(|| of_caller(request.headers()))
}

/// Ends the span of a request with its answer.
pub(super) fn end(response: &ServiceResponse, answered: &Request) {
    let request = response.request();
    let Some(span) = request.extensions_mut().remove::<RequestSpan>() else { return };
    let extensions = request.extensions();
    let tenant = extensions.get::<TenantId>().map(TenantId::as_str);
    span.answered(answered, request.path(), tenant);
}

/// Returns the caller's `traceparent`. One that is malformed or given twice is ignored, as W3C's
/// rules demand.
fn of_caller(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACE_PARENT).filter(|value| !value.is_empty());
    let (first, second) = (values.next()?, values.next());
    let text = first.to_str().ok().filter(|_| second.is_none());
    let parent = text.and_then(TraceParent::parse);
    if parent.is_none() {
        tracing::debug!("left out a malformed traceparent");
    }
    parent
}
