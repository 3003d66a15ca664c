//! The shared PostgreSQL that `scripts/services` started.
//!
//! Tests share it by giving each its own schema. A service that is missing is a failure.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use event_gateway::store::{PostgresConfig, PostgresServer};

/// Returns the shared server's URL.
pub fn url() -> String {
    std::env::var("EVENT_GATEWAY_TEST_POSTGRES").expect(
        "EVENT_GATEWAY_TEST_POSTGRES isn't set: run ./test, or `scripts/services start` and `. \
         .services/env`",
    )
}

/// Returns a schema's name that no other test has.
pub fn schema() -> String {
    format!("test_{:016x}", RandomState::new().hash_one("schema"))
}

/// Returns the configuration that opens a schema of a server.
pub fn config(url: &str, schema: &str) -> PostgresConfig {
    PostgresConfig {
        server: PostgresServer::Url(url.into()),
        connections_max: 8,
        statement_timeout: Duration::from_secs(20),
        server_pem: None,
        schema: schema.to_owned(),
    }
}
