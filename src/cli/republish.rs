//! `republish`: publishes everything that the logs have once more, to the topics that it was
//! published to. It is hexkit's verb for a full replay.

use anyhow::Context;

use super::replays::{print_count, watch_it};
use crate::domain::replay::{ReplayRequest, Timestamp};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::replay::submit::{SubmitDeps, Submitted};

/// Republishes one tenant's log, or all of them one after the other, and shows the progress.
pub async fn run(
    deps: &SubmitDeps,
    tenant: Option<&TenantId>,
    timestamp: Timestamp,
    dry_run: bool,
) -> anyhow::Result<()> {
    let request = ReplayRequest { timestamp, dry_run, ..ReplayRequest::default() };
    let logs = super::logs(&*deps.store, tenant).await?.into_iter();
    for enabled in logs.filter(|log| log.is_enabled || tenant.is_some()) {
        let tenant = &enabled.tenant;
        let submitted = deps.submit(tenant, &request, &super::act(Act::Republish, tenant)).await;
        match submitted.with_context(|| format!("tenant {tenant}"))? {
            Submitted::Count(count) => print_count(tenant, &count)?,
            Submitted::Replay(replay) => watch_it(deps, *replay).await?,
        }
    }
    Ok(())
}
