//! `republish`: publishes everything that the logs have once more, to the topics that it was
//! published to. It is hexkit's verb for a full replay.

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::deps::Deps;
use super::output::OutputOptions;
use super::replays::{Watched, print_begun, print_count, watch_it};
use crate::clock::Clock;
use crate::config::TopicsOptions;
use crate::domain::replay::{ReplayRequest, Timestamp};
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::replay::submit::Submitted;

/// Options of `republish`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The tenant; without one, all tenants are republished, one after the other.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// The time of the records: `original` or `now`.
    #[arg(long, default_value = "original", value_parser = Timestamp::parse)]
    pub timestamp: Timestamp,
    /// Only counts the events, and those that their topics would not keep.
    #[arg(long)]
    pub dry_run: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Republishes one tenant's log, or all of them one after the other, and shows the progress.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (tenant, timestamp) = (options.tenant.as_ref(), options.timestamp);
    let form = options.output.form;
    let deps = &Deps::with_broker(&options.topics, clock.clone()).await?.replays(clock);
    let request = ReplayRequest { timestamp, dry_run: options.dry_run, ..ReplayRequest::default() };
    let logs = super::logs(&*deps.store, tenant).await?.into_iter();
    let mut logs = logs.filter(|log| log.is_enabled || tenant.is_some());
    while let Some(enabled) = logs.next() {
        let tenant = &enabled.tenant;
        let submitted = deps.submit(tenant, &request, &super::act(Act::Republish, tenant)).await;
        match submitted.with_context(|| format!("tenant {tenant}"))? {
            Submitted::Count(count) => print_count(tenant, &count, form)?,
            Submitted::Replay(replay) => {
                print_begun(&replay, form)?;
                if watch_it(deps, *replay, form).await? == Watched::Left {
                    return refuse_rest(tenant, logs.map(|log| log.tenant));
                }
            }
        }
    }
    Ok(())
}

/// Tells which tenants are not republished, since the operator left the replay of one before them.
fn refuse_rest(left: &TenantId, rest: impl Iterator<Item = TenantId>) -> anyhow::Result<()> {
    let rest: Vec<_> = rest.map(|tenant| tenant.to_string()).collect();
    if !rest.is_empty() {
        bail!("{left}'s replay was left, so these are not republished: {}", rest.join(", "));
    }
    Ok(())
}
