//! The watch for a new certificate of the listener.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::http::Tls;

/// The longest time until a new certificate is taken up.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Takes up a certificate that has changed, until the gateway stops.
pub(super) async fn watch(tls: Option<Arc<Tls>>, closing: CancellationToken) {
    let Some(tls) = tls else { return closing.cancelled().await };
    while closing.run_until_cancelled(sleep(LOOK_EVERY)).await.is_some() {
        let tls = tls.clone();
        if let Err(error) = spawn_blocking(move || tls.reload()).await {
            tracing::error!(%error, "failed to look for a new certificate of the listener");
        }
    }
}
