//! A request's body until somebody reads it, and what is left of it until the answer is out.
//!
//! Fed by `middleware`; feeds `body`. A body that nobody read to its end is never dropped before
//! the answer: then actix closes the connection within a second, where it would read on for as long
//! as the client of a chunked body likes.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{HttpMessage, HttpRequest};

use super::connections::Connection;

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

/// Why the request's body can't be read on, if its bytes say so.
pub(super) fn broken(request: &HttpRequest) -> Option<&'static str> {
    request.conn_data::<Arc<Connection>>()?.broken()
}
