//! Waiting: for how long, and until what.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// How long a run waits for what must come: only one that fails waits so long, however slow the machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Waits until a condition holds; panics when patience ends.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
