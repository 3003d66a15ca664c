//! Expiry: how long leases and replicas last, by the server's clock.
//!
//! Fed by `leases` and `resize`, whose statements ask it; no I/O. Always true: nobody holds longer
//! than its `ttl` from now, whatever the clock has done since.

use std::time::Duration;

use ::mongodb::bson::{Document, doc};

use super::rows;

/// For how long leases were given that don't tell it.
const TTL_MS: i64 = 5_000;
/// How far ahead of the time of asking a lease may have been given: a command may have waited
/// since.
const WAITED_MS: i64 = 1_000;

/// Whether a lease or a replica has not run out. One that was given at a time that is yet to come
/// was given by a clock that was fast: it has.
pub(super) fn lasts() -> Document {
    let latest = doc! { "$add": ["$$NOW", ttl_ms(), WAITED_MS] };
    doc! { "$and": [{ "$gt": ["$expires", "$$NOW"] }, { "$lte": ["$expires", latest] }] }
}

/// For how long a lease or a replica was given.
pub(super) fn ttl_ms() -> Document {
    doc! { "$ifNull": ["$ttl_ms", TTL_MS] }
}

/// Returns the time that is so long from now, by the server's clock.
pub(super) fn expires(ttl: Duration) -> Document {
    doc! { "$add": ["$$NOW", rows::ms(ttl)] }
}
