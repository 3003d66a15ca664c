//! The last answer to a question that costs something, for all who ask within a while.
//!
//! Asked by `health` and `metrics`, whose probes and scrapes share what the store says. Who asks
//! while the question is under way waits for that answer.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// An answer, and when it was given.
pub(super) struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Cached<T> {
    /// The last answer, if it is younger than `holds_for`; else a new one.
    pub(super) async fn ask(&self, holds_for: Duration, ask: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((_, answer)) = last.filter(|(at, _)| at.elapsed() < holds_for) {
            return answer;
        }
        let answer = ask.await;
        *last = Some((Instant::now(), answer));
        answer
    }
}
