//! The observer of a store: it is told of each call of the ports, how long it took, and how it
//! failed.
//!
//! The wrapper around every adapter (`spans`) tells it; `metrics` is one.

use std::time::Duration;

/// An observer of the calls.
pub trait Calls: Send + Sync {
    /// Tells that a call has ended; `error` is the word for its error, if it failed. It is called
    /// from the task that called the store, so it must not wait.
    fn called(&self, operation: &'static str, took: Duration, error: Option<&'static str>);
}
