//! Waiting for conditions, with a time limit.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// The longest time that a run waits for something that must happen. Only a run that fails waits so
/// long, however slow the machine.
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
