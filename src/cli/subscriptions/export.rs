//! `subscriptions export`: carries the places of groups over to Kafka, once the logs are published
//! there.

use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;

use crate::cli::deps::Deps;
use crate::cli::output::{Column, OutputOptions, Rows};
use crate::clock::Clock;
use crate::config::TopicsOptions;
use crate::domain::subscription::Group;
use crate::domain::tenant::TenantId;
use crate::domain::trail::Act;
use crate::follow::export::{self, Export, ExportDeps, Place};
use crate::store::{FoundSubscription, Store, TenantLog};

const COLUMNS: [Column; 8] = [
    ("TENANT", "tenant", -23, "-"),
    ("GROUP", "group", -23, "-"),
    ("TOPIC", "topic", -47, "-"),
    ("PARTITION", "partition", 9, "-"),
    ("POSITION", "position", 11, "-"),
    ("BEFORE", "before", 11, "-"),
    ("OFFSET", "offset", 11, "-"),
    ("AGAIN", "again", 9, "-"),
];

/// Options of `subscriptions export`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The groups, such as cg.search; without one, all groups.
    #[arg(value_name = "GROUP", value_parser = Group::of_kafka)]
    groups: Vec<Group>,
    /// The tenant of the groups; without one, the groups of all tenants are exported.
    #[arg(long, value_parser = TenantId::parse)]
    pub tenant: Option<TenantId>,
    /// Prints the places, and commits nothing.
    #[arg(long)]
    dry_run: bool,
    /// Moves groups that have committed other offsets in Kafka before, too.
    #[arg(long)]
    replace: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Prints where each group goes on in Kafka, and commits that there. A group that is refused ends
/// it; those before it are exported.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let deps = Deps::with_broker(&options.topics, clock).await?;
    let logs = super::super::logs(&*deps.store, options.tenant.as_ref()).await?;
    let unset = "the places are carried over to a Kafka: set KAFKA_HOST";
    let kafka = deps.sinks.repair.as_deref().context(unset)?;
    if deps.settings.naming().is_shared() {
        bail!(
            "with KAFKA_PRODUCER_TENANT_COLLECTION the tenants share topics, in which a group of \
             one of them has no place of its own"
        );
    }
    let groups = find_groups(&*deps.store, options).await?;
    let mut rows = Rows::begin(options.output.form, &COLUMNS)?;
    let deps = ExportDeps { store: &*deps.store, kafka };
    for (log, found) in groups.iter().filter_map(|found| Some((log_of(&logs, found)?, found))) {
        let export = export::find(deps, log, found).await?;
        print(&mut rows, found, &export)?;
        if !options.replace {
            export::refuse_elsewhere(found, &export)?;
        }
        if options.dry_run {
            continue;
        }
        let by = super::super::act(Act::SeekSubscription, &found.tenant).on(&found.group);
        deps.store.add_trail(&by.because(Some("exported to Kafka"))).await?;
        export::commit(deps, found, &export).await?;
    }
    Ok(())
}

/// Returns the groups that are to be exported, all of which must exist.
async fn find_groups(
    store: &dyn Store,
    options: &Options,
) -> anyhow::Result<Vec<FoundSubscription>> {
    let all = store.list_subscriptions(options.tenant.as_ref()).await?;
    let mut all: Vec<_> = all.into_iter().map(|(found, _)| found).collect();
    let unknown =
        options.groups.iter().find(|group| !all.iter().any(|found| found.group == **group));
    if let Some(group) = unknown {
        bail!("there is no group `{group}`; `subscriptions list` shows the groups");
    }
    all.retain(|found| options.groups.is_empty() || options.groups.contains(&found.group));
    Ok(all)
}

fn log_of<'a>(logs: &'a [TenantLog], found: &FoundSubscription) -> Option<&'a TenantLog> {
    logs.iter().find(|log| log.tenant == found.tenant)
}

fn print(rows: &mut Rows, found: &FoundSubscription, export: &Export) -> anyhow::Result<()> {
    for topic in &export.missing {
        tracing::info!(%topic, group = %found.group, "Kafka has no such topic: nothing is exported");
    }
    for Place { topic, partition, position, offset, before, again } in &export.places {
        rows.row(&json!({
            "tenant": found.tenant.as_str(),
            "group": found.group.as_str(),
            "topic": topic.as_str(),
            "partition": partition,
            "position": position.number(),
            "before": before,
            "offset": offset,
            "again": again,
        }))?;
    }
    Ok(())
}
