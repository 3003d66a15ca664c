//! Keeps the result of a costly call for a short time.
//!
//! `health` and `metrics` use it, so that many probes and scrapes cost the store one check or
//! count. A caller that comes while the call is running waits for its result.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The last result, and the time at which it came.
pub(super) struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Cached<T> {
    /// Returns the last result if it is younger than `holds_for`, or else the result of `ask`.
    pub(super) async fn ask(&self, holds_for: Duration, ask: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((_, answer)) = last.as_ref().filter(|(at, _)| at.elapsed() < holds_for) {
            return answer.clone();
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}
