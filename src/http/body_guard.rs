//! Holds a request's body until a handler reads it, and the rest of it until the answer is sent.
//!
//! `middleware` puts the body here, and `body` takes it. A body that was not read to its end is
//! never dropped before the answer is sent, so that actix closes the connection within a second.
//! Otherwise actix would go on reading for as long as the client of a chunked body sends.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{HttpMessage, HttpRequest};

use super::connections::Connection;

/// The part of a request's body that was not read.
struct Unread(Payload);

/// Takes the body out of the request. The caller gives back with [`leave`] what it doesn't read.
pub(super) fn take(request: &HttpRequest) -> Payload {
    request.extensions_mut().remove().map_or(Payload::None, |Unread(payload)| payload)
}

/// Gives back a body that was not read to its end; it is closed after the answer.
pub(super) fn leave(request: &HttpRequest, payload: Payload) {
    request.extensions_mut().insert(Unread(payload));
}

/// Returns why the rest of the body can't be read, if its bytes are malformed.
pub(super) fn broken(request: &HttpRequest) -> Option<&'static str> {
    request.conn_data::<Arc<Connection>>()?.broken()
}
