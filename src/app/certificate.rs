//! The watch for a new certificate of the listeners, and for the expiry of the one in use.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::health::{Component, Health, Occurrence};
use crate::tls::{Expiry, Tls};

/// The longest time until a new certificate is taken up.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Takes up a certificate that has changed, until the gateway stops. One that expires soon
/// degrades the gateway.
pub(super) async fn watch(tls: Option<Arc<Tls>>, health: Arc<Health>, closing: CancellationToken) {
    let Some(tls) = tls else { return closing.cancelled().await };
    loop {
        report(tls.expiry(), &health);
        if closing.run_until_cancelled(sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
        let tls = tls.clone();
        if let Err(error) = spawn_blocking(move || tls.reload()).await {
            tracing::error!(%error, "failed to look for a new certificate");
        }
    }
}

fn report(expiry: Option<Expiry>, health: &Health) {
    match expiry {
        None => health.healthy(&Component::Certificate),
        Some(expiry) if health.degraded(Component::Certificate, &expiry) == Occurrence::First => {
            tracing::warn!("TLS: {expiry}; put new ones into HTTP_TLS_CERT and HTTP_TLS_KEY");
        }
        Some(_) => {}
    }
}
