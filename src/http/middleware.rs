//! Wraps every request: answers those that the gate refused, holds the body until the answer is
//! sent, sets the caching headers, counts the request, and begins its span.
//!
//! Actix calls it before routing; it hands the body to `body_guard`, and the answer to `observe`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};

use super::body_guard::{leave, take};
use super::connections::{Connection, Turn};
use super::observe::observe;
use super::spans;

/// Runs one request.
pub(super) async fn around(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Answer>, Error> {
    let since = Instant::now();
    let connection = request.request().conn_data::<Arc<Connection>>().cloned();
    let turn = connection.as_ref().map(Connection::turn);
    let payload = request.take_payload();
    leave(request.request(), payload);
    spans::begin(&request);
    let refusal = connection.as_ref().and_then(|connection| connection.refusal());
    let is_refused = refusal.is_some();
    let mut response = match refusal {
        Some(problem) => request.error_response(problem),
        None => next.call(request).await?,
    };
    if is_refused || connection.is_some_and(|connection| connection.ends()) {
        response.response_mut().head_mut().set_connection_type(actix_http::ConnectionType::Close);
    }
    set_caching_headers(&mut response);
    observe(&response, since.elapsed());
    let unread = take(response.request());
    Ok(response.map_body(|_, body| Answer { body, _unread: unread, _turn: turn }))
}

/// Forbids caches to keep an answer, or to give it to another tenant.
fn set_caching_headers(response: &mut ServiceResponse) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("X-Okapi-Tenant"));
}

/// The body of an answer. The rest of the request's body and the connection's turn are dropped with
/// it.
pub(super) struct Answer {
    body: BoxBody,
    _unread: Payload,
    _turn: Option<Turn>,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<bytes::Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
