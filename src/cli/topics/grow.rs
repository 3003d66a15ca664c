//! `topics grow`: gives a topic more partitions, once nothing of its tenants is pending.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::cli::actor::actor;
use crate::cli::deps::Deps;
use crate::cli::output::{OutputOptions, say};
use crate::cli::progress::Progress;
use crate::clock::Clock;
use crate::config::{TopicsOptions, whole};
use crate::domain::topic::Topic;
use crate::follow::topics::grow::{self, Grown, Parked, Unfinished};
use crate::follow::topics::{self, TopicDeps, WantedTopic};

/// The interval at which the logs are counted.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Options of `topics grow`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The topic.
    #[arg(value_parser = Topic::parse)]
    pub topic: Topic,
    /// The seconds after which it gives up, if events are still pending; without it, it waits for
    /// ever.
    #[arg(long, value_parser = whole::<u64, 0, 604_800>)]
    pub wait: Option<u64>,
    /// Goes on although events of the topic are parked: once they are released, they go by the new
    /// number, after later ones.
    #[arg(long)]
    pub with_parked: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log and the topics.
    #[command(flatten)]
    pub topics: TopicsOptions,
}

/// Waits until the topic's tenants have nothing to publish, at most for `--wait`; then the topic
/// grows. Prints up to which position the events are in the partitions that it had.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let (topic, wait) = (&options.topic, options.wait.map(Duration::from_secs));
    let parked = if options.with_parked { Parked::Accepted } else { Parked::Refused };
    let by = clock.new_id().to_string();
    let opened = Deps::with_broker(&options.topics, clock).await?;
    let deps = opened.topics()?;
    let all = topics::wanted(deps, None).await?;
    let found = all.into_iter().find(|wanted| wanted.spec.topic == *topic);
    let wanted = found.with_context(|| {
        format!("no tenant's file names `{topic}`: `topics list` shows the topics")
    })?;
    grow::partitions(deps, &wanted).await?;
    await_nothing_pending(deps, &wanted, wait).await?;
    if parked == Parked::Refused {
        grow::refuse_parked(deps, &wanted).await?;
    }
    let why = format!("{} partitions", wanted.spec.partitions);
    let entry = topics::act(&actor(), topic, &wanted.tenants).because(Some(&why));
    deps.store.add_trail(&entry).await?;
    let Grown { from, up_to } = grow::grow(deps, &wanted, parked, &by).await?;
    let form = options.output.form;
    let now = wanted.spec.partitions;
    let object = json!({ "topic": topic.as_str(), "partitions": now, "before": from });
    say(form, format!("{topic}: {now} partitions now ({from} before)"), &object)?;
    let before = super::super::counted(u64::try_from(from)?, "partition");
    let but = if parked == Parked::Accepted { ", but those that are parked," } else { "" };
    for (tenant, position) in up_to {
        let told = format!(
            "{tenant}: events up to position {position}{but} are in the {before} that it had. \
             Later events may be in any partition: a consumer orders the events of a key by the \
             header `position`"
        );
        let (topic, tenant) = (topic.as_str(), tenant.as_str());
        let up_to = position.number();
        say(form, told, &json!({ "topic": topic, "tenant": tenant, "upTo": up_to }))?;
    }
    Ok(())
}

async fn await_nothing_pending(
    deps: TopicDeps<'_>,
    wanted: &WantedTopic,
    wait: Option<Duration>,
) -> anyhow::Result<()> {
    let (began, mut is_told, mut most) = (Instant::now(), false, 0);
    let progress = Progress::begin("{eta} left")?;
    loop {
        let left = grow::unfinished(deps.store, &wanted.tenants, &wanted.spec.topic).await?;
        if left.is_none() {
            progress.end();
            return Ok(());
        }
        let Unfinished { pending, releases, replays } = left;
        let told = format!(
            "waiting until the tenants of the topic have nothing to publish: at most {pending} \
             pending, {releases} being released, {replays} replaying"
        );
        if wait.is_some_and(|wait| began.elapsed() >= wait) {
            progress.end();
            bail!("gave up {told}");
        }
        // A bar shows it.
        if !is_told && progress.is_hidden() {
            tracing::info!("{told}");
            is_told = true;
        }
        most = pending.max(most);
        let shown =
            format!("{pending} pending, {releases} being released, {replays} replaying: published");
        progress.show(shown, most - pending, most);
        sleep(LOOK_EVERY).await;
    }
}
