//! A request's body, read whole: bounded in bytes, in time, and together with all other bodies.
//!
//! Fed by the client through `boundary`; feeds `batch` and `delete_all`. What is too large by its
//! own word is refused before a byte is read. An end that comes too early is no end.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{HttpRequest, error::PayloadError};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::budget::{Budget, Share};
use super::problem::Problem;
use super::{Config, boundary};

/// A whole body; its share of the budget is given back when it is dropped.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    _share: Share,
}

/// Reads the request's body to its end.
pub(super) async fn read(
    request: &HttpRequest,
    config: &Config,
    bodies: &Arc<Budget>,
) -> Result<Body, Problem> {
    let bytes_max = config.body_bytes_max;
    let declared = declared_bytes(request);
    if declared > bytes_max {
        return Err(Problem::BodyTooLarge { bytes_max });
    }
    let mut payload = boundary::take(request);
    let mut share = Budget::share(bodies);
    // The system gives memory as it is written to, so that only what arrived counts.
    let mut bytes = BytesMut::with_capacity(declared);
    let filled = timeout(config.body_timeout, fill(&mut bytes, &mut payload, &mut share, bytes_max)).await;
    match filled.unwrap_or(Err(Problem::BodyTimeout)) {
        Ok(()) => Ok(Body { bytes: bytes.freeze(), _share: share }),
        Err(problem) => {
            boundary::leave(request, payload);
            Err(problem)
        }
    }
}

async fn fill(
    bytes: &mut BytesMut,
    payload: &mut Payload,
    share: &mut Share,
    bytes_max: usize,
) -> Result<(), Problem> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| broken(&e))?;
        if bytes.len() + chunk.len() > bytes_max {
            return Err(Problem::BodyTooLarge { bytes_max });
        }
        share.grow(chunk.len()).map_err(|_| Problem::BodiesFull)?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(())
}

fn broken(error: &PayloadError) -> Problem {
    Problem::BodyBroken { why: error.to_string() }
}

/// What Content-Length says, once actix has judged it; of a chunked body 0.
fn declared_bytes(request: &HttpRequest) -> usize {
    let length = request.headers().get("Content-Length").and_then(|v| v.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}
