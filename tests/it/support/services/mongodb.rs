//! The shared MongoDB replica set that `scripts/services` started.
//!
//! Tests share it by giving each its own database. A service that is missing is a failure.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The time for which MongoDB keeps a dead client's transaction and its locks.
pub const TRANSACTION_MAX: Duration = Duration::from_secs(60);

/// Returns the shared server's URL, without a database.
pub fn url() -> String {
    std::env::var("EVENT_GATEWAY_TEST_MONGODB").expect(
        "EVENT_GATEWAY_TEST_MONGODB isn't set: run ./test, or `scripts/services start` and `. \
         .services/env`",
    )
}

/// Returns the name of a database that no other test has.
pub fn database() -> String {
    format!("test_{:016x}", RandomState::new().hash_one("database"))
}
