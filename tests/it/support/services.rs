//! The shared services that `scripts/services` started, and Kafka as a plain client sees it.

pub mod kafka;
#[cfg(feature = "services")]
pub mod mongodb;
#[cfg(feature = "services")]
pub mod postgres;
