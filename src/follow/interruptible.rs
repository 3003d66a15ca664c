//! Interruptible tasks: a stop may cut them off anywhere, since each of their steps is one
//! transaction of the store, or only reads.
//!
//! `worker` runs them as it runs the others; a failure is a log line at `debug`.

use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::wakeups::Wakeup;
use super::worker::{Backoff, Failure, Progress, Schedule, Task};
use crate::health::Component;

/// A task that a stop may cut off anywhere.
#[async_trait]
pub(super) trait Interruptible: Send + 'static {
    /// The name in `tasks`, in the metrics and in the log; no two tasks have the same.
    const NAME: &'static str;
    /// The error of a round.
    type Error: Display;

    /// Returns the longest time between two rounds, and the pauses after failures.
    fn pauses(&self) -> (Duration, Backoff);

    /// Goes over everything there is to do, once.
    async fn round(&mut self) -> Result<Progress, Self::Error>;
}

/// The task that does its rounds until `stop`.
pub(super) struct UntilStop<T> {
    task: T,
    stop: CancellationToken,
}

impl<T: Interruptible> UntilStop<T> {
    /// Makes the task.
    pub(super) fn new(task: T, stop: CancellationToken) -> Self {
        Self { task, stop }
    }
}

#[async_trait]
impl<T: Interruptible> Task for UntilStop<T> {
    fn name(&self) -> String {
        T::NAME.to_owned()
    }

    fn kind(&self) -> &'static str {
        T::NAME
    }

    fn component(&self) -> Option<Component> {
        None
    }

    fn schedule(&self) -> Schedule {
        let (period, backoff) = self.task.pauses();
        Schedule { wakeup: Wakeup::never(), period, backoff }
    }

    async fn tick(&mut self) -> Result<Progress, Failure> {
        match self.stop.run_until_cancelled(self.task.round()).await {
            None => Ok(Progress::Done),
            Some(done) => done.map_err(Failure::passing),
        }
    }
}
