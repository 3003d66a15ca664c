//! Expiry: how long leases and heartbeats hold, by the server's clock.
//!
//! `leases` and `resize` build their statements with it; it does no I/O. No lease holds longer than
//! its `ttl` from now, whatever the clock has done since.

use std::time::Duration;

use ::mongodb::bson::{Document, doc};

use super::rows;

/// The `ttl` of leases that have none.
const TTL_MS: i64 = 5_000;
/// The time by which the giving of a lease may lie ahead of the snapshot's time, since a command
/// may have waited.
const WAITED_MS: i64 = 1_000;

/// Returns the condition that a lease or a heartbeat has not expired. One that was given at a time
/// in the future was given by a fast clock, and counts as expired.
pub(super) fn lasts() -> Document {
    let latest = doc! { "$add": ["$$NOW", ttl_ms(), WAITED_MS] };
    doc! { "$and": [{ "$gt": ["$expires", "$$NOW"] }, { "$lte": ["$expires", latest] }] }
}

/// Returns the `ttl` of a lease or a heartbeat.
pub(super) fn ttl_ms() -> Document {
    doc! { "$ifNull": ["$ttl_ms", TTL_MS] }
}

/// Returns the time `ttl` from now, by the server's clock.
pub(super) fn expires(ttl: Duration) -> Document {
    doc! { "$add": ["$$NOW", rows::ms(ttl)] }
}
