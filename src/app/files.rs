//! The watch for tenants' files that are added while the gateway runs.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::follow::tenant_jobs::TenantDeps;

/// The longest time until a file that was added is read, unless its tenant is enabled before.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Takes up files that were added, until the gateway stops.
pub(super) async fn watch(tenants: TenantDeps, closing: CancellationToken) {
    let looking = async {
        loop {
            sleep(LOOK_EVERY).await;
            let looked = async {
                tenants.forget_disabled().await?;
                tenants.take_up_files().await
            };
            if let Err(error) = looked.await {
                tracing::debug!(%error, "failed to take up tenants' files that were added");
            }
        }
    };
    closing.run_until_cancelled(looking).await;
}
