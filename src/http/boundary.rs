//! What is done around every request: its body is held until its answer is out, and a failure of
//! ours is logged once.
//!
//! Fed by actix before routing; feeds `body`. A body that nobody read to its end is never dropped
//! before the answer: then actix closes the connection within a second, where it would read on for
//! as long as the client of a chunked body likes.

use std::error::Error as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest};

use super::problem::Problem;
use crate::domain::tenant::TenantId;

/// A request's body, as far as it isn't read.
struct Unread(Payload);

/// Takes the body out of the request; [`leave`] what is not read.
pub(super) fn take(request: &HttpRequest) -> Payload {
    request.extensions_mut().remove().map_or(Payload::None, |Unread(payload)| payload)
}

/// Leaves a body that was not read to its end to be closed behind the answer.
pub(super) fn leave(request: &HttpRequest, payload: Payload) {
    request.extensions_mut().insert(Unread(payload));
}

/// Around every request.
pub(super) async fn around(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Answer>, Error> {
    let payload = request.take_payload();
    leave(request.request(), payload);
    let response = next.call(request).await?;
    log_failure(&response);
    let unread = take(response.request());
    Ok(response.map_body(|_, body| Answer { body, _unread: unread }))
}

fn log_failure(response: &ServiceResponse) {
    let problem = response.response().error().and_then(Error::as_error::<Problem>);
    let Some(problem) = problem.filter(|p| p.status().is_server_error()) else { return };
    let extensions = response.request().extensions();
    let tenant = extensions.get::<TenantId>().map_or("", TenantId::as_str);
    let why = problem.source().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(tenant, code = problem.code(), why, "failed to answer");
}

/// An answer's body, and with it what is left of the request's.
pub(super) struct Answer {
    body: BoxBody,
    _unread: Payload,
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
