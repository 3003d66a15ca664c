//! Reads a request's body whole: bounded in bytes, in time, and together with all other bodies, by
//! their bytes and by their number.
//!
//! The body comes from the client through `body_guard`, and goes to `submit` and `delete_all`. A
//! body whose Content-Length is too large is refused before a byte is read. A body that ends too
//! early is refused. The bytes of a post are charged to the tenant's quota as they arrive.

use actix_web::dev::Payload;
use actix_web::{HttpRequest, error::PayloadError};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::gateway::Gateway;
use super::problem::Problem;
use super::problem::kind::Kind;
use super::{body_guard, quota};
use crate::domain::tenant::TenantId;
use crate::quota::{Cost, MeteredBody};
use crate::shares::{Full, Share};

/// The memory that is set aside at first for a body with a larger Content-Length.
const FIRST_BYTES_MAX: usize = 64 << 10;

/// The refusals of a body, whatever is in it.
pub(super) const PROBLEMS: [Kind; 5] = [
    Kind::BodyTooLarge,
    Kind::BodyBroken,
    Kind::BodyTimeout,
    Kind::BodiesFull,
    Kind::TenantBodiesFull,
];

/// A whole body; its share of the budget is given back when it is dropped.
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// The bytes that were charged to the tenant's quota.
    pub(super) charged_bytes: usize,
    _share: Share,
}

/// Reads the request's body, of at most `bytes_max` bytes, to its end.
pub(super) async fn read(
    request: &HttpRequest,
    gateway: &Gateway,
    tenant: &TenantId,
    bytes_max: usize,
    metered: Option<MeteredBody>,
) -> Result<Body, Problem> {
    let config = &gateway.deps.config;
    let declared = declared_bytes(request);
    if declared > bytes_max {
        return Err(Problem::BodyTooLarge { bytes_max });
    }
    let arrives = gateway.arriving.take(tenant, 1).map_err(full)?;
    let mut payload = body_guard::take(request);
    let (bytes, share) = (Vec::new(), gateway.bodies.none(tenant));
    let mut arriving = ArrivingBody { gateway, tenant, bytes, share, metered, declared, bytes_max };
    let filled = timeout(config.body_timeout, arriving.fill(&mut payload)).await;
    drop(arrives);
    let charged_bytes = arriving.metered.as_ref().map_or(0, MeteredBody::bytes);
    match filled.unwrap_or(Err(Problem::BodyTimeout)) {
        Ok(()) => {
            let bytes = without_mark(arriving.bytes.into());
            Ok(Body { bytes, charged_bytes, _share: arriving.share })
        }
        Err(problem) => {
            if matches!(problem, Problem::BodiesFull) {
                let cost = Cost { events: 0, bytes: charged_bytes };
                gateway.deps.quotas.give_back(tenant, cost);
            }
            body_guard::leave(request, payload);
            Err(body_guard::broken(request)
                .map_or(problem, |why| Problem::BodyBroken { why: why.to_owned() }))
        }
    }
}

/// A body as it arrives.
struct ArrivingBody<'a> {
    gateway: &'a Gateway,
    tenant: &'a TenantId,
    bytes: Vec<u8>,
    share: Share,
    /// The count of its bytes for the tenant's quota; `None` for what is no post.
    metered: Option<MeteredBody>,
    declared: usize,
    bytes_max: usize,
}

impl ArrivingBody<'_> {
    async fn fill(&mut self, payload: &mut Payload) -> Result<(), Problem> {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|e| broken(&e))?;
            if let Some(metered) = &mut self.metered {
                quota::arrived(self.gateway, self.tenant, metered, chunk.len())?;
            }
            let bytes = self.bytes.len() + chunk.len();
            if bytes > self.bytes_max {
                return Err(Problem::BodyTooLarge { bytes_max: self.bytes_max });
            }
            if bytes > self.bytes.capacity() {
                self.make_room(bytes)?;
            }
            self.bytes.extend_from_slice(&chunk);
        }
        Ok(())
    }

    /// Makes room for at least so many bytes. The budget counts the memory that is set aside, not
    /// the bytes that have arrived.
    fn make_room(&mut self, bytes: usize) -> Result<(), Problem> {
        let before = self.bytes.capacity();
        let room = room(before, bytes, self.declared, self.bytes_max);
        self.share.grow(room - before).map_err(full)?;
        self.bytes.reserve_exact(room - self.bytes.len());
        Ok(())
    }
}

fn full(full: Full) -> Problem {
    match full {
        Full::All => Problem::BodiesFull,
        Full::Tenant => Problem::TenantBodiesFull,
    }
}

/// Returns the memory to set aside for a body that has `bytes` bytes by now: at first its
/// Content-Length, if that is small; then twice as much each time, so that no byte is copied often.
fn room(before: usize, bytes: usize, declared: usize, bytes_max: usize) -> usize {
    let whole = if declared == 0 { bytes_max } else { declared };
    declared.min(FIRST_BYTES_MAX).max(2 * before).min(whole).max(bytes)
}

/// Cuts off a byte order mark at the beginning, which is no part of the JSON text (RFC 8259, 8.1).
fn without_mark(bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"\xEF\xBB\xBF") { bytes.slice(3..) } else { bytes }
}

fn broken(error: &PayloadError) -> Problem {
    Problem::BodyBroken { why: error.to_string() }
}

/// Returns the Content-Length, which actix has checked; 0 for a chunked body.
fn declared_bytes(request: &HttpRequest) -> usize {
    let length = request.headers().get("Content-Length").and_then(|v| v.to_str().ok());
    length.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::room;

    const MAX: usize = 4 << 20;

    #[test]
    fn a_small_body_has_room_at_once_and_a_large_one_twice_as_much_each_time() {
        assert_eq!(room(0, 1, 2_000, MAX), 2_000);
        assert_eq!(room(0, 1, 1 << 20, MAX), 64 << 10);
        assert_eq!(room(64 << 10, (64 << 10) + 1, 1 << 20, MAX), 128 << 10);
        assert_eq!(room(640 << 10, (640 << 10) + 1, 1 << 20, MAX), 1 << 20);
    }

    #[test]
    fn an_undeclared_body_has_what_has_come_then_twice_as_much_each_time() {
        assert_eq!(room(0, 300, 0, MAX), 300);
        assert_eq!(room(300, 301, 0, MAX), 600);
        assert_eq!(room(3 << 20, (3 << 20) + 1, 0, MAX), MAX);
    }
}
